//! A table made anew under the contract in force, while its readers go on with the old one.
//!
//! 1. **Stage** ([`staging`]): the raw objects that the ledger names are taken in by ordinary batches into a lake of
//!    their own below `marketlake/rebuild/`. A process that dies there is resumed as any run is.
//! 2. **Write** ([`crate::apply::sorted`]): the staged rows are sorted into files of the table, by a new batch number. Tables
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

use chrono::Utc;
use tracing::Instrument;

use crate::commit::{RunId, Tallies, Tally};
use crate::contract::{Contract, Feed, TableName};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::report::{Observer, Outcome, RunReport, SCHEMA};
use crate::request::RebuildOptions;
use crate::storage::Lease;
use crate::system::runs;

/// What is made anew, and for whom.
struct Job<'a> {
    lake: &'a Lake,
    contract: &'a Contract,
    options: &'a RebuildOptions,
    observer: &'a dyn Observer,
    run: RunId,
}

/// How it ended without a commit.
struct Ended {
    outcome: Outcome,
    messages: Vec<String>,
}

impl Lake {
    /// Makes a table anew from its raw objects or inputs, under the contract in force: the way out for a table that is
    /// held or refused. Readers see the old rows until the one commit at the end.
    ///
    /// # Errors
    /// When there is no such contract, a range cannot be made anew by itself, or the record of the run cannot be
    /// written; everything else is in the report.
    pub async fn rebuild(&self, options: &RebuildOptions, observer: &dyn Observer) -> Result<RunReport> {
        let contract = self.contract(&options.table)?;
        range::check(contract, options)?;
        self.curated().begin_job();
        let run = RunId::begin(self.job());
        let span = run.span();
        let job = Job {
            lake: self,
            contract,
            options,
            observer,
            run: run.clone(),
        };
        let mut tallies = Tallies::new(run.clone());
        let attempt = attempt(&job, tallies.of(&contract.name));
        let ended = attempt.instrument(span).await;
        let tally = tallies
            .take(&contract.name)
            .ok_or_else(|| Error::internal("table was not tried"))?;
        let unfinished = tally.unfinished(&contract.name);
        let mut table = tally.report(&contract.name);
        match ended {
            Ok(None) => {}
            Ok(Some(ended)) => {
                table.outcome = ended.outcome;
                table.messages.extend(ended.messages);
            }
            Err(error) => {
                table.outcome = Outcome::of_failed(&error);
                table.messages.push(error.chain());
            }
        }
        observer.table_finished(&table);
        let mut report = RunReport {
            schema: SCHEMA,
            run: run.id,
            started_at: run.started_at,
            ended_at: Utc::now(),
            tables: vec![table],
            unfinished,
        };
        runs::close(self.curated(), &mut report).await;
        self.curated().settled().await;
        Ok(report)
    }
}

async fn attempt(job: &Job<'_>, tally: &mut Tally) -> Result<Option<Ended>> {
    let lake = job.lake;
    let lease = [lease(&job.contract.name)];
    let (leases, patience) = (lake.leases()?, lake.settings().busy_wait);
    let Some(lease) = lake.stop().unless(Lease::take(&leases, &lease, patience)).await? else {
        let message = "another rebuild of the table is at work".to_owned();
        return Ok(Some(Ended {
            outcome: Outcome::Busy,
            messages: vec![message],
        }));
    };
    let ended = match &job.contract.feed {
        Feed::Raw(feed) => raw::rebuild(job, feed, tally).await,
        Feed::Inputs(feed) => computed::rebuild(job, feed, tally).await,
    };
    lease.release().await;
    ended
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
    Ended {
        outcome: Outcome::Busy,
        messages: vec![message.to_owned()],
    }
}
