//! What a run did, batch by batch and table by table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use tracing::Span;
use uuid::Uuid;

use crate::contract::{Contract, Otherwise, TableName};
use crate::delta::ChangedPart;
use crate::error::{Error, Kind};
use crate::report::{Counts, Outcome, TableReport};
use crate::system::done::JobId;

use super::notes::Notes;

/// Parts of a table that shrank and are named in a message.
const SHOWN: usize = 5;

/// One call of the main job.
#[derive(Debug, Clone)]
pub(crate) struct RunId {
    /// Unique id.
    pub(crate) id: String,
    /// When it began.
    pub(crate) started_at: DateTime<Utc>,
}

impl RunId {
    /// Of a call that begins now, by the id that it was given, where it was.
    pub(crate) fn begin(given: Option<&JobId>) -> Self {
        Self {
            id: given.map_or_else(|| Uuid::new_v4().to_string(), JobId::to_string),
            started_at: Utc::now(),
        }
    }

    /// Has its lines in the log say whose they are.
    pub(crate) fn span(&self) -> Span {
        // Of the highest level, as a filter that leaves lines out would leave it out with them.
        tracing::error_span!("run", run = self.id)
    }
}

/// What a batch did. Its commit carries it, so that whoever records the batch says the same of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) counts: Counts,
    /// Failures of checks that only warn, by check.
    #[serde(default)]
    pub(crate) warned: BTreeMap<String, u64>,
    /// Objects that were found only by the look beyond the look-back.
    #[serde(default)]
    pub(crate) late_objects: u64,
    /// The days of which these are.
    #[serde(default, skip_serializing_if = "LateDays::is_empty")]
    pub(crate) late_days: LateDays,
    /// Wall time of the attempt in milliseconds.
    #[serde(default)]
    pub(crate) millis: u64,
    /// Whether a person let the batch go in although a check asked to hold it.
    #[serde(default)]
    pub(crate) released: bool,
    /// What is to be said about its documents.
    #[serde(default)]
    pub(crate) notes: Notes,
    /// Id of the run that committed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    /// The parts of the table that it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed: Vec<ChangedPart>,
    /// Objects that wait until storage lets them be read, and the batch that claimed each last.
    #[serde(default, skip_serializing_if = "Waiting::is_empty")]
    pub(crate) waiting: Waiting,
}

/// Days of which objects came too late, by the alias of the account.
pub(crate) type LateDays = BTreeSet<(Option<String>, NaiveDate)>;

/// Paths of objects that storage did not let be read, each with the batch that claimed it last.
pub(crate) type Waiting = BTreeMap<String, i64>;

impl Summary {
    /// The report of the batch alone.
    pub(crate) fn report(&self, table: &TableName, version: u64) -> TableReport {
        TableReport {
            table: table.to_string(),
            outcome: outcome(&self.counts),
            batches: 1,
            version: Some(version),
            counts: self.counts.clone(),
            late_objects: self.late_objects,
            messages: warnings(&self.warned).chain(self.notes.messages()).collect(),
            over_budget: self.notes.over_budget.is_some(),
            waiting_documents: 0,
            millis: self.millis,
        }
    }
}

/// The tallies of all tables of a run.
pub(crate) struct Tallies {
    run: RunId,
    tables: BTreeMap<TableName, Tally>,
}

impl Tallies {
    pub(crate) fn new(run: RunId) -> Self {
        Self {
            run,
            tables: BTreeMap::new(),
        }
    }

    /// The tally of a table, empty at first.
    pub(crate) fn of(&mut self, table: &TableName) -> &mut Tally {
        let run = &self.run;
        self.tables
            .entry(table.clone())
            .or_insert_with(|| Tally::new(run.clone()))
    }

    /// Adds those of other tables.
    pub(crate) fn absorb(&mut self, others: Self) {
        self.tables.extend(others.tables);
    }

    /// Takes out the tally of a table, to count beside the others, until it is given back.
    pub(crate) fn lend(&mut self, table: &TableName) -> Tally {
        let tally = self.tables.remove(table);
        tally.unwrap_or_else(|| Tally::new(self.run.clone()))
    }

    /// Takes it back.
    pub(crate) fn give_back(&mut self, table: &TableName, tally: Tally) {
        self.tables.insert(table.clone(), tally);
    }

