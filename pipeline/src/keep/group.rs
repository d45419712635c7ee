//! Rows by key.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::row::{OwnedRow, RowConverter, SortField};

use crate::error::{Error, Result};

/// Rows of a batch by key, in the order in which keys first appear.
pub(crate) struct Groups {
    /// Per key its rows, ascending.
    pub(crate) members: Vec<Vec<u32>>,
}

impl Groups {
    /// Groups the rows by the columns at `key`.
    pub(crate) fn of(rows: &RecordBatch, key: &[usize]) -> Result<Self> {
        let columns: Vec<_> = key.iter().map(|column| rows.column(*column).clone()).collect();
        let fields = columns
            .iter()
            .map(|column| SortField::new(column.data_type().clone()))
            .collect();
        let converter = RowConverter::new(fields)?;
        let keys = converter.convert_columns(&columns)?;
        let mut members: Vec<Vec<u32>> = Vec::new();
        let mut known: HashMap<OwnedRow, usize, BuildHasherDefault<DefaultHasher>> = HashMap::default();
        for (row, key) in keys.iter().enumerate() {
            let group = *known.entry(key.owned()).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[group].push(row as u32);
        }
        Ok(Self { members })
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
