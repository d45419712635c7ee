//! A plan: which files of a table change, and how. Made by the ways to keep, carried out by [`apply`](super::apply).

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use deltalake_core::kernel::Action;
use object_store::path::Path;

use super::changed::{Parts, replaced_partitions};
use super::file_edit::FileEdit;
use super::sorted::Sorted;
use crate::contract::Contract;
use crate::delta::partition::RowPartitions;
use crate::delta::{ChangedPart, DataFile};
use crate::error::Result;
use crate::report::Counts;

/// New rows join a file that changes anyway up to this size, in bytes.
const LARGE_FILE: u64 = 64 << 20;
/// New rows join a file that would not change otherwise up to this size, in bytes: above it, copying costs more
/// than one more file.
const SMALL_FILE: u64 = 8 << 20;

/// All changes of a batch.
pub(crate) struct Plan {
    /// New rows in the table's schema.
    pub(crate) rows: RecordBatch,
    /// Changes of existing files by their path.
    pub(crate) edits: BTreeMap<Path, FileEdit>,
    /// New rows that have no file yet.
    pub(crate) unplaced: Vec<u32>,
    /// What the plan does, as far as it is known.
    pub(crate) counts: Counts,
    /// The parts of the table that it changes, where they are smaller than partitions.
    pub(crate) parts: Option<Parts>,
}

/// A plan that was carried out, up to the commit.
pub(crate) struct Applied {
    /// The actions that put the files into the table.
    pub(crate) actions: Vec<Action>,
    /// What they do.
    pub(crate) counts: Counts,
    /// The parts of the table that they change.
    pub(crate) changed: Vec<ChangedPart>,
}

impl Applied {
    /// Sorted files in the place of others, all of whose rows go.
    pub(crate) fn replaced(contract: &Contract, old: &[DataFile], sorted: Sorted) -> Self {
        let changed = replaced_partitions(contract, old, &sorted.adds);
        let counts = Counts {
            rows_inserted: sorted.rows,
            rows_removed: old.iter().filter_map(DataFile::rows).sum(),
            files_added: sorted.adds.len() as u64,
            files_removed: old.len() as u64,
            ..Counts::default()
        };
        let removed = old.iter().filter_map(DataFile::remove).map(Action::Remove);
        Self {
            actions: removed.chain(sorted.adds.into_iter().map(Action::Add)).collect(),
            counts,
            changed,
        }
    }
}

impl Plan {
    /// A plan that changes nothing yet.
    pub(crate) fn new(rows: RecordBatch) -> Self {
        Self {
            rows,
            edits: BTreeMap::new(),
            unplaced: Vec::new(),
            counts: Counts::default(),
            parts: None,
        }
    }

    /// A plan that changes nothing yet and brings no rows; whether it names parts that are smaller than partitions.
    pub(crate) fn without_rows(names_parts: bool) -> Self {
        Self {
            parts: names_parts.then(Parts::default),
            ..Self::new(RecordBatch::new_empty(Schema::empty().into()))
        }
    }

    /// The changes of a file.
    pub(crate) fn edit(&mut self, file: &DataFile) -> &mut FileEdit {
        let edits = self.edits.entry(file.path.clone());
        edits.or_insert_with(|| FileEdit::of(file))
    }

    /// Finds a file for each new row: one of its partition that changes anyway or is small, else a new one.
    pub(super) fn settle(
        mut self,
        files: &[DataFile],
        partition: &[String],
    ) -> Result<(RecordBatch, Vec<FileEdit>)> {
        let mut of_partition: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let places = RowPartitions::of(&self.rows, partition)?;
        for row in std::mem::take(&mut self.unplaced) {
            of_partition
                .entry(places.number_of_row(row))
                .or_default()
                .push(row);
        }
        let mut new = Vec::new();
        for inserts in of_partition.into_values() {
            let values = places.of_row(inserts[0]);
            let neighbours = || files.iter().filter(|file| file.partition == *values);
            let changing = neighbours()
                .filter(|file| {
                    file.size < LARGE_FILE && self.edits.get(&file.path).is_some_and(|edit| !edit.dropped)
                })
                .min_by_key(|file| file.size);
            let small = neighbours()
                .filter(|file| file.size < SMALL_FILE && !self.edits.contains_key(&file.path))
                .min_by_key(|file| file.size);
            match changing.or(small) {
                Some(file) => self.edit(file).inserts = inserts,
                None => new.push(FileEdit {
                    inserts,
                    ..FileEdit::default()
                }),
            }
        }
        let edits = std::mem::take(&mut self.edits).into_values().chain(new).collect();
        Ok((self.rows, edits))
    }
}
