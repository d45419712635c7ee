//! Column chunks that are made and wait to be written.

use std::io::Write;

use bytes::Bytes;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::writer::SerializedRowGroupWriter;

use crate::error::Result;
use crate::write::read::chunks::Chunks;

/// A column chunk, to be appended to a row group after those of the columns before it.
pub(crate) enum ReadyChunk {
    /// As it is in the old file.
    Copied(Chunks, ColumnCloseResult),
    /// Distinct values with new indices.
    Dictionary(Bytes, ColumnCloseResult),
    Encoded(ArrowColumnChunk),
}

impl ReadyChunk {
    pub(crate) fn append<W: Write + Send>(self, target: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        match self {
            Self::Copied(chunks, close) => target.append_column(&chunks, close)?,
            Self::Dictionary(bytes, close) => target.append_column(&bytes, close)?,
            Self::Encoded(chunk) => chunk.append_to_row_group(target)?,
        }
        Ok(())
    }
}
