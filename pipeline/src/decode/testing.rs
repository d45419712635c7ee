//! What the tests of the decoders share.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::ops::Range;

use arrow::array::{Array, AsArray};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Decoded, Input, Limits, Malformed, decode_within};
use crate::Result;
use crate::contract::Format;

/// Values of a row that are not null, by field.
pub(super) type Row = BTreeMap<String, String>;

/// The bytes as one gzip member.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything that came out of an object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct All {
    /// Name and text of the header fields of a document.
    pub(super) header: Option<Vec<(String, String)>>,
    /// Rows with their ordinals.
    pub(super) rows: Vec<(i64, Row)>,
    pub(super) malformed: Vec<Malformed>,
    /// Names of the columns of each batch.
    pub(super) columns: Vec<Vec<String>>,
    pub(super) cut_short: bool,
}

impl All {
    /// Ordinal and reason of each malformed record.
    pub(super) fn reasons(&self) -> Vec<(i64, &str)> {
        self.malformed
            .iter()
            .map(|malformed| (malformed.row, malformed.reason.as_str()))
            .collect()
    }

    /// The values of one field, by row.
    pub(super) fn field(&self, name: &str) -> Vec<Option<&str>> {
        self.rows
            .iter()
            .map(|(_, row)| row.get(name).map(String::as_str))
            .collect()
    }

    /// The ordinals of the rows.
    pub(super) fn ordinals(&self) -> Vec<i64> {
        self.rows.iter().map(|(ordinal, _)| *ordinal).collect()
    }
}

/// A row from names and values.
pub(super) fn row(values: &[(&str, &str)]) -> Row {
    values
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// Decodes `text`, or says why not.
pub(super) fn read_within(text: impl AsRef<[u8]>, format: &Format, limits: Limits) -> Result<All> {
    read_from(Box::new(Trickle::whole(text)), format, limits)
}

/// Decodes what a reader gives.
pub(super) fn read_from(input: Box<dyn Input>, format: &Format, limits: Limits) -> Result<All> {
    let mut all = All::default();
    for decoded in decode_within(input, format, limits)? {
        assert!(!all.cut_short, "it comes last");
        let batch = match decoded? {
            Decoded::Header(header) => {
                assert_eq!(all.header.replace(header), None);
                assert!(all.rows.is_empty() && all.malformed.is_empty());
                continue;
            }
            Decoded::Nothing => continue,
            Decoded::CutShort => {
                all.cut_short = true;
                continue;
            }
            Decoded::Rows(batch) => batch,
            Decoded::Malformed(malformed) => {
                all.malformed.push(malformed);
                continue;
            }
        };
        assert_eq!(batch.rows.len(), batch.fields.num_rows());
        let fields = batch.texts()?;
        let schema = fields.schema();
        all.columns
            .push(schema.fields().iter().map(|field| field.name().clone()).collect());
        for (index, ordinal) in batch.rows.iter().enumerate() {
            let mut row = Row::new();
            for (name, column) in schema.fields().iter().zip(fields.columns()) {
                let column = column.as_string::<i32>();
                if column.is_valid(index) {
                    row.insert(name.name().clone(), column.value(index).to_owned());
                }
            }
            all.rows.push((*ordinal, row));
        }
    }
    Ok(all)
}

/// A reader that gives its bytes in small pieces of changing size.
pub(super) struct Trickle {
    pub(super) bytes: Cursor<Vec<u8>>,
    /// Sizes of the pieces, over and over.
    pub(super) sizes: Vec<usize>,
    pub(super) calls: usize,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.calls % self.sizes.len()].min(buffer.len());
        self.calls += 1;
        self.bytes.read(&mut buffer[..size])
    }
}

impl Trickle {
    /// A reader that gives as much as is asked for.
    pub(super) fn whole(bytes: impl AsRef<[u8]>) -> Self {
        Self {
            bytes: Cursor::new(bytes.as_ref().to_vec()),
            sizes: vec![usize::MAX],
            calls: 0,
        }
    }
}

impl Input for Trickle {
    fn again(&self) -> Result<Box<dyn Input>> {
        Ok(Box::new(Self {
            bytes: Cursor::new(self.bytes.get_ref().clone()),
            sizes: self.sizes.clone(),
            calls: 0,
        }))
    }

    fn length(&self) -> u64 {
        self.bytes.get_ref().len() as u64
    }

    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let bytes = &self.bytes.get_ref()[range.start as usize..range.end as usize];
        Ok(Bytes::copy_from_slice(bytes))
    }
}
