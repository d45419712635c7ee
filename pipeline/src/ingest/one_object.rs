//! One object that is read for all tables that want it: its rows are shaped while the next ones are decoded.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::decode::{Decoded, Malformed, RawBatch};
use crate::error::{Error, Result};
use crate::shape::{Shaped, Source};

use super::object_rows::ObjectRows;
use super::read::TableReader;
use super::rejects::Rejects;

/// Why a document is rejected of which something is missing, nobody knows how much.
const CUT_SHORT: &str = "the object ends within a record or within an open quote: it may be cut short, and what it covers \
                         stays as it was";

/// An object that is being read, and what it gave each table so far.
pub(super) struct OneObject<'a> {
    readers: &'a [TableReader<'a>],
    ordinal: usize,
    source: Arc<Source>,
    /// What it gave, by table; none where the table does not want it.
    by_table: Vec<Option<ObjectRows>>,
    /// How many batches of rows are shaped at the same time at most.
    at_once: usize,
    /// Those that are, on threads of their own, each with the table that it is for: the oldest first.
    shaping: VecDeque<(usize, JoinHandle<Result<Shaped>>)>,
    /// Its rows so far, for tables whose SQL looks at all of them at once.
    whole: Vec<Arc<RawBatch>>,
    /// Whether there is not even a header.
    is_nothing: bool,
    is_cut_short: bool,
}

