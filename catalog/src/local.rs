//! A catalog in one JSON file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Catalog, Change, Error, Result, Table};

/// Newest shape of the file that this program knows.
const SCHEMA: u32 = 1;

/// `catalog.json` in the curated zone: `{"schema": 1, "tables": {"source.table": {…}}}`.
///
/// A change replaces the file by renaming a complete one over it, so that a reader never sees half of it.
/// Of two processes that register at once the later one wins; the next run of the other mends that.
#[derive(Debug, Clone)]
pub struct LocalCatalog {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    tables: BTreeMap<String, Table>,
}

impl LocalCatalog {
    /// The catalog of the curated zone in `folder`; nothing is read or written yet.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("catalog.json"),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> Result<BTreeMap<String, Table>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(self.refused("read", error)),
        };
        let document: Document = serde_json::from_str(&text).map_err(|source| Error::Malformed {
            path: self.path.clone(),
            source,
        })?;
        if document.schema > SCHEMA {
            return Err(Error::Newer {
                path: self.path.clone(),
                found: document.schema,
                known: SCHEMA,
            });
        }
        Ok(document.tables)
    }

    fn write(&self, tables: BTreeMap<String, Table>) -> Result<()> {
        let mut text = serde_json::to_string_pretty(&Document {
            schema: SCHEMA,
            tables,
        })
        .map_err(|source| Error::Malformed {
            path: self.path.clone(),
            source,
        })?;
        text.push('\n');
        let complete = self.path.with_extension(format!("json.{}", std::process::id()));
        let written = (|| {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::create(&complete)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&complete, &self.path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&complete);
        }
        written.map_err(|error| self.refused("written", error))
    }

    fn refused(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            action,
            source,
        }
    }
}

impl Catalog for LocalCatalog {
    async fn register(&self, table: &Table) -> Result<Change> {
        let mut tables = self.read()?;
        let change = match tables.insert(table.name.clone(), table.clone()) {
            Some(known) if known == *table => return Ok(Change::Unchanged),
            Some(_) => Change::Updated,
            None => Change::Added,
        };
        self.write(tables)?;
        Ok(change)
    }

    async fn list(&self) -> Result<Vec<Table>> {
        Ok(self.read()?.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn orders() -> Table {
        Table {
            name: "jwo.orders".to_owned(),
            description: "One row per order.".to_owned(),
            location: "file:///lake/curated/jwo/orders".to_owned(),
            columns: vec![Column {
                name: "order_id".to_owned(),
                ty: "text".to_owned(),
                doc: None,
            }],
            partition: vec!["order_date".to_owned()],
            key: vec!["order_id".to_owned()],
        }
    }

    #[tokio::test]
    async fn a_registered_table_is_listed_and_a_change_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = LocalCatalog::in_folder(&folder.path().join("curated"));
        assert_eq!(catalog.list().await.unwrap(), []);
        assert_eq!(catalog.register(&orders()).await.unwrap(), Change::Added);
        let described = Table {
            description: "One row per order line.".to_owned(),
            ..orders()
        };
        assert_eq!(catalog.register(&described).await.unwrap(), Change::Updated);
        assert_eq!(catalog.list().await.unwrap(), [described]);
    }

    #[tokio::test]
    async fn registering_the_same_again_does_not_write_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = LocalCatalog::in_folder(folder.path());
        catalog.register(&orders()).await.unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        File::options()
            .write(true)
            .open(catalog.path())
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert_eq!(catalog.register(&orders()).await.unwrap(), Change::Unchanged);
        assert_eq!(fs::metadata(catalog.path()).unwrap().modified().unwrap(), old);
    }

    #[tokio::test]
    async fn only_the_catalog_file_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        LocalCatalog::in_folder(folder.path())
            .register(&orders())
            .await
            .unwrap();
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["catalog.json"]);
    }

    #[tokio::test]
    async fn a_file_of_another_kind_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = LocalCatalog::in_folder(folder.path());
        fs::write(catalog.path(), "shopping list").unwrap();
        assert!(matches!(
            catalog.register(&orders()).await,
            Err(Error::Malformed { .. })
        ));
        assert_eq!(fs::read_to_string(catalog.path()).unwrap(), "shopping list");
        fs::write(catalog.path(), r#"{"schema": 2, "tables": {}}"#).unwrap();
        assert!(matches!(catalog.list().await, Err(Error::Newer { found: 2, .. })));
    }
}
