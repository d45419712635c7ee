//! What the log says about the values in a file.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde_json::Value;

/// Which end of the values of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// No value is below.
    Least,
    /// No value is above.
    Greatest,
}

/// A bound of a column by the statistics of a file; none where they have none, and for types whose literals readers and
/// writers round.
pub(crate) fn bound(stats: &Value, end: End, column: &str, data_type: &DataType) -> Option<ScalarValue> {
    let end = match end {
        End::Least => "minValues",
        End::Greatest => "maxValues",
    };
    let bound = stats.get(end)?.get(column)?;
    match data_type {
        DataType::Int64 => Some(ScalarValue::from(bound.as_i64()?)),
        DataType::Utf8 => Some(ScalarValue::from(bound.as_str()?)),
        DataType::Date32 => ScalarValue::try_from_string(bound.as_str()?.to_owned(), data_type).ok(),
        _ => None,
    }
}
