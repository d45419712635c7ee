//! Hashes of the rows of some columns.

use std::hash::{BuildHasher, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::error::{Error, Result};

/// What a null does to the hash of its row.
const NULL: u64 = 0x9fb2_1c65_1e98_df25;

/// One hash per row over all columns; nulls of a column are alike. Fails on types that cannot be keys.
pub(crate) fn hash_rows(columns: &[ArrayRef]) -> Result<Vec<u64>> {
    let mut hashes = vec![0; columns.first().map_or(0, |column| column.len())];
    for column in columns {
        let before = column.nulls().map(|nulls| (nulls, hashes.clone()));
        hash_column(column, &mut hashes)?;
        // What lies under a null is anything.
        for (row, hash) in before
            .iter()
            .flat_map(|(nulls, before)| nulls_of(nulls).map(|row| (row, before[row])))
        {
            hashes[row] = hash.rotate_left(17) ^ NULL;
        }
    }
    Ok(hashes)
}

fn nulls_of(nulls: &NullBuffer) -> impl Iterator<Item = usize> + '_ {
    (0..nulls.len()).filter(|row| nulls.is_null(*row))
}

fn hash_column(column: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            for (row, hash) in hashes.iter_mut().enumerate() {
                *hash = xxh3_64_with_seed(texts.value(row).as_bytes(), *hash);
            }
        }
        DataType::Boolean => {
            let flags = column.as_boolean().values();
            fold(hashes, flags.iter().map(u64::from));
        }
        DataType::Int32 => fold(
            hashes,
            column
                .as_primitive::<Int32Type>()
                .values()
                .iter()
                .map(|v| *v as u64),
        ),
        DataType::Date32 => fold(
            hashes,
            column
                .as_primitive::<Date32Type>()
                .values()
                .iter()
                .map(|v| *v as u64),
        ),
        DataType::Int64 => fold(
            hashes,
            column
                .as_primitive::<Int64Type>()
                .values()
                .iter()
                .map(|v| *v as u64),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let instants = column.as_primitive::<TimestampMicrosecondType>().values();
            fold(hashes, instants.iter().map(|value| *value as u64));
        }
        DataType::Decimal128(_, _) => {
            let decimals = column.as_primitive::<Decimal128Type>().values();
            fold(
                hashes,
                decimals.iter().map(|value| *value as u64 ^ (*value >> 64) as u64),
            );
        }
        other => {
            return Err(Error::usage("column of this type cannot be part of a key").with("type", other));
        }
    }
    Ok(())
}

fn fold(hashes: &mut [u64], values: impl Iterator<Item = u64>) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        *hash = blend(*hash, value);
    }
}

/// The hash of something that continues with a value.
#[inline]
pub(crate) fn blend(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0xd6e8_feb8_6659_fd93_u64);
    product as u64 ^ (product >> 64) as u64
}

/// Hashes pieces of bytes at once: setting up a hash that takes them in parts costs more than short ones do.
#[derive(Clone, Copy, Default)]
pub(crate) struct BuildBytesHasher;

/// See [`BuildBytesHasher`].
pub(crate) struct BytesHasher(u64);

impl BuildHasher for BuildBytesHasher {
    type Hasher = BytesHasher;

    fn build_hasher(&self) -> BytesHasher {
        BytesHasher(0)
    }
}

impl Hasher for BytesHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = blend(self.0, xxh3_64(bytes));
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.0 = blend(self.0, number as u64);
    }
}
