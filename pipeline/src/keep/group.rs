//! Rows by key.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::row::{Row, RowConverter, SortField};
use xxhash_rust::xxh3::Xxh3Builder;

use crate::error::{Error, Result};

/// Rows of a batch by key, in the order in which keys first appear.
pub(crate) struct Groups {
    /// The rows, those of a key together and ascending.
    rows: Vec<u32>,
    /// Where the rows of each key begin, and where the last ones end.
    starts: Vec<u32>,
}

impl Groups {
    /// Groups the rows by the columns at `key`.
    pub(crate) fn of(rows: &RecordBatch, key: &[usize]) -> Result<Self> {
        let columns: Vec<_> = key.iter().map(|column| rows.column(*column).clone()).collect();
        let fields = columns
            .iter()
            .map(|column| SortField::new(column.data_type().clone()));
        let keys = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
        let mut known: HashMap<Row<'_>, u32, Xxh3Builder> = HashMap::default();
        let mut sizes: Vec<u32> = Vec::new();
        let mut group_of = Vec::with_capacity(rows.num_rows());
        for key in keys.iter() {
            let group = *known.entry(key).or_insert_with(|| {
                sizes.push(0);
                sizes.len() as u32 - 1
            });
            sizes[group as usize] += 1;
            group_of.push(group);
        }
        let mut starts = vec![0];
        let mut end = 0;
        for size in sizes {
            end += size;
            starts.push(end);
        }
        let mut next = starts.clone();
        let mut grouped = vec![0; rows.num_rows()];
        for (row, group) in (0..).zip(group_of) {
            let place = &mut next[group as usize];
            grouped[*place as usize] = row;
            *place += 1;
        }
        Ok(Self {
            rows: grouped,
            starts,
        })
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
