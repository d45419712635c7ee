//! One field of raw rows, of whatever type it came in.

use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, TimeUnit, UInt64Type};
use xxhash_rust::xxh3::xxh3_64;

use crate::decode;
use crate::error::Result;
use crate::row_hash::blend;

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
    /// Equal numbers do the same to it whatever their width is, and equal instants in milli- or microseconds.
    pub(super) fn mix_into(&self, hashes: &mut [u64], field: u64) -> Result<()> {
        let numbers = |values: &ArrayRef| -> Result<Int64Array> {
            Ok(cast(values, &DataType::Int64)?.as_primitive().clone())
        };
        let numbers = match self.values.data_type() {
            DataType::Timestamp(_, zone) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                numbers(&cast(self.values, &micros)?)?
            }
            DataType::UInt64 => {
                let numbers = self.values.as_primitive::<UInt64Type>();
                numbers.unary(|value| value as i64)
            }
            kind if *kind == DataType::Date32 || kind.is_integer() => numbers(self.values)?,
            DataType::Float64 => {
                let doubles = self.values.as_primitive::<Float64Type>();
                let bits = |value: f64| if value.is_nan() { f64::NAN } else { value }.to_bits();
                doubles.unary(|value| bits(value) as i64)
            }
            DataType::Decimal128(_, scale) => {
                let decimals = self.values.as_primitive::<Decimal128Type>();
                decimals.unary(|value| {
                    let mut bytes = [*scale as u8; 17];
                    bytes[..16].copy_from_slice(&value.to_le_bytes());
                    xxh3_64(&bytes) as i64
                })
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

    /// Mixes that there is a value into the hashes of the rows that have one.
    pub(super) fn mix_presence_into(&self, hashes: &mut [u64], field: u64) {
        mix(hashes, field, self.values.logical_nulls().as_ref(), |_| 0);
    }
}

fn mix(hashes: &mut [u64], field: u64, nulls: Option<&NullBuffer>, value: impl Fn(usize) -> u64) {
    for (row, hash) in hashes.iter_mut().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            *hash = blend(blend(*hash, field), value(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Decimal128Array, Float64Array, Int16Array, TimestampMicrosecondArray, TimestampMillisecondArray,
        UInt64Array,
    };

    use super::*;

    fn hashes(fields: &[(u64, ArrayRef)]) -> Vec<u64> {
        let mut hashes = vec![0; fields[0].1.len()];
        for (field, values) in fields {
            Delivered::new(values).mix_into(&mut hashes, *field).unwrap();
        }
        hashes
    }

    #[test]
    fn equal_numbers_and_instants_have_one_hash_whatever_they_are_stored_as() {
        let same = |values: Vec<ArrayRef>| {
            let hashes: Vec<_> = values.into_iter().map(|values| hashes(&[(1, values)])).collect();
            assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]));
        };
        same(vec![
            Arc::new(Int64Array::from(vec![Some(5), None, Some(7)])),
            Arc::new(Int16Array::from(vec![Some(5), None, Some(7)])),
            Arc::new(UInt64Array::from(vec![Some(5), None, Some(7)])),
        ]);
        same(vec![
            Arc::new(TimestampMillisecondArray::from(vec![5, 7]).with_timezone("UTC")),
            Arc::new(TimestampMicrosecondArray::from(vec![5000, 7000]).with_timezone("UTC")),
        ]);
        same(vec![
            Arc::new(Float64Array::from(vec![f64::NAN])),
            Arc::new(Float64Array::from(vec![-f64::NAN])),
        ]);
    }

    #[test]
    fn a_null_is_no_field_and_names_and_values_and_their_order_count() {
        let text = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
        let decimal = |value: i128| -> ArrayRef {
            let values = Decimal128Array::from(vec![value]);
            Arc::new(values.with_precision_and_scale(30, 2).unwrap())
        };
        let a = hashes(&[(1, text(Some("a")))]);
        assert_eq!(hashes(&[(1, text(Some("a"))), (2, text(None))]), a);
        let others = [
            hashes(&[(2, text(Some("a")))]),
            hashes(&[(1, text(Some("b")))]),
            hashes(&[(1, text(Some("a"))), (2, text(Some("")))]),
            hashes(&[(1, text(Some("a"))), (2, text(Some("b")))]),
            hashes(&[(1, text(Some("b"))), (2, text(Some("a")))]),
            hashes(&[(1, decimal(1))]),
            hashes(&[(1, decimal(1 << 64))]),
        ];
        let distinct: std::collections::BTreeSet<_> = others.iter().chain([&a]).collect();
        assert_eq!(distinct.len(), others.len() + 1);
    }
}
