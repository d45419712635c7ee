//! Folding: of the rows of a key one stays, or is made of them.

use arrow::array::RecordBatch;

use super::cells::take_rows;
use super::rows_by_key::{RowsByKey, key_positions};
use super::{every_row, latest_row, latest_value};
use crate::contract::{Contract, Feed, Keep};
use crate::error::{Error, Result};
use crate::layout::{HASH, OBJECT, ORDER, ROW};

/// One row a key.
pub(crate) struct Folded {
    /// The rows, in the order in which their keys first appear.
    pub(crate) rows: RecordBatch,
    /// Per result the rows that were folded.
    pub(crate) members: RowsByKey,
    /// Where a result is one of the folded rows: which.
    pub(crate) winner: Vec<Option<u32>>,
    /// Rows that other rows of their key made superfluous.
    pub(crate) absorbed: u64,
    /// Copies of an `every_row` key with another content than the one that stays.
    pub(crate) conflicts: u64,
}

/// What stays of the rows of each key.
pub(crate) enum Stays {
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
pub(crate) fn stays(contract: &Contract, rows: &RecordBatch, members: &RowsByKey) -> Result<Stays> {
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
    let members = RowsByKey::of(rows, &key_positions(rows.schema_ref(), contract.key())?)?;
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
pub(crate) fn deciding_columns(contract: &Contract) -> Option<&'static [&'static str]> {
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
