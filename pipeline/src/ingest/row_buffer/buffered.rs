//! The rows of a batch when all are there: read as often as needed, portion by portion.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;

use super::{Budget, Entry, Held, Position, RowBuffer};
use crate::delta::partition::{PartitionValues, RowPartitions};
use crate::error::{Error, Result};
use crate::storage::SpillFile;

/// The rows of a batch for one table, to be read as often as needed.
pub(crate) struct BufferedRows {
    pub(super) schema: SchemaRef,
    pub(super) partition: Vec<String>,
    pub(super) entries: Vec<Entry>,
    pub(super) files: Vec<Mutex<FileReader<SpillFile>>>,
    pub(super) budget: Arc<Budget>,
    /// The group of each partition; nothing where all are one.
    pub(super) groups: BTreeMap<PartitionValues, usize>,
    /// Names of the raw fields that rows came with.
    pub(crate) fields: BTreeSet<String>,
}

/// A number of rows that follow each other.
#[derive(Clone)]
pub(crate) struct Portion {
    entries: Range<usize>,
    /// Ordinal of its first row among all rows.
    pub(crate) first: usize,
    /// The group that its rows are of.
    pub(crate) group: usize,
}

impl BufferedRows {
    /// Forgets the rows of some objects.
    pub(crate) fn retain(&mut self, keeps: impl Fn(usize) -> bool) {
        self.entries.retain(|entry| keeps(entry.position.object));
    }

    /// The same rows, grouped by partition, so that no two portions of so many bytes have a partition in common that
    /// fits into one. Rows that came together and belong to several groups are read and kept once more.
    pub(crate) fn by_partition(mut self, bytes: usize) -> Result<Self> {
        let Some(groups) = self.groups(bytes) else {
            return Ok(self);
        };
        let regrouped = RowBuffer::new(self.schema.clone(), &self.partition, self.budget.clone());
        for mut entry in std::mem::take(&mut self.entries) {
            let of_entry: BTreeSet<usize> = entry.partitions.keys().map(|values| groups[values]).collect();
            if let (Some(group), 1) = (of_entry.first(), of_entry.len()) {
                entry.position.group = *group;
                self.entries.push(entry);
                continue;
            }
            let (position, rows) = (entry.position, self.rows_of(&entry)?);
            drop(entry);
            let mut of_group: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
            for (values, rows) in RowPartitions::of(&rows, &self.partition)?.groups() {
                of_group.entry(groups[&values]).or_default().extend(rows);
            }
            for (group, positions) in of_group {
                let rows = take_record_batch(&rows, &UInt32Array::from(positions))?;
                regrouped.put(Position { group, ..position }, BTreeMap::new(), rows)?;
            }
        }
        let mut regrouped = regrouped.close()?;
        for mut entry in regrouped.entries {
            if let Held::File(file, _) = &mut entry.held {
                *file += self.files.len();
            }
            self.entries.push(entry);
        }
        self.files.append(&mut regrouped.files);
        self.entries.sort_by_key(|entry| entry.position);
        self.groups = groups;
        Ok(self)
    }

    /// Whether rows of a partition are in a group.
    pub(crate) fn is_of_group(&self, partition: &PartitionValues, group: usize) -> bool {
        self.groups.get(partition) == Some(&group)
    }

    /// The group of each partition, those of a group no more than so many bytes unless it is one alone; none where
    /// all rows are one group, or their partitions are not known.
    fn groups(&self, bytes: usize) -> Option<BTreeMap<PartitionValues, usize>> {
        let mut sizes: BTreeMap<&PartitionValues, usize> = BTreeMap::new();
        for entry in &self.entries {
            for (values, rows) in &entry.partitions {
                *sizes.entry(values).or_default() += entry.bytes * rows / entry.rows;
            }
        }
        let (mut groups, mut group, mut held) = (BTreeMap::new(), 0, 0);
        for (values, size) in sizes {
            if held > 0 && held + size > bytes {
                (group, held) = (group + 1, 0);
            }
            held += size;
            groups.insert(values.clone(), group);
        }
        let is_known = self.entries.iter().all(|entry| !entry.partitions.is_empty());
        (is_known && group > 0).then_some(groups)
    }

    /// All rows in portions of about so many bytes; at least one, which may be empty.
    pub(crate) fn portions(&self, bytes: usize) -> Vec<Portion> {
        let group_at = |index: usize| self.entries.get(index).map_or(0, |entry| entry.position.group);
        let mut portions = Vec::new();
        let (mut begin, mut first, mut next, mut held) = (0, 0, 0, 0);
        let mut cut = |entries: Range<usize>, first| {
            portions.push(Portion {
                group: group_at(entries.start),
                entries,
                first,
            });
        };
        for (index, entry) in self.entries.iter().enumerate() {
            if index > begin && (held + entry.bytes > bytes || entry.position.group != group_at(begin)) {
                cut(begin..index, first);
                (begin, first, held) = (index, next, 0);
            }
            held += entry.bytes;
            next += entry.rows;
        }
        cut(begin..self.entries.len(), first);
        portions
    }

    /// The portions of each object, one for each time that it gave rows.
    pub(crate) fn by_object(&self) -> HashMap<usize, Vec<Portion>> {
        let mut first = 0;
        let mut portions: HashMap<usize, Vec<Portion>> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            portions.entry(entry.position.object).or_default().push(Portion {
                entries: index..index + 1,
                first,
                group: entry.position.group,
            });
            first += entry.rows;
        }
        portions
    }

    /// How many rows a portion has.
    pub(crate) fn rows_in(&self, portion: &Portion) -> usize {
        let entries = &self.entries[portion.entries.clone()];
        entries.iter().map(|entry| entry.rows).sum()
    }

    /// The rows of a portion.
    pub(crate) fn read(&self, portion: &Portion) -> Result<RecordBatch> {
        let entries = &self.entries[portion.entries.clone()];
        let batches = entries.iter().map(|entry| self.rows_of(entry));
        let batches = batches.collect::<Result<Vec<_>>>()?;
        match batches.as_slice() {
            [one] => Ok(one.clone()),
            several => Ok(concat_batches(&self.schema, several)?),
        }
    }

    fn rows_of(&self, entry: &Entry) -> Result<RecordBatch> {
        match &entry.held {
            Held::Memory(rows, _) => Ok(rows.clone()),
            Held::File(file, ordinal) => self.read_back(*file, *ordinal),
        }
    }

    fn read_back(&self, file: usize, ordinal: usize) -> Result<RecordBatch> {
        let lost = || Error::internal("rows that were put into a temporary file are not there");
        let file = self.files.get(file).ok_or_else(lost)?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_index(ordinal)?;
        Ok(file.next().ok_or_else(lost)??)
    }
}
