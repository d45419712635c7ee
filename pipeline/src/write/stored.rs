//! Values as Parquet stores them plainly, without the length before texts.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use parquet::basic::Type as Physical;

/// Types whose values are equal exactly when their bytes are, and that get dictionaries.
pub(super) fn is_handled(data_type: &DataType, physical: Physical) -> bool {
    matches!(
        (data_type, physical),
        (DataType::Utf8, Physical::BYTE_ARRAY)
            | (DataType::Int64, Physical::INT64)
            | (DataType::Date32, Physical::INT32)
            | (DataType::Timestamp(TimeUnit::Microsecond, _), Physical::INT64)
            | (DataType::Decimal128(..), Physical::INT32 | Physical::INT64)
    )
}

/// Puts the bytes of a row's value, of a type that is handled, in place of others; says whether it has one.
pub(super) fn put(values: &ArrayRef, row: usize, physical: Physical, bytes: &mut Vec<u8>) -> bool {
    bytes.clear();
    if values.is_null(row) {
        return false;
    }
    match values.data_type() {
        DataType::Utf8 => bytes.extend(values.as_string::<i32>().value(row).as_bytes()),
        DataType::Int64 => bytes.extend(values.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::Date32 => bytes.extend(values.as_primitive::<Date32Type>().value(row).to_le_bytes()),
        DataType::Timestamp(..) => {
            let instants = values.as_primitive::<TimestampMicrosecondType>();
            bytes.extend(instants.value(row).to_le_bytes());
        }
        _ => {
            let number = values.as_primitive::<Decimal128Type>().value(row);
            match physical {
                Physical::INT32 => bytes.extend((number as i32).to_le_bytes()),
                _ => bytes.extend((number as i64).to_le_bytes()),
            }
        }
    }
    true
}
