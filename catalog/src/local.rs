//! A catalog in one JSON file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::difference::Facts;
use crate::{Catalog, Change, Column, Difference, Entry, Error, Moves, Result, Table, View};

/// Newest shape of the file that this program knows.
const SCHEMA: u32 = 1;

/// `catalog.json` in the curated zone: `{"schema": 1, "tables": {"source.table": {…}}, "views": {…}}`.
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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    views: BTreeMap<String, View>,
}

impl Document {
    /// What the file says of an entry of that name and kind.
    fn entry(&self, like: &Entry) -> Option<Entry> {
        match like {
            Entry::Table(table) => self.tables.get(&table.name).cloned().map(Entry::Table),
            Entry::View(view) => self.views.get(&view.name).cloned().map(Entry::View),
        }
    }

    fn insert(&mut self, entry: Entry) {
        match entry {
            Entry::Table(table) => drop(self.tables.insert(table.name.clone(), table)),
            Entry::View(view) => drop(self.views.insert(view.name.clone(), view)),
        }
    }
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

    fn read(&self) -> Result<Document> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Document {
                    schema: SCHEMA,
                    tables: BTreeMap::new(),
                    views: BTreeMap::new(),
                });
            }
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
        Ok(document)
    }

    fn write(&self, document: &Document) -> Result<()> {
        let mut text = serde_json::to_string_pretty(document).map_err(|source| Error::Malformed {
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
    /// The file is beside the tables, so that an entry follows them wherever they go.
    async fn register(&self, entry: &Entry, _: Moves) -> Result<Change> {
        let mut document = self.read()?;
        let wanted = kept(entry);
        let change = match document.entry(&wanted) {
            Some(known) if known == wanted => return Ok(Change::Unchanged),
            Some(_) => Change::Updated,
            None => Change::Added,
        };
        document.insert(wanted);
        self.write(&document)?;
        Ok(change)
    }

    async fn compare(&self, entry: &Entry) -> Result<Vec<Difference>> {
        let wanted = kept(entry);
        Ok(match self.read()?.entry(&wanted) {
            Some(known) => Difference::between(&facts(&known), &facts(&wanted)),
            None => vec![Difference::missing(self.name_of(entry.name()))],
        })
    }

    async fn make_room(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn name_of(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// An entry as the file has it.
fn kept(entry: &Entry) -> Entry {
    match entry {
        Entry::Table(table) => Entry::Table(Table {
            delta_schema: String::new(),
            ..table.clone()
        }),
        view => view.clone(),
    }
}

fn facts(entry: &Entry) -> Facts {
    let mut facts = Facts::new();
    let mut say = |what: &str, value: String| facts.insert(what.to_owned(), value);
    let columns = match entry {
        Entry::Table(table) => {
            say("description", table.description.clone());
            say("location", table.location.clone());
            say("partitions", table.partition.join(", "));
            say("key", table.key.join(", "));
            &table.columns
        }
        Entry::View(view) => {
            say("description", view.description.clone());
            say("view", view.sql.clone());
            &view.columns
        }
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    say("columns", names.join(", "));
    for Column { name, ty, doc } in columns {
        facts.insert(format!("column {name}"), ty.clone());
        if let Some(doc) = doc {
            facts.insert(format!("comment of {name}"), doc.clone());
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn orders() -> Entry {
        Entry::Table(described("One row per order."))
    }

    fn described(description: &str) -> Table {
        Table {
            name: "jwo.orders".to_owned(),
            description: description.to_owned(),
            location: "file:///lake/curated/jwo/orders".to_owned(),
            columns: vec![Column {
                name: "order_id".to_owned(),
                ty: "text".to_owned(),
                doc: None,
            }],
            partition: vec!["order_date".to_owned()],
            key: vec!["order_id".to_owned()],
            delta_schema: "{}".to_owned(),
        }
    }

    async fn register(catalog: &LocalCatalog, entry: &Entry) -> Result<Change> {
        catalog.register(entry, Moves::Refused).await
    }

    #[tokio::test]
    async fn what_is_registered_is_compared_and_a_change_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = LocalCatalog::in_folder(&folder.path().join("curated"));
        let missing = catalog.compare(&orders()).await.unwrap();
        assert_eq!(missing, [Difference::missing("jwo.orders")]);
        assert_eq!(register(&catalog, &orders()).await.unwrap(), Change::Added);
        assert_eq!(catalog.compare(&orders()).await.unwrap(), []);
        let other = Entry::Table(described("One row per order line."));
        let [difference] = &catalog.compare(&other).await.unwrap()[..] else {
            panic!("one thing differs")
        };
        assert_eq!(difference.what, "description");
        assert_eq!(difference.found.as_deref(), Some("One row per order."));
        assert_eq!(register(&catalog, &other).await.unwrap(), Change::Updated);
        assert_eq!(catalog.compare(&other).await.unwrap(), []);
    }

    #[tokio::test]
    async fn views_stand_beside_tables() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = LocalCatalog::in_folder(folder.path());
        let view = Entry::View(View {
            name: "jwo.orders_daily".to_owned(),
            description: "Orders of a day.".to_owned(),
            sql: "SELECT count(*) AS orders FROM jwo.orders".to_owned(),
            columns: Vec::new(),
        });
        for entry in [&orders(), &view] {
            assert_eq!(register(&catalog, entry).await.unwrap(), Change::Added);
            assert_eq!(register(&catalog, entry).await.unwrap(), Change::Unchanged);
        }
    }

    #[tokio::test]
    async fn registering_the_same_again_does_not_write_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = LocalCatalog::in_folder(folder.path());
        register(&catalog, &orders()).await.unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        File::options()
            .write(true)
            .open(catalog.path())
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert_eq!(register(&catalog, &orders()).await.unwrap(), Change::Unchanged);
        assert_eq!(fs::metadata(catalog.path()).unwrap().modified().unwrap(), old);
    }

    #[tokio::test]
    async fn only_the_catalog_file_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        register(&LocalCatalog::in_folder(folder.path()), &orders())
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
            register(&catalog, &orders()).await,
            Err(Error::Malformed { .. })
        ));
        assert_eq!(fs::read_to_string(catalog.path()).unwrap(), "shopping list");
        fs::write(catalog.path(), r#"{"schema": 2, "tables": {}}"#).unwrap();
        assert!(matches!(
            catalog.compare(&orders()).await,
            Err(Error::Newer { found: 2, .. })
        ));
    }
}