    /// Takes out the tally of a table; none where the run did not come to it.
    pub(crate) fn take(&mut self, table: &TableName) -> Option<Tally> {
        self.tables.remove(table)
    }
}

/// What a run did to a table so far.
pub(crate) struct Tally {
    run: RunId,
    started: Instant,
    batches: u64,
    version: Option<u64>,
    counts: Counts,
    late_objects: u64,
    late_claimed: (u64, LateDays),
    untold: u64,
    waiting_documents: u64,
    warned: BTreeMap<String, u64>,
    notes: Notes,
    messages: Vec<String>,
    released: Option<i64>,
    /// What is in and could not be written down completely.
    unfinished: Vec<String>,
    waiting: Waiting,
    lacks: Option<Outcome>,
    ended: Option<Outcome>,
}

impl Tally {
    fn new(run: RunId) -> Self {
        Self {
            run,
            started: Instant::now(),
            batches: 0,
            version: None,
            counts: Counts::default(),
            late_objects: 0,
            late_claimed: Default::default(),
            untold: 0,
            waiting_documents: 0,
            warned: BTreeMap::new(),
            notes: Notes::default(),
            messages: Vec::new(),
            released: None,
            unfinished: Vec::new(),
            waiting: Waiting::new(),
            lacks: None,
            ended: None,
        }
    }

