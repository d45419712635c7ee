//! What the rows of a document say, cell by cell.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_64;

use super::Rules;
use super::groups::{place, state};
use crate::error::{Error, Result};
use crate::ingest::object_rows::ObjectRows;
use crate::ingest::row_buffer::{BufferedRows, Portion};
use crate::keep::{Cell, RowsByKey, Share, insert_ascending, key_positions};
use crate::layout;
use crate::raw::RawObject;
use crate::shape::Declared;

/// What the rows of one document say.
pub(super) struct OwnRows {
    pub(super) rows: u64,
    /// By cell; the order is the greatest of its rows.
    pub(super) cells: BTreeMap<Cell, Share>,
    /// Rows that have the key of an earlier row; none where there is no key.
    pub(super) conflicts: u64,
}

impl OwnRows {
    /// Of the document with these portions of the batch, each with the address of its object.
    pub(super) fn of<'a>(
        rules: Rules<'_>,
        portions: impl Iterator<Item = (&'a str, &'a Portion)> + Clone,
        buffered: &BufferedRows,
    ) -> Result<Self> {
        let rows = portions
            .clone()
            .map(|(_, portion)| buffered.rows_in(portion) as u64);
        let mut own = Self {
            rows: rows.sum(),
            cells: BTreeMap::new(),
            conflicts: 0,
        };
        let mut keys = Vec::new();
        if !rules.key.is_empty() {
            keys.reserve_exact(own.rows as usize);
        }
        for (object, portion) in portions {
            let rows = buffered.read(portion)?;
            own.add(rules, object, &rows, portion.first as u32)?;
            if !rules.key.is_empty() {
                add_keys(&rows, rules.key, &mut keys)?;
            }
        }
        keys.sort_unstable();
        own.conflicts = keys.windows(2).filter(|two| two[0] == two[1]).count() as u64;
        Ok(own)
    }

    /// Adds rows of an object to their cells; `first` is the ordinal of the first of them in the batch.
    fn add(&mut self, rules: Rules<'_>, object: &str, rows: &RecordBatch, first: u32) -> Result<()> {
        let by_row: &StringArray = rows
            .column(rows.schema_ref().index_of(layout::ORDER)?)
            .as_string();
        let per = key_positions(rows.schema_ref(), rules.per)?;
        let groups = RowsByKey::of(rows, &per)?;
        for (cell, members) in cells(rows, &per, &groups)?.into_iter().zip(groups.iter()) {
            let own = self.cells.entry(cell).or_default();
            insert_ascending(&mut own.rows, members.iter().map(|row| row + first));
            if own.object.is_empty() || object < own.object.as_str() {
                object.clone_into(&mut own.object);
            }
            for row in members {
                let order = by_row.value(*row as usize);
                if order > own.order.as_str() {
                    order.clone_into(&mut own.order);
                }
            }
        }
        Ok(())
    }
}

/// Adds a hash of the key of each row: that two of them are the same by chance is counted as a conflict.
fn add_keys(rows: &RecordBatch, key: &[String], keys: &mut Vec<u64>) -> Result<()> {
    let columns: Vec<ArrayRef> = key_positions(rows.schema_ref(), key)?
        .into_iter()
        .map(|position| rows.column(position).clone())
        .collect();
    let fields = columns
        .iter()
        .map(|column| SortField::new(column.data_type().clone()));
    let converted = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
    keys.extend(converted.iter().map(|key| xxh3_64(key.data())));
    Ok(())
}

/// Rows and states of the cells of a document of several parts that covers no more than its rows. Each cell is put together by
/// itself, of the greatest object of each part that has rows of it: whether a former one was in the table for a while, or
/// came together with the one that takes its place, is the same.
pub(super) fn cell_by_cell(
    group: &[usize],
    objects: &[(RawObject, ObjectRows)],
    declared: &Declared,
    conflicts: u64,
    rows_of: impl Fn(&[usize]) -> Result<OwnRows>,
) -> Result<(OwnRows, BTreeMap<Cell, String>)> {
    let mut versions: Vec<(u32, usize)> = group
        .iter()
        .filter_map(|index| Some((objects[*index].1.declared.as_ref()?.parts.number, *index)))
        .collect();
    versions.sort_by_key(|(number, index)| (*number, Reverse(place(&objects[*index]))));
    let mut own = OwnRows {
        rows: 0,
        cells: BTreeMap::new(),
        conflicts,
    };
    let mut members: BTreeMap<Cell, BTreeMap<u32, usize>> = BTreeMap::new();
    for (number, index) in versions {
        let of_object = rows_of(&[index])?;
        own.rows += of_object.rows;
        for (cell, share) in of_object.cells {
            let members = members.entry(cell.clone()).or_default();
            if members.contains_key(&number) {
                continue;
            }
            members.insert(number, index);
            let known = own.cells.entry(cell).or_insert_with(|| share.clone());
            known.rows |= share.rows;
            known.order = share.order.max(std::mem::take(&mut known.order));
            known.object = share.object.min(std::mem::take(&mut known.object));
        }
    }
    let states = members.into_iter().map(|(cell, members)| {
        let members: Vec<usize> = members.into_values().collect();
        (cell, state(declared, &members, objects))
    });
    Ok((own, states.collect()))
}

/// The values of `per` of each group of rows.
fn cells(rows: &RecordBatch, per: &[usize], groups: &RowsByKey) -> Result<Vec<Cell>> {
    let heads = UInt32Array::from_iter_values(groups.iter().filter_map(|rows| rows.first().copied()));
    let mut cells = vec![Cell::new(); groups.len()];
    for column in per {
        let values = cast(&take(rows.column(*column), &heads, None)?, &DataType::Utf8)?;
        for (cell, value) in cells.iter_mut().zip(values.as_string::<i32>()) {
            let value = value.ok_or_else(|| Error::internal("a column of per is null in a good row"))?;
            cell.push(value.to_owned());
        }
    }
    Ok(cells)
}
