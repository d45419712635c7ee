//! One live file of a table, as its log describes it.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use chrono::Utc;
use deltalake_core::kernel::{Add, DeletionVectorDescriptor, Remove};
use object_store::path::Path;
use serde::Deserialize;

use super::partition::PartitionValues;

/// One live file of a table. A clone is the same file.
#[derive(Clone)]
pub(crate) struct DataFile(Arc<Described>);

/// What is known of a file without opening it.
pub(crate) struct Described {
    /// Path relative to the table's root.
    pub(crate) path: Path,
    /// Bytes.
    pub(crate) size: u64,
    /// Partition values as the log has them; null for the null partition.
    pub(crate) partition: PartitionValues,
    stats: Option<Box<str>>,
    /// How the log names it; none for a file that no commit names yet.
    named: Option<Named>,
}

/// What tells a file in a log from every other.
struct Named {
    /// The path as it stands there, where that is not the path itself: with escapes.
    text: Option<Box<str>>,
    /// Which of its rows are not the table's.
    vector: Option<Box<DeletionVectorDescriptor>>,
}

/// What an action that adds a file says of it.
#[derive(Default)]
pub(super) struct Added<'a> {
    /// As it stands there, with escapes.
    pub(super) path: Cow<'a, str>,
    pub(super) size: i64,
    pub(super) partition: PartitionValues,
    /// The document, as text.
    pub(super) stats: Option<Cow<'a, str>>,
    pub(super) vector: Option<DeletionVectorDescriptor>,
}

/// The one of a file's statistics that is asked for in sums over many files.
#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "numRecords")]
    rows: Option<u64>,
}

impl Deref for DataFile {
    type Target = Described;

    fn deref(&self) -> &Described {
        &self.0
    }
}

impl DataFile {
    /// A file that a commit is going to add.
    pub(crate) fn written(add: &Add) -> Self {
        Self(Arc::new(Described {
            path: path_of(&add.path),
            size: add.size.max(0) as u64,
            partition: add.partition_values.clone().into_iter().collect(),
            stats: add.stats.as_deref().map(Box::from),
            named: None,
        }))
    }

    /// A file that a log names.
    pub(super) fn named(added: Added<'_>) -> Self {
        let path = path_in_log(&added.path);
        let named = Named {
            text: (path.as_ref() != added.path).then(|| Box::from(added.path.as_ref())),
            vector: added.vector.map(Box::new),
        };
        Self(Arc::new(Described {
            path,
            size: added.size.max(0) as u64,
            partition: added.partition,
            stats: added.stats.map(|stats| Box::from(stats.as_ref())),
            named: Some(named),
        }))
    }

    /// The statistics document of the action that adds the file.
    pub(crate) fn stats(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.stats.as_deref()?).ok()
    }

    /// Rows in the file, as its statistics state them.
    pub(crate) fn rows(&self) -> Option<u64> {
        serde_json::from_str::<Counted>(self.stats.as_deref()?).ok()?.rows
    }

    /// The action that takes the file out of the table, its rows with it; none for a file that no commit names.
    pub(crate) fn remove(&self) -> Option<Remove> {
        self.taken_out(true)
    }

    /// The action that takes the file out of the table, its rows being in another file of the same commit; none for
    /// a file that no commit names.
    pub(crate) fn replace(&self) -> Option<Remove> {
        self.taken_out(false)
    }

    fn taken_out(&self, data_change: bool) -> Option<Remove> {
        let named = self.named.as_ref()?;
        Some(Remove {
            path: self.path.to_string(),
            data_change,
            deletion_timestamp: Some(Utc::now().timestamp_millis()),
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition.clone().into_iter().collect()),
            size: Some(self.size as i64),
            deletion_vector: named.vector.as_deref().cloned(),
            ..Remove::default()
        })
    }

    /// Whether some of its rows are not the table's.
    pub(super) fn has_deletion_vector(&self) -> bool {
        self.named.as_ref().is_some_and(|named| named.vector.is_some())
    }

    /// What an action that takes it out names.
    pub(super) fn key(&self) -> Cow<'_, str> {
        let named = self.named.as_ref();
        let text = named.and_then(|named| named.text.as_deref());
        key(
            text.unwrap_or(self.path.as_ref()),
            named.and_then(|named| named.vector.as_deref()),
        )
    }
}

impl std::fmt::Debug for DataFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFile")
            .field("path", &self.path)
            .field("partition", &self.partition)
            .finish()
    }
}

/// What two actions have in common that are about the same file: the path as it stands in the log, and the vector.
pub(super) fn key<'a>(path: &'a str, vector: Option<&DeletionVectorDescriptor>) -> Cow<'a, str> {
    match vector {
        None => Cow::Borrowed(path),
        Some(vector) => {
            let of = (&vector.storage_type, &vector.path_or_inline_dv, vector.offset);
            Cow::Owned(format!("{path}\0{of:?}"))
        }
    }
}

/// The path of an action in memory.
pub(super) fn path_of(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|_| Path::from(path))
}

/// The path of an action in a log, where it has escapes.
fn path_in_log(path: &str) -> Path {
    if path.contains('%') {
        Path::from_url_path(path).unwrap_or_else(|_| Path::from(path))
    } else {
        path_of(path)
    }
}
