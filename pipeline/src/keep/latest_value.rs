//! `latest_value`: per key and column the newest value that is not null.
//!
//! Invariant: a cell holds the non-null value with the greatest (order, value) among all observations of its key
//! and column. `_order` is the greatest order of any observation of the key; `_older` holds the order of every
//! value that is older than that, so that a row of the table is an observation whose cells have orders of their
//! own, and no history needs to be read again. Each key of `extra` is a column in this sense. Columns that pick
//! `min` or `max` are such maxima by value alone.
//!
//! A value that no object says, only its account, has the empty order, which is less than any other: it stands where
//! no object has a value, and any value of an object replaces it, in whatever order they come.
//!
//! Where an account states whole rows, null is a value like any other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DynComparator, MapArray, RecordBatch, StringArray, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, take};

use crate::contract::{Contract, EXTRA, Pick};
use crate::error::{Error, Result};
use crate::layout::{BATCH, LOADED_AT, OBJECT, OLDER, ORDER, ROW};
use crate::shape::map_builder;

use super::order_map::entries;
use super::{Groups, numbers, texts};

/// Folds the rows of each group to one.
pub(super) fn fold(
    contract: &Contract,
    rows: &RecordBatch,
    whole: &[bool],
    groups: &Groups,
) -> Result<RecordBatch> {
    let orders = texts(rows, ORDER)?;
    let cells = Cells::new(rows)?;
    let (objects, ordinals) = (texts(rows, OBJECT)?, numbers(rows, ROW)?);
    let place = |row: u32| (orders(row), Reverse((objects(row), ordinals(row))));
    let newest: Vec<u32> = groups
        .iter()
        .filter_map(|group| group.iter().copied().max_by_key(|row| place(*row)))
        .collect();
    let ranks = Ranks::new(groups, &cells);
    let mut older: Vec<BTreeMap<String, String>> = vec![BTreeMap::new(); groups.len()];
    let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(rows.num_columns());
    for (position, field) in rows.schema_ref().fields().iter().enumerate() {
        let name = field.name().as_str();
        let column = rows.column(position);
        let taken = |winners: Vec<Option<u32>>| -> Result<ArrayRef> {
            Ok(take(column, &UInt32Array::from(winners), None)?)
        };
        let folded = match name {
            _ if contract.key().iter().any(|key| key == name) => {
                taken(newest.iter().copied().map(Some).collect())?
            }
            ORDER | OBJECT | ROW => taken(newest.iter().copied().map(Some).collect())?,
            BATCH | LOADED_AT => taken(extremes(column, groups, Pick::Max)?)?,
            EXTRA => fold_extra(column.as_map(), &cells, groups, whole, &newest, &mut older)?,
            OLDER => {
                columns.push(None);
                continue;
            }
            _ => {
                let pick = contract.column(name).map_or(Pick::Newest, |column| column.pick);
                match pick {
                    Pick::Newest => taken(newest_values(
                        name, column, &cells, groups, &ranks, whole, &newest, &mut older,
                    )?)?,
                    pick => taken(extremes(column, groups, pick)?)?,
                }
            }
        };
        columns.push(Some(folded));
    }
    let mut builder = map_builder();
    for cells in &older {
        for (name, order) in cells {
            builder.keys().append_value(name);
            builder.values().append_value(order);
        }
        builder.append(!cells.is_empty())?;
    }
    let older: ArrayRef = Arc::new(builder.finish());
    let columns = columns
        .into_iter()
        .map(|column| column.unwrap_or_else(|| older.clone()))
        .collect();
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// The order of each cell: its own where it is older than its row, else the row's.
struct Cells<'a> {
    orders: &'a StringArray,
    older: Vec<BTreeMap<&'a str, Option<&'a str>>>,
}

impl<'a> Cells<'a> {
    fn new(rows: &'a RecordBatch) -> Result<Self> {
        let missing = |name| Error::internal("bookkeeping column is missing").with("column", name);
        let orders = rows
            .column_by_name(ORDER)
            .and_then(|c| c.as_string_opt())
            .ok_or_else(|| missing(ORDER))?;
        let older = rows
            .column_by_name(OLDER)
            .and_then(|c| c.as_map_opt())
            .ok_or_else(|| missing(OLDER))?;
        Ok(Self {
            orders,
            older: (0..rows.num_rows()).map(|row| entries(older, row)).collect(),
        })
    }

    fn order(&self, row: u32, cell: &str) -> &'a str {
        let own = self.older[row as usize].get(cell).copied().flatten();
        own.unwrap_or_else(|| self.orders.value(row as usize))
    }
}

/// The rows of each key from the newest to the oldest.
struct Ranks {
    /// Those of a key together, as in the groups.
    rows: Vec<u32>,
    /// Whether that is their order in all columns: no two are of one time, and no cell is older than its row.
    is_clear: Vec<bool>,
}

