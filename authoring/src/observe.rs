//! What the samples hold, as the program's own decoders read it.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, StringArray};
use pipeline::contract::Format;
use pipeline::decode::{Decoded, decode};

use super::sample::Sample;

/// Most rows that are looked at.
const ROWS: usize = 200_000;

/// A raw field with its text in every row.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Name as in `from`.
    pub(super) name: String,
    /// Whether it stands in the header of a JSON document, and not in each row.
    pub(super) header: bool,
    values: Vec<Option<String>>,
}

impl Field {
    /// The texts, as long as the sample has rows.
    pub(super) fn values(&self) -> StringArray {
        self.values.iter().map(Option::as_deref).collect()
    }

    /// The text of a row, where it is more than white space.
    pub(super) fn value(&self, row: usize) -> Option<&str> {
        let text = self.values.get(row)?.as_deref()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// The cell of a row, as it stands there.
    pub(super) fn cell(&self, row: usize) -> Option<&str> {
        self.values.get(row)?.as_deref()
    }

    /// Whether every row has a value.
    pub(super) fn is_full(&self) -> bool {
        (0..self.values.len()).all(|row| self.value(row).is_some())
    }
}

/// Rows of one or several samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// Every field, in the order in which they were met.
    pub(super) fields: Vec<Field>,
    /// To which sample each row belongs, from 0.
    pub(super) sample: Vec<usize>,
    /// Records that are no rows: the sample, the ordinal, why.
    pub(super) malformed: Vec<(usize, i64, String)>,
    positions: HashMap<String, usize>,
}

impl Observed {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.sample.len()
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.positions.get(name).map(|position| &self.fields[*position])
    }

    /// The first rows of a sample, at most so many.
    pub(super) fn first_rows(&self, sample: usize, count: usize) -> Vec<usize> {
        let of = self.sample.iter().enumerate().filter(|(_, of)| **of == sample);
        of.map(|(row, _)| row).take(count).collect()
    }

    fn position(&mut self, name: &str, header: bool) -> usize {
        if let Some(position) = self.positions.get(name) {
            return *position;
        }
        self.fields.push(Field {
            name: name.to_owned(),
            header,
            values: Vec::new(),
        });
        self.positions.insert(name.to_owned(), self.fields.len() - 1);
        self.fields.len() - 1
    }
}

/// Decodes samples.
///
/// # Errors
///
/// What a decoder says of a sample that cannot be read as that format.
pub(super) fn observe(samples: &[Sample], format: &Format) -> pipeline::Result<Observed> {
    let mut observed = Observed::default();
    for (number, sample) in samples.iter().enumerate() {
        take(&mut observed, number, sample, format)
            .map_err(|error| error.with("sample", sample.path.display()))?;
    }
    Ok(observed)
}

fn take(observed: &mut Observed, number: usize, sample: &Sample, format: &Format) -> pipeline::Result<()> {
    for decoded in decode(sample.input(), format, None)? {
        match decoded? {
            Decoded::Header(header) => {
                for (name, _) in header {
                    observed.position(&name, true);
                }
            }
            Decoded::Nothing | Decoded::CutShort => {}
            Decoded::Malformed(malformed) => {
                observed.malformed.push((number, malformed.row, malformed.reason));
            }
            Decoded::Rows(batch) => {
                let start = observed.rows();
                let rows = batch.fields.num_rows().min(ROWS.saturating_sub(start));
                observed.sample.extend(std::iter::repeat_n(number, rows));
                let fields = batch.texts()?;
                let schema = fields.schema();
                for (field, column) in schema.fields().iter().zip(fields.columns()) {
                    let column = column.as_string::<i32>();
                    let position = observed.position(field.name(), false);
                    let values = &mut observed.fields[position].values;
                    values.resize(start, None);
                    values.extend(
                        (0..rows).map(|row| column.is_valid(row).then(|| column.value(row).to_owned())),
                    );
                }
            }
        }
    }
    let rows = observed.rows();
    for field in &mut observed.fields {
        field.values.resize(rows, None);
    }
    Ok(())
}
