//! An existing Parquet file: its footer, and its rows on demand.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::{Schema, SchemaRef};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection,
};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, RowGroupMetaData,
};
use tokio::runtime::Handle;

use super::chunks::Chunks;
use crate::error::{Context, Error, Kind, Result};

/// Bytes at the end of a file that are read first: footer and page index of most files.
const FOOTER_BYTES: usize = 64 << 10;
/// Rows of a decoded batch: large ones are encoded faster.
pub(super) const BATCH_ROWS: usize = 1 << 16;
/// Decoded bytes that a batch should not exceed by much.
const BATCH_BYTES: u64 = 64 << 20;

/// A Parquet file in an object store, with its footer and page index in memory.
///
/// Column chunks are fetched whole, neighbouring ones in one request, and decoded from memory. The methods block:
/// they are for threads that do not drive futures.
pub struct OpenFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    footer: ArrowReaderMetadata,
    /// File-wide ordinal of each row group's first row, and of the end.
    starts: Vec<u64>,
    runtime: Handle,
}

impl OpenFile {
    /// Reads the footer and the page index of the file of `size` bytes.
    ///
    /// Fails when the file is gone (`NotFound`), cannot be reached, or is no Parquet file (`Io`).
    pub async fn open(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Result<Self> {
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_metadata_options(Some(options))
            .with_prefetch_hint(Some(FOOTER_BYTES))
            .load_and_finish(
                Footer {
                    store: store.as_ref(),
                    path: &path,
                },
                size,
            )
            .await
            .map_err(|error| footer_error(error).with("file", &path))?;
        // The plain Parquet types stand: a file of another writer may carry a schema of its own taste.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let footer = ArrowReaderMetadata::try_new(Arc::new(metadata), options)?;
        let mut starts = vec![0];
        for group in footer.metadata().row_groups() {
            starts.push(starts[starts.len() - 1] + group.num_rows() as u64);
        }
        Ok(Self {
            store,
            path,
            size,
            footer,
            starts,
            runtime: Handle::current(),
        })
    }

    /// Rows in the file.
    pub fn rows(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    /// Columns as the file has them.
    pub fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    /// Reads the given rows (ascending file-wide ordinals) as columns of `schema`, in that order.
    ///
    /// A column that the file lacks is null, one of another type is cast. Fails when a value does not fit the type
    /// or an ordinal is out of range or out of order.
    pub fn read_rows(&self, rows: &[u64], schema: &SchemaRef) -> Result<RecordBatch> {
        if !rows.is_sorted_by(|a, b| a < b) || rows.last().is_some_and(|last| *last >= self.rows()) {
            return Err(
                Error::internal("row ordinals are not ascending or beyond the file").with("file", &self.path),
            );
        }
        let mut batches = Vec::new();
        for group in 0..self.groups() {
            let span = self.span(group);
            let wanted = within(rows, &span, |row| *row);
            if wanted.is_empty() {
                continue;
            }
            let selection = selection(wanted.iter().map(|row| row - span.start), span.end - span.start);
            let chunks = self.fetch(self.ranges(group, schema))?;
            for batch in self.read_group(group, &chunks, schema, Some(selection), BATCH_ROWS)? {
                batches.push(batch?);
            }
        }
        Ok(concat_batches(schema, &batches)?)
    }

    /// Reads all rows in file order as columns of `schema`, like [`OpenFile::read_rows`], in batches.
    pub fn batches(&self, schema: &SchemaRef) -> Batches<'_> {
        Batches {
            file: self,
            schema: Arc::clone(schema),
            group: 0,
            reader: None,
        }
    }

    pub(super) fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.footer.metadata()
    }

    pub(super) fn groups(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn row_group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata().row_group(group)
    }

    /// File-wide ordinals of a row group's rows.
    pub(super) fn span(&self, group: usize) -> Range<u64> {
        self.starts[group]..self.starts[group + 1]
    }

    /// Ordinals of the leaf columns of a top-level column; none when the file lacks it.
    pub(super) fn leaves(&self, column: &str) -> Range<usize> {
        let parquet = self.footer.parquet_schema();
        let of_column = |leaf: &usize| parquet.get_column_root(*leaf).name() == column;
        match (0..parquet.num_columns()).find(of_column) {
            Some(first) => {
                first
                    ..(first..parquet.num_columns())
                        .take_while(of_column)
                        .last()
                        .map_or(first, |l| l + 1)
            }
            None => 0..0,
        }
    }

