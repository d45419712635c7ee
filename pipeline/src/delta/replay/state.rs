//! What all that a log says comes to.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake_core::kernel::{Metadata, Protocol};
use serde_json::Value;

use crate::delta::file::DataFile;

use super::said::Said;

/// What holds at a version.
#[derive(Clone, Default)]
pub(in crate::delta) struct State {
    /// Live files, those that came last at the end.
    pub(in crate::delta) files: Arc<Vec<DataFile>>,
    /// The version that each application committed last.
    pub(in crate::delta) txns: Arc<HashMap<String, i64>>,
    pub(in crate::delta) metadata: Option<Arc<Metadata>>,
    pub(in crate::delta) protocol: Option<Arc<Protocol>>,
    pub(in crate::delta) work: Work,
}

/// The newest commit that was more than moving rows between files, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// It is ours: its version, and what it says of itself.
    Ours(u64, Value),
    /// This one, which says nothing of itself, let rows come or go.
    Foreign(u64),
    /// No later one than this version.
    Until(u64),
}

impl Default for Work {
    fn default() -> Self {
        Self::Until(0)
    }
}

impl State {
    /// What a checkpoint of a version says.
    pub(super) fn of_checkpoint(version: u64, said: Said) -> Self {
        Self {
            files: Arc::new(said.added),
            txns: Arc::new(said.txns.into_iter().collect()),
            metadata: said.metadata.map(Arc::new),
            protocol: said.protocol.map(Arc::new),
            work: Work::Until(version),
        }
    }

    /// The same, where the entry of the version is there, too, which says how it came about.
    pub(super) fn told_by(mut self, version: u64, entry: Said) -> Self {
        self.note_work(version, entry.about, entry.changes_rows);
        self
    }

    fn note_work(&mut self, version: u64, about: Option<Value>, changes_rows: bool) {
        let is_ours = about.as_ref().is_some_and(|about| about["batch"].is_i64());
        match about {
            Some(about) if is_ours => self.work = Work::Ours(version, about),
            _ if changes_rows => self.work = Work::Foreign(version),
            _ => {}
        }
    }

    /// After entries, oldest first, each with its version.
    pub(in crate::delta) fn followed_by(&self, entries: impl IntoIterator<Item = (u64, Said)>) -> Self {
        let mut after = self.clone();
        // The newest word about each file that the entries name, and those that came, in their order.
        let mut come: Vec<Option<DataFile>> = Vec::new();
        let mut named: HashMap<String, Option<usize>> = HashMap::new();
        let mut progress = Vec::new();
        for (version, said) in entries {
            for key in said.removed {
                if let Some(Some(before)) = named.insert(key, None) {
                    come[before] = None;
                }
            }
            for file in said.added {
                let place = Some(come.len());
                if let Some(Some(before)) = named.insert(file.key().into_owned(), place) {
                    come[before] = None;
                }
                come.push(Some(file));
            }
            progress.extend(said.txns);
            after.metadata = said.metadata.map(Arc::new).or(after.metadata);
            after.protocol = said.protocol.map(Arc::new).or(after.protocol);
            after.note_work(version, said.about, said.changes_rows);
        }
        if !named.is_empty() {
            let stay = self.files.iter().filter(|file| !named.contains_key(&*file.key()));
            after.files = Arc::new(stay.cloned().chain(come.into_iter().flatten()).collect());
        }
        if !progress.is_empty() {
            Arc::make_mut(&mut after.txns).extend(progress);
        }
        after
    }
}
