//! The protocol by which a batch gets into a table exactly once.
//!
//! Batches of a table T are numbered 1, 2, 3 …
//!
//! 1. **Claim** ([`crate::ledger`]): the list of what batch n takes in is committed to the ledger, together with
//!    `txn(claim:T, n)`. From now on batch n is this list, whoever works on it.
//! 2. **Work** ([`intake`], [`derive`], [`crate::keep`]): rows are read, shaped and folded, and data files are
//!    written. Counts and rejected rows go to a side file. Nothing of it is visible.
//! 3. **Commit** ([`commit`]): one compare-and-swap on T with the files and `txn(marketlake:<ledger>, n)`, planned
//!    from a snapshot whose txn is exactly n - 1. The only moment at which the table changes.
//! 4. **Record** ([`record`]): quarantine, changes, run record and results are appended from the side file and the
//!    summary that the commit names, each with a txn of T, before n + 1 is claimed.
//!
//! Dying anywhere between two of these leaves a state from which the next run goes on: an open claim is resumed
//! with its own list; a commit without record is recorded. Two runners at once are kept apart by the lease most of
//! the time, and by the compare-and-swaps always. An error of unknown outcome is settled by reading T's txn.

mod budget;
mod commit;
mod compute;
mod derive;
mod documents;
mod group;
mod intake;
mod journal;
mod lookback;
mod notebook;
mod notes;
mod observe;
mod parts;
mod pending;
mod put;
mod record;
mod rejects;
mod rules;
mod shaping;
mod side;
mod source;
mod spool;
mod table;
mod take;
mod tally;
mod touched;
mod waiting;
mod work;

pub(crate) use budget::{excess_of_results, excess_of_rows};
pub(crate) use commit::{Attempt, Attempted, about};
pub(crate) use compute::{Computation, Destination, Input, Part, put};
pub(crate) use derive::{input_app, results, run_derived};
pub(crate) use group::{Group, run_group};
pub(crate) use notes::Notes;
pub(crate) use observe::observe;
pub(crate) use parts::name_documents;
pub(crate) use pending::Pending;
pub(crate) use record::{Batch, complete, recorded_app, settle};
pub(crate) use rules::{Ask, accounts_of, reasons_to_hold};
pub(crate) use side::SideFile;
pub(crate) use table::{LEDGER, Opened, checked, now, open, open_for, properties};
pub(crate) use tally::{RunId, Summary, Tallies, Tally};
pub(crate) use waiting::is_as_claimed;
