//! Upkeep of the tables: fewer and larger files, an end to what nobody reads any more, short logs.
//!
//! 1. **Audit** ([`audit`]): a key has one row. Copies are merged where what is kept is a maximum, else reported.
//! 2. **Compaction** ([`compact`]): the small and ragged files of a partition are written afresh, sorted. The commit
//!    says that no row changed, so that tables computed from this one see nothing.
//! 3. **Checkpoint and log** ([`history`]): entries that a checkpoint has made superfluous go after a while.
//! 4. **Vacuum** ([`vacuum`]): files that no version within the retention names, and those of attempts that died.
//!
//! Every commit is a compare-and-swap as that of a batch, and no lease is taken: a run that planned from the old files
//! loses, and plans again; so does maintenance. What a table computed from another one still has to read of it
//! ([`needed`]) stays, however old it is.

mod attempts;
mod audit;
mod audited;
mod compact;
mod copies;
mod history;
mod looked;
mod needed;
mod subject;
mod vacuum;

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::Instrument;

use crate::commit::RunId;
use crate::contract::TableName;
use crate::error::{Kind, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::report::{MaintainReport, MaintainedTable, Outcome, SCHEMA};
use crate::request::{MaintainOptions, RETENTION};
use crate::storage::Lease;
use crate::system::ledger::Ledger;

use subject::Subject;

/// One run of maintenance.
struct Upkeep<'a> {
    lake: &'a Lake,
    ledger: Ledger,
    options: &'a MaintainOptions,
    now: DateTime<Utc>,
}

impl Upkeep<'_> {
    /// Versions that were superseded before this instant need not be readable any more.
    fn cutoff(&self) -> DateTime<Utc> {
        before(self.now, self.options.retention)
    }

    /// Log entries written before this instant can go. Those that an attempt under way may have been planned from
    /// never do: it would find the place of its commit free.
    fn log_cutoff(&self) -> DateTime<Utc> {
        let shortest = self.options.retention.max(RETENTION);
        before(self.now, self.options.log_retention.max(shortest))
    }
}

/// An instant so long before another one.
fn before(now: DateTime<Utc>, age: std::time::Duration) -> DateTime<Utc> {
    TimeDelta::from_std(age)
        .ok()
        .and_then(|age| now.checked_sub_signed(age))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

impl Lake {
    /// Compaction, audit, checkpoints, and an end to what nobody reads any more. Changes no row but where a key has
    /// several.
    ///
    /// # Errors
    /// When a table of the options has no contract, or the ledger cannot be read; what goes wrong with one table is in
    /// the report.
    pub async fn maintain(&self, options: &MaintainOptions) -> Result<MaintainReport> {
        let run = RunId::begin(self.job());
        maintain_at(self, options, run.started_at)
            .instrument(run.span())
            .await
    }
}

async fn maintain_at(lake: &Lake, options: &MaintainOptions, now: DateTime<Utc>) -> Result<MaintainReport> {
    lake.curated().begin_job();
    let mut report = MaintainReport {
        schema: SCHEMA,
        dry_run: options.dry_run,
        started_at: now,
        ended_at: now,
        tables: Vec::new(),
        leftovers_removed: 0,
        unfinished: Vec::new(),
    };
    let subjects = Subject::all(lake, &options.tables)?;
    let Some(ledger) = Ledger::open_existing(lake.curated()).await? else {
        return Ok(report);
    };
    let lease = if options.dry_run {
        None
    } else {
        let name = TableName {
            source: "marketlake".to_owned(),
            table: "maintain".to_owned(),
        };
        let (leases, name) = (lake.leases()?, [name]);
        let lease = Lease::take(&leases, &name, lake.settings().busy_wait);
        match lake.stop().unless(lease).await {
            Ok(None) => {
                report.tables = subjects.iter().map(busy).collect();
                return Ok(report);
            }
            // Each table says so below.
            Err(error) if error.kind() == Kind::Stopped => None,
            lease => lease?,
        }
    };
    let upkeep = Upkeep {
        lake,
        ledger,
        options,
        now,
    };
    for subject in &subjects {
        let started = Instant::now();
        let mut done = MaintainedTable::new(&subject.name);
        let span = tracing::error_span!("table", table = %subject.name);
        match upkeep.table(subject, &mut done).instrument(span).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                done.messages.push(error.chain());
                done.outcome = Outcome::of_failed(&error);
            }
        }
        done.millis = started.elapsed().as_millis() as u64;
        report.tables.push(done);
    }
    if options.tables.is_empty() && !lake.stop().is_asked() {
        match attempts::clean(&upkeep).await {
            Ok(removed) => report.leftovers_removed = removed,
            Err(error) => report.unfinished.push(format!(
                "leftovers of batches and rebuilds were not all removed: {}",
                error.chain()
            )),
        }
    }
    lake.curated().settled().await;
    if let Some(lease) = lease {
        lease.release().await;
    }
    report.ended_at = Utc::now();
    Ok(report)
}

fn busy(subject: &Subject<'_>) -> MaintainedTable {
    MaintainedTable {
        outcome: Outcome::Busy,
        messages: vec!["another maintenance is at work".to_owned()],
        ..MaintainedTable::new(&subject.name)
    }
}

impl Upkeep<'_> {
    /// Maintains one table; false when there is none.
    async fn table(&self, subject: &Subject<'_>, done: &mut MaintainedTable) -> Result<bool> {
        let stop = self.lake.stop();
        stop.check()?;
        let Some(snapshot) = subject.log.load().await? else {
            return Ok(false);
        };
        done.files_before = snapshot.files.len() as u64;
        done.bytes_before = snapshot.files.iter().map(|file| file.size).sum();
        audit::audit(self, subject, done).await?;
        compact::compact(self, subject, done).await?;
        let Some(snapshot) = subject.log.load().await? else {
            return Ok(false);
        };
        done.files_after = snapshot.files.len() as u64;
        done.bytes_after = snapshot.files.iter().map(|file| file.size).sum();
        let needed = needed::oldest(self, subject, &snapshot).await?;
        stop.unless(vacuum::vacuum(self, subject, &snapshot, needed, done))
            .await?;
        failpoint::pass("after_vacuum");
        // A checkpoint that is being written may save another one.
        subject.log.settled().await;
        stop.unless(history::shorten(self, subject, &snapshot, needed, done))
            .await?;
        let changed = done.commits > 0
            || done.partitions > 0
            || done.merged_rows > 0
            || done.vacuumed_files > 0
            || done.log_files_removed > 0
            || done.checkpoint.is_some();
        if changed && done.outcome == Outcome::Unchanged {
            done.outcome = Outcome::Updated;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
