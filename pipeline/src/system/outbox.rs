//! What is still to be told, a file each below `marketlake/outbox`.
//!
//! A batch's file is written before the ledger says that the batch is recorded, and removed once the batch has been told.
//! So whoever dies in between leaves it to whoever comes next: everything is told at least once, again under the same id.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::curated::Curated;
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::report::News;

impl Lake {
    /// What batches and runs left to be told and nobody has told yet, the oldest first; also what runs left that died.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn news(&self) -> Result<Vec<News>> {
        waiting(self.curated()).await
    }

    /// Notes in which of these ways each has been told. What was told in all of them is not told again.
    ///
    /// # Errors
    /// When it cannot be noted: then they are told again.
    pub async fn told(&self, news: &[News], ways: &[&str]) -> Result<()> {
        told(self.curated(), news, ways).await
    }
}

/// Leaves something to be told.
pub(crate) async fn put(curated: &Curated, news: &News) -> Result<()> {
    let bytes = serde_json::to_vec(news).context(Kind::Internal, "news have no JSON form")?;
    let put = store(curated)?.put(&path(news), bytes.into()).await;
    put.map_err(|error| Error::from(error).with("outbox", &news.id))?;
    Ok(())
}

/// What nobody has told yet, the oldest first. A file that is not readable is left alone.
async fn waiting(curated: &Curated) -> Result<Vec<News>> {
    let store = store(curated)?;
    let files: Vec<_> = store.list(None).try_collect().await?;
    let mut waiting: Vec<News> = Vec::new();
    for file in files {
        let bytes = match store.get(&file.location).await {
            Ok(found) => found.bytes().await?,
            // Somebody else has told it meanwhile.
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice(&bytes) {
            Ok(news) => waiting.push(news),
            Err(error) => {
                tracing::warn!(file = %file.location, %error, "what is to be told is not readable; remove the file");
            }
        }
    }
    waiting.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    Ok(waiting)
}

/// Takes out what has been told in all ways, and keeps the rest with the ways that are behind it.
async fn told(curated: &Curated, news: &[News], ways: &[&str]) -> Result<()> {
    let store = store(curated)?;
    for news in news {
        if !ways.iter().all(|way| news.told.contains(*way)) {
            if !news.told.is_empty() {
                put(curated, news).await?;
            }
            continue;
        }
        match store.delete(&path(news)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(Error::from(error).with("outbox", &news.id)),
        }
    }
    Ok(())
}

fn path(news: &News) -> Path {
    Path::from(format!("{}.json", news.id))
}

fn store(curated: &Curated) -> Result<Arc<dyn ObjectStore>> {
    Ok(curated.system("outbox")?.store().clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::storage::Place;
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::report::{Counts, Outcome, TableReport};

    fn news(id: &str, second: i64) -> News {
        News {
            id: id.to_owned(),
            run: "r".to_owned(),
            at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
            table: TableReport {
                table: "jwo.orders".to_owned(),
                outcome: Outcome::Updated,
                batches: 1,
                version: Some(3),
                counts: Counts::default(),
                late_objects: 0,
                over_budget: false,
                waiting_documents: 0,
                messages: Vec::new(),
                millis: 5,
            },
            parts: Vec::new(),
            late_periods: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    async fn ids(curated: &Curated) -> Vec<String> {
        let waiting = waiting(curated).await.unwrap();
        waiting.into_iter().map(|news| news.id).collect()
    }

    #[tokio::test]
    async fn what_is_left_waits_until_it_was_told_and_damage_costs_itself_only() {
        let folder = tempfile::tempdir().unwrap();
        let curated = Curated::at(Place::of_folder(folder.path()));
        assert!(ids(&curated).await.is_empty());
        for (id, second) in [("b", 1), ("a", 2), ("c", 1), ("b", 1)] {
            put(&curated, &news(id, second)).await.unwrap();
        }
        let outbox = folder.path().join("marketlake/outbox");
        std::fs::write(outbox.join("damaged.json"), "{").unwrap();
        assert_eq!(ids(&curated).await, ["b", "c", "a"]);
        let told_by = |id: &str, ways: &[&str]| News {
            told: ways.iter().map(|way| (*way).to_owned()).collect(),
            ..news(id, 1)
        };
        for _ in 0..2 {
            let both = [told_by("b", &["file", "topic"]), told_by("c", &["topic", "file"])];
            told(&curated, &both, &["file", "topic"]).await.unwrap();
        }
        assert_eq!(ids(&curated).await, ["a"]);
        // What one way did not take waits for it alone.
        told(&curated, &[told_by("a", &["file"])], &["file", "topic"])
            .await
            .unwrap();
        let left = waiting(&curated).await.unwrap();
        assert_eq!(left[0].told.iter().collect::<Vec<_>>(), ["file"]);
        told(&curated, &left, &["file"]).await.unwrap();
        assert!(ids(&curated).await.is_empty());
    }
}
