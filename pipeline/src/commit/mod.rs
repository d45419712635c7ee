//! The protocol by which a batch gets into a table exactly once.
//!
//! Batches of a table T are numbered 1, 2, 3 …
//!
//! 1. **Claim** ([`crate::system::ledger`]): the list of what batch n takes in is committed to the ledger, together with
//!    `txn(claim:T, n)`. From now on batch n is this list, whoever works on it.
//! 2. **Work** ([`crate::ingest`], [`crate::derive`], [`crate::apply`]): rows are read, shaped and folded, and data files are
//!    written. Counts and rejected rows go to a side file. Nothing of it is visible.
//! 3. **Commit** ([`batch`]): one compare-and-swap on T with the files and `txn(marketlake:<ledger>, n)`, planned
//!    from a snapshot whose txn is exactly n - 1. The only moment at which the table changes.
//! 4. **Record** ([`record`]): quarantine, changes, run record and results are appended from the side file and the
//!    summary that the commit names, each with a txn of T, before n + 1 is claimed.
//!
//! Dying anywhere between two of these leaves a state from which the next run goes on: an open claim is resumed
//! with its own list; a commit without record is recorded. Two runners at once are kept apart by the lease most of
//! the time, and by the compare-and-swaps always. An error of unknown outcome is settled by reading T's txn.

mod attempt;
mod batch;
pub(crate) mod budget;
pub(crate) mod notes;
pub(crate) mod record;
pub(crate) mod rules;
pub(crate) mod side_file;
mod state;
pub(crate) mod table;
pub(crate) mod tally;

pub(crate) use attempt::{Attempt, Attempted};
pub(crate) use batch::{Proposal, TableRun, commit_batch};
pub(crate) use budget::{excess_of_results, excess_of_rows};
pub(crate) use notes::Notes;
pub(crate) use record::{Batch, complete, recorded_app, settle};
pub(crate) use rules::{Ask, accounts_of, mark, reasons_to_hold};
pub(crate) use side_file::SideFile;
pub(crate) use state::{State, state};
pub(crate) use table::{LEDGER, Opened, checked, now, open, open_for, properties, waiting_of};
pub(crate) use tally::{RunId, Summary, Tallies, Tally};

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// What the commit of a batch says about itself, so that whoever comes next can record it.
pub(crate) fn about(batch: i64, side: Value, summary: &Summary) -> Result<Map<String, Value>> {
    let Value::Object(mut about) = json!(summary) else {
        return Err(Error::internal("summary of a batch has no JSON form"));
    };
    about.insert("batch".to_owned(), json!(batch));
    about.insert(side_file::SIDE.to_owned(), side);
    Ok(about)
}
