//! Raw bytes to rows of text, as a stream in bounded memory.
//!
//! ```text
//!  bytes -> (gunzip) -> (charset) -> window -> records -> batch of text columns
//!                                                     \-> malformed records, one by one
//! ```
//!
//! What a record says is kept letter by letter: no number is ever parsed here. Values of Parquet files, which are no
//! text, stay what they are where they are simple, and become text from which the same value can be read when text is
//! asked for.

mod batch;
mod charset;
mod csv;
mod gunzip;
pub(crate) mod json;
mod malformed;
mod memory;
mod open;
mod parquet;
mod source;
#[cfg(test)]
mod testing;
mod window;

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;

pub use malformed::Malformed;
pub(crate) use malformed::shown;
pub use memory::InMemory;
pub use parquet::texts;
pub use source::ObjectReader;

use crate::Result;
use crate::contract::{Charset, Format};

/// The bytes of one object: a reader that begins at their start.
pub trait Input: Read + Send + Sync {
    /// The same bytes once more from their start.
    fn again(&self) -> Result<Box<dyn Input>>;

    /// How many bytes there are.
    fn length(&self) -> u64;

    /// Some of the bytes, wherever the reader stands. Errors are those of reading.
    fn range(&self, range: Range<u64>) -> Result<Bytes>;
}

/// Rows of one raw object.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// One nullable column per raw field, named by the field (canonical name after rename). Of CSV, TSV and Parquet all
    /// columns of the file; of JSON the header fields, and the fields that had a value in this batch or in one before
    /// it. They are Utf8, or of Parquet another type that [`texts`] takes.
    pub fields: RecordBatch,
    /// Ordinal of each row in its object: 1 for the first record (a header line does not count; malformed
    /// records do). Ascending.
    pub rows: Vec<i64>,
}

impl RawBatch {
    /// All fields as text.
    pub fn texts(&self) -> Result<RecordBatch> {
        let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
        for (field, column) in self
            .fields
            .schema_ref()
            .fields()
            .iter()
            .zip(self.fields.columns())
        {
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(Arc::new(texts(column)?));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let schema = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

/// What comes out of an object.
#[derive(Debug, Clone)]
pub enum Decoded {
    /// Of a JSON document, before its rows and also when it has none: name and text of each header field.
    Header(Vec<(String, String)>),
    /// Rows.
    Rows(RawBatch),
    /// Of text that begins with a header: that there is none, because there is nothing at all.
    Nothing,
    /// A record that is no row. It comes as soon as it is met, so rows before it may come later.
    Malformed(Malformed),
    /// That the object ends within a record, or within quotes that nothing closes: what is missing of it is not known.
    /// It comes last.
    CutShort,
}

/// What [`decode`] gives; after an error it gives nothing more.
pub type DecodedRows = Box<dyn Iterator<Item = Result<Decoded>> + Send>;

/// The rows of one object's content. Of text gzip is recognised by its first bytes and a UTF-8 byte order mark is
/// dropped. No bytes are no rows, but no JSON document and no Parquet file either.
///
/// `charset` is that of this object, where something beside it says so; else the format's. It speaks of CSV and TSV:
/// JSON is UTF-8.
///
/// An error, here or from the iterator, means that the whole object cannot be read, and what came before it is
/// not to be used: [`Kind::Data`](crate::Kind::Data) for bytes that are not what they should be,
/// [`Kind::Usage`](crate::Kind::Usage) for a format that cannot be, and whatever `input` fails with.
pub fn decode(input: Box<dyn Input>, format: &Format, charset: Option<Charset>) -> Result<DecodedRows> {
    match charset {
        Some(charset) => decode_within(input, &format.in_charset(charset), Limits::default()),
        None => decode_within(input, format, Limits::default()),
    }
}

/// The text of an object in UTF-8 as the formats of text read it: gunzipped where it is gzip, without byte order mark.
///
/// Errors are those of [`decode`]; those met while reading are within the reader's [`std::io::Error`].
pub fn text(input: Box<dyn Input>, charset: Charset) -> Result<Box<dyn Read + Send>> {
    open::open(Box::new(input), charset)
}

fn decode_within(input: Box<dyn Input>, format: &Format, limits: Limits) -> Result<DecodedRows> {
    let window = |input: Box<dyn Input>, charset| {
        let text = open::open(Box::new(input), charset)?;
        Ok::<_, crate::Error>(window::Window::new(text, limits.chunk))
    };
    Ok(match format {
        Format::Csv(format) => {
            let window = window(input, format.charset)?;
            Box::new(csv::CsvRows::new(window, format, limits)?.fuse_errors())
        }
        Format::Tsv(format) => {
            let window = window(input, format.charset)?;
            Box::new(csv::CsvRows::tabbed(window, format, limits).fuse_errors())
        }
        Format::JsonRows(format) => {
            let window = window(input, Charset::Utf8)?;
            Box::new(json::JsonRows::new(window, format, limits).fuse_errors())
        }
        Format::Json(format) => {
            Box::new(json::document::DocumentRows::new(input, format, limits)?.fuse_errors())
        }
        Format::Parquet => Box::new(parquet::ParquetRows::new(input, limits)?.fuse_errors()),
    })
}

/// How much is in memory at once.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes read at once.
    chunk: usize,
    /// Bytes of one record; a larger one is malformed.
    record: usize,
    /// Rows of one batch.
    rows: usize,
    /// Bytes of one batch, more or less.
    bytes: usize,
    /// Fields of one record; one that has more is malformed. Rows of more fields are in batches of their own.
    fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk: 256 << 10,
            record: 16 << 20,
            rows: 8192,
            bytes: 8 << 20,
            fields: 16 << 10,
        }
    }
}

/// An iterator that ends with its first error.
struct UntilError<I>(Option<I>);

trait FuseErrors: Sized {
    fn fuse_errors(self) -> UntilError<Self> {
        UntilError(Some(self))
    }
}

impl<I: Iterator<Item = Result<Decoded>>> FuseErrors for I {}

impl<I: Iterator<Item = Result<Decoded>>> Iterator for UntilError<I> {
    type Item = Result<Decoded>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.as_mut()?.next();
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }
}
