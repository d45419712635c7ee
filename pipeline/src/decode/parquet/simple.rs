//! Columns that are handed out as they are.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use chrono::{DateTime, NaiveDate};

/// Whether a column is of a type that tables have too.
pub(super) fn is_simple(kind: &DataType) -> bool {
    match kind {
        DataType::Boolean | DataType::Float64 | DataType::Date32 => true,
        DataType::Decimal128(_, scale) => *scale >= 0,
        DataType::Timestamp(unit, Some(_)) => matches!(unit, TimeUnit::Millisecond | TimeUnit::Microsecond),
        kind => kind.is_integer(),
    }
}

/// Tells of a simple column's values that have no text: decimals with more digits than the column may have, and times
/// beyond any calendar.
pub(super) fn check(column: &ArrayRef, fault: impl FnMut(usize, &str)) {
    match column.data_type() {
        DataType::Decimal128(precision, _) => {
            let limit = 10_i128.pow(u32::from(*precision));
            let fits = |value: i128| -limit < value && value < limit;
            check_values::<Decimal128Type>(column, fits, "has more digits than its column may have", fault);
        }
        DataType::Date32 => {
            let is_day = |value| NaiveDate::from_epoch_days(value).is_some();
            check_values::<Date32Type>(column, is_day, "is beyond what can be written", fault);
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let is_time = |value| DateTime::from_timestamp_micros(value).is_some();
            check_values::<TimestampMicrosecondType>(column, is_time, "is beyond what can be written", fault);
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let is_time = |value| DateTime::from_timestamp_millis(value).is_some();
            check_values::<TimestampMillisecondType>(column, is_time, "is beyond what can be written", fault);
        }
        _ => {}
    }
}

/// Tells of the values that are not good, where those between two good ones are good.
fn check_values<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    is_good: impl Fn(T::Native) -> bool,
    what: &str,
    mut fault: impl FnMut(usize, &str),
) where
    T::Native: arrow::datatypes::ArrowNativeTypeOp,
{
    let column = column.as_primitive::<T>();
    if [min(column), max(column)].into_iter().flatten().all(&is_good) {
        return;
    }
    for (row, value) in column.iter().enumerate() {
        if value.is_some_and(|value| !is_good(value)) {
            fault(row, what);
        }
    }
}
