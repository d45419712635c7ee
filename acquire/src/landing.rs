//! Messages as objects of the raw zone: one on a line, an object a folder and batch, as Firehose lays them down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use object_store::{Error as StoreError, ObjectStore, PutMode, PutOptions};
use sha2::{Digest, Sha256};

use crate::error::{Result, of_store};
use crate::place::Place;

/// A batch is laid down when it has so many bytes or messages, or is so old: what Firehose waits for, for a few folders at once.
const BYTES: usize = 16 << 20;
const MESSAGES: usize = 10_000;
const AGE: Duration = Duration::from_secs(300);

/// Messages that are not in the raw zone yet.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    folders: BTreeMap<String, Folder>,
    bytes: usize,
    messages: usize,
    since: Option<Instant>,
}

/// Messages for one folder.
#[derive(Debug)]
struct Folder {
    lines: Vec<u8>,
    ids: Vec<String>,
    oldest: DateTime<Utc>,
}

/// What became of the messages of a folder.
#[derive(Debug)]
pub(crate) struct Laid {
    /// Their ids.
    pub(crate) ids: Vec<String>,
    /// Path of the object in its store; why there is none.
    pub(crate) object: Result<String>,
}

/// Folder of a data set for the hour in which a message came, as Firehose names it.
pub(crate) fn folder_of_stream(data_set: &str, came: DateTime<Utc>) -> String {
    let hour = came.format("year=%Y/month=%m/day=%d/hour=%H");
    format!("{data_set}/{hour}")
}

/// Folder of the hour in which an event came, as Firehose names it by itself.
pub(crate) fn folder_of_events(came: DateTime<Utc>) -> String {
    came.format("%Y/%m/%d/%H").to_string()
}

/// A text of JSON on one line. Line ends within it stand between its parts, never in a text, where they are escaped.
pub(crate) fn on_one_line(json: &str) -> String {
    json.trim().replace(['\n', '\r'], " ")
}

impl Batch {
    /// Adds a line to a folder: the message with that id, which came then.
    pub(crate) fn add(&mut self, folder: String, id: &str, came: DateTime<Utc>, line: &str) {
        let folder = self.folders.entry(folder).or_insert_with(|| Folder {
            lines: Vec::new(),
            ids: Vec::new(),
            oldest: came,
        });
        folder.lines.extend_from_slice(line.as_bytes());
        folder.lines.push(b'\n');
        folder.ids.push(id.to_owned());
        folder.oldest = folder.oldest.min(came);
        self.bytes += line.len() + 1;
        self.messages += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether it is large or old enough to be laid down.
    pub(crate) fn is_due(&self) -> bool {
        let is_old = self.since.is_some_and(|since| since.elapsed() >= AGE);
        self.bytes >= BYTES || self.messages >= MESSAGES || is_old
    }

    /// Lays down all of it, an object a folder, and is empty then.
    pub(crate) async fn lay(&mut self, root: &Place) -> Vec<Laid> {
        let mut laid = Vec::new();
        for (name, folder) in std::mem::take(self).folders {
            let object = root.below(&format!("{name}/{}", folder.name()));
            laid.push(Laid {
                object: lay(&object, folder.lines).await,
                ids: folder.ids,
            });
        }
        laid
    }
}

impl Folder {
    /// As Firehose names objects, with what the messages are known by in the place of a number by chance: the same messages
    /// once more are the same object.
    fn name(&self) -> String {
        let mut ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        ids.sort_unstable();
        let hash = Sha256::digest(ids.join("\n").as_bytes());
        let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let oldest = self.oldest.format("%Y-%m-%d-%H-%M-%S");
        format!("marketlake-1-{oldest}-{hash}")
    }
}

/// Lays an object down where there is none. One that is there has the same messages, and is not touched: a run would take
/// it in anew.
async fn lay(object: &Place, bytes: Vec<u8>) -> Result<String> {
    let options = PutOptions::from(PutMode::Create);
    match object
        .store()
        .put_opts(object.path(), bytes.into(), options)
        .await
    {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(object.to_string()),
        Err(error) => Err(of_store(&object.to_string(), &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    async fn objects(root: &Place) -> Vec<(String, String)> {
        let found: Vec<_> = root.store().list(None).try_collect().await.unwrap();
        let mut objects = Vec::new();
        for one in found {
            let bytes = root
                .store()
                .get(&one.location)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            objects.push((
                one.location.to_string(),
                String::from_utf8(bytes.to_vec()).unwrap(),
            ));
        }
        objects.sort();
        objects
    }

    #[test]
    fn folders_are_those_of_firehose() {
        let came = at("2026-12-30T23:59:59.999Z");
        assert_eq!(
            folder_of_stream("sp-traffic", came),
            "sp-traffic/year=2026/month=12/day=30/hour=23"
        );
        assert_eq!(folder_of_events(came), "2026/12/30/23");
    }

    #[tokio::test]
    async fn messages_lie_one_on_a_line_and_the_same_ones_are_the_same_object() {
        let root = Place::new(Arc::new(InMemory::new()), Path::from("raw/ams"), true);
        let (early, late) = (at("2026-03-01T10:00:00Z"), at("2026-03-01T10:59:00Z"));
        let mut names = Vec::new();
        for order in [["a", "b"], ["b", "a"]] {
            let mut batch = Batch::default();
            for id in order {
                let came = if id == "a" { early } else { late };
                let line = on_one_line(&format!(" {{\n\"id\": \"{id}\"\r\n}}\n"));
                batch.add(folder_of_stream("sp-traffic", came), id, came, &line);
            }
            batch.add(folder_of_stream("ads", late), "c", late, "{}");
            let laid = batch.lay(&root).await;
            assert_eq!(laid.iter().map(|laid| laid.ids.len()).sum::<usize>(), 3);
            assert!(laid.iter().all(|laid| laid.object.is_ok()));
            assert!(batch.lay(&root).await.is_empty());
            names.push(objects(&root).await);
        }
        assert_eq!(names[0], names[1]);
        let [ads, traffic] = names[0].as_slice() else {
            panic!("{names:?}")
        };
        assert_eq!(ads.1, "{}\n");
        assert_eq!(traffic.1, "{ \"id\": \"a\"  }\n{ \"id\": \"b\"  }\n");
        let name = "raw/ams/sp-traffic/year=2026/month=03/day=01/hour=10/marketlake-1-2026-03-01-10-00-00-";
        assert!(traffic.0.starts_with(name), "{}", traffic.0);
    }

    #[tokio::test]
    async fn what_cannot_be_laid_down_is_said_with_its_messages() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let store = object_store::local::LocalFileSystem::new();
        let path = Path::from_absolute_path(file.path()).unwrap();
        let root = Place::new(Arc::new(store), path, false);
        let mut batch = Batch::default();
        batch.add("ads".to_owned(), "a", at("2026-03-01T10:00:00Z"), "{}");
        let laid = batch.lay(&root).await;
        assert!(laid[0].object.is_err() && laid[0].ids == ["a"]);
    }

    #[test]
    fn a_batch_is_due_when_it_is_large() {
        let mut batch = Batch::default();
        let came = at("2026-03-01T10:00:00Z");
        batch.add("ads".to_owned(), "a", came, &"x".repeat(BYTES - 2));
        assert!(!batch.is_due());
        batch.add("ads".to_owned(), "b", came, "");
        assert!(batch.is_due());
        let mut batch = Batch::default();
        for number in 0..MESSAGES {
            assert!(!batch.is_due());
            batch.add("ads".to_owned(), &number.to_string(), came, "{}");
        }
        assert!(batch.is_due());
    }
}
