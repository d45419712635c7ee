//! Shaped rows of a batch on their way into a table: in memory as far as the budget goes, the others in a temporary
//! file that vanishes with the process.

mod budget;
mod buffered;
#[cfg(test)]
mod tests;

pub(crate) use budget::Budget;
pub(crate) use buffered::{BufferedRows, Portion};

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;

use crate::delta::partition::{PartitionValues, RowPartitions};
use crate::error::{Context, Kind, Result};
use crate::storage::{Spill, SpillFile};

use budget::Reserved;

const NO_ROOM: &str = "rows that do not fit into memory cannot be put into a temporary file";

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
        self.budget.spill()
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
                let written = state.write(&self.schema, &rows, self.budget.spill());
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
        let file = state.file.map(reopen).transpose()?;
        Ok(BufferedRows {
            entries,
            files: file.map(Mutex::new).into_iter().collect(),
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
