//! What of the raw rows stays in a table.
//!
//! Each way to keep is a maximum in a total order, over the rows of a key or over the documents that speak about them:
//! commutative, associative and idempotent. So it does not matter whether rows meet in one batch, in the table, twice,
//! or in another order; and the rows of the table are observations like those of a batch.

mod changed;
mod copies;
mod every_row;
mod group;
mod keys;
mod latest_document;
mod latest_row;
mod latest_value;
mod merge;
mod open_files;
mod order_map;
mod plan;
mod recompute;
pub(crate) mod shrink;
#[cfg(test)]
mod tests;
mod working_set;

use arrow::array::{Array, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};

use crate::contract::{Contract, Feed, Keep};
use crate::error::{Context, Error, Kind, Result};

pub(crate) use changed::{ChangedPart, replaced_partitions};
pub(crate) use copies::merge_copies;
pub(crate) use group::{Groups, key_positions};
pub(crate) use latest_document::{
    Cell, Document, Documents, Replaced, Share, Superseded, covered, insert_ascending, supersede,
};
pub(crate) use merge::merge;
pub(crate) use open_files::OpenFiles;
pub(crate) use plan::{Applied, Plan, apply, options};
pub(crate) use recompute::{of_new, replace, whole_files};
pub(crate) use working_set::{Changes, WorkingSet};

/// Does work that keeps a thread busy.
async fn busy<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context(Kind::Internal, "work on rows panicked")?
}

/// One row a key.
pub(crate) struct Folded {
    /// The rows, in the order in which their keys first appear.
    pub(crate) rows: RecordBatch,
    /// Per result the rows that were folded.
    pub(crate) members: Groups,
    /// Where a result is one of the folded rows: which.
    pub(crate) winner: Vec<Option<u32>>,
    /// Rows that other rows of their key made superfluous.
    pub(crate) absorbed: u64,
    /// Copies of an `every_row` key with another content than the one that stays.
    pub(crate) conflicts: u64,
}

/// What stays of the rows of each key.
enum Stays {
    /// One of the rows as it is.
    Row {
        /// Which, key by key.
        winners: Vec<u32>,
        /// Copies of an `every_row` key with another content than the one that stays.
        conflicts: u64,
    },
    /// A row that is made of them.
    Made(RecordBatch),
}

/// Finds what stays of the rows of each key. Where one stays as it is, only the [`deciding_columns`] of the rows are
/// looked at.
fn stays(contract: &Contract, rows: &RecordBatch, members: &Groups) -> Result<Stays> {
    let Feed::Raw(feed) = &contract.feed else {
        return Err(
            Error::internal("rows of a table with inputs are not folded").with("table", &contract.name)
        );
    };
    Ok(match &feed.keep {
        Keep::EveryRow { .. } => {
            let winners = every_row::winners(rows, members)?;
            let conflicts = every_row::conflicts(rows, members, &winners)?;
            Stays::Row { winners, conflicts }
        }
        Keep::LatestRow { .. } => Stays::Row {
            winners: latest_row::winners(rows, members)?,
            conflicts: 0,
        },
        Keep::LatestValue { .. } => Stays::Made(latest_value::fold(contract, rows, members)?),
        Keep::LatestDocument { .. } => {
            return Err(Error::internal("documents are not folded by key").with("table", &contract.name));
        }
    })
}

/// Folds the rows of each key to one. They are in the table's schema.
pub(crate) fn fold(contract: &Contract, rows: &RecordBatch) -> Result<Folded> {
    let members = Groups::of(rows, &key_positions(rows.schema_ref(), contract.key())?)?;
    let absorbed = members.iter().map(|members| members.len() as u64 - 1).sum();
    let (rows, winner, conflicts) = match stays(contract, rows, &members)? {
        Stays::Row { winners, conflicts } => {
            let rows = take_rows(rows, &winners)?;
            (rows, winners.into_iter().map(Some).collect(), conflicts)
        }
        Stays::Made(rows) => (rows, vec![None; members.len()], 0),
    };
    Ok(Folded {
        rows,
        members,
        winner,
        absorbed,
        conflicts,
    })
}

/// The columns of a table's rows that decide which row wins: what has to be read of them to fold with a batch.
fn deciding_columns(contract: &Contract) -> Option<&'static [&'static str]> {
    use crate::layout::{HASH, OBJECT, ORDER, ROW};
    let Feed::Raw(feed) = &contract.feed else {
        return None;
    };
    let columns: &[&str] = match feed.keep {
        Keep::EveryRow { .. } => &[HASH, OBJECT, ROW],
        Keep::LatestRow { .. } => &[ORDER, HASH, OBJECT, ROW],
        Keep::LatestValue { .. } | Keep::LatestDocument { .. } => return None,
    };
    Some(columns)
}

fn take_rows(rows: &RecordBatch, indices: &[u32]) -> Result<RecordBatch> {
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
fn texts<'a>(rows: &'a RecordBatch, name: &str) -> Result<impl Fn(u32) -> &'a str + use<'a>> {
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
fn numbers<'a>(rows: &'a RecordBatch, name: &str) -> Result<impl Fn(u32) -> i64 + use<'a>> {
    let column = rows
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<arrow::datatypes::Int64Type>())
        .ok_or_else(|| Error::internal("bookkeeping column is missing").with("column", name))?;
    Ok(move |row: u32| {
        if column.is_valid(row as usize) {
            column.value(row as usize)
        } else {
            0
        }
    })
}