    /// Byte ranges of a row group's chunks of the columns of `schema`.
    pub(super) fn ranges(&self, group: usize, schema: &Schema) -> Vec<Range<u64>> {
        let leaves = schema.fields().iter().flat_map(|field| self.leaves(field.name()));
        leaves.map(|leaf| self.chunk_range(group, leaf)).collect()
    }

    pub(super) fn chunk_range(&self, group: usize, leaf: usize) -> Range<u64> {
        let (start, length) = self.row_group(group).column(leaf).byte_range();
        start..start + length
    }

    /// Where the Bloom filter of a chunk is, if it has one of known length.
    pub(super) fn bloom_range(&self, group: usize, leaf: usize) -> Option<Range<u64>> {
        let column = self.row_group(group).column(leaf);
        let start = u64::try_from(column.bloom_filter_offset()?).ok()?;
        Some(start..start + u64::try_from(column.bloom_filter_length()?).ok()?)
    }

    /// Reads byte ranges, neighbours in one request.
    pub(super) fn fetch(&self, ranges: Vec<Range<u64>>) -> Result<Chunks> {
        let bytes = self.runtime.block_on(self.store.get_ranges(&self.path, &ranges));
        let bytes = bytes.map_err(|error| Error::from(error).with("file", &self.path))?;
        Ok(Chunks::new(self.size, &ranges, bytes))
    }

    /// Decodes the selected rows of a row group from its fetched chunks, in batches of `batch_rows` rows.
    pub(super) fn read_group(
        &self,
        group: usize,
        chunks: &Chunks,
        schema: &SchemaRef,
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<GroupReader> {
        let parquet = self.footer.parquet_schema();
        let leaves = schema.fields().iter().flat_map(|field| self.leaves(field.name()));
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), self.footer.clone())
                .with_row_groups(vec![group])
                .with_projection(ProjectionMask::leaves(parquet, leaves))
                .with_batch_size(batch_rows.min(self.batch_rows(group, schema)));
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        Ok(GroupReader {
            reader: builder.build()?,
            schema: Arc::clone(schema),
            path: self.path.clone(),
        })
    }

    /// Rows of a batch such that wide rows do not take too much memory.
    fn batch_rows(&self, group: usize, schema: &Schema) -> usize {
        let metadata = self.row_group(group);
        let leaves = schema.fields().iter().flat_map(|field| self.leaves(field.name()));
        let bytes = leaves.map(|leaf| {
            let column = metadata.column(leaf);
            column
                .uncompressed_size()
                .max(column.unencoded_byte_array_data_bytes().unwrap_or(0)) as u64
        });
        let row_bytes = bytes.sum::<u64>() / (metadata.num_rows() as u64).max(1);
        (BATCH_BYTES / row_bytes.max(1)).clamp(1024, BATCH_ROWS as u64) as usize
    }
}

/// Batches of one row group, with the columns and types that were asked for.
pub(super) struct GroupReader {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    path: Path,
}

impl GroupReader {
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let conform = |field: &Arc<arrow::datatypes::Field>| -> Result<ArrayRef> {
            let Some(column) = batch.column_by_name(field.name()) else {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            };
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            let exact = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            cast_with_options(column, field.data_type(), &exact)
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

impl Batches<'_> {
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
pub(super) fn within<'a, T>(items: &'a [T], span: &Range<u64>, row: impl Fn(&T) -> u64) -> &'a [T] {
    let from = items.partition_point(|item| row(item) < span.start);
    let to = items.partition_point(|item| row(item) < span.end);
    &items[from..to]
}

/// Selects ascending rows out of `total`.
pub(super) fn selection(rows: impl Iterator<Item = u64>, total: u64) -> RowSelection {
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

struct Footer<'a> {
    store: &'a dyn ObjectStore,
    path: &'a Path,
}

impl MetadataFetch for Footer<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<bytes::Bytes>> {
        let read = self.store.get_range(self.path, range);
        read.map(|bytes| bytes.map_err(|error| ParquetError::External(Box::new(error))))
            .boxed()
    }
}

fn footer_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
            Ok(storage) => Error::from(*storage),
            Err(other) => Error::new(Kind::Io, "parquet footer could not be read").because(other),
        },
        other => Error::new(Kind::Io, "parquet footer could not be read").because(other),
    }
}
