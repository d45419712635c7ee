//! Text columns under construction.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::{Limits, RawBatch};
use crate::Result;
use crate::contract::is_lineage;
use crate::layout::SOURCE_ROW;

/// Rows that are being collected. A row is null in each column that gets no value before its end, so that a
/// column may come late and a row costs only its own values.
#[derive(Default)]
pub(super) struct Batch {
    columns: Vec<TextColumn>,
    rows: Vec<i64>,
    text: usize,
}

struct TextColumn {
    name: String,
    /// Whether it is part of the batches: from the start, or since it had a value.
    shown: bool,
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Batch {
    /// One more column. One that is not `shown` stays out of the batches until it has a value.
    pub(super) fn add_column(&mut self, name: String, shown: bool) {
        self.columns.push(TextColumn {
            name: field_name(name),
            shown,
            values: Vec::new(),
            offsets: vec![0],
            nulls: NullBufferBuilder::new(0),
        });
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The value of the current row in a column, which has none in this row yet; it must be UTF-8.
    #[inline]
    pub(super) fn push(&mut self, column: usize, value: &[u8]) {
        let row = self.rows.len();
        self.text += value.len();
        self.columns[column].push(row, value);
    }

    /// Ends the current row, the `ordinal`th record of its object.
    #[inline]
    pub(super) fn end_row(&mut self, ordinal: i64) {
        self.rows.push(ordinal);
    }

    /// Whether it is time to [`take`](Self::take) it.
    #[inline]
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        let rows = self.rows.len();
        rows >= limits.rows || self.text + rows * self.columns.len() * size_of::<i32>() >= limits.bytes
    }

    /// The rows so far; none when there are none.
    pub(super) fn take(&mut self) -> Result<Option<RawBatch>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let rows = std::mem::take(&mut self.rows);
        self.text = 0;
        let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for column in self.columns.iter_mut().filter(|column| column.shown) {
            fields.push(Field::new(&column.name, DataType::Utf8, true));
            arrays.push(Arc::new(column.take(rows.len())?));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let fields = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?;
        Ok(Some(RawBatch { fields, rows }))
    }
}

impl TextColumn {
    #[inline]
    fn push(&mut self, row: usize, value: &[u8]) {
        self.pad(row);
        self.values.extend_from_slice(value);
        self.offsets.push(self.values.len() as i32);
        self.nulls.append_non_null();
        self.shown = true;
    }

    /// Nulls up to `row`.
    #[inline]
    fn pad(&mut self, row: usize) {
        let length = self.offsets.len() - 1;
        if length < row {
            self.offsets.resize(row + 1, self.values.len() as i32);
            self.nulls.append_n_nulls(row - length);
        }
    }

    fn take(&mut self, rows: usize) -> Result<StringArray> {
        self.pad(rows);
        let values = take_all(&mut self.values);
        let offsets = take_all(&mut self.offsets);
        self.offsets.push(0);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(StringArray::try_new(
            offsets,
            Buffer::from_vec(values),
            self.nulls.finish(),
        )?)
    }
}

/// The name of a field among those of its row. One that the source has called like lineage must not stand for it:
/// `_row` becomes `raw._row`. What already begins so gets another `raw.`, so that different fields stay different.
pub(super) fn field_name(name: String) -> String {
    let own = name.trim_start_matches("raw.");
    if own == SOURCE_ROW || is_lineage(own) {
        format!("raw.{name}")
    } else {
        name
    }
}

/// Takes the content and leaves room for as much again.
fn take_all<T>(content: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(content.len());
    std::mem::replace(content, room)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn a_late_column_is_null_in_the_rows_before_it() {
        let mut batch = Batch::default();
        batch.add_column("a".into(), true);
        batch.push(0, b"1");
        batch.end_row(1);
        batch.add_column("b".into(), false);
        batch.push(1, b"2");
        batch.end_row(2);
        let taken = batch.take().unwrap().unwrap();
        let cells = |name: &str| {
            taken
                .fields
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .clone()
        };
        assert_eq!(cells("a"), StringArray::from(vec![Some("1"), None]));
        assert_eq!(cells("b"), StringArray::from(vec![None, Some("2")]));
        assert_eq!(taken.rows, [1, 2]);
        assert!(batch.take().unwrap().is_none());
    }

    #[test]
    fn a_column_without_value_is_hidden_until_it_has_one_and_then_stays() {
        let mut batch = Batch::default();
        batch.add_column("a".into(), false);
        batch.end_row(1);
        let first = batch.take().unwrap().unwrap();
        assert_eq!((first.fields.num_columns(), first.fields.num_rows()), (0, 1));
        batch.push(0, b"x");
        batch.end_row(2);
        assert_eq!(batch.take().unwrap().unwrap().fields.num_columns(), 1);
        batch.end_row(3);
        let third = batch.take().unwrap().unwrap();
        assert_eq!(third.fields.column(0).null_count(), 1);
    }

    #[test]
    fn fields_that_are_named_like_lineage_get_names_of_their_own() {
        let names = ["_row", "_Row", "__row", "raw._row", "raw.id", "_id", "_hash"];
        let names = names.map(|name| field_name(name.to_owned()));
        assert_eq!(
            names,
            [
                "raw._row",
                "_Row",
                "raw.__row",
                "raw.raw._row",
                "raw.id",
                "_id",
                "raw._hash"
            ]
        );
    }

    #[test]
    fn a_batch_is_full_by_rows_or_by_bytes() {
        let limits = Limits {
            rows: 2,
            bytes: 100,
            ..Limits::default()
        };
        let mut batch = Batch::default();
        batch.add_column("a".into(), true);
        batch.end_row(1);
        assert!(!batch.is_full(&limits));
        batch.push(0, &[b'x'; 92]);
        batch.end_row(2);
        assert!(batch.is_full(&limits));
        batch.take().unwrap();
        batch.end_row(3);
        assert!(!batch.is_full(&limits));
        batch.end_row(4);
        assert!(batch.is_full(&limits));
    }
}
