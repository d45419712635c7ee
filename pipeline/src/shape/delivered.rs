//! One field of raw rows, of whatever type it came in.

use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};

use crate::decode;
use crate::error::Result;

/// A field's values, and their texts once somebody asked for them.
pub(super) struct Delivered<'a> {
    values: &'a ArrayRef,
    texts: OnceLock<StringArray>,
}

impl<'a> Delivered<'a> {
    pub(super) fn new(values: &'a ArrayRef) -> Self {
        Self {
            values,
            texts: OnceLock::new(),
        }
    }

    pub(super) fn values(&self) -> &'a ArrayRef {
        self.values
    }

    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.values.is_valid(row)
    }

    pub(super) fn texts(&self) -> Result<&StringArray> {
        if let Some(texts) = self.values.as_string_opt() {
            return Ok(texts);
        }
        match self.texts.get() {
            Some(texts) => Ok(texts),
            None => {
                let texts = decode::texts(self.values)?;
                Ok(self.texts.get_or_init(|| texts))
            }
        }
    }

    /// The values as what a hash is made of: equal ones have equal bytes, whatever width or unit they came in.
    pub(super) fn hashed(&self) -> Result<Hashed<'_>> {
        let numbers = |values: &ArrayRef| -> Result<Int64Array> {
            Ok(cast(values, &DataType::Int64)?.as_primitive().clone())
        };
        Ok(match self.values.data_type() {
            DataType::Timestamp(_, zone) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                Hashed::Numbers(numbers(&cast(self.values, &micros)?)?)
            }
            DataType::Float64 => Hashed::Doubles(self.values.as_primitive()),
            DataType::Decimal128(_, scale) => Hashed::Decimals(self.values.as_primitive(), *scale as u8),
            kind if *kind == DataType::Date32 || (kind.is_integer() && *kind != DataType::UInt64) => {
                Hashed::Numbers(numbers(self.values)?)
            }
            _ => Hashed::Texts(self.texts()?),
        })
    }
}

/// Values of a field as bytes.
pub(super) enum Hashed<'a> {
    Texts(&'a StringArray),
    Numbers(Int64Array),
    Doubles(&'a Float64Array),
    /// With how many places they have.
    Decimals(&'a Decimal128Array, u8),
}

impl Hashed<'_> {
    /// The bytes of a row's value after those of the field; nothing for null.
    #[inline]
    pub(super) fn write(&self, row: usize, field: &[u8], bytes: &mut Vec<u8>) {
        let mut value = |value: &[u8]| {
            bytes.extend_from_slice(field);
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(value);
        };
        match self {
            Self::Texts(texts) if texts.is_valid(row) => value(texts.value(row).as_bytes()),
            Self::Numbers(numbers) if numbers.is_valid(row) => value(&numbers.value(row).to_le_bytes()),
            Self::Doubles(doubles) if doubles.is_valid(row) => value(&doubles.value(row).to_le_bytes()),
            Self::Decimals(decimals, places) if decimals.is_valid(row) => {
                value(&decimals.value(row).to_le_bytes());
                bytes.push(*places);
            }
            _ => {}
        }
    }
}
