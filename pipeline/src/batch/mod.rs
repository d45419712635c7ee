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
//! 4. **Record** ([`record`]): quarantine and results are appended from the side file that the commit names, each
//!    with `txn(record:T, n)`, before n + 1 is claimed.
//!
//! Dying anywhere between two of these leaves a state from which the next run goes on: an open claim is resumed
//! with its own list; a commit without record is recorded. Two runners at once are kept apart by the lease most of
//! the time, and by the compare-and-swaps always. An error of unknown outcome is settled by reading T's txn.

mod commit;
mod derive;
mod group;
mod intake;
mod journal;
mod lookback;
mod observe;
mod pending;
mod record;
mod side;
mod table;
mod take;
mod touched;

pub(crate) use commit::OLDEST_ATTEMPT;
pub(crate) use derive::{input_app, run_derived};
pub(crate) use group::{Group, run_group};
pub(crate) use observe::observe;
pub(crate) use pending::Pending;
pub(crate) use record::record;
pub(crate) use side::SideFile;
pub(crate) use table::{LEDGER, Opened, checked, now, open, progress_app, properties};

use std::collections::BTreeMap;
use std::time::Instant;

use crate::contract::TableName;
use crate::error::Error;
use crate::report::{Counts, Outcome, TableReport};

/// What a run did to a table so far.
pub(crate) struct Tally {
    started: Instant,
    batches: u64,
    version: Option<u64>,
    counts: Counts,
    late_objects: u64,
    warned: BTreeMap<String, u64>,
    messages: Vec<String>,
    ended: Option<Outcome>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            batches: 0,
            version: None,
            counts: Counts::default(),
            late_objects: 0,
            warned: BTreeMap::new(),
            messages: Vec::new(),
            ended: None,
        }
    }

    /// Whether nothing more can be done for the table in this run.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        self.messages.push(error.chain());
        self.ended = Some(Outcome::Failed);
    }

    pub(crate) fn hold(&mut self, reasons: impl IntoIterator<Item = String>) {
        self.messages.extend(reasons);
        self.ended = Some(Outcome::Held);
    }

    /// Checks with `hold` failed for rows of a batch, so many each.
    pub(crate) fn hold_for_checks(&mut self, table: &TableName, batch: i64, held: &BTreeMap<String, u64>) {
        self.hold(held.iter().map(|(check, rows)| {
            format!(
                "check {check} failed for {rows} rows of batch {batch}; look at them, then release the batch with \
                 `marketlake run {table} --release {table}`"
            )
        }));
    }

    pub(crate) fn busy(&mut self) {
        self.messages.push("another runner has the table".to_owned());
        self.ended = Some(Outcome::Busy);
    }

    pub(crate) fn say(&mut self, message: String) {
        if !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }

    /// Objects came too late for the look-back and were claimed all the same.
    pub(crate) fn late(&mut self, objects: u64) {
        self.late_objects += objects;
    }

    /// Another batch is in.
    pub(crate) fn committed(&mut self, version: u64, counts: &Counts, warned: BTreeMap<String, u64>) {
        self.batches += 1;
        self.version = Some(version);
        self.counts.add(counts);
        for (check, rows) in warned {
            *self.warned.entry(check).or_default() += rows;
        }
    }

    /// The report at the end of the run.
    pub(crate) fn report(mut self, table: &TableName) -> TableReport {
        for (check, rows) in &self.warned {
            self.messages
                .push(format!("check {check} failed for {rows} rows"));
        }
        let outcome = self.ended.unwrap_or(match &self.counts {
            _ if self.batches == 0 => Outcome::Unchanged,
            counts if counts.rows_rejected + counts.objects_rejected > 0 => Outcome::PartlyQuarantined,
            counts if counts.rows_read <= counts.rows_filtered && counts.rows_removed == 0 => Outcome::Empty,
            _ => Outcome::Updated,
        });
        TableReport {
            table: table.to_string(),
            outcome,
            batches: self.batches,
            version: self.version,
            counts: self.counts,
            late_objects: self.late_objects,
            messages: self.messages,
            millis: self.started.elapsed().as_millis() as u64,
        }
    }
}
