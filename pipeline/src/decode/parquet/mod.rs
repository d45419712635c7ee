//! Parquet files that another program wrote.
//!
//! Each column of the file can be had as text from which the same value can be read: decimals, integers and booleans as
//! digits and words, floating point as the shortest text that gives it back, days and times as ISO 8601 (instants in
//! UTC with `Z`; times that the file knows no zone of without), text as it is, other bytes as hex, and what is nested as
//! JSON. What is simple is handed out as it is, the other columns as text. Pages are read one after another, so that
//! neither the file nor one of its row groups is ever held.

mod chunks;
mod simple;
mod text;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chunks::Chunks;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ParquetMetaData;

use super::batch::field_name;
use super::malformed::Malformed;
use super::{Decoded, Input, Limits, RawBatch};
use crate::{Error, Kind, Result};

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    chunks: Chunks,
    metadata: ArrowReaderMetadata,
    limits: Limits,
    /// Rows that the reader gives at once.
    rows_at_once: usize,
    /// Rows that were read.
    read: usize,
    names: Vec<String>,
    ordinal: i64,
    /// What is to be handed out before anything else is read.
    waiting: VecDeque<Decoded>,
}

impl ParquetRows {
    /// Reads the footer.
    pub(super) fn new(input: Box<dyn Input>, limits: Limits) -> Result<Self> {
        if input.length() == 0 {
            return Err(Error::data("the object is empty: there is no Parquet file"));
        }
        let chunks = Chunks::new(input);
        let metadata = guarded(&chunks, || metadata(&chunks))?;
        let rows_at_once = rows_at_once(metadata.metadata(), limits).min(FIRST_ROWS);
        let reader = guarded(&chunks, || reader(&chunks, &metadata, rows_at_once, 0))?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        Ok(Self {
            reader,
            chunks,
            metadata,
            limits,
            rows_at_once,
            read: 0,
            names: distinct_names(&schema)?,
            ordinal: 0,
            waiting: VecDeque::new(),
        })
    }

