//! What an account says about cells of its rows: values that no object says, and whether empty cells are statements.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::error::Result;
use crate::layout::{STATED, WHOLE, map_builder};

/// Cells that have their value from the account, by column.
#[derive(Default)]
pub(super) struct Stated {
    columns: Vec<(String, Vec<bool>)>,
}

impl Stated {
    /// Adds a column and the rows in which only the account states its value; none where `rows` is empty.
    pub(super) fn add(&mut self, column: &str, rows: Vec<bool>) {
        if !rows.is_empty() {
            self.columns.push((column.to_owned(), rows));
        }
    }

    /// The column `_older` of so many rows: what the account states is older than all that objects say, so that the
    /// time of the object that lacks a value does not speak for it. `are_whole`: each row states its whole record.
    pub(super) fn older(&self, rows: usize, are_whole: bool) -> Result<ArrayRef> {
        let mut maps = map_builder();
        for row in 0..rows {
            let mut any = are_whole;
            if are_whole {
                maps.keys().append_value(WHOLE);
                maps.values().append_null();
            }
            for (name, _) in self.columns.iter().filter(|(_, stated)| stated[row]) {
                maps.keys().append_value(name);
                maps.values().append_value(STATED);
                any = true;
            }
            maps.append(any)?;
        }
        Ok(Arc::new(maps.finish()))
    }
}
