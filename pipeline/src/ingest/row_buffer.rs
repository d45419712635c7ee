//! Shaped rows of a batch on their way into a table: in memory as far as the budget goes, the others in a temporary
//! file that vanishes with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error as StdError;
use std::io::BufWriter;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;

use crate::delta::partition::{PartitionValues, RowPartitions};
use crate::error::{Context, Error, Kind, Result};
use crate::query::Room;
use crate::storage::{Spill, SpillFile};

const NO_ROOM: &str = "rows that do not fit into memory cannot be put into a temporary file";

/// Bytes of rows that may wait in memory, and files for the others; shared by the tables that take the same objects in.
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
    spill: Spill,
}

impl Budget {
    pub(crate) fn new(room: &Room) -> Arc<Self> {
        Arc::new(Self {
            limit: room.memory,
            used: AtomicUsize::new(0),
            spill: room.spill.clone(),
        })
    }

    /// Reserves so many bytes, if they are left.
    fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        let reserved = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        reserved.is_ok().then(|| Reserved {
            budget: self.clone(),
            bytes,
        })
    }
}

/// Bytes of a budget, which has them back when this is dropped.
struct Reserved {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Takes the rows that objects give one table; objects may give theirs in turns.
pub(crate) struct RowBuffer {
    schema: SchemaRef,
    partition: Vec<String>,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    file: Option<FileWriter<BufWriter<SpillFile>>>,
    in_file: usize,
    /// Bytes of objects for which there was no room.
    turned_away: BTreeMap<usize, usize>,
    fields: BTreeSet<String>,
}

/// Rows that came together.
struct Entry {
    position: Position,
    rows: usize,
    bytes: usize,
    /// How many of them each partition has; nothing where they cannot be told apart, or are grouped already.
    partitions: BTreeMap<PartitionValues, usize>,
    held: Held,
}

/// Where rows stand among all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// No portion has rows of two groups.
    group: usize,
    /// Ordinal of their object in the batch.
    object: usize,
    /// The first of them in the object.
    first: i64,
}

enum Held {
    Memory(
        RecordBatch,
        #[expect(dead_code, reason = "held for as long as the rows are")] Reserved,
    ),
    /// Which file, and the ordinal in it.
    File(usize, usize),
}

impl RowBuffer {
    /// For rows of a table with these columns, and with these of them for its partition.
    pub(crate) fn new(schema: SchemaRef, partition: &[String], budget: Arc<Budget>) -> Self {
        Self {
            schema,
            partition: partition.to_vec(),
            budget,
            state: Mutex::default(),
        }
    }

    /// Takes rows of the object with this ordinal, of which the first is this one. It may write to disk: call it on a
    /// blocking thread.
    pub(crate) fn push(&self, object: usize, first: i64, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let partitions = RowPartitions::of(&rows, &self.partition).map(|partitions| partitions.counts());
        let position = Position {
            group: 0,
            object,
            first,
        };
        self.put(position, partitions.unwrap_or_default(), rows)
    }

    /// Files for what waits elsewhere beside the rows.
    pub(crate) fn spill(&self) -> &Spill {
        &self.budget.spill
    }

    /// Bytes of the object that gave the most so far, also of what there was no room for, and its ordinal; none where no
    /// object gave rows.
    pub(crate) fn largest(&self) -> Option<(usize, usize)> {
        let state = self.state();
        let mut sizes = state.turned_away.clone();
        for entry in &state.entries {
            *sizes.entry(entry.position.object).or_default() += entry.bytes;
        }
        sizes.into_iter().map(|(object, bytes)| (bytes, object)).max()
    }

    /// Notes the names of raw fields that rows came with, also of rows that are none of the table's.
    pub(crate) fn see<'a>(&self, fields: impl Iterator<Item = &'a str>) {
        let seen = &mut self.state().fields;
        for field in fields {
            if !seen.contains(field) {
                seen.insert(field.to_owned());
            }
        }
    }

    fn put(
        &self,
        position: Position,
        partitions: BTreeMap<PartitionValues, usize>,
        rows: RecordBatch,
    ) -> Result<()> {
        let (count, bytes) = (rows.num_rows(), rows.get_array_memory_size());
        let mut state = self.state();
        let held = match self.budget.reserve(bytes) {
            Some(reserved) => Held::Memory(rows, reserved),
            None => {
                let written = state.write(&self.schema, &rows, &self.budget.spill);
                if written.is_err() {
                    *state.turned_away.entry(position.object).or_default() += bytes;
                }
                Held::File(0, written?)
            }
        };
        state.entries.push(Entry {
            position,
            rows: count,
            bytes,
            partitions,
            held,
        });
        Ok(())
    }

    /// All rows, those of an object together, objects by their ordinals.
    pub(crate) fn close(&self) -> Result<BufferedRows> {
        let state = std::mem::take(&mut *self.state());
        let mut entries = state.entries;
        entries.sort_by_key(|entry| entry.position);
        Ok(BufferedRows {
            entries,
            files: state
                .file
                .map(reopen)
                .transpose()?
                .map(Mutex::new)
                .into_iter()
                .collect(),
            schema: self.schema.clone(),
            partition: self.partition.clone(),
            budget: self.budget.clone(),
            groups: BTreeMap::new(),
            fields: state.fields,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, schema: &SchemaRef, rows: &RecordBatch, spill: &Spill) -> Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = spill.file().context(Kind::Io, NO_ROOM)?;
                let file = FileWriter::try_new_buffered(file, schema)
                    .map_err(below)
                    .context(Kind::Io, NO_ROOM)?;
                self.file.insert(file)
            }
        };
        // An error of storage: the batch fails, no object is to blame.
        file.write(rows).map_err(below).context(Kind::Io, NO_ROOM)?;
        self.in_file += 1;
        Ok(self.in_file - 1)
    }
}

