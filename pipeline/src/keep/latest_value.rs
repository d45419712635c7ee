//! `latest_value`: per key and column the newest value that is not null.
//!
//! Invariant: a cell holds the value with the greatest (order, value) among all observations of its key and column.
//! An empty cell is no observation, unless its row states the whole of its record: then null is a value like any other,
//! less than those of its time. Of `extra` such a row says that no other key has a value. `_order` is the greatest order
//! of any observation of the key; `_older` holds the order of every value that is older than that, so that a row of the
//! table is an observation whose cells have orders of their own, and no history needs to be read again. Each key of
//! `extra` is a column in this sense. Columns that pick `min` or `max` are such maxima by value alone.
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
use crate::layout::{BATCH, LOADED_AT, OBJECT, OLDER, ORDER, ROW, WHOLE, map_builder};

use super::{RowsByKey, entries, numbers, texts};

/// Folds the rows of each key to one.
pub(super) fn fold(contract: &Contract, rows: &RecordBatch, by_key: &RowsByKey) -> Result<RecordBatch> {
    let mut folding = Folding::of(rows, by_key)?;
    let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(rows.num_columns());
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        columns.push(folding.column(contract, field.name(), column)?);
    }
    // It says which of the other columns' values are older than their rows.
    let older = folding.older()?;
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
    /// Those of a key together, keys in their order.
    rows: Vec<u32>,
    /// Whether that is their order in all columns: no two are of one time, and no cell is older than its row.
    is_clear: Vec<bool>,
}

