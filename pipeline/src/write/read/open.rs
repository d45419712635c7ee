//! An existing Parquet file: its end, and its rows on demand.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use tokio::runtime::Handle;

use super::batches::{BATCH_ROWS, Batches, GroupReader, selection, within};
use super::chunks::Chunks;
use super::footer::{Tail, load};
use crate::error::{Error, Result};

/// Decoded bytes that a batch should not exceed by much.
const BATCH_BYTES: u64 = 64 << 20;

/// A Parquet file in an object store, with its footer and page index in memory, and the bytes around them.
///
/// Column chunks are fetched whole, neighbouring ones in one request, and decoded from memory; those at the end of the file
/// are there already. The methods block:
/// they are for threads that do not drive futures.
pub struct OpenFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    footer: ArrowReaderMetadata,
    tail: Tail,
    /// File-wide ordinal of each row group's first row, and of the end.
    starts: Vec<u64>,
    runtime: Handle,
}

impl OpenFile {
    /// Reads the end of the file of `size` bytes: its footer, its page index, and the last rows of it or all of a small one.
    ///
    /// Fails when the file is gone (`NotFound`), cannot be reached (`Io`), or is no Parquet file
    /// (`Data`).
    pub async fn open(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Result<Self> {
        Self::open_with(store, path, size, 0).await
    }

    /// As [`OpenFile::open`], with so many bytes more: Bloom filters lie before the footer.
    pub(crate) async fn open_with(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size: u64,
        more: u64,
    ) -> Result<Self> {
        let (metadata, tail) = load(store.as_ref(), &path, size, more).await?;
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
            tail,
            starts,
            runtime: Handle::current(),
        })
    }

    /// Bytes that it takes in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.metadata().memory_size() + self.tail.len()
    }

    /// Rows in the file.
    pub fn rows(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    /// Row groups with fewer rows than that.
    pub fn small_row_groups(&self, rows: u64) -> usize {
        let groups = (0..self.groups()).map(|group| self.span(group));
        groups.filter(|span| span.end - span.start < rows).count()
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
        Batches::new(self, Arc::clone(schema))
    }

    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.footer.metadata()
    }

    pub(crate) fn groups(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn row_group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata().row_group(group)
    }

    /// File-wide ordinals of a row group's rows.
    pub(crate) fn span(&self, group: usize) -> Range<u64> {
        self.starts[group]..self.starts[group + 1]
    }

    /// Ordinals of the leaf columns of a top-level column; none when the file lacks it.
    pub(crate) fn leaves(&self, column: &str) -> Range<usize> {
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
    pub(crate) fn ranges(&self, group: usize, schema: &Schema) -> Vec<Range<u64>> {
        let leaves = schema.fields().iter().flat_map(|field| self.leaves(field.name()));
        leaves.map(|leaf| self.chunk_range(group, leaf)).collect()
    }

    pub(crate) fn chunk_range(&self, group: usize, leaf: usize) -> Range<u64> {
        let (start, length) = self.row_group(group).column(leaf).byte_range();
        start..start + length
    }

    /// Where the Bloom filter of a chunk is, if it has one of known length.
    pub(crate) fn bloom_range(&self, group: usize, leaf: usize) -> Option<Range<u64>> {
        let column = self.row_group(group).column(leaf);
        let start = u64::try_from(column.bloom_filter_offset()?).ok()?;
        Some(start..start + u64::try_from(column.bloom_filter_length()?).ok()?)
    }

    /// Reads byte ranges that are not in memory, neighbours in one request.
    pub(crate) fn fetch(&self, ranges: Vec<Range<u64>>) -> Result<Chunks> {
        let far: Vec<Range<u64>> = ranges
            .iter()
            .filter(|range| self.tail.slice(range).is_none())
            .cloned()
            .collect();
        let mut fetched = Vec::new();
        if !far.is_empty() {
            let bytes = self.runtime.block_on(self.store.get_ranges(&self.path, &far));
            fetched = bytes.map_err(|error| Error::from(error).with("file", &self.path))?;
        }
        let mut fetched = fetched.into_iter();
        let bytes = ranges
            .iter()
            .map(|range| {
                self.tail
                    .slice(range)
                    .or_else(|| fetched.next())
                    .unwrap_or_default()
            })
            .collect();
        Ok(Chunks::new(self.size, &ranges, bytes))
    }

    /// Decodes the selected rows of a row group from its fetched chunks, in batches of `batch_rows` rows.
    pub(crate) fn read_group(
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
        Ok(GroupReader::new(
            builder.build()?,
            Arc::clone(schema),
            self.path.clone(),
        ))
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
