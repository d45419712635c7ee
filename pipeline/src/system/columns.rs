//! Cells of a record batch by the names of their columns, and columns from cells.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Utc};

pub(super) fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

pub(super) fn int_field(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

pub(super) fn instant_field(name: &str) -> Field {
    Field::new(
        name,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        true,
    )
}

pub(super) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

pub(super) fn ints(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

pub(super) fn instants(values: impl Iterator<Item = DateTime<Utc>>) -> ArrayRef {
    let micros = values.map(|value| value.timestamp_micros());
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

/// Reads cells; a column that is missing or of another type reads as null.
pub(super) struct Cells<'a>(pub(super) &'a RecordBatch);

impl Cells<'_> {
    pub(super) fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = self.0.column_by_name(name)?.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row).to_owned())
    }

    pub(super) fn int(&self, name: &str, row: usize) -> Option<i64> {
        let column = self.0.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    /// An instant; the epoch where there is none.
    pub(super) fn instant(&self, name: &str, row: usize) -> DateTime<Utc> {
        let column = self
            .0
            .column_by_name(name)
            .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let micros = column
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row));
        micros
            .and_then(DateTime::from_timestamp_micros)
            .unwrap_or_default()
    }
}
