//! Where the values of a new row group come from: an old row group with its edit, or new rows.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use super::dictionary_chunk::DictionaryChunk;
use super::encode::{is_plain, properties};
use super::patch::Patched;
use super::plain;
use super::ready::ReadyChunk;
use crate::error::Result;
use crate::write::read::batches::{BATCH_ROWS, selection};
use crate::write::read::chunks::Chunks;
use crate::write::row_groups::{Part, Piece};
use crate::write::{OpenFile, WriteOptions};

/// Bytes of chunks that are fetched and held at a time.
const FETCH_BYTES: u64 = 16 << 20;
/// Rows of a batch in the comparison of old and new values: a column that changes mostly shows it early.
const COMPARE_ROWS: usize = 4096;

/// A top-level column of the file to be written.
pub(crate) struct Column<'a> {
    pub(crate) position: usize,
    pub(crate) field: &'a FieldRef,
    /// Its values in the new rows.
    pub(crate) new: &'a ArrayRef,
    /// Schema of the file to be written.
    pub(crate) parquet: &'a SchemaDescriptor,
}

type Arrays<'a> = Box<dyn Iterator<Item = Result<ArrayRef>> + 'a>;

/// A piece of a new row group, ready to be read.
pub(crate) enum Source<'a> {
    Old(OldSource<'a>),
    New(&'a [u32]),
}

impl<'a> Source<'a> {
    /// None for a piece of an old file that is not there.
    pub(crate) fn new(old: Option<&'a OpenFile>, piece: Piece<'a>, schema: &SchemaRef) -> Option<Self> {
        Some(match piece {
            Piece::New(rows) => Self::New(rows),
            Piece::Old(part) => {
                let file = old?;
                Self::Old(OldSource {
                    file,
                    part,
                    schema: Arc::clone(schema),
                    held: 0..0,
                    chunks: None,
                })
            }
        })
    }

    /// The column's values, in batches, with the edit applied.
    pub(crate) fn arrays<'b>(&'b mut self, column: &Column<'b>) -> Result<Arrays<'b>> {
        match self {
            Self::Old(source) => source.arrays(column),
            Self::New(rows) => {
                let new = column.new;
                let values = move |rows: &[u32]| values_of(new, rows);
                Ok(Box::new(rows.chunks(BATCH_ROWS).map(values)))
            }
        }
    }

    /// The column's chunks without the work of encoding values, where it can be saved.
    pub(crate) fn kept(
        &mut self,
        column: &Column<'_>,
        options: &WriteOptions,
    ) -> Result<Option<Vec<ReadyChunk>>> {
        match self {
            Self::Old(source) => source.kept(column, options),
            Self::New(rows) => of_few_values(column, rows, options),
        }
    }

    /// Leaves of the column whose old chunk has no dictionary.
    pub(crate) fn plain_leaves(&self, column: &Column<'_>) -> Vec<ColumnPath> {
        let Self::Old(source) = self else {
            return Vec::new();
        };
        let group = source.file.row_group(source.part.group);
        let leaves = source.file.leaves(column.field.name());
        let plain = leaves
            .map(|leaf| group.column(leaf))
            .filter(|chunk| is_plain(chunk));
        plain.map(|chunk| chunk.column_path().clone()).collect()
    }
}

/// The values of some rows; those that lie side by side stay where they are.
fn values_of(column: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    let lie_together = rows.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match rows.first() {
        Some(first) if lie_together => Ok(column.slice(*first as usize, rows.len())),
        _ => Ok(take(column, &UInt32Array::from(rows.to_vec()), None)?),
    }
}

/// The chunk of new values, where all of them are a few distinct ones, as in the columns that say where rows come from.
fn of_few_values(
    column: &Column<'_>,
    rows: &[u32],
    options: &WriteOptions,
) -> Result<Option<Vec<ReadyChunk>>> {
    let name = column.field.name();
    let is_root = |leaf: &usize| column.parquet.get_column_root(*leaf).name() == name;
    let Some(leaf) = only((0..column.parquet.num_columns()).filter(is_root)) else {
        return Ok(None);
    };
    let stored_otherwise = [&options.counting, &options.random, &options.bloom_filters];
    if stored_otherwise.iter().any(|columns| columns.contains(name)) {
        return Ok(None);
    }
    let Some(dictionary) = DictionaryChunk::of_few(column.parquet.column(leaf), column.new, rows) else {
        return Ok(None);
    };
    let properties = properties(&single(column.field), options, 1)?.build();
    Ok(dictionary.write(properties)?.map(|chunk| vec![chunk]))
}

/// An old row group and what of it is in memory.
pub(crate) struct OldSource<'a> {
    file: &'a OpenFile,
    part: Part<'a>,
    schema: SchemaRef,
    /// Columns of the schema whose chunks are held.
    held: Range<usize>,
    chunks: Option<Chunks>,
}

impl<'a> OldSource<'a> {
    /// The column's chunks without encoding its values anew: as they are, if the edit leaves the values as they are,
    /// or with other indices into its distinct values; none where neither is possible.
    pub(crate) fn kept(
        &mut self,
        column: &Column<'_>,
        options: &WriteOptions,
    ) -> Result<Option<Vec<ReadyChunk>>> {
        // The writer cannot make a file in which only some chunks have an offset index.
        let has_pages = self.file.metadata().offset_index().is_some();
        if !has_pages || !self.has_layout_of(column) {
            return Ok(None);
        }
        let chunks = self.chunks(column.position)?;
        let keeps_rows = self.part.deletes.is_empty();
        let is_untouched =
            keeps_rows && (self.part.updates.is_empty() || options.key.contains(column.field.name()));
        let dictionary = if is_untouched {
            None
        } else {
            self.dictionary_chunk(column, &chunks)
        };
        if is_untouched || keeps_rows && self.keeps_values(column, &chunks, dictionary.as_ref())? {
            let leaves = self.file.leaves(column.field.name());
            let copies = leaves.map(|leaf| self.copied_chunk(leaf, &chunks));
            return copies.collect::<Result<_>>().map(Some);
        }
        let Some(mut dictionary) = dictionary else {
            return Ok(None);
        };
        dictionary.edit(&self.part, column.new);
        let properties = properties(&single(column.field), options, 1)?.build();
        Ok(dictionary.write(properties)?.map(|chunk| vec![chunk]))
    }