impl<'a> OneObject<'a> {
    /// Begins with the object of this ordinal in the batch, for those of the tables that want it.
    pub(super) fn new(
        readers: &'a [TableReader<'a>],
        wanting: &[bool],
        ordinal: usize,
        source: Source,
        at_once: usize,
    ) -> Self {
        let nothing_yet = |(reader, wants): (&TableReader<'_>, &bool)| {
            wants.then(|| ObjectRows {
                ordinal,
                rejects: Rejects::within(reader.buffer.spill()),
                account: source.account.alias.clone(),
                ..ObjectRows::default()
            })
        };
        let mut one = Self {
            by_table: readers.iter().zip(wanting).map(nothing_yet).collect(),
            readers,
            ordinal,
            source: Arc::new(source),
            at_once,
            shaping: VecDeque::new(),
            whole: Vec::new(),
            is_nothing: false,
            is_cut_short: false,
        };
        one.reject_others();
        one
    }

    /// Takes what the decoder says next.
    pub(super) async fn take(&mut self, next: Result<Decoded>) -> Result<()> {
        if !matches!(next, Ok(Decoded::Rows(_))) {
            // What comes next comes after the rows before it.
            self.finish_shaping(0).await?;
        }
        match next? {
            Decoded::Header(header) => {
                Arc::make_mut(&mut self.source).header = header;
                self.reject_others();
            }
            Decoded::Nothing => self.is_nothing = true,
            Decoded::CutShort => self.is_cut_short = true,
            Decoded::Rows(batch) => self.take_rows(Arc::new(batch)).await?,
            Decoded::Malformed(malformed) => self.take_malformed(&malformed)?,
        }
        Ok(())
    }

    /// Shapes what waited for the object's end, and says what it is as a whole. Nothing else is decoded of it.
    pub(super) async fn end(mut self) -> Result<Vec<Option<ObjectRows>>> {
        if !self.whole.is_empty() {
            let all = Arc::new(concat(&self.whole)?);
            for table in self.taking() {
                if self.readers[table].shaper.wants_whole_objects() {
                    self.begin_shaping(table, &all).await?;
                }
            }
            self.finish_shaping(0).await?;
        }
        for table in self.taking() {
            self.declare(table)?;
        }
        Ok(self.by_table)
    }

    async fn take_rows(&mut self, batch: Arc<RawBatch>) -> Result<()> {
        let mut keeps_whole = false;
        for table in self.taking() {
            // It may be rejected by what came of earlier rows meanwhile.
            let gave = self.by_table[table].as_mut();
            let Some(gave) = gave.filter(|gave| gave.rejected.is_none()) else {
                continue;
            };
            gave.rows_read += batch.rows.len() as u64;
            if self.readers[table].shaper.wants_whole_objects() {
                keeps_whole = true;
            } else {
                self.begin_shaping(table, &batch).await?;
            }
        }
        if keeps_whole {
            self.whole.push(batch);
        }
        Ok(())
    }

    fn take_malformed(&mut self, malformed: &Malformed) -> Result<()> {
        for table in self.taking() {
            let shaper = self.readers[table].shaper;
            let reject = shaper.malformed(malformed.row, &malformed.reason, &malformed.text);
            if let Some(gave) = &mut self.by_table[table] {
                gave.rows_read += 1;
                gave.rejects.push(reject)?;
            }
        }
        Ok(())
    }

    /// What it says as a document to a table that keeps them, or why it says nothing that may be believed.
    fn declare(&mut self, table: usize) -> Result<()> {
        let Some(gave) = &mut self.by_table[table] else {
            return Ok(());
        };
        let shaper = self.readers[table].shaper;
        if self.is_nothing && shaper.empties() {
            gave.reject("the object is empty: a report without rows has a header at least".to_owned());
            return Ok(());
        }
        gave.declared = shaper.declared(&self.source)?;
        if self.is_cut_short && gave.declared.is_some() {
            gave.reject(CUT_SHORT.to_owned());
        }
        if let Some(wrong) = gave.declared.as_ref().and_then(|declared| declared.wrong.clone()) {
            gave.reject(wrong);
        }
        Ok(())
    }

    /// Rejects the object for those tables that it is of another data set for, as far as it has told.
    fn reject_others(&mut self) {
        for (reader, gave) in self.readers.iter().zip(&mut self.by_table) {
            let Some(gave) = gave.as_mut().filter(|gave| gave.rejected.is_none()) else {
                continue;
            };
            if let Some(reason) = reader.shaper.is_another(&self.source) {
                gave.reject(reason);
            }
        }
    }

    /// The tables that want the object and have not rejected it.
    fn taking(&self) -> Vec<usize> {
        let takes = |gave: &Option<ObjectRows>| gave.as_ref().is_some_and(|gave| gave.rejected.is_none());
        let tables = 0..self.by_table.len();
        tables.filter(|table| takes(&self.by_table[*table])).collect()
    }

    /// Begins to shape rows for a table, once there is room for it. The good ones go to the table's buffer.
    async fn begin_shaping(&mut self, table: usize, batch: &Arc<RawBatch>) -> Result<()> {
        self.finish_shaping(self.at_once - 1).await?;
        let TableReader {
            shaper,
            buffer,
            stamp,
            ..
        } = &self.readers[table];
        let (shaper, buffer, stamp, ordinal) = (Arc::clone(shaper), Arc::clone(buffer), *stamp, self.ordinal);
        let (batch, source) = (batch.clone(), self.source.clone());
        let handle = Handle::current();
        let shaped = tokio::task::spawn_blocking(move || {
            let delivered = batch.fields.schema_ref().fields().iter();
            let delivered = delivered.map(|field| field.name().as_str());
            buffer.see(delivered.chain(source.constants()));
            let mut shaped = handle.block_on(shaper.shape(&batch, &source, stamp))?;
            let none = shaped.rows.slice(0, 0);
            let rows = std::mem::replace(&mut shaped.rows, none);
            buffer.push(ordinal, batch.rows.first().copied().unwrap_or_default(), rows)?;
            Ok(shaped)
        });
        self.shaping.push_back((table, shaped));
        Ok(())
    }

    /// Waits until no more than so many batches are being shaped, and gives the tables what comes of the others. After an
    /// error nothing is left: the object is not at work any more.
    pub(super) async fn finish_shaping(&mut self, left: usize) -> Result<()> {
        let mut failed = Ok(());
        while self.shaping.len() > left || failed.is_err() {
            let Some((table, shaped)) = self.shaping.pop_front() else {
                break;
            };
            let panicked = |error| Error::data("object cannot be shaped: shaping panicked").because(error);
            let shaped = shaped.await.map_err(panicked);
            let gave = self.by_table[table]
                .as_mut()
                .filter(|gave| gave.rejected.is_none());
            if let (Ok(()), Some(gave)) = (&failed, gave) {
                failed = shaped.and_then(|shaped| gave.take(shaped));
            }
        }
        failed
    }
}

/// Batches of one object as one, all fields as text; a field that a batch lacks is null there.
fn concat(batches: &[Arc<RawBatch>]) -> Result<RawBatch> {
    let texts = batches.iter().map(|batch| batch.texts());
    let texts = texts.collect::<Result<Vec<_>>>()?;
    let mut names: Vec<&str> = Vec::new();
    for fields in &texts {
        for field in fields.schema_ref().fields() {
            if !names.contains(&field.name().as_str()) {
                names.push(field.name());
            }
        }
    }
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let aligned = texts
        .iter()
        .map(|fields| {
            let columns: Vec<ArrayRef> = names
                .iter()
                .map(|name| {
                    let column = fields.column_by_name(name).cloned();
                    column.unwrap_or_else(|| new_null_array(&DataType::Utf8, fields.num_rows()))
                })
                .collect();
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RawBatch {
        fields: concat_batches(&schema, &aligned)?,
        rows: batches
            .iter()
            .flat_map(|batch| batch.rows.iter().copied())
            .collect(),
    })
}