    /// The run that counts here.
    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// Whether nothing more can be done for the table in this run.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some() || !self.unfinished.is_empty()
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        self.messages.push(error.chain());
        self.ended = Some(match error.kind() {
            Kind::Conflict => Outcome::Busy,
            _ => Outcome::of_failed(error),
        });
    }

    /// As [`Tally::fail`], with a batch in hand.
    pub(crate) fn fail_with(&mut self, batch: i64, error: &Error) {
        match error.kind() {
            Kind::Stopped => self.leave(batch),
            _ => self.fail(error),
        }
    }

    /// Somebody asked the run to end while a batch was begun.
    pub(crate) fn leave(&mut self, batch: i64) {
        self.messages.push(format!(
            "stopped as asked; batch {batch} is begun and not committed, and the next run goes on with it"
        ));
        self.ended = Some(Outcome::Stopped);
    }

    /// A batch is in and its record is not complete. The next batch waits for that, so nothing more can be done here.
    pub(crate) fn unrecorded(&mut self, batch: i64, error: &Error) {
        self.unfinished.push(format!(
            "batch {batch} is in, its record is not complete, and the next run completes it: {}",
            error.chain()
        ));
    }

    /// The table could not be looked at: where this run has committed batches to it they are in, and that is said beside
    /// them.
    pub(crate) fn stop(&mut self, error: &Error) {
        if self.batches == 0 {
            self.fail(error);
        } else {
            self.unfinished.push(format!(
                "what is in could not be looked at again, so the next run finds out whether there is more: {}",
                error.chain()
            ));
        }
    }

    /// Everything is in, and it could not be noted that all that lies there was looked through.
    pub(crate) fn unmarked(&mut self, error: &Error) {
        self.unfinished.push(format!(
            "it is not noted that everything was looked through, so the next run does it again: {}",
            error.chain()
        ));
    }

    /// What is in and could not be written down completely.
    pub(crate) fn unfinished(&self, table: &TableName) -> Vec<String> {
        self.unfinished
            .iter()
            .map(|what| format!("{table}: {what}"))
            .collect()
    }

    pub(crate) fn hold(&mut self, reasons: impl IntoIterator<Item = String>) {
        self.messages.extend(reasons);
        self.ended = Some(Outcome::Held);
    }

    /// Checks with `hold` failed for rows of a batch, so many each. True where the batch may go in all the same.
    pub(crate) fn passes(&mut self, table: &TableName, batch: i64, held: &BTreeMap<String, u64>) -> bool {
        if held.is_empty() || self.released == Some(batch) {
            return true;
        }
        self.hold(held.iter().map(|(check, rows)| {
            format!(
                "check {check} failed for {rows} rows of batch {batch}; look at them, then release the batch with \
                 `marketlake run {table} --release {table}`"
            )
        }));
        false
    }

    /// Parts of the table lost rows, and the contract asks a person about that. True where the batch may go in all the
    /// same.
    pub(crate) fn may_shrink(&mut self, table: &TableName, batch: i64, shrunk: &[String]) -> bool {
        if shrunk.is_empty() || self.released == Some(batch) {
            return true;
        }
        self.hold([format!(
            "{} parts of the table would shrink with batch {batch}: {}; look at them, then release the batch with \
             `marketlake run {table} --release {table}`",
            shrunk.len(),
            shrunk[..shrunk.len().min(SHOWN)].join("; ")
        )]);
        false
    }

    /// More of the batch may be rejected than its contract allows, and the contract may ask a person about that. True
    /// where the batch goes in.
    pub(crate) fn may_exceed(&mut self, contract: &Contract, batch: i64, excess: Option<&str>) -> bool {
        let asks = contract.quarantine.otherwise == Otherwise::Hold && self.released != Some(batch);
        let (Some(excess), table) = (excess.filter(|_| asks), &contract.name) else {
            return true;
        };
        self.hold([format!(
            "{excess}; mend what is wrong and run again, or release the batch with `marketlake run {table} --release {table}`"
        )]);
        false
    }

    /// A person has looked at this batch and lets it go in.
    pub(crate) fn release(&mut self, batch: i64) {
        self.released = Some(batch);
    }

    /// Whether a person let this batch go in.
    pub(crate) fn is_released(&self, batch: i64) -> bool {
        self.released == Some(batch)
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

    /// Something is not there that should be, and the table goes on with what is.
    pub(crate) fn lack(&mut self, outcome: Outcome, message: String) {
        self.say(message);
        self.lacks = self.lacks.max(Some(outcome));
    }

    /// The objects of the table that wait until storage lets them be read.
    pub(crate) fn wait_for(&mut self, waiting: Waiting) {
        self.waiting = waiting;
    }

    /// What [`Tally::wait_for`] was told last.
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Objects of these days came too late for the look-back and were claimed all the same.
    pub(crate) fn late(&mut self, objects: u64, days: LateDays) {
        self.late_claimed.0 += objects;
        self.late_claimed.1.extend(days);
    }

    /// How many of the objects that are being taken in came too late for the look-back, and of which days they are.
    pub(crate) fn late_claimed(&self) -> (u64, LateDays) {
        self.late_claimed.clone()
    }

    /// Objects were claimed of which an event should have told and did not.
    pub(crate) fn untold(&mut self, objects: u64) {
        self.untold += objects;
    }

    /// Documents wait for parts that have not arrived.
    pub(crate) fn wait_for_parts(&mut self, documents: u64) {
        self.waiting_documents = documents;
        self.say(format!(
            "{documents} documents wait for parts that have not arrived"
        ));
    }

    /// Another batch is in.
    pub(crate) fn committed(&mut self, version: u64, summary: Summary) {
        self.batches += 1;
        self.version = Some(version);
        self.counts.add(&summary.counts);
        self.late_objects += summary.late_objects;
        self.late_claimed = Default::default();
        self.notes.add(&summary.notes);
        for (check, rows) in summary.warned {
            *self.warned.entry(check).or_default() += rows;
        }
    }

    /// The report at the end of the run.
    pub(crate) fn report(mut self, table: &TableName) -> TableReport {
        self.messages.extend(warnings(&self.warned));
        self.messages.extend(self.notes.messages());
        if self.untold > 0 {
            self.messages.push(format!(
                "the daily look through everything found {} objects of which no event had told",
                self.untold
            ));
        }
        let outcome = self.ended.or(self.lacks).unwrap_or(match self.batches {
            0 => Outcome::Unchanged,
            _ => outcome(&self.counts),
        });
        TableReport {
            table: table.to_string(),
            outcome,
            batches: self.batches,
            version: self.version,
            counts: self.counts,
            late_objects: self.late_objects,
            over_budget: self.notes.over_budget.is_some(),
            waiting_documents: self.waiting_documents,
            messages: self.messages,
            millis: self.started.elapsed().as_millis() as u64,
        }
    }
}

/// How batches with these counts came out.
fn outcome(counts: &Counts) -> Outcome {
    if counts.rows_rejected + counts.objects_rejected > 0 {
        Outcome::PartlyQuarantined
    } else if counts.rows_read <= counts.rows_filtered && counts.rows_removed == 0 {
        Outcome::Empty
    } else {
        Outcome::Updated
    }
}

fn warnings(warned: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    warned
        .iter()
        .map(|(check, rows)| format!("check {check} failed for {rows} rows"))
}
