//! Which files of a table were looked at and have no more small row groups than they should: a file never changes, so one look
//! is enough.

use std::collections::BTreeSet;

use crate::apply::sorted;
use crate::delta::{DataFile, Snapshot};
use crate::storage::Place;

use super::subject::Subject;

/// Paths of such files.
#[derive(Default)]
pub(super) struct Looked(BTreeSet<String>);

impl Looked {
    /// What earlier looks left; nothing where that cannot be read, and then all are looked at again.
    pub(super) async fn read(remembered: &Place, subject: &Subject<'_>) -> Self {
        let kept = remembered.read(&name(subject)).await.ok().flatten();
        let paths = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        Self(paths.unwrap_or_default())
    }

    /// Forgets those that are not live any more.
    pub(super) fn only(&mut self, snapshot: &Snapshot) {
        let live: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_ref()).collect();
        self.0.retain(|path| live.contains(path.as_str()));
    }

    /// Whether a file need not be looked at. Those that were written sorted never need to be.
    pub(super) fn knows(&self, file: &DataFile) -> bool {
        let name = file.path.filename();
        name.is_some_and(|name| name.starts_with(sorted::PREFIX)) || self.0.contains(file.path.as_ref())
    }

    /// That a file was looked at and is as it should be.
    pub(super) fn note(&mut self, file: &DataFile) {
        self.0.insert(file.path.to_string());
    }

    /// Leaves it to later looks.
    pub(super) async fn keep(&self, remembered: &Place, subject: &Subject<'_>) {
        let Ok(bytes) = serde_json::to_vec(&self.0) else {
            return;
        };
        if let Err(error) = remembered.write(&name(subject), bytes).await {
            tracing::debug!(table = %subject.name, error = error.chain(), "looks are not remembered");
        }
    }
}

fn name(subject: &Subject<'_>) -> String {
    format!("{}.looked", subject.name)
}
