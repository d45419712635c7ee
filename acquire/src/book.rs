//! A book: what has to outlive the process, an entry a name, in one object of the lake.
//!
//! It is read once and written whole with each change, before what the change is about is done. Who writes it holds the
//! lease of its account; a second writer, who should not be, is found out by the swap and ends.

use std::collections::BTreeMap;

use bytes::Bytes;
use object_store::UpdateVersion;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::place::Place;

/// Version of the format.
const SCHEMA: u32 = 1;

/// Entries by name.
pub struct Book<T> {
    object: Place,
    written: Mutex<Written<T>>,
}

struct Written<T> {
    entries: BTreeMap<String, T>,
    version: Option<UpdateVersion>,
}

#[derive(Serialize, Deserialize)]
struct Text<E> {
    schema: u32,
    entries: E,
}

impl<T: Clone + Serialize + DeserializeOwned> Book<T> {
    /// Opens the book of that name in a folder, an empty one where there is none yet.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a newer program wrote it.
    pub async fn open(folder: &Place, name: &str) -> Result<Self> {
        let object = folder.below(&format!("{name}.json"));
        let mut written = Written {
            entries: BTreeMap::new(),
            version: None,
        };
        if let Some(seen) = object.read().await? {
            let read = |error| Error::store(object.to_string(), format!("it cannot be read: {error}"));
            let text: Text<serde_json::Value> = serde_json::from_slice(&seen.body).map_err(read)?;
            if text.schema != SCHEMA {
                let schema = text.schema;
                return Err(Error::store(
                    object.to_string(),
                    format!("it has schema {schema}, and this program reads {SCHEMA}"),
                ));
            }
            written.entries = serde_json::from_value(text.entries).map_err(read)?;
            written.version = Some(seen.version);
        }
        Ok(Self {
            object,
            written: Mutex::new(written),
        })
    }

    /// The entry of that name.
    pub async fn get(&self, name: &str) -> Option<T> {
        self.written.lock().await.entries.get(name).cloned()
    }

    /// All entries, in the order of their names.
    pub async fn entries(&self) -> Vec<(String, T)> {
        let written = self.written.lock().await;
        written
            .entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect()
    }

    /// Writes an entry; when this returns, it is there for whoever comes next.
    ///
    /// # Errors
    ///
    /// When it cannot be written: what this process knows of the book stays as it was.
    pub async fn put(&self, name: &str, entry: T) -> Result<()> {
        self.change(|entries| {
            entries.insert(name.to_owned(), entry);
        })
        .await
    }

    /// Writes several changes at once.
    ///
    /// # Errors
    ///
    /// As [`Self::put`].
    pub async fn change(&self, change: impl FnOnce(&mut BTreeMap<String, T>)) -> Result<()> {
        let mut written = self.written.lock().await;
        let mut entries = written.entries.clone();
        change(&mut entries);
        let text = Text {
            schema: SCHEMA,
            entries: &entries,
        };
        let text = serde_json::to_vec(&text).map_err(|error| Error::store(self.object.to_string(), error))?;
        let put = self
            .object
            .swap(Bytes::from(text), written.version.as_ref())
            .await?;
        let version = put.ok_or_else(|| Error::Raced {
            what: self.object.to_string(),
        })?;
        *written = Written {
            entries,
            version: Some(version),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    #[tokio::test]
    async fn what_was_put_is_there_for_who_comes_next_and_two_writers_find_out() {
        let place = Place::new(Arc::new(InMemory::new()), Path::from("lake"), true);
        let one = Book::<u32>::open(&place, "x").await.unwrap();
        one.put("a", 1).await.unwrap();
        let other = Book::<u32>::open(&place, "x").await.unwrap();
        assert_eq!(other.get("a").await, Some(1));
        one.put("b", 2).await.unwrap();
        let raced = other.put("c", 3).await.unwrap_err();
        assert!(matches!(raced, Error::Raced { .. }), "{raced}");
        assert_eq!(other.get("c").await, None);
        let entries = Book::<u32>::open(&place, "x").await.unwrap().entries().await;
        assert_eq!(entries, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[tokio::test]
    async fn a_book_that_is_none_is_said_and_left() {
        let place = Place::new(Arc::new(InMemory::new()), Path::from("lake"), true);
        for (text, says) in [
            ("{", "cannot be read"),
            (r#"{"schema": 2, "entries": {}}"#, "schema 2"),
        ] {
            place.below("x.json").write(Bytes::from(text)).await.unwrap();
            let error = Book::<u32>::open(&place, "x").await.err().unwrap();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
