//! One file written anew with an edit applied.

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::SchemaDescriptor;

use super::encode::{encode, properties};
use super::plan::{Piece, plan};
use super::source::{Column, Source};
use super::{Edit, OpenFile, WriteOptions, Written};
use crate::error::Result;

/// Writes `old` (none: an empty file) anew to `sink` with the edit applied; none, and nothing written, when no row is
/// left. The file has exactly the columns of `schema`; those that `old` lacks are null in its rows.
///
/// Row groups without edits are copied as bytes; in those with updates only, so are the columns whose values stay;
/// everything else is encoded anew. Holds some fetched chunks, and one column of one row group decoded batch by
/// batch. Rows may change their order.
///
/// Blocks; see [`OpenFile`]. The sink has all bytes afterwards, but is not finished. Fails when the edit does not fit
/// the file or the schema (`Internal`), when an old value does not fit its column's type (`Data`), or on storage
/// errors (`Io`).
pub fn rewrite<W: Write + Send>(
    old: Option<&OpenFile>,
    schema: &SchemaRef,
    edit: &Edit<'_>,
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
        let mut target = writer.next_row_group()?;
        write_group(&mut target, pieces, old, schema, &parquet, edit, options)?;
        target.close()?;
    }
    let metadata = writer.finish()?;
    Written::new(&metadata, writer.bytes_written(), schema, options).map(Some)
}

fn write_group<W: Write + Send>(
    target: &mut SerializedRowGroupWriter<'_, W>,
    pieces: &[Piece<'_>],
    old: Option<&OpenFile>,
    schema: &SchemaRef,
    parquet: &SchemaDescriptor,
    edit: &Edit<'_>,
    options: &WriteOptions,
) -> Result<()> {
    let rows = pieces.iter().map(Piece::rows).sum();
    let mut sources: Vec<Source<'_>> = pieces
        .iter()
        .filter_map(|piece| Source::new(old, *piece, schema))
        .collect();
    let columns = schema.fields().iter().zip(edit.rows.columns()).enumerate();
    for (position, (field, new)) in columns {
        let column = Column {
            position,
            field,
            new,
            parquet,
        };
        if let [Source::Old(source)] = sources.as_mut_slice()
            && source.write(target, &column, options)?
        {
            continue;
        }
        let plain: Vec<_> = sources
            .iter()
            .flat_map(|source| source.plain_leaves(&column))
            .collect();
        let arrays = sources
            .iter_mut()
            .map(|source| source.arrays(&column))
            .collect::<Result<Vec<_>>>()?;
        for chunk in encode(field, arrays.into_iter().flatten(), rows, &plain, options)? {
            chunk.append_to_row_group(target)?;
        }
    }
    Ok(())
}
