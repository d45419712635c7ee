//! The keys of a batch, found by hash and by range.

use std::cmp::Ordering;
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, DynComparator, RecordBatch, UInt32Array, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{SortOptions, sort_to_indices};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::row_hash::hash_rows;

/// Keys that are looked at before any order of them is made.
const SAMPLED_KEYS: usize = 1024;

/// Least and greatest values of a key column in some parts of a table, null where they are not known.
pub(crate) struct Bounds {
    pub(crate) low: ArrayRef,
    pub(crate) high: ArrayRef,
}

/// Index over the key columns of the rows of a batch; rows are named by their ordinal in the batch.
pub struct KeyIndex {
    columns: Vec<ArrayRef>,
    /// Open addressing by the low bits of the hash: its upper half and the row plus one, or zero for none.
    slots: Vec<u64>,
    /// Per key column, rows in the order of its values, made at first use.
    sorted: Vec<OnceLock<UInt32Array>>,
}

impl KeyIndex {
    /// Indexes the rows by the columns at the positions `key`.
    ///
    /// Fails when a key is null or occurs twice, or when a column's type cannot be part of a key (nested, double).
    pub fn new(rows: &RecordBatch, key: &[usize]) -> Result<Self> {
        if key.is_empty() || rows.num_rows() >= u32::MAX as usize {
            return Err(Error::internal(
                "keys can be indexed for at least one column and at most 4294967294 rows",
            ));
        }
        let columns: Vec<ArrayRef> = key
            .iter()
            .map(|position| rows.column(*position).clone())
            .collect();
        if let Some(position) = columns.iter().position(|column| column.null_count() > 0) {
            let name = rows.schema_ref().field(key[position]).name().clone();
            return Err(Error::internal("a key is null").with("column", name));
        }
        let hashes = hash_rows(&columns)?;
        let mut slots = vec![0; (rows.num_rows() * 2).next_power_of_two().max(16)];
        let equal = equality(&columns, &columns)?;
        for (row, hash) in hashes.iter().enumerate() {
            let mut at = *hash as usize & (slots.len() - 1);
            while slots[at] != 0 {
                if slots[at] >> 32 == hash >> 32 && equal(row, slots[at] as u32 as usize - 1) {
                    return Err(
                        Error::internal("a key occurs twice among the rows to write").with("row", row)
                    );
                }
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = ((hash >> 32) << 32) | (row as u64 + 1);
        }
        let sorted = columns.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            columns,
            slots,
            sorted,
        })
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Types of the key columns.
    pub fn types(&self) -> impl Iterator<Item = &DataType> {
        self.columns.iter().map(|column| column.data_type())
    }

    /// Values of a key column, in the order of the batch.
    pub fn column(&self, column: usize) -> &ArrayRef {
        &self.columns[column]
    }

    /// Which rows of these key columns (same types) are in the index: (ordinal of the row, row of the batch), by
    /// ascending ordinal. A row with a null in its key is never in.
    pub fn probe(&self, columns: &[ArrayRef]) -> Result<Vec<(u32, u32)>> {
        let hashes = hash_rows(columns)?;
        let equal = equality(columns, &self.columns)?;
        let nulls = columns.iter().any(|column| column.null_count() > 0);
        let mask = self.slots.len() - 1;
        let mut found = Vec::new();
        for (row, hash) in hashes.iter().enumerate() {
            let mut at = *hash as usize & mask;
            while self.slots[at] != 0 {
                let slot = self.slots[at];
                if slot >> 32 == hash >> 32 {
                    let key = slot as u32 - 1;
                    let present = !nulls || columns.iter().all(|column| column.is_valid(row));
                    if present && equal(row, key as usize) {
                        found.push((row as u32, key));
                        break;
                    }
                }
                at = (at + 1) & mask;
            }
        }
        Ok(found)
    }

    /// Whether one of the keys is within the bounds of part `at`, column by column, and passes. With `only`, keys whose bit
    /// is not set do not count.
    pub(crate) fn any_within(
        &self,
        bounds: &[Bounds],
        at: usize,
        only: Option<&BooleanBuffer>,
        mut passes: impl FnMut(u32) -> Result<bool>,
    ) -> Result<bool> {
        let mut is_within = Vec::new();
        for (values, bounds) in self.columns.iter().zip(bounds) {
            let low = bounds.low.is_valid(at).then(|| comparator(values, &bounds.low));
            let high = bounds.high.is_valid(at).then(|| comparator(values, &bounds.high));
            let (low, high) = (low.transpose()?, high.transpose()?);
            is_within.push(move |key: usize| {
                low.as_ref().is_none_or(|low| low(key, at) != Ordering::Less)
                    && high
                        .as_ref()
                        .is_none_or(|high| high(key, at) != Ordering::Greater)
            });
        }
        let mut is_found = |key: u32| {
            let is_wanted = only.is_none_or(|only| only.value(key as usize));
            Ok::<_, Error>(is_wanted && is_within.iter().all(|within| within(key as usize)) && passes(key)?)
        };
        // Some from all over the batch mostly tell that there is one; that there is none only all of them do.
        let step = self.len() / SAMPLED_KEYS + 1;
        for key in (0..self.len() as u32).step_by(step) {
            if is_found(key)? {
                return Ok(true);
            }
        }
        if step == 1 {
            return Ok(false);
        }
        let mut narrowest: Option<&[u32]> = None;
        for (column, bounds) in bounds.iter().enumerate() {
            let between = self.between(column, &bounds.low, &bounds.high, at)?;
            if narrowest.is_none_or(|narrowest| between.len() < narrowest.len()) {
                narrowest = Some(between);
            }
        }
        for key in narrowest.unwrap_or_default() {
            if is_found(*key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows whose value of `column` is within the closed range from `low[at]` to `high[at]`; a null bound is open.
    /// The bounds have the column's type.
    pub(crate) fn between(
        &self,
        column: usize,
        low: &ArrayRef,
        high: &ArrayRef,
        at: usize,
    ) -> Result<&[u32]> {
        let values = &self.columns[column];
        let sorted = self.sorted(column)?;
        let from = match low.is_valid(at) {
            true => {
                let compare = comparator(values, low)?;
                sorted.partition_point(|row| compare(*row as usize, at) == Ordering::Less)
            }
            false => 0,
        };
        let to = match high.is_valid(at) {
            true => {
                let compare = comparator(values, high)?;
                sorted.partition_point(|row| compare(*row as usize, at) != Ordering::Greater)
            }
            false => sorted.len(),
        };
        Ok(&sorted[from..to.max(from)])
    }

    fn sorted(&self, column: usize) -> Result<&[u32]> {
        if let Some(sorted) = self.sorted[column].get() {
            return Ok(sorted.values());
        }
        let sorted = sort_to_indices(&self.columns[column], None, None)?;
        Ok(self.sorted[column].get_or_init(|| sorted).values())
    }
}

fn comparator(left: &ArrayRef, right: &ArrayRef) -> Result<DynComparator> {
    Ok(make_comparator(left, right, SortOptions::default())?)
}

fn equality(left: &[ArrayRef], right: &[ArrayRef]) -> Result<impl Fn(usize, usize) -> bool + use<>> {
    if left.len() != right.len() {
        return Err(Error::internal(
            "keys have another number of columns than their index",
        ));
    }
    let columns: Vec<_> = left
        .iter()
        .zip(right)
        .map(|(l, r)| comparator(l, r))
        .collect::<Result<_>>()?;
    Ok(move |l: usize, r: usize| columns.iter().all(|compare| compare(l, r) == Ordering::Equal))
}
