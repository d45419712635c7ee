//! One field of raw rows, of whatever type it came in.

use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, TimeUnit};
use xxhash_rust::xxh3::xxh3_64;

use crate::decode;
use crate::error::Result;
use crate::write::blend;

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

    /// Mixes the values into the hashes of their rows, each with what stands for the field; null leaves a hash as it is.
    /// Equal values do the same to it, whatever width or unit they came in.
    pub(super) fn mix_into(&self, hashes: &mut [u64], field: u64) -> Result<()> {
        let numbers = |values: &ArrayRef| -> Result<Int64Array> {
            Ok(cast(values, &DataType::Int64)?.as_primitive().clone())
        };
        let numbers = match self.values.data_type() {
            DataType::Timestamp(_, zone) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                numbers(&cast(self.values, &micros)?)?
            }
            kind if *kind == DataType::Date32 || (kind.is_integer() && *kind != DataType::UInt64) => {
                numbers(self.values)?
            }
            DataType::Float64 => {
                let doubles = self.values.as_primitive::<Float64Type>();
                doubles.unary(|value| value.to_bits() as i64)
            }
            DataType::Decimal128(_, scale) => {
                let decimals = self.values.as_primitive::<Decimal128Type>();
                decimals.unary(|value| blend(value as u64, (value >> 64) as u64 ^ *scale as u64) as i64)
            }
            _ => {
                let texts = self.texts()?;
                let hash = |row: usize| xxh3_64(texts.value(row).as_bytes());
                mix(hashes, field, texts.nulls(), hash);
                return Ok(());
            }
        };
        mix(hashes, field, numbers.nulls(), |row| numbers.value(row) as u64);
        Ok(())
    }
}

fn mix(hashes: &mut [u64], field: u64, nulls: Option<&NullBuffer>, value: impl Fn(usize) -> u64) {
    for (row, hash) in hashes.iter_mut().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            *hash = blend(blend(*hash, field), value(row));
        }
    }
}