impl Ranks {
    fn new(groups: &Groups, cells: &Cells<'_>) -> Self {
        let order = |row: &u32| cells.orders.value(*row as usize);
        let (mut ranked, mut is_clear) = (Vec::new(), Vec::with_capacity(groups.len()));
        for rows in groups.iter() {
            let start = ranked.len();
            ranked.extend_from_slice(rows);
            let ranked = &mut ranked[start..];
            ranked.sort_unstable_by(|one, other| order(other).cmp(order(one)));
            let is_same = rows.iter().all(|row| cells.older[*row as usize].is_empty());
            is_clear.push(is_same && ranked.is_sorted_by(|one, next| order(one) > order(next)));
        }
        Self {
            rows: ranked,
            is_clear,
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site; what all columns have in common"
)]
fn newest_values(
    name: &str,
    column: &ArrayRef,
    cells: &Cells<'_>,
    groups: &Groups,
    ranks: &Ranks,
    whole: &[bool],
    newest: &[u32],
    older: &mut [BTreeMap<String, String>],
) -> Result<Vec<Option<u32>>> {
    let compare = comparator(column)?;
    let mut winners = Vec::with_capacity(groups.len());
    let mut start = 0;
    for (group, rows) in groups.iter().enumerate() {
        let says = |row: &u32| whole[group] || column.is_valid(*row as usize);
        let ranked = &ranks.rows[start..start + rows.len()];
        start += rows.len();
        let winner = match ranks.is_clear[group] {
            true => ranked.iter().copied().find(says),
            false => rows.iter().copied().filter(says).max_by(|a, b| {
                let by_order = cells.order(*a, name).cmp(cells.order(*b, name));
                by_order.then_with(|| compare(*a as usize, *b as usize))
            }),
        };
        if let Some(winner) = winner
            && column.is_valid(winner as usize)
        {
            let order = cells.order(winner, name);
            if order < cells.orders.value(newest[group] as usize) {
                older[group].insert(name.to_owned(), order.to_owned());
            }
        }
        winners.push(winner);
    }
    Ok(winners)
}

/// The smallest or greatest value of each group.
fn extremes(column: &ArrayRef, groups: &Groups, pick: Pick) -> Result<Vec<Option<u32>>> {
    let compare = comparator(column)?;
    let ordered = |a: &u32, b: &u32| match pick {
        Pick::Min => compare(*b as usize, *a as usize),
        _ => compare(*a as usize, *b as usize),
    };
    Ok(groups
        .iter()
        .map(|rows| {
            rows.iter()
                .copied()
                .filter(|row| column.is_valid(*row as usize))
                .max_by(ordered)
        })
        .collect())
}

/// Compares two values of a column, nulls first; maps by their entries in the order of their keys.
fn comparator(column: &ArrayRef) -> Result<DynComparator> {
    if let Some(maps) = column.as_map_opt() {
        let maps = maps.clone();
        return Ok(Box::new(move |a, b| {
            let by_validity = maps.is_valid(a).cmp(&maps.is_valid(b));
            by_validity.then_with(|| entries(&maps, a).cmp(&entries(&maps, b)))
        }));
    }
    Ok(make_comparator(
        column,
        column,
        SortOptions {
            descending: false,
            nulls_first: true,
        },
    )?)
}

fn fold_extra(
    maps: &MapArray,
    cells: &Cells<'_>,
    groups: &Groups,
    whole: &[bool],
    newest: &[u32],
    older: &mut [BTreeMap<String, String>],
) -> Result<ArrayRef> {
    let mut builder = map_builder();
    for (group, rows) in groups.iter().enumerate() {
        let row_order = cells.orders.value(newest[group] as usize);
        let mut kept: BTreeMap<&str, (String, &str)> = BTreeMap::new();
        for row in rows {
            // An account that states whole rows states all of `extra`, too: what is not there is gone.
            if whole[group] && cells.orders.value(*row as usize) < row_order {
                continue;
            }
            for (key, value) in entries(maps, *row as usize) {
                let Some(value) = value else { continue };
                let candidate = (cells.order(*row, &cell_of(key)).to_owned(), value);
                match kept.get(key) {
                    Some(best) if *best >= candidate => {}
                    _ => {
                        kept.insert(key, candidate);
                    }
                }
            }
        }
        for (key, (order, value)) in &kept {
            builder.keys().append_value(key);
            builder.values().append_value(value);
            if order.as_str() < row_order {
                older[group].insert(cell_of(key), order.clone());
            }
        }
        builder.append(!kept.is_empty())?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Name of an `extra` key in `_older`: no column name contains a dot.
fn cell_of(key: &str) -> String {
    format!("{EXTRA}.{key}")
}
