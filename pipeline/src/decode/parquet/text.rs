//! Values as text.

use arrow::array::{Array, AsArray, Decimal128Array, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::Result;

/// The text of every value of a column, null for null. `fault` is told the rows whose value has none, and why.
pub(super) fn of(column: &dyn Array, mut fault: impl FnMut(usize, &str)) -> Result<StringArray> {
    if let Some(text) = column.as_string_opt::<i32>() {
        return Ok(text.clone());
    }
    let writer = Writer::of(column)?;
    let mut texts = StringBuilder::new();
    let mut text = String::new();
    for row in 0..column.len() {
        text.clear();
        if is_null(column, row) {
            texts.append_null();
        } else if let Err(what) = writer.write(row, Within::Column, &mut text) {
            fault(row, what);
            texts.append_null();
        } else {
            texts.append_value(&text);
        }
    }
    Ok(texts.finish())
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Column,
    Json,
}

/// Writes the values of an array, and of the arrays in it.
enum Writer<'a> {
    Text(&'a StringArray),
    Bytes(&'a dyn Array),
    /// What JSON knows as numbers or words.
    Bare(ArrayFormatter<'a>),
    Decimal(&'a Decimal128Array, usize),
    /// Floating point, which JSON knows when it is finite.
    Float(ArrayFormatter<'a>, &'a dyn Array),
    Quoted(ArrayFormatter<'a>),
    Struct(Vec<(String, &'a dyn Array, Self)>),
    List(&'a dyn Array, Box<(&'a dyn Array, Self)>),
    Map(&'a dyn Array, Box<(Self, &'a dyn Array, Self)>),
}

/// Nothing, or what the value is that no text can be made of.
type Wrote = Result<(), &'static str>;

impl<'a> Writer<'a> {
    fn of(array: &'a dyn Array) -> Result<Self> {
        let options = FormatOptions::new().with_display_error(false);
        let formatter = || ArrayFormatter::try_new(array, &options);
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Binary => Self::Bytes(array),
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let members = fields
                    .iter()
                    .zip(columns)
                    .map(|(field, column)| Ok((field.name().clone(), column.as_ref(), Self::of(column)?)));
                Self::Struct(members.collect::<Result<_>>()?)
            }
            DataType::List(_) => {
                let values = array.as_list::<i32>().values().as_ref();
                Self::List(array, Box::new((values, Self::of(values)?)))
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let (keys, values) = (map.keys().as_ref(), map.values().as_ref());
                Self::Map(array, Box::new((Self::of(keys)?, values, Self::of(values)?)))
            }
            DataType::Decimal128(_, scale @ 1..) => Self::Decimal(array.as_primitive(), *scale as usize),
            DataType::Float32 | DataType::Float64 => Self::Float(formatter()?, array),
            kind if kind.is_integer() || kind.is_decimal() || *kind == DataType::Boolean => {
                Self::Bare(formatter()?)
            }
            _ => Self::Quoted(formatter()?),
        })
    }

    /// Writes the value at an index, which is not null.
    fn write(&self, index: usize, within: Within, text: &mut String) -> Wrote {
        match self {
            Self::Text(array) => string(array.value(index), within, text),
            Self::Bytes(array) => match std::str::from_utf8(array.as_binary::<i32>().value(index)) {
                Ok(value) => string(value, within, text),
                Err(_) => return Err("has bytes that are no text"),
            },
            Self::Bare(formatter) => plain(formatter, index, text)?,
            Self::Decimal(array, scale) => decimal(array.value(index), *scale, text),
            Self::Float(formatter, array) if within == Within::Column || is_finite(*array, index) => {
                plain(formatter, index, text)?;
            }
            Self::Float(formatter, _) | Self::Quoted(formatter) => {
                let mut value = String::new();
                plain(formatter, index, &mut value)?;
                string(&value, within, text);
            }
            Self::Struct(members) => {
                let members = members.iter();
                object(members, text, |(name, array, writer), text| {
                    string(name, Within::Json, text);
                    text.push(':');
                    writer.json(*array, index, text)
                })?;
            }
            Self::List(array, values) => {
                let offsets = array.as_list::<i32>().value_offsets();
                text.push('[');
                for (count, at) in (offsets[index]..offsets[index + 1]).enumerate() {
                    if count > 0 {
                        text.push(',');
                    }
                    values.1.json(values.0, at as usize, text)?;
                }
                text.push(']');
            }
            Self::Map(array, entries) => {
                let offsets = array.as_map().value_offsets();
                let (keys, array, values) = entries.as_ref();
                object(offsets[index]..offsets[index + 1], text, |at, text| {
                    let mut key = String::new();
                    keys.write(at as usize, Within::Column, &mut key)?;
                    string(&key, Within::Json, text);
                    text.push(':');
                    values.json(*array, at as usize, text)
                })?;
            }
        }
        Ok(())
    }

    fn json(&self, array: &dyn Array, index: usize, text: &mut String) -> Wrote {
        if is_null(array, index) {
            text.push_str("null");
            return Ok(());
        }
        self.write(index, Within::Json, text)
    }
}

/// Whether there is no value. A column that never has one has no buffer that says so.
fn is_null(array: &dyn Array, index: usize) -> bool {
    array.is_null(index) || *array.data_type() == DataType::Null
}

fn object<T>(
    members: impl Iterator<Item = T>,
    text: &mut String,
    mut write: impl FnMut(T, &mut String) -> Wrote,
) -> Wrote {
    text.push('{');
    for (count, member) in members.enumerate() {
        if count > 0 {
            text.push(',');
        }
        write(member, text)?;
    }
    text.push('}');
    Ok(())
}

fn plain(formatter: &ArrayFormatter<'_>, index: usize, text: &mut String) -> Wrote {
    let value = formatter.value(index);
    value.write(text).map_err(|_| "is beyond what can be written")
}

/// A decimal with all its places, as Arrow writes it, without making a text of its own for each value.
fn decimal(value: i128, scale: usize, text: &mut String) {
    if value < 0 {
        text.push('-');
    }
    let begin = text.len();
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value.unsigned_abs());
    text.extend(std::iter::repeat_n('0', (scale + 1).saturating_sub(digits.len())));
    text.push_str(digits);
    text.insert(begin.max(text.len() - scale), '.');
}

/// Text as it is, or in quotes.
fn string(value: &str, within: Within, text: &mut String) {
    match within {
        Within::Column => text.push_str(value),
        Within::Json => text.push_str(&serde_json::Value::from(value).to_string()),
    }
}

fn is_finite(array: &dyn Array, index: usize) -> bool {
    match array.as_primitive_opt::<Float64Type>() {
        Some(array) => array.value(index).is_finite(),
        None => array.as_primitive::<Float32Type>().value(index).is_finite(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, NullArray, StructArray};
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_column_that_never_has_a_value_is_null_in_every_row() {
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert_eq!(of(&nulls, |_, _| ()).unwrap().null_count(), 2);
        let field = Arc::new(Field::new("n", DataType::Null, true));
        let rows = StructArray::from(vec![(field, nulls)]);
        assert_eq!(of(&rows, |_, _| ()).unwrap().value(1), r#"{"n":null}"#);
    }

    proptest! {
        #[test]
        fn decimals_are_written_as_arrow_writes_them(value: i128, digits in 0u32..38, scale in -3i8..20) {
            let value = value % 10_i128.pow(digits);
            let decimals = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
            let column: ArrayRef = Arc::new(decimals);
            let formatter = ArrayFormatter::try_new(&column, &FormatOptions::new()).unwrap();
            let texts = of(&column, |_, _| ()).unwrap();
            prop_assert_eq!(texts.value(0), formatter.value(0).to_string());
        }
    }
}