/// What the file said, without what its writer says of that.
fn below(error: ArrowError) -> Box<dyn StdError + Send + Sync> {
    match error {
        ArrowError::IoError(_, error) => error.into(),
        error => error.into(),
    }
}

fn reopen(writer: FileWriter<BufWriter<SpillFile>>) -> Result<FileReader<SpillFile>> {
    let file = writer
        .into_inner()
        .map_err(below)
        .context(Kind::Io, NO_ROOM)?
        .into_inner()
        .map_err(|error| error.into_error())
        .context(Kind::Io, NO_ROOM)?;
    Ok(FileReader::try_new(file, None)?)
}

/// The rows of a batch for one table, to be read as often as needed.
pub(crate) struct BufferedRows {
    schema: SchemaRef,
    partition: Vec<String>,
    entries: Vec<Entry>,
    files: Vec<Mutex<FileReader<SpillFile>>>,
    budget: Arc<Budget>,
    /// The group of each partition; nothing where all are one.
    groups: BTreeMap<PartitionValues, usize>,
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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn numbers(range: Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn values(rows: &RecordBatch) -> Vec<i64> {
        rows.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_come_back_by_object_whether_they_fit_into_memory_or_not() {
        let bytes = numbers(0..10).get_array_memory_size();
        for fits in [0, 1, 2, 5] {
            let budget = Budget::new(&Room::of(fits * bytes));
            let buffer = RowBuffer::new(numbers(0..0).schema(), &[], budget.clone());
            for (object, range) in [(1, 20..30), (0, 0..10), (1, 10..20), (2, 90..91), (0, 0..0)] {
                buffer.push(object, range.start, numbers(range)).unwrap();
            }
            assert!(budget.used.load(Ordering::Relaxed) <= fits * bytes);
            let mut buffered = buffer.close().unwrap();
            buffered.retain(|object| object != 2);
            assert_eq!(buffered.rows_in(&buffered.portions(usize::MAX)[0]), 30);
            for size in [1, 2 * bytes, usize::MAX] {
                let portions = buffered.portions(size);
                let mut read = Vec::new();
                for portion in &portions {
                    assert_eq!(portion.first, read.len());
                    read.extend(values(&buffered.read(portion).unwrap()));
                }
                assert_eq!(read, (0..30).collect::<Vec<_>>(), "{size}");
            }
            assert_eq!(buffered.portions(2 * bytes).len(), 2);
            let of_one = &buffered.by_object()[&1];
            assert_eq!(
                of_one.iter().map(|portion| portion.first).collect::<Vec<_>>(),
                [10, 20]
            );
            assert_eq!(
                values(&buffered.read(&of_one[1]).unwrap()),
                (20..30).collect::<Vec<_>>()
            );
            drop(buffered);
            assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn the_object_that_takes_the_most_room_is_known_also_where_it_found_none() {
        let room = Room {
            memory: numbers(0..10).get_array_memory_size(),
            spill: Spill::new(None, Some(3000)),
        };
        let buffer = RowBuffer::new(numbers(0..0).schema(), &[], Budget::new(&room));
        buffer.push(0, 1, numbers(0..10)).unwrap();
        buffer.push(1, 1, numbers(0..20)).unwrap();
        assert_eq!(buffer.largest().unwrap().1, 1);
        let error = buffer.push(2, 1, numbers(0..10_000)).unwrap_err();
        assert!(error.has_no_room(), "{}", error.chain());
        assert_eq!(
            error.chain().matches("spill_limit").count(),
            1,
            "{}",
            error.chain()
        );
        assert_eq!(buffer.largest().unwrap().1, 2);
        drop(buffer);
        assert_eq!(room.spill.used(), 0);
    }

    #[test]
    fn grouped_rows_of_a_partition_are_in_one_portion_where_they_fit() {
        let day_of = |number: &i64| number % 5;
        let rows = |range: Range<i64>| {
            let day: ArrayRef = Arc::new(Int64Array::from_iter_values(
                range.clone().map(|number| day_of(&number)),
            ));
            let number: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
            RecordBatch::try_from_iter([("n", number), ("day", day)]).unwrap()
        };
        let partition = ["day".to_owned()];
        let bytes = rows(0..50).get_array_memory_size();
        for fits in [0, 2, 20] {
            let budget = Budget::new(&Room::of(fits * bytes));
            let buffer = RowBuffer::new(rows(0..0).schema(), &partition, budget.clone());
            for object in [1, 0, 2, 3] {
                let first = object as i64 * 50;
                buffer.push(object, first, rows(first..first + 50)).unwrap();
            }
            // Two of the five days fit into a portion.
            let grouped = buffer.close().unwrap().by_partition(2 * bytes).unwrap();
            let portions = grouped.portions(8 * bytes);
            assert_eq!(portions.len(), 3);
            let (mut days, mut all) = (Vec::new(), Vec::new());
            for portion in &portions {
                let numbers = values(&grouped.read(portion).unwrap());
                days.extend(numbers.iter().map(day_of).collect::<BTreeSet<_>>());
                all.extend(numbers);
            }
            assert_eq!(days, [0, 1, 2, 3, 4]);
            all.sort_unstable();
            assert_eq!(all, (0..200).collect::<Vec<_>>());
            drop(grouped);
            assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn without_rows_there_is_one_empty_portion() {
        let buffer = RowBuffer::new(numbers(0..0).schema(), &[], Budget::new(&Room::of(0)));
        let buffered = buffer.close().unwrap();
        let portions = buffered.portions(1);
        assert_eq!(portions.len(), 1);
        assert_eq!(buffered.read(&portions[0]).unwrap().num_rows(), 0);
    }
}
