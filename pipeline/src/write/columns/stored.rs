//! Values as Parquet stores them plainly, without the length before texts.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use parquet::basic::Type as Physical;
use parquet::schema::types::ColumnDescriptor;

/// Whether a column is of one value a row, of a type whose values are equal exactly when their bytes are, and that gets
/// dictionaries.
pub(crate) fn is_handled(data_type: &DataType, column: &ColumnDescriptor) -> bool {
    let is_of_type = matches!(
        (data_type, column.physical_type()),
        (DataType::Utf8, Physical::BYTE_ARRAY)
            | (DataType::Int64, Physical::INT64)
            | (DataType::Date32, Physical::INT32)
            | (DataType::Timestamp(TimeUnit::Microsecond, _), Physical::INT64)
            | (DataType::Decimal128(..), Physical::INT32 | Physical::INT64)
    );
    is_of_type && column.max_rep_level() == 0 && column.max_def_level() <= 1
}

/// The bytes of a row's value, of a type that is handled; none where it is null. Those that are no text are put into the
/// buffer.
#[inline]
pub(crate) fn value<'a>(
    values: &'a ArrayRef,
    row: usize,
    physical: Physical,
    buffer: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if values.is_null(row) {
        return None;
    }
    buffer.clear();
    match values.data_type() {
        DataType::Utf8 => return Some(values.as_string::<i32>().value(row).as_bytes()),
        DataType::Int64 => buffer.extend(values.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::Date32 => buffer.extend(values.as_primitive::<Date32Type>().value(row).to_le_bytes()),
        DataType::Timestamp(..) => {
            let instants = values.as_primitive::<TimestampMicrosecondType>();
            buffer.extend(instants.value(row).to_le_bytes());
        }
        _ => {
            let number = values.as_primitive::<Decimal128Type>().value(row);
            match physical {
                Physical::INT32 => buffer.extend((number as i32).to_le_bytes()),
                _ => buffer.extend((number as i64).to_le_bytes()),
            }
        }
    }
    Some(buffer)
}
