//! Rows by number, and cells of bookkeeping columns.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, BooleanBufferBuilder, MapArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::Int64Type;

use crate::error::{Error, Result};

/// The rows with these numbers, in this order.
pub(crate) fn take_rows(rows: &RecordBatch, indices: &[u32]) -> Result<RecordBatch> {
    let ascend = indices.is_sorted_by(|one, next| one < next);
    if ascend && indices.len() == rows.num_rows() {
        return Ok(rows.clone());
    }
    if ascend && indices.len() > rows.num_rows() / 2 {
        let mut stays = BooleanBufferBuilder::new(rows.num_rows());
        stays.append_n(rows.num_rows(), false);
        indices.iter().for_each(|row| stays.set_bit(*row as usize, true));
        return Ok(filter_record_batch(
            rows,
            &BooleanArray::new(stays.finish(), None),
        )?);
    }
    Ok(take_record_batch(rows, &UInt32Array::from(indices.to_vec()))?)
}

/// A text column by name; null cells compare as empty.
pub(crate) fn texts<'a>(rows: &'a RecordBatch, name: &str) -> Result<impl Fn(u32) -> &'a str + use<'a>> {
    let column = rows
        .column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| Error::internal("bookkeeping column is missing").with("column", name))?;
    Ok(move |row: u32| {
        if column.is_valid(row as usize) {
            column.value(row as usize)
        } else {
            ""
        }
    })
}

/// An integer column by name; null cells compare as 0.
pub(crate) fn numbers<'a>(rows: &'a RecordBatch, name: &str) -> Result<impl Fn(u32) -> i64 + use<'a>> {
    let column = rows
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| Error::internal("bookkeeping column is missing").with("column", name))?;
    Ok(move |row: u32| {
        if column.is_valid(row as usize) {
            column.value(row as usize)
        } else {
            0
        }
    })
}

/// Text to text of one row of a map column, sorted by key; empty for null.
pub(crate) fn entries(maps: &MapArray, row: usize) -> BTreeMap<&str, Option<&str>> {
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
