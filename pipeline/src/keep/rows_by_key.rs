//! Rows by key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use arrow::array::{ArrayRef, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::Schema;

use crate::error::{Error, Result};
use crate::row_hash::hash_rows;

/// The newest group of each hash.
type Known = HashMap<u64, u32, BuildNoHasher>;

/// Rows of a batch by key, in the order in which keys first appear.
pub(crate) struct RowsByKey {
    /// The rows, those of a key together and ascending.
    rows: Vec<u32>,
    /// Where the rows of each key begin, and where the last ones end.
    starts: Vec<u32>,
}

impl RowsByKey {
    /// RowsByKey the rows by the columns at `key`; null is a value like any other.
    pub(crate) fn of(rows: &RecordBatch, key: &[usize]) -> Result<Self> {
        let columns: Vec<ArrayRef> = key.iter().map(|column| rows.column(*column).clone()).collect();
        let order = SortOptions::default();
        let comparators = columns
            .iter()
            .map(|column| make_comparator(column, column, order))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let is_same = |one: u32, other: u32| {
            let mut columns = comparators.iter();
            columns.all(|compare| compare(one as usize, other as usize).is_eq())
        };
        let mut known = Known::with_capacity_and_hasher(rows.num_rows(), BuildNoHasher);
        let mut sizes: Vec<u32> = Vec::new();
        // Per group its first row, and the group before it whose key has the same hash.
        let mut groups: Vec<(u32, Option<u32>)> = Vec::new();
        let mut group_of = Vec::with_capacity(rows.num_rows());
        for (row, hash) in (0..).zip(hash_rows(&columns)?) {
            let newest = known.get(&hash).copied();
            let same_hash = std::iter::successors(newest, |group| groups[*group as usize].1);
            let group = same_hash
                .into_iter()
                .find(|group| is_same(groups[*group as usize].0, row))
                .unwrap_or_else(|| {
                    let group = groups.len() as u32;
                    groups.push((row, newest));
                    sizes.push(0);
                    known.insert(hash, group);
                    group
                });
            sizes[group as usize] += 1;
            group_of.push(group);
        }
        Ok(Self::sorted(&group_of, &sizes))
    }

    /// Each of so many rows, which are of different keys, with its copies: these come first, `copies` says of each which
    /// row it is a copy of.
    pub(crate) fn with_copies(rows: usize, copies: &[u32]) -> Self {
        let mut sizes = vec![1; rows];
        copies.iter().for_each(|row| sizes[*row as usize] += 1);
        let group_of: Vec<u32> = copies.iter().copied().chain(0..rows as u32).collect();
        Self::sorted(&group_of, &sizes)
    }

    /// By the group of each row, and how many rows each group has.
    fn sorted(group_of: &[u32], sizes: &[u32]) -> Self {
        let mut starts = vec![0];
        let mut end = 0;
        for size in sizes {
            end += size;
            starts.push(end);
        }
        let mut next = starts.clone();
        let mut rows = vec![0; group_of.len()];
        for (row, group) in (0..).zip(group_of) {
            let place = &mut next[*group as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        Self { rows, starts }
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Per key its rows, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let bounds = self.starts.windows(2);
        bounds.map(|bounds| &self.rows[bounds[0] as usize..bounds[1] as usize])
    }
}

/// Positions of the key columns.
pub(crate) fn key_positions(schema: &Schema, key: &[String]) -> Result<Vec<usize>> {
    key.iter()
        .map(|name| {
            schema
                .index_of(name)
                .map_err(|_| Error::internal("key column is missing in the rows").with("column", name))
        })
        .collect()
}

/// Keys that are hashes are their own hash.
struct BuildNoHasher;

impl BuildHasher for BuildNoHasher {
    type Hasher = NoHasher;

    fn build_hasher(&self) -> NoHasher {
        NoHasher(0)
    }
}

struct NoHasher(u64);

impl Hasher for NoHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn rows_of_a_key_are_together_and_nulls_are_one_key() {
        let words: ArrayRef = Arc::new(StringArray::from(vec![
            Some("a"),
            None,
            Some("b"),
            Some("a"),
            None,
            Some(""),
        ]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![
            Some(1),
            None,
            Some(1),
            Some(1),
            None,
            None,
        ]));
        let rows = RecordBatch::try_from_iter([("word", words), ("number", numbers)]).unwrap();
        let groups = RowsByKey::of(&rows, &[0, 1]).unwrap();
        assert_eq!(groups.len(), 4);
        assert_eq!(
            groups.iter().collect::<Vec<_>>(),
            [&[0, 3][..], &[1, 4], &[2], &[5]]
        );
        let copies = RowsByKey::with_copies(3, &[2, 0, 2]);
        assert_eq!(copies.iter().collect::<Vec<_>>(), [&[1, 3][..], &[4], &[0, 2, 5]]);
        let by_number = RowsByKey::of(&rows, &[1]).unwrap();
        assert_eq!(by_number.iter().collect::<Vec<_>>(), [&[0, 2, 3][..], &[1, 4, 5]]);
    }
}
