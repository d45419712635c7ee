//! The files of a table while a batch goes in, part by part. Nothing of it is visible: one commit at the end takes the
//! old files out and puts the new ones in, whatever files came and went between the parts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use deltalake_core::kernel::{Action, Add, Remove};
use object_store::path::Path;

use crate::contract::Contract;
use crate::delta::{DataFile, DeltaLog};
use crate::error::Result;
use crate::report::Counts;

use super::changed::Parts;
use super::files::write_files;
use super::open_files::OpenFiles;
use super::plan::{Applied, Plan};

/// A table's files, with those that parts of a batch wrote in place of others.
pub(crate) struct WorkingSet<'a> {
    log: &'a DeltaLog,
    open: Arc<OpenFiles>,
    attempt: &'a str,
    files: Vec<DataFile>,
    changes: Changes,
}

/// What parts of a batch changed.
pub(crate) struct Changes {
    removed: Vec<Remove>,
    added: BTreeMap<Path, Add>,
    counts: Counts,
    partitions: Parts,
    /// Parts that are smaller than partitions; none where they are too many to be named, or not known.
    parts: Option<Parts>,
}

impl<'a> WorkingSet<'a> {
    /// Begins with these files of a version.
    pub(crate) fn new(log: &'a DeltaLog, files: Vec<DataFile>, attempt: &'a str) -> Self {
        Self {
            log,
            open: Arc::new(OpenFiles::of(log)),
            attempt,
            files,
            changes: Changes::default(),
        }
    }

    /// Begins with some of the files: for parts of the batch that change no others.
    pub(crate) fn branch(&self, takes: impl Fn(&DataFile) -> bool) -> Self {
        let files = self.files.iter().filter(|file| takes(file));
        Self {
            open: self.open.clone(),
            ..Self::new(self.log, files.cloned().collect(), self.attempt)
        }
    }

    /// Those of its files that are open.
    pub(crate) fn open_files(&self) -> &Arc<OpenFiles> {
        &self.open
    }

    /// The files as they are after the parts so far.
    pub(crate) fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// Writes the files of a part.
    pub(crate) async fn apply(&mut self, contract: &Contract, mut plan: Plan) -> Result<()> {
        let changes = &mut self.changes;
        changes.counts.add(&plan.counts);
        changes.name(plan.parts.take());
        let written = write_files(contract, &self.open, &self.files, plan, self.attempt).await?;
        self.changes.partitions.add(written.partitions);
        let (old, new): (Vec<_>, Vec<_>) = written.files.into_iter().unzip();
        let gone: HashMap<Path, DataFile> = old
            .into_iter()
            .flatten()
            .map(|file| (file.path.clone(), file))
            .collect();
        self.files.retain(|file| !gone.contains_key(&file.path));
        for old in gone.values() {
            self.open.close(&old.path);
            self.take_out(old).await;
        }
        for add in new.into_iter().flatten() {
            let file = DataFile::written(&add);
            self.changes.added.insert(file.path.clone(), add);
            self.files.push(file);
        }
        Ok(())
    }

    async fn take_out(&mut self, old: &DataFile) {
        match old.remove() {
            Some(remove) => self.changes.removed.push(remove),
            None => {
                self.changes.added.remove(&old.path);
                // What stays is removed with the other files that no commit names.
                self.log.discard(vec![old.path.clone()]).await;
            }
        }
    }

    /// What the parts changed.
    pub(crate) fn changes(self) -> Changes {
        self.changes
    }
}

/// Writes the files of a plan. Nothing is visible yet.
pub(crate) async fn apply(
    contract: &Contract,
    log: &DeltaLog,
    files: &[DataFile],
    plan: Plan,
    attempt: &str,
) -> Result<Applied> {
    let mut set = WorkingSet::new(log, files.to_vec(), attempt);
    set.apply(contract, plan).await?;
    Ok(set.changes().finish(contract))
}

impl Default for Changes {
    /// None.
    fn default() -> Self {
        Self {
            removed: Vec::new(),
            added: BTreeMap::new(),
            counts: Counts::default(),
            partitions: Parts::default(),
            parts: Some(Parts::default()),
        }
    }
}

impl Changes {
    /// Adds what parts changed that have no file in common with these.
    pub(crate) fn add(&mut self, others: Self) {
        self.removed.extend(others.removed);
        self.added.extend(others.added);
        self.counts.add(&others.counts);
        self.partitions.add(others.partitions);
        self.name(others.parts);
    }

    /// Adds names of parts that are smaller than partitions, as long as all are known, and few.
    fn name(&mut self, more: Option<Parts>) {
        let named = self.parts.take().zip(more).map(|(mut parts, more)| {
            parts.add(more);
            parts
        });
        self.parts = named.filter(Parts::are_few);
    }

    /// Removes the files that were written, since no commit will name them; what fails is left for the next cleaning.
    pub(crate) async fn discard(self, log: &DeltaLog) {
        log.discard(self.added.into_keys().collect()).await;
    }

    /// The actions that put all of it into the table, and what they do.
    pub(crate) fn finish(self, contract: &Contract) -> Applied {
        let mut counts = self.counts;
        counts.files_removed += self.removed.len() as u64;
        counts.files_added += self.added.len() as u64;
        let removed = self.removed.into_iter().map(Action::Remove);
        let added = self.added.into_values().map(Action::Add);
        Applied {
            actions: removed.chain(added).collect(),
            counts,
            changed: self.parts.unwrap_or(self.partitions).named(contract),
        }
    }
}
