//! `latest_row`: per key the newest row.
//!
//! Invariant: of all observations of a key the one with the greatest (`newest_by`, content hash) stays; of its
//! copies the one with the smallest (object, row).

use std::cmp::Reverse;

use arrow::array::RecordBatch;

use crate::error::Result;
use crate::layout::{HASH, OBJECT, ORDER, ROW};

use super::{RowsByKey, numbers, texts};

pub(super) fn winners(rows: &RecordBatch, members: &RowsByKey) -> Result<Vec<u32>> {
    let (order, hash) = (texts(rows, ORDER)?, numbers(rows, HASH)?);
    let (object, ordinal) = (texts(rows, OBJECT)?, numbers(rows, ROW)?);
    let place = |row: u32| (order(row), hash(row), Reverse((object(row), ordinal(row))));
    Ok(members
        .iter()
        .filter_map(|rows| rows.iter().copied().max_by_key(|row| place(*row)))
        .collect())
}
