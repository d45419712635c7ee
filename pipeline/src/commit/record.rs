//! The record of a batch: quarantine, changes, run record, outbox and ledger, from the commit and the side file that it names.

use std::collections::BTreeSet;

use chrono::{NaiveTime, Utc};
use serde_json::Value;

use crate::contract::TableName;
use crate::error::{Context, Error, Kind, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::report::{LatePeriod, LateState, News, RunReport, SCHEMA};
use crate::system::ledger::{Ledger, Left};
use crate::system::{changes, outbox, quarantine, runs};

use super::rules;
use super::side_file::SideFile;
use super::table::checked;
use super::tally::{RunId, Summary, Tally};

/// A batch that is in.
pub(crate) struct Batch {
    pub(crate) number: i64,
    /// Version of its commit.
    pub(crate) version: u64,
    pub(crate) summary: Summary,
    pub(crate) side: SideFile,
}

/// Records the batch that the table took in last, where that has not been done: whatever is done to a table next, nobody would
/// come back to it. Of a table that is none of this ledger nothing is known to record.
pub(crate) async fn complete(
    lake: &Lake,
    ledger: &mut Ledger,
    name: &TableName,
    tally: &mut Tally,
) -> Result<()> {
    let log = lake.table_log(name)?;
    let Some(snapshot) = log.load_unguarded().await? else {
        return Ok(());
    };
    let (taken, last) = match checked(&log, &snapshot, ledger).await {
        Err(error) if error.kind() == Kind::Foreign => return Ok(()),
        checked => checked?,
    };
    catch_up(lake, ledger, name, (taken, last.as_ref()), false, tally).await
}

/// Records the batch that the table took in last, with what its commit says, where that has not been done. `goes_on`: whether
/// the table was found to go on under the rules in force.
pub(crate) async fn catch_up(
    lake: &Lake,
    ledger: &mut Ledger,
    name: &TableName,
    (taken, last): (i64, Option<&(u64, Value)>),
    goes_on: bool,
    tally: &mut Tally,
) -> Result<()> {
    let merged = |(_, about): &&(u64, Value)| about.get("merged").is_some();
    if let Some((version, about)) = last.filter(merged) {
        // Maintenance may have died after its commit.
        changes::record(lake.curated(), &lake.table_log(name)?, *version).await?;
        if goes_on {
            end_merge(lake, ledger, name, about).await?;
        }
    }
    if ledger.progress(name).recorded >= taken {
        return Ok(());
    }
    let missing = || {
        Error::internal("commit of the last batch does not say what is to be recorded")
            .with("table", name)
            .with("batch", taken)
    };
    let (version, about) = last.ok_or_else(missing)?;
    let side = SideFile::of(lake.curated(), about).await?.ok_or_else(missing)?;
    let batch = Batch {
        number: taken,
        version: *version,
        summary: serde_json::from_value(about.clone())
            .context(Kind::Foreign, "commit of the last batch has no summary")?,
        side,
    };
    record(lake, ledger, name, &batch, tally.run(), goes_on).await?;
    tally.committed(batch.version, batch.summary);
    Ok(())
}

/// Says that a merge of copies is done, where maintenance died before it could: what was computed from the table since it began
/// may lack what it changed. Where the table does not go on, or objects wait, it is looked at by every run anyway.
async fn end_merge(lake: &Lake, ledger: &mut Ledger, name: &TableName, about: &Value) -> Result<()> {
    let waiting = about.get("waiting").and_then(Value::as_object);
    let nothing_waits = waiting.is_none_or(serde_json::Map::is_empty);
    let Some(contract) = lake.contracts().get(name).filter(|_| nothing_waits) else {
        return Ok(());
    };
    let mark = rules::mark(lake, contract)?;
    match ledger.rests(name, mark) {
        true => Ok(()),
        false => ledger.rest(name, mark).await,
    }
}

/// Counts a batch that is in for the run, and records it. It is in whatever fails from now on: that is said beside it, and
/// the next run makes it up.
pub(crate) async fn settle(
    lake: &Lake,
    ledger: &mut Ledger,
    name: &TableName,
    batch: Batch,
    tally: &mut Tally,
) {
    let recorded = record(lake, ledger, name, &batch, tally.run(), true).await;
    if let Err(error) = recorded {
        tally.unrecorded(batch.number, &error);
    }
    tally.committed(batch.version, batch.summary);
}

/// The mark of the rules under which a table rests after a batch that it took in under them; none where objects wait.
fn rest(lake: &Lake, name: &TableName, batch: &Batch) -> Option<i64> {
    let contract = lake.contracts().get(name)?;
    let mark = rules::mark(lake, contract).ok()?;
    batch.summary.waiting.is_empty().then_some(mark)
}

/// The parts of the table that a batch changed, by their partition columns.
fn parts_of(summary: &Summary) -> Vec<String> {
    let value = |(column, value): (&String, &Option<String>)| {
        format!("{column}={}", value.as_deref().unwrap_or("null"))
    };
    let parts = summary.changed.iter().filter(|part| !part.partition.is_empty());
    let parts: BTreeSet<String> = parts
        .map(|part| part.partition.iter().map(value).collect::<Vec<_>>().join("/"))
        .collect();
    parts.into_iter().collect()
}

/// The days of which its objects came too late for the look-back.
fn late_periods(summary: &Summary) -> Vec<LatePeriod> {
    let days = summary.late_days.iter();
    let periods = days.map(|(account, day)| LatePeriod {
        period_start: day.and_time(NaiveTime::MIN).and_utc(),
        account: account.clone(),
        due_at: None,
        state: LateState::Arrived,
    });
    periods.collect()
}

/// Records a batch, each part once.
async fn record(
    lake: &Lake,
    ledger: &mut Ledger,
    name: &TableName,
    batch: &Batch,
    run: &RunId,
    goes_on: bool,
) -> Result<()> {
    let curated = lake.curated();
    let progress = (recorded_app(ledger, name), batch.number);
    let table = lake.table_log(name)?;
    let report = RunReport {
        schema: SCHEMA,
        run: run.id.clone(),
        started_at: run.started_at,
        ended_at: Utc::now(),
        tables: vec![batch.summary.report(name, batch.version)],
        unfinished: Vec::new(),
    };
    let rejects = &batch.side.quarantine;
    let quarantined = async {
        if !rejects.is_empty() {
            quarantine::record(curated, rejects, progress.clone()).await?;
        }
        failpoint::pass("after_quarantine");
        Ok::<_, Error>(())
    };
    let changed = async {
        changes::record(curated, &table, batch.version).await?;
        failpoint::pass("after_changes");
        Ok::<_, Error>(())
    };
    let ran = async {
        runs::append(curated, &report, Some(progress.clone())).await?;
        failpoint::pass("after_run_record");
        Ok::<_, Error>(())
    };
    let news = News {
        id: format!("{name}-{}-{}", batch.number, ledger.id()),
        run: run.id.clone(),
        at: report.ended_at,
        table: batch.summary.report(name, batch.version),
        parts: parts_of(&batch.summary),
        late_periods: late_periods(&batch.summary),
        told: BTreeSet::new(),
    };
    let told = outbox::put(curated, &news);
    // Each is there once, whichever of the others are.
    let parts = async {
        let (quarantined, changed, ran, told) = futures::join!(
            Box::pin(quarantined),
            Box::pin(changed),
            Box::pin(ran),
            Box::pin(told)
        );
        let mut errors = [quarantined, changed, ran, told]
            .into_iter()
            .filter_map(Result::err);
        match errors.next() {
            Some(first) => {
                errors.for_each(|error| tracing::warn!(table = %name, %error, "batch is not recorded"));
                Err(first)
            }
            None => Ok(()),
        }
    };
    let mut results = batch.side.results.clone();
    for result in &mut results {
        result.commit_version = Some(batch.version);
    }
    let counts = &batch.summary.counts;
    let left = Left {
        rest: rest(lake, name, batch).filter(|_| goes_on),
        changed: counts.files_added + counts.files_removed > 0,
    };
    // The ledger says that all of them are there.
    ledger
        .record(name, batch.number, &results, left, Box::pin(parts))
        .await?;
    failpoint::pass("after_record");
    Ok(())
}

/// Application id under which quarantine and run record state the newest batch of a table that they hold.
pub(crate) fn recorded_app(ledger: &Ledger, name: &TableName) -> String {
    format!("record:{}:{name}", ledger.id())
}
