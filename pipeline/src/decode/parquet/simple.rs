//! Columns that are handed out as they are.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};

/// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
const DAY: i64 = 86_400_000_000;

/// Whether a column is of a type that tables have too, and every value has a text: days and instants of years with four
/// digits.
pub(super) fn is_simple(column: &ArrayRef) -> bool {
    match column.data_type() {
        DataType::Boolean | DataType::Float64 => true,
        kind if kind.is_integer() => true,
        DataType::Decimal128(_, scale) => *scale >= 0,
        DataType::Date32 => lies_within::<Date32Type>(column, 1),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            lies_within::<TimestampMicrosecondType>(column, DAY)
        }
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => {
            lies_within::<TimestampMillisecondType>(column, DAY / 1000)
        }
        _ => false,
    }
}

/// Whether all values are of the years; `day` is how many units a day has.
fn lies_within<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef, day: i64) -> bool {
    let column = column.as_primitive::<T>();
    let is_within = |value: T::Native| DAYS.contains(&value.into().div_euclid(day));
    min(column).is_none_or(is_within) && max(column).is_none_or(is_within)
}
