//! Batches of an existing file, and which rows they hold.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{FieldRef, SchemaRef};
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection};

use crate::error::{Context, Error, Kind, Result};
use crate::layout;
use crate::write::OpenFile;

/// Rows of a decoded batch: large ones are encoded faster.
pub(crate) const BATCH_ROWS: usize = 1 << 16;

/// Batches of one row group, with the columns and types that were asked for.
pub(crate) struct GroupReader {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    path: Path,
}

impl GroupReader {
    pub(crate) fn new(reader: ParquetRecordBatchReader, schema: SchemaRef, path: Path) -> Self {
        Self { reader, schema, path }
    }

    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let conform = |field: &FieldRef| -> Result<ArrayRef> {
            let Some(column) = batch.column_by_name(field.name()) else {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            };
            layout::conform(column, field.data_type())
                .context(Kind::Data, "column of a file does not fit the table's type")
                .map_err(|error| error.with("column", field.name()).with("file", &self.path))
        };
        let columns = self.schema.fields().iter().map(conform).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}

impl Iterator for GroupReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(match batch {
            Ok(batch) => self.conform(&batch),
            Err(error) => Err(Error::new(Kind::Io, "parquet file could not be decoded")
                .with("file", &self.path)
                .because(error)),
        })
    }
}

/// All rows of a file, row group by row group; see [`OpenFile::batches`].
pub struct Batches<'a> {
    file: &'a OpenFile,
    schema: SchemaRef,
    group: usize,
    reader: Option<GroupReader>,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(file: &'a OpenFile, schema: SchemaRef) -> Self {
        Self {
            file,
            schema,
            group: 0,
            reader: None,
        }
    }

    fn open(&self, group: usize) -> Result<GroupReader> {
        let chunks = self.file.fetch(self.file.ranges(group, &self.schema))?;
        self.file
            .read_group(group, &chunks, &self.schema, None, BATCH_ROWS)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            if self.group == self.file.groups() {
                return None;
            }
            self.group += 1;
            match self.open(self.group - 1) {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The part of a slice, sorted by file row, that falls into a span of file rows.
pub(crate) fn within<'a, T>(items: &'a [T], span: &Range<u64>, row: impl Fn(&T) -> u64) -> &'a [T] {
    let from = items.partition_point(|item| row(item) < span.start);
    let to = items.partition_point(|item| row(item) < span.end);
    &items[from..to]
}

/// Selects ascending rows out of `total`.
pub(crate) fn selection(rows: impl Iterator<Item = u64>, total: u64) -> RowSelection {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        let row = row as usize;
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    RowSelection::from_consecutive_ranges(ranges.into_iter(), total as usize)
}
