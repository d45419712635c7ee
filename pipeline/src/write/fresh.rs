//! A file of new rows only, written as they come.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use super::columns::encode::properties;
use super::read::batches::BATCH_ROWS;
use super::{WriteOptions, Written};
use crate::error::Result;

/// Writes a fresh file from a stream of batches; holds one encoded row group. For bulk inserts.
pub struct FileWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    batches: BatchCoalescer,
    schema: SchemaRef,
    options: WriteOptions,
}

impl<W: Write + Send> FileWriter<W> {
    /// A file with the columns of `schema` that goes to `sink`.
    pub fn new(sink: W, schema: &SchemaRef, options: &WriteOptions) -> Result<Self> {
        let properties = properties(schema, options, options.row_group_rows as u64)?.build();
        let arrow = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        Ok(Self {
            writer: ArrowWriter::try_new_with_options(sink, schema.clone(), arrow)?,
            batches: BatchCoalescer::new(schema.clone(), BATCH_ROWS),
            schema: schema.clone(),
            options: options.clone(),
        })
    }

    /// Adds rows, which have the columns of the file.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.batches.push_batch(rows.clone())?;
        self.drain()
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        let flushed: i64 = self
            .writer
            .flushed_row_groups()
            .iter()
            .map(|group| group.num_rows())
            .sum();
        flushed as u64 + (self.writer.in_progress_rows() + self.batches.get_buffered_rows()) as u64
    }

    /// Bytes so far, those of the row group in progress estimated.
    pub fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Writes what is left and the footer. The sink has all bytes then, but is not finished.
    pub fn finish(mut self) -> Result<Written> {
        self.batches.finish_buffered_batch()?;
        self.drain()?;
        let metadata = self.writer.finish()?;
        Written::new(
            &metadata,
            self.writer.bytes_written(),
            &self.schema,
            &self.options,
        )
    }

    fn drain(&mut self) -> Result<()> {
        while let Some(batch) = self.batches.next_completed_batch() {
            self.writer.write(&batch)?;
        }
        Ok(())
    }
}
