//! The column `_older`: the order of each value that is older than its row, and of the newest whole statement.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, MapArray};

/// Text to text of one row of a map column, sorted by key; empty for null.
pub(super) fn entries(maps: &MapArray, row: usize) -> BTreeMap<&str, Option<&str>> {
    if maps.is_null(row) {
        return BTreeMap::new();
    }
    let offsets = maps.value_offsets();
    let (keys, values) = (maps.keys().as_string::<i32>(), maps.values().as_string::<i32>());
    (offsets[row] as usize..offsets[row + 1] as usize)
        .map(|entry| {
            (
                keys.value(entry),
                values.is_valid(entry).then(|| values.value(entry)),
            )
        })
        .collect()
}
