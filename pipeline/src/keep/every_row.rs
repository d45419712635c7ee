//! `every_row`: per key one row.
//!
//! Invariant: of all observations of a key the one with the smallest (content hash, object, row) stays. Copies of
//! a message have one hash, so which copy stays only shows in where it says that it comes from.

use arrow::array::RecordBatch;

use crate::error::Result;
use crate::layout::{HASH, OBJECT, ROW};

use super::{RowsByKey, numbers, texts};

pub(super) fn winners(rows: &RecordBatch, members: &RowsByKey) -> Result<Vec<u32>> {
    let (hash, object, ordinal) = (numbers(rows, HASH)?, texts(rows, OBJECT)?, numbers(rows, ROW)?);
    let place = |row: u32| (hash(row), object(row), ordinal(row));
    Ok(members
        .iter()
        .filter_map(|rows| rows.iter().copied().min_by_key(|row| place(*row)))
        .collect())
}

/// Rows whose content differs from the row that stays.
pub(super) fn conflicts(rows: &RecordBatch, members: &RowsByKey, winners: &[u32]) -> Result<u64> {
    let hash = numbers(rows, HASH)?;
    let differing =
        |(rows, winner): (&[u32], &u32)| rows.iter().filter(|row| hash(**row) != hash(*winner)).count();
    Ok(members.iter().zip(winners).map(differing).sum::<usize>() as u64)
}
