//! What the tests of the decoders share.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use arrow::array::{Array, AsArray};

use super::{Decoded, Limits, Malformed, decode_within};
use crate::Result;
use crate::contract::Format;

/// Values of a row that are not null, by field.
pub(super) type Row = BTreeMap<String, String>;

/// Everything that came out of an object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct All {
    /// Rows with their ordinals.
    pub(super) rows: Vec<(i64, Row)>,
    pub(super) malformed: Vec<Malformed>,
    /// Names of the columns of each batch.
    pub(super) columns: Vec<Vec<String>>,
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
    read_from(Box::new(Cursor::new(text.as_ref().to_vec())), format, limits)
}

/// Decodes what a reader gives.
pub(super) fn read_from(input: Box<dyn Read + Send>, format: &Format, limits: Limits) -> Result<All> {
    let mut all = All::default();
    for decoded in decode_within(input, format, limits)? {
        let batch = match decoded? {
            Decoded::Rows(batch) => batch,
            Decoded::Malformed(malformed) => {
                all.malformed.push(malformed);
                continue;
            }
        };
        let schema = batch.fields.schema();
        assert_eq!(batch.rows.len(), batch.fields.num_rows());
        all.columns
            .push(schema.fields().iter().map(|field| field.name().clone()).collect());
        for (index, ordinal) in batch.rows.iter().enumerate() {
            let mut row = Row::new();
            for (name, column) in schema.fields().iter().zip(batch.fields.columns()) {
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