impl Ranks {
    fn new(by_key: &RowsByKey, cells: &Cells<'_>) -> Self {
        let order = |row: &u32| cells.orders.value(*row as usize);
        let (mut ranked, mut is_clear) = (Vec::new(), Vec::with_capacity(by_key.len()));
        for rows in by_key.iter() {
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

/// What all columns have in common while they are folded.
struct Folding<'a> {
    by_key: &'a RowsByKey,
    cells: Cells<'a>,
    ranks: Ranks,
    /// Per key the row whose order is the greatest.
    newest: Vec<u32>,
    /// Per key the order of the newest statement of its whole record; none where there is none.
    whole: Vec<Option<&'a str>>,
    /// Per key what `_older` is going to have.
    older: Vec<Ages>,
}

impl<'a> Folding<'a> {
    fn of(rows: &'a RecordBatch, by_key: &'a RowsByKey) -> Result<Self> {
        let cells = Cells::new(rows)?;
        let (orders, objects, ordinals) = (texts(rows, ORDER)?, texts(rows, OBJECT)?, numbers(rows, ROW)?);
        let place = |row: u32| (orders(row), Reverse((objects(row), ordinals(row))));
        let newest = |rows: &[u32]| rows.iter().copied().max_by_key(|row| place(*row));
        Ok(Self {
            ranks: Ranks::new(by_key, &cells),
            newest: by_key.iter().filter_map(newest).collect(),
            whole: by_key.iter().map(|rows| cells.newest_whole(rows)).collect(),
            older: vec![Ages::new(); by_key.len()],
            cells,
            by_key,
        })
    }

    /// The values that stay of a column; none of `_older`, which is made when all others are.
    fn column(&mut self, contract: &Contract, name: &str, column: &ArrayRef) -> Result<Option<ArrayRef>> {
        let winners = match name {
            OLDER => return Ok(None),
            EXTRA => return self.extra(column.as_map()).map(Some),
            ORDER | OBJECT | ROW => self.newest.iter().copied().map(Some).collect(),
            BATCH | LOADED_AT => self.extremes(column, Pick::Max)?,
            _ if contract.key().iter().any(|key| key == name) => {
                self.newest.iter().copied().map(Some).collect()
            }
            _ => match contract.column(name).map_or(Pick::Newest, |column| column.pick) {
                Pick::Newest => self.newest_values(name, column)?,
                pick => self.extremes(column, pick)?,
            },
        };
        Ok(Some(take(column, &UInt32Array::from(winners), None)?))
    }

    /// Per key the row of the newest value; notes where that is older than its row.
    fn newest_values(&mut self, name: &str, column: &ArrayRef) -> Result<Vec<Option<u32>>> {
        let compare = comparator(column)?;
        let cells = &self.cells;
        let mut winners = Vec::with_capacity(self.by_key.len());
        let mut start = 0;
        for (key, rows) in self.by_key.iter().enumerate() {
            let says = |row: &u32| column.is_valid(*row as usize);
            let ranked = &self.ranks.rows[start..start + rows.len()];
            start += rows.len();
            let winner = match self.ranks.is_clear[key] {
                true => ranked.iter().copied().find(says),
                false => rows.iter().copied().filter(says).max_by(|a, b| {
                    let by_order = cells.order(*a, name).cmp(cells.order(*b, name));
                    by_order.then_with(|| compare(*a as usize, *b as usize))
                }),
            };
            let winner = winner.filter(|row| is_not_before(self.whole[key], cells.order(*row, name)));
            if let Some(winner) = winner {
                let order = cells.order(winner, name);
                if order < cells.orders.value(self.newest[key] as usize) {
                    self.older[key].insert(name.to_owned(), Some(order.to_owned()));
                }
            }
            winners.push(winner);
        }
        Ok(winners)
    }

    /// Per key the row of the smallest or greatest value; that a whole record has none takes nothing away from these.
    fn extremes(&self, column: &ArrayRef, pick: Pick) -> Result<Vec<Option<u32>>> {
        let compare = comparator(column)?;
        let ordered = |a: &u32, b: &u32| match pick {
            Pick::Min => compare(*b as usize, *a as usize),
            _ => compare(*a as usize, *b as usize),
        };
        let says = |row: &u32| column.is_valid(*row as usize);
        let extreme = |rows: &[u32]| rows.iter().copied().filter(says).max_by(ordered);
        Ok(self.by_key.iter().map(extreme).collect())
    }

    /// The newest value of each of a key's fields that are not the contract's; notes which are older than their rows.
    fn extra(&mut self, maps: &MapArray) -> Result<ArrayRef> {
        let mut builder = map_builder();
        for (key, rows) in self.by_key.iter().enumerate() {
            let row_order = self.cells.orders.value(self.newest[key] as usize);
            let mut kept: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
            for row in rows {
                for (field, value) in entries(maps, *row as usize) {
                    let Some(value) = value else { continue };
                    let candidate = (self.cells.order(*row, &cell_of(field)), value);
                    if !is_not_before(self.whole[key], candidate.0) {
                        continue;
                    }
                    match kept.get(field) {
                        Some(best) if *best >= candidate => {}
                        _ => {
                            kept.insert(field, candidate);
                        }
                    }
                }
            }
            for (field, (order, value)) in &kept {
                builder.keys().append_value(field);
                builder.values().append_value(value);
                if *order < row_order {
                    self.older[key].insert(cell_of(field), Some((*order).to_owned()));
                }
            }
            builder.append(!kept.is_empty())?;
        }
        Ok(Arc::new(builder.finish()))
    }

    /// The column `_older`, when all others are folded.
    fn older(&mut self) -> Result<ArrayRef> {
        let mut builder = map_builder();
        for ((ages, whole), newest) in self.older.iter_mut().zip(&self.whole).zip(&self.newest) {
            if let Some(whole) = whole {
                let is_older = *whole < self.cells.orders.value(*newest as usize);
                ages.insert(WHOLE.to_owned(), is_older.then(|| (*whole).to_owned()));
            }
            for (cell, order) in ages.iter() {
                builder.keys().append_value(cell);
                builder.values().append_option(order.as_deref());
            }
            builder.append(!ages.is_empty())?;
        }
        Ok(Arc::new(builder.finish()))
    }
}

/// Whether a value of this order stands beside what the whole record said last.
fn is_not_before(whole: Option<&str>, order: &str) -> bool {
    whole.is_none_or(|whole| order >= whole)
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

/// Name of an `extra` key in `_older`: no column name contains a dot.
fn cell_of(key: &str) -> String {
    format!("{EXTRA}.{key}")
}