    fn step(&mut self) -> Result<Option<Decoded>> {
        loop {
            if let Some(decoded) = self.waiting.pop_front() {
                return Ok(Some(decoded));
            }
            match guarded(&self.chunks, || self.reader.next().transpose()) {
                Ok(Some(batch)) => {
                    self.read += batch.num_rows();
                    self.adapt(&batch)?;
                    self.take(&batch)?;
                }
                Ok(None) => return Ok(None),
                // So many rows may have more text than an array holds.
                Err(error) if error.kind() == Kind::Data && self.rows_at_once > 1 => {
                    self.read_at_once(self.rows_at_once / 8)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads so many rows at once from now on that they take about as many bytes as a batch may. What the file says of its
    /// bytes is not enough: a long text that stands in it once can be the value of every row.
    fn adapt(&mut self, batch: &RecordBatch) -> Result<()> {
        let sizes = batch
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size());
        let bytes: usize = sizes.sum::<std::result::Result<usize, _>>()?;
        let fitting = self.limits.bytes / (bytes / batch.num_rows().max(1)).max(1);
        let wanted = fitting.min(rows_at_once(self.metadata.metadata(), self.limits));
        if bytes > 2 * self.limits.bytes || self.rows_at_once == FIRST_ROWS && wanted > FIRST_ROWS {
            self.read_at_once(wanted)?;
        }
        Ok(())
    }

    fn read_at_once(&mut self, rows: usize) -> Result<()> {
        let rows = rows.max(1);
        if rows != self.rows_at_once {
            self.rows_at_once = rows;
            self.reader = guarded(&self.chunks, || {
                reader(&self.chunks, &self.metadata, rows, self.read)
            })?;
        }
        Ok(())
    }

    /// Makes text of what is not simple in a batch.
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let count = batch.num_rows();
        let first = self.ordinal + 1;
        self.ordinal += count as i64;
        let mut faults: BTreeMap<usize, String> = BTreeMap::new();
        let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
        for (column, name) in batch.columns().iter().zip(&self.names) {
            let fault = |row: usize, what: &str| {
                let field = || format!("has the field {name:?}, which {what}");
                faults.entry(row).or_insert_with(field);
            };
            let column = if simple::is_simple(column.data_type()) {
                simple::check(column, fault);
                column.clone()
            } else {
                Arc::new(text::of(column, fault)?)
            };
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::new(Schema::new(fields));
        let mut batch = RawBatch {
            fields: RecordBatch::try_new_with_options(schema, columns, &options)?,
            rows: (first..=self.ordinal).collect(),
        };
        if !faults.is_empty() {
            let texts = batch.texts()?;
            for (row, reason) in &faults {
                let shown = shown(&texts, *row);
                let malformed = Malformed::whole(first + *row as i64, reason, shown.as_bytes());
                self.waiting.push_back(Decoded::Malformed(malformed));
            }
            let good: BooleanArray = (0..count).map(|row| Some(!faults.contains_key(&row))).collect();
            batch.fields = filter_record_batch(&batch.fields, &good)?;
            batch
                .rows
                .retain(|row| !faults.contains_key(&((row - first) as usize)));
        }
        if !batch.rows.is_empty() {
            self.waiting.push_back(Decoded::Rows(batch));
        }
        Ok(())
    }
}

/// The text of every value of a column that [`decode`](super::decode) gave, null for null. Any other column of Parquet
/// is taken too; a value that has no text is null then.
pub fn texts(column: &ArrayRef) -> Result<StringArray> {
    text::of(column, |_, _| ())
}

/// A row as JSON; what is wrong in it is missing.
fn shown(texts: &RecordBatch, row: usize) -> String {
    let schema = texts.schema_ref().fields().iter();
    let values = schema.zip(texts.columns()).map(|(field, column)| {
        let column = column.as_string::<i32>();
        let value = column.is_valid(row).then(|| column.value(row).into());
        (field.name().clone(), value.unwrap_or(serde_json::Value::Null))
    });
    serde_json::Value::Object(values.collect()).to_string()
}

/// The footer, and how columns are read: by what Parquet itself says of them, so that it does not matter which program
/// wrote the file.
fn metadata(chunks: &Chunks) -> parquet::errors::Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::load(chunks, options)?;
    let root = plain.parquet_schema().root_schema().get_fields();
    let is_old_instant = |index: usize| {
        let field = &root[index];
        field.is_primitive() && field.get_physical_type() == PhysicalType::INT96
    };
    if !(0..root.len()).any(is_old_instant) {
        return Ok(plain);
    }
    // The writers of this old type mean instants; microseconds hold every day that they do.
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = plain.schema().fields().iter().enumerate().map(|(index, field)| {
        if is_old_instant(index) {
            Arc::new(field.as_ref().clone().with_data_type(instant.clone()))
        } else {
            Arc::clone(field)
        }
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)
}

/// Reads so many rows at once, from this row on.
fn reader(
    chunks: &Chunks,
    metadata: &ArrowReaderMetadata,
    rows_at_once: usize,
    from: usize,
) -> parquet::errors::Result<ParquetRecordBatchReader> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), metadata.clone())
        .with_batch_size(rows_at_once)
        .with_offset(from)
        .build()
}

/// Most rows that are read at first, when it is not known how long they are.
const FIRST_ROWS: usize = 256;

/// How many rows are read at once, so that a batch has about as many bytes as it may.
fn rows_at_once(metadata: &ParquetMetaData, limits: Limits) -> usize {
    let groups = metadata.row_groups().iter();
    let row = groups
        .map(|group| group.total_byte_size() / group.num_rows().max(1))
        .max();
    let row = usize::try_from(row.unwrap_or(0)).unwrap_or(0).max(1);
    (limits.bytes / row).clamp(1, limits.rows)
}

fn distinct_names(schema: &Schema) -> Result<Vec<String>> {
    let names = schema.fields().iter().map(|field| field.name());
    let mut seen = BTreeSet::new();
    if let Some(name) = names.clone().find(|name| !seen.insert(*name)) {
        return Err(Error::data(format!("the file has the column {name:?} twice")));
    }
    Ok(names.cloned().map(field_name).collect())
}

/// Runs a part of the Parquet reader. What it says of a failed request is our own error; that it gives up on a damaged
/// file by panicking is an error of the data.
fn guarded<T, E>(chunks: &Chunks, work: impl FnOnce() -> Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(chunks
            .failure()
            .unwrap_or_else(|| Error::data("the object is no Parquet file that can be read").because(error))),
        Err(_) => Err(Error::data("the object is a Parquet file that is damaged")),
    }
}

impl Iterator for ParquetRows {
    type Item = Result<Decoded>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests;
