//! The order in which rows supersede each other, as one text a row.
//!
//! Texts compare bytewise as the tuples do that they stand for: numbers are shifted to be positive and padded,
//! texts are written in hexadecimal, and every part ends in a dot, which sorts before all of these characters.
//! A missing part is empty and so sorts first.

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};

use crate::error::{Error, Result};

/// One text for each row of the given columns, most significant column first.
pub(crate) fn order_of(columns: &[ArrayRef], rows: usize) -> Result<StringArray> {
    let mut builder = StringBuilder::with_capacity(rows, rows * 24 * columns.len());
    let mut text = String::new();
    for row in 0..rows {
        text.clear();
        for column in columns {
            if column.is_valid(row) {
                part(&mut text, column, row)?;
            }
            text.push('.');
        }
        builder.append_value(&text);
    }
    Ok(builder.finish())
}

fn part(text: &mut String, column: &ArrayRef, row: usize) -> Result<()> {
    let number = match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        DataType::Timestamp(..) => column.as_primitive::<TimestampMicrosecondType>().value(row),
        DataType::Date32 => i64::from(column.as_primitive::<Date32Type>().value(row)),
        DataType::Utf8 => {
            for byte in column.as_string::<i32>().value(row).bytes() {
                push_hex(text, byte);
            }
            return Ok(());
        }
        other => return Err(Error::internal("column type has no order").with("type", other)),
    };
    let number = (number as u64) ^ (1 << 63);
    for byte in number.to_be_bytes() {
        push_hex(text, byte);
    }
    Ok(())
}

#[inline]
fn push_hex(text: &mut String, byte: u8) {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    text.push(digit(byte >> 4));
    text.push(digit(byte & 15));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_compare_as_tuples(rows in proptest::collection::vec((any::<Option<i64>>(), "[a-c ]{0,3}", any::<Option<i64>>()), 2..20)) {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1))),
                Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.2))),
            ];
            let texts = order_of(&columns, rows.len()).unwrap();
            for a in 0..rows.len() {
                for b in 0..rows.len() {
                    prop_assert_eq!(texts.value(a).cmp(texts.value(b)), rows[a].cmp(&rows[b]));
                }
            }
        }
    }
}
