//! `latest_value`: per key and column the newest value that is not null.
//!
//! Invariant: a cell holds the value with the greatest (order, value) among all observations of its key and column.
//! An empty cell is no observation, unless its row states the whole of its record: then null is a value like any other,
//! less than those of its time. Of `extra` such a row says that no other key has a value. `_order` is the greatest order of any observation of the key; `_older` holds the order of every
//! value that is older than that, so that a row of the table is an observation whose cells have orders of their
//! own, and no history needs to be read again. Each key of `extra` is a column in this sense. Columns that pick
//! `min` or `max` are such maxima by value alone.
//!
//! A value that no object says, only its account, has the empty order, which is less than any other: it stands where
//! no object has a value, and any value of an object replaces it, in whatever order they come.
//!
//! Of the rows that state their whole record the greatest order is enough to remember, which `_older` does: a column has
//! a value in that one, or null there is newer than all that is older. So a value stays exactly when it is not older.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DynComparator, MapArray, RecordBatch, StringArray, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, take};

use crate::contract::{Contract, EXTRA, Pick};
use crate::error::{Error, Result};
use crate::layout::{BATCH, LOADED_AT, OBJECT, OLDER, ORDER, ROW, WHOLE};
use crate::shape::map_builder;

use super::{Groups, entries, numbers, texts};

/// Folds the rows of each group to one.
pub(super) fn fold(contract: &Contract, rows: &RecordBatch, groups: &Groups) -> Result<RecordBatch> {
    let orders = texts(rows, ORDER)?;
    let cells = Cells::new(rows)?;
    let (objects, ordinals) = (texts(rows, OBJECT)?, numbers(rows, ROW)?);
    let place = |row: u32| (orders(row), Reverse((objects(row), ordinals(row))));
    let newest: Vec<u32> = groups
        .iter()
        .filter_map(|group| group.iter().copied().max_by_key(|row| place(*row)))
        .collect();
    let ranks = Ranks::new(groups, &cells);
    let whole: Vec<Option<&str>> = groups.iter().map(|rows| cells.newest_whole(rows)).collect();
    let mut older: Vec<Ages> = vec![Ages::new(); groups.len()];
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
            EXTRA => fold_extra(column.as_map(), &cells, groups, &whole, &newest, &mut older)?,
            OLDER => {
                columns.push(None);
                continue;
            }
            _ => {
                let pick = contract.column(name).map_or(Pick::Newest, |column| column.pick);
                match pick {
                    Pick::Newest => taken(newest_values(
                        name, column, &cells, groups, &ranks, &whole, &newest, &mut older,
                    )?)?,
                    pick => taken(extremes(column, groups, pick)?)?,
                }
            }
        };
        columns.push(Some(folded));
    }
    for ((ages, whole), newest) in older.iter_mut().zip(&whole).zip(&newest) {
        if let Some(whole) = whole {
            let is_older = *whole < orders(*newest);
            ages.insert(WHOLE.to_owned(), is_older.then(|| (*whole).to_owned()));
        }
    }
    let mut builder = map_builder();
    for ages in &older {
        for (cell, order) in ages {
            builder.keys().append_value(cell);
            builder.values().append_option(order.as_deref());
        }
        builder.append(!ages.is_empty())?;
    }
    let older: ArrayRef = Arc::new(builder.finish());
    let columns = columns
        .into_iter()
        .map(|column| column.unwrap_or_else(|| older.clone()))
        .collect();
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// What `_older` has of one row: the order of a cell, or of the newest whole statement, none where it is the row's.
type Ages = BTreeMap<String, Option<String>>;

/// The order of each cell: its own where it is older than its row, else the row's.
struct Cells<'a> {
    orders: &'a StringArray,
    older: Vec<BTreeMap<&'a str, Option<&'a str>>>,
    /// Per row the order of the newest statement of its whole record; none where there is none.
    whole: Vec<Option<&'a str>>,
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
        let mut older: Vec<_> = (0..rows.num_rows()).map(|row| entries(older, row)).collect();
        let whole = older.iter_mut().enumerate().map(|(row, ages)| {
            let order = ages.remove(WHOLE)?;
            Some(order.unwrap_or_else(|| orders.value(row)))
        });
        Ok(Self {
            orders,
            whole: whole.collect(),
            older,
        })
    }

    /// The order of the newest statement of the whole record among some rows of it; values before it are gone.
    fn newest_whole(&self, rows: &[u32]) -> Option<&'a str> {
        rows.iter().filter_map(|row| self.whole[*row as usize]).max()
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
    whole: &[Option<&str>],
    newest: &[u32],
    older: &mut [Ages],
) -> Result<Vec<Option<u32>>> {
    let compare = comparator(column)?;
    let mut winners = Vec::with_capacity(groups.len());
    let mut start = 0;
    for (group, rows) in groups.iter().enumerate() {
        let says = |row: &u32| column.is_valid(*row as usize);
        let ranked = &ranks.rows[start..start + rows.len()];
        start += rows.len();
        let winner = match ranks.is_clear[group] {
            true => ranked.iter().copied().find(says),
            false => rows.iter().copied().filter(says).max_by(|a, b| {
                let by_order = cells.order(*a, name).cmp(cells.order(*b, name));
                by_order.then_with(|| compare(*a as usize, *b as usize))
            }),
        };
        let winner = winner.filter(|row| is_not_before(whole[group], cells.order(*row, name)));
        if let Some(winner) = winner {
            let order = cells.order(winner, name);
            if order < cells.orders.value(newest[group] as usize) {
                older[group].insert(name.to_owned(), Some(order.to_owned()));
            }
        }
        winners.push(winner);
    }
    Ok(winners)
}

/// Whether a value of this order stands beside what the whole record said last.
fn is_not_before(whole: Option<&str>, order: &str) -> bool {
    whole.is_none_or(|whole| order >= whole)
}

/// The smallest or greatest value of each group; that a whole record has none takes nothing away from these.
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
    whole: &[Option<&str>],
    newest: &[u32],
    older: &mut [Ages],
) -> Result<ArrayRef> {
    let mut builder = map_builder();
    for (group, rows) in groups.iter().enumerate() {
        let row_order = cells.orders.value(newest[group] as usize);
        let mut kept: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for row in rows {
            for (key, value) in entries(maps, *row as usize) {
                let Some(value) = value else { continue };
                let candidate = (cells.order(*row, &cell_of(key)), value);
                if !is_not_before(whole[group], candidate.0) {
                    continue;
                }
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
            if *order < row_order {
                older[group].insert(cell_of(key), Some((*order).to_owned()));
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