    /// The column by the indices of its values, where it is stored so.
    fn dictionary_chunk(&self, column: &Column<'_>, chunks: &Chunks) -> Option<DictionaryChunk> {
        DictionaryChunk::read(self.only_chunk(column)?, column.field.data_type(), chunks)
    }

    /// The column's chunk, where it has no more than one.
    fn only_chunk(&self, column: &Column<'_>) -> Option<&ColumnChunkMetaData> {
        let leaf = only(self.file.leaves(column.field.name()))?;
        Some(self.file.row_group(self.part.group).column(leaf))
    }

    /// Whether the old chunks are described exactly as those of the new file.
    fn has_layout_of(&self, column: &Column<'_>) -> bool {
        let (old, new) = (
            self.file.metadata().file_metadata().schema_descr(),
            column.parquet,
        );
        let leaves = self.file.leaves(column.field.name());
        let is_new = |leaf: &usize| new.get_column_root(*leaf).name() == column.field.name();
        let new_leaves = (0..new.num_columns()).filter(is_new).map(|leaf| new.column(leaf));
        !leaves.is_empty() && leaves.map(|leaf| old.column(leaf)).eq(new_leaves)
    }

    /// Whether every updated row has its old value of this column again.
    fn keeps_values(
        &self,
        column: &Column<'_>,
        chunks: &Chunks,
        dictionary: Option<&DictionaryChunk>,
    ) -> Result<bool> {
        let updates = self.part.updates;
        if let Some(dictionary) = dictionary {
            return Ok(dictionary.keeps_values(&self.part, column.new));
        }
        let chunk = self.only_chunk(column);
        if let Some(keeps) =
            chunk.and_then(|chunk| plain::keeps_values(chunk, chunks, &self.part, column.new))
        {
            return Ok(keeps);
        }
        let rows = selection(
            updates.iter().map(|(row, _)| row - self.part.start),
            self.part.old_rows,
        );
        let schema = single(column.field);
        let mut compared = 0;
        for old in self
            .file
            .read_group(self.part.group, chunks, &schema, Some(rows), COMPARE_ROWS)?
        {
            let old = old?;
            let batch = &updates[compared..compared + old.num_rows()];
            let new_rows = UInt32Array::from_iter_values(batch.iter().map(|(_, new)| *new));
            if old.column(0) != &take(column.new, &new_rows, None)? {
                return Ok(false);
            }
            compared += old.num_rows();
        }
        Ok(true)
    }

    fn copied_chunk(&self, leaf: usize, chunks: &Chunks) -> Result<ReadyChunk> {
        let (metadata, group) = (self.file.metadata(), self.part.group);
        let chunk = self.file.row_group(group).column(leaf);
        let bloom_filter = match self.file.bloom_range(group, leaf) {
            Some(_) => Sbbf::read_from_column_chunk(chunk, chunks)?,
            None => None,
        };
        let column_index = metadata
            .column_index()
            .and_then(|index| index.get(group)?.get(leaf).cloned());
        let offset_index = metadata
            .offset_index()
            .and_then(|index| index.get(group)?.get(leaf).cloned());
        let close = ColumnCloseResult {
            bytes_written: chunk.compressed_size() as u64,
            rows_written: self.part.old_rows,
            metadata: chunk.clone(),
            bloom_filter,
            column_index: column_index.filter(|index| !matches!(index, ColumnIndexMetaData::NONE)),
            offset_index,
        };
        Ok(ReadyChunk::Copied(chunks.clone(), close))
    }

    fn arrays<'b>(&'b mut self, column: &Column<'b>) -> Result<Arrays<'b>> {
        let chunks = self.chunks(column.position)?;
        let reader =
            self.file
                .read_group(self.part.group, &chunks, &single(column.field), None, BATCH_ROWS)?;
        Ok(Box::new(Patched::new(reader, self.part, column.new)))
    }

    /// Chunks and Bloom filters of the column, fetched together with those of the columns that follow.
    fn chunks(&mut self, position: usize) -> Result<Chunks> {
        if let Some(chunks) = self.chunks.as_ref().filter(|_| self.held.contains(&position)) {
            return Ok(chunks.clone());
        }
        self.chunks = None;
        let (mut ranges, mut bytes, mut end) = (Vec::new(), 0, position);
        for field in &self.schema.fields()[position..] {
            let leaves = self.file.leaves(field.name());
            let of_column: Vec<Range<u64>> = leaves
                .flat_map(|leaf| {
                    let group = self.part.group;
                    [
                        Some(self.file.chunk_range(group, leaf)),
                        self.file.bloom_range(group, leaf),
                    ]
                })
                .flatten()
                .collect();
            bytes += of_column.iter().map(|range| range.end - range.start).sum::<u64>();
            if end > position && bytes > FETCH_BYTES {
                break;
            }
            ranges.extend(of_column);
            end += 1;
        }
        let chunks = self.file.fetch(ranges)?;
        self.held = position..end;
        self.chunks = Some(chunks.clone());
        Ok(chunks)
    }
}

/// The one of which there is no other.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

fn single(field: &FieldRef) -> SchemaRef {
    Arc::new(Schema::new(vec![Arc::clone(field)]))
}
