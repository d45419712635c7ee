//! One file written anew with an edit applied.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::SchemaDescriptor;

use super::columns::encode::{encode, properties};
use super::columns::ready::ReadyChunk;
use super::columns::source::{Column, Source};
use super::row_groups::{Piece, plan};
use super::{Edit, OpenFile, WriteOptions, Written};
use crate::error::{Error, Result};

/// Writes `old` (none: an empty file) anew to `sink` with the edit applied; none, and nothing written, when no row is
/// left. The file has exactly the columns of `schema`; those that `old` lacks are null in its rows.
///
/// Row groups without edits are copied as bytes; in those with updates only, so are the columns whose values stay;
/// everything else is encoded anew. Holds some fetched chunks, and one column of one row group decoded batch by
/// batch; with several threads each of them does, and all chunks of one row group. Rows may change their order.
///
/// Blocks; see [`OpenFile`]. The sink has all bytes afterwards, but is not finished. Fails when the edit does not fit
/// the file or the schema (`Internal`), when an old value does not fit its column's type (`Data`), or on storage
/// errors (`Io`).
pub fn rewrite<W: Write + Send>(
    old: Option<&OpenFile>,
    schema: &SchemaRef,
    edit: &Edit,
    options: &WriteOptions,
    sink: W,
) -> Result<Option<Written>> {
    edit.check(old.map_or(0, OpenFile::rows), schema)?;
    let groups = plan(old, edit, options);
    if groups.is_empty() {
        return Ok(None);
    }
    let parquet = ArrowSchemaConverter::new().convert(schema)?;
    let file_properties = properties(schema, options, 1)?.build();
    let mut writer = SerializedFileWriter::new(sink, parquet.root_schema_ptr(), Arc::new(file_properties))?;
    for pieces in &groups {
        let group = RowGroup {
            pieces,
            old,
            schema,
            parquet: &parquet,
            edit,
            options,
        };
        let mut target = writer.next_row_group()?;
        group.write(&mut target)?;
        target.close()?;
    }
    let metadata = writer.finish()?;
    Written::new(&metadata, writer.bytes_written(), schema, options).map(Some)
}

/// A row group to be written.
struct RowGroup<'a> {
    pieces: &'a [Piece<'a>],
    old: Option<&'a OpenFile>,
    schema: &'a SchemaRef,
    parquet: &'a SchemaDescriptor,
    edit: &'a Edit,
    options: &'a WriteOptions,
}

impl RowGroup<'_> {
    fn write<W: Write + Send>(&self, target: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        if self.options.threads < 2 || self.rows() < self.options.small_row_group_rows {
            let mut sources = self.sources();
            for position in 0..self.schema.fields().len() {
                for chunk in self.column(&mut sources, position)? {
                    chunk.append(target)?;
                }
            }
            return Ok(());
        }
        // Every thread makes columns that lie side by side, so that each fetches bytes of its own.
        let shares: Vec<Result<Vec<ReadyChunk>>> = std::thread::scope(|scope| {
            let share = |columns: Range<usize>| {
                scope.spawn(move || {
                    let mut sources = self.sources();
                    let mut ready = Vec::new();
                    for position in columns {
                        ready.extend(self.column(&mut sources, position)?);
                    }
                    Ok(ready)
                })
            };
            let threads: Vec<_> = self.shares().into_iter().map(share).collect();
            let panicked = |_| Err(Error::internal("encoding a column panicked"));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(panicked))
                .collect()
        });
        for share in shares {
            for chunk in share? {
                chunk.append(target)?;
            }
        }
        Ok(())
    }

    fn rows(&self) -> u64 {
        self.pieces.iter().map(Piece::rows).sum()
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let pieces = self.pieces.iter();
        pieces
            .filter_map(|piece| Source::new(self.old, *piece, self.schema))
            .collect()
    }

    /// The columns in as many ranges as there are threads, of about the same number of bytes.
    fn shares(&self) -> Vec<Range<usize>> {
        let bytes: Vec<usize> = self
            .edit
            .rows
            .columns()
            .iter()
            .map(|column| column.get_array_memory_size().max(1))
            .collect();
        let most = bytes.iter().sum::<usize>().div_ceil(self.options.threads);
        let (mut shares, mut begin, mut held) = (Vec::new(), 0, 0);
        for (position, bytes) in bytes.iter().enumerate() {
            if position > begin && held + bytes / 2 > most {
                shares.push(begin..position);
                (begin, held) = (position, 0);
            }
            held += bytes;
        }
        shares.push(begin..bytes.len());
        shares
    }

    /// The chunks of one column, a leaf each.
    fn column(&self, sources: &mut [Source<'_>], position: usize) -> Result<Vec<ReadyChunk>> {
        let (field, options) = (&self.schema.fields()[position], self.options);
        let column = Column {
            position,
            field,
            new: self.edit.rows.column(position),
            parquet: self.parquet,
        };
        if let [source] = &mut *sources
            && let Some(kept) = source.kept(&column, options)?
        {
            return Ok(kept);
        }
        let plain: Vec<_> = sources
            .iter()
            .flat_map(|source| source.plain_leaves(&column))
            .collect();
        let arrays = sources
            .iter_mut()
            .map(|source| source.arrays(&column))
            .collect::<Result<Vec<_>>>()?;
        let chunks = encode(field, arrays.into_iter().flatten(), self.rows(), &plain, options)?;
        Ok(chunks.into_iter().map(ReadyChunk::Encoded).collect())
    }
}
