//! What happens to the rows of one file.

use std::cmp::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use crate::error::{Error, Result};

/// What happens to the rows of one file: some are replaced in place, some go away, some are new.
#[derive(Debug, Clone)]
pub struct Edit {
    /// (ordinal of a file's row, row of `rows` that replaces it), by ascending file row.
    pub updates: Vec<(u64, u32)>,
    /// Ordinals of the file's rows that go away, ascending, none of them updated.
    pub deletes: Vec<u64>,
    /// Rows of `rows` that are new in the file.
    pub inserts: Vec<u32>,
    /// The new rows, with the columns of the file to be written (no partition columns).
    pub rows: RecordBatch,
}

impl Edit {
    /// All of `rows` are new.
    pub fn insert(rows: &RecordBatch) -> Self {
        let inserts = (0..rows.num_rows() as u32).collect();
        Self {
            updates: Vec::new(),
            deletes: Vec::new(),
            inserts,
            rows: rows.clone(),
        }
    }

    /// Fails unless the ordinals are in order and in range and the rows have the columns of `schema`.
    pub(super) fn check(&self, file_rows: u64, schema: &Schema) -> Result<()> {
        let columns = self
            .rows
            .schema_ref()
            .fields()
            .iter()
            .map(|field| (field.name(), field.data_type()));
        if !columns.eq(schema
            .fields()
            .iter()
            .map(|field| (field.name(), field.data_type())))
        {
            return Err(Error::internal(
                "rows to write do not have the columns of the file to write",
            ));
        }
        let ascending =
            self.updates.is_sorted_by(|a, b| a.0 < b.0) && self.deletes.is_sorted_by(|a, b| a < b);
        let last = self
            .updates
            .last()
            .map(|(row, _)| *row)
            .max(self.deletes.last().copied());
        if !ascending || last.is_some_and(|row| row >= file_rows) {
            return Err(Error::internal(
                "rows to edit are not ascending or beyond the file",
            ));
        }
        let mut new_rows = self.updates.iter().map(|(_, new)| new).chain(&self.inserts);
        if new_rows.any(|new| *new as usize >= self.rows.num_rows()) {
            return Err(Error::internal("an edit names a new row that does not exist"));
        }
        match self.updated_and_deleted() {
            Some(row) => Err(Error::internal("a row is both updated and deleted").with("row", row)),
            None => Ok(()),
        }
    }

    fn updated_and_deleted(&self) -> Option<u64> {
        let (mut updates, mut deletes) = (self.updates.as_slice(), self.deletes.as_slice());
        while let ([(update, _), later_updates @ ..], [delete, later_deletes @ ..]) = (updates, deletes) {
            match update.cmp(delete) {
                Ordering::Less => updates = later_updates,
                Ordering::Greater => deletes = later_deletes,
                Ordering::Equal => return Some(*delete),
            }
        }
        None
    }
}
