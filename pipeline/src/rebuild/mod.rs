//! A table made anew under the contract in force, while its readers go on with the old one.
//!
//! 1. **Stage** ([`staging`]): the raw objects that the ledger names are taken in by ordinary batches into a lake of
//!    their own below `marketlake/rebuild/`. A process that dies there is resumed as any run is.
//! 2. **Write** ([`crate::sorted`]): the staged rows are sorted into files of the table, by a new batch number. Tables
//!    with inputs come to this step directly: their SQL is computed in full.
//! 3. **Claim, commit, record** ([`commit`]): as every batch, but the commit removes all that was there before, and says
//!    anew what the table is. So it is the way out for every table that is held or refused: after it, the table is what
//!    the newest batch of this ledger left.
//!
//! The batch's number is greater than any that was claimed, committed or recorded before, whoever did so.

mod commit;
mod computed;
mod objects;
mod range;
mod raw;
mod staging;
mod standing;

pub(crate) use staging::clean;

use std::time::Instant;

use chrono::Utc;
use uuid::Uuid;

use crate::contract::{Contract, Feed, TableName};
use crate::error::Result;
use crate::lake::Lake;
use crate::ledger::Lease;
use crate::record::runs;
use crate::report::{Counts, Observer, Outcome, RebuildOptions, RunReport, SCHEMA, TableReport};

/// What is made anew, and for whom.
struct Job<'a> {
    lake: &'a Lake,
    contract: &'a Contract,
    options: &'a RebuildOptions,
    observer: &'a dyn Observer,
}

/// How it ended.
struct Ended {
    outcome: Outcome,
    version: Option<u64>,
    counts: Counts,
    messages: Vec<String>,
}

impl Ended {
    /// Nothing was committed.
    fn without(outcome: Outcome, messages: Vec<String>) -> Self {
        Self {
            outcome,
            version: None,
            counts: Counts::default(),
            messages,
        }
    }
}

/// Makes a table anew. What goes wrong is in the report, which is also recorded.
pub(crate) async fn rebuild(
    lake: &Lake,
    options: &RebuildOptions,
    observer: &dyn Observer,
) -> Result<RunReport> {
    let (started_at, started) = (Utc::now(), Instant::now());
    let contract = lake.contract(&options.table)?;
    range::check(contract, options)?;
    let job = Job {
        lake,
        contract,
        options,
        observer,
    };
    let ended = match attempt(&job).await {
        Ok(ended) => ended,
        Err(error) => Ended::without(Outcome::Failed, vec![error.chain()]),
    };
    let table = TableReport {
        table: contract.name.to_string(),
        outcome: ended.outcome,
        batches: u64::from(ended.version.is_some()),
        version: ended.version,
        counts: ended.counts,
        late_objects: 0,
        messages: ended.messages,
        millis: started.elapsed().as_millis() as u64,
    };
    observer.table_finished(&table);
    let report = RunReport {
        schema: SCHEMA,
        run: Uuid::new_v4().to_string(),
        started_at,
        ended_at: Utc::now(),
        tables: vec![table],
    };
    runs::append(&lake.settings().curated, &report).await?;
    Ok(report)
}

async fn attempt(job: &Job<'_>) -> Result<Ended> {
    let lake = job.lake;
    let lease = [lease(&job.contract.name)];
    let Some(_lease) = Lease::take(&lake.locks()?, &lease, lake.settings().busy_wait).await? else {
        let message = "another rebuild of the table is at work".to_owned();
        return Ok(Ended::without(Outcome::Busy, vec![message]));
    };
    match &job.contract.feed {
        Feed::Raw(feed) => raw::rebuild(job, feed).await,
        Feed::Inputs(feed) => computed::rebuild(job, feed).await,
    }
}

/// What two rebuilds of a table would both want. Runs do not: they go on until the very end.
fn lease(table: &TableName) -> TableName {
    TableName {
        source: "rebuild".to_owned(),
        table: table.to_string(),
    }
}

/// The table's own lease is with a runner.
fn busy() -> Ended {
    let message = "another runner has the table; what was done is kept, run `marketlake rebuild` again";
    Ended::without(Outcome::Busy, vec![message.to_owned()])
}
