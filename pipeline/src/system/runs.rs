//! What runs did, `marketlake.runs`: a row per batch, and one per table that a run had to leave undone.
//!
//! The table is partitioned by day, so that the newest runs are found without reading all of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Field, Schema, SchemaRef};
use serde_json::Value;

use crate::curated::Curated;
use crate::delta::{DataFile, DeltaLog, Which, indexed, read_files, write_partitioned};
use crate::error::{Context, Kind, Result};
use crate::failpoint;
use crate::report::{Counts, News, Outcome, RunRecord, RunReport, TableReport};

use super::columns::{Cells, instant_field, instants, int_field, ints, text_field, texts};
use super::held::Held;
use super::outbox;

const DAY: &str = "run_date";
/// Columns of which the log holds bounds.
const BOUNDED: [&str; 1] = ["batches"];

/// Column and place of each count.
type Count = (&'static str, fn(&mut Counts) -> &mut u64);

const COUNTS: [Count; 14] = [
    ("objects", |counts| &mut counts.objects),
    ("objects_rejected", |counts| &mut counts.objects_rejected),
    ("rows_read", |counts| &mut counts.rows_read),
    ("rows_filtered", |counts| &mut counts.rows_filtered),
    ("rows_rejected", |counts| &mut counts.rows_rejected),
    ("rows_warned", |counts| &mut counts.rows_warned),
    ("rows_absorbed", |counts| &mut counts.rows_absorbed),
    ("rows_conflicting", |counts| &mut counts.rows_conflicting),
    ("rows_inserted", |counts| &mut counts.rows_inserted),
    ("rows_updated", |counts| &mut counts.rows_updated),
    ("rows_removed", |counts| &mut counts.rows_removed),
    ("files_added", |counts| &mut counts.files_added),
    ("files_removed", |counts| &mut counts.files_removed),
    ("bytes_read", |counts| &mut counts.bytes_read),
];

/// Appends what a report says of its tables in one commit; without tables none. Where `progress` (app id and
/// version) is given, a second call changes nothing.
pub(crate) async fn append(
    curated: &Curated,
    report: &RunReport,
    progress: Option<(String, i64)>,
) -> Result<()> {
    let tables: Vec<&TableReport> = report.tables.iter().collect();
    if tables.is_empty() {
        return Ok(());
    }
    let log = log(curated)?;
    let partition = [DAY.to_owned()];
    let snapshot = log
        .open_or_create(
            Which::Known,
            &schema(),
            &partition,
            &[indexed(&BOUNDED)],
            "What runs did to tables.",
        )
        .await?;
    let adds = write_partitioned(&log, &batch(report, &tables)?, &partition, &BOUNDED).await?;
    super::append(&log, snapshot, "RUN", adds, progress).await
}

/// Records where a run did not get through, and leaves that to be told: each batch was recorded with its commit. That a table is
/// held is told when it begins, or changes. What fails is said in the report.
pub(crate) async fn close(curated: &Curated, report: &mut RunReport) {
    let undone = |table: &&TableReport| table.outcome.exit_code() != 0;
    let undone: Vec<TableReport> = report.tables.iter().filter(undone).cloned().collect();
    let mut failed = Vec::new();
    // Nobody is asked anything about a table that was only stopped: the next run goes on with it.
    for table in undone.iter().filter(|table| table.outcome != Outcome::Stopped) {
        let held = match table.outcome {
            Outcome::Held => Held::of(curated, table).await.ok(),
            _ => None,
        };
        if let Some(held) = &held
            && held.is_told(curated, &table.table).await.unwrap_or(false)
        {
            continue;
        }
        let news = News {
            // A run can be begun again under its id.
            id: format!(
                "{}-{}-{}",
                table.table,
                report.run,
                report.ended_at.timestamp_millis()
            ),
            run: report.run.clone(),
            at: report.ended_at,
            table: table.without_batches(),
            parts: Vec::new(),
            late_periods: Vec::new(),
            told: BTreeSet::new(),
        };
        // Last: who dies before it has left the same to be told, and it is told again.
        let left = match (outbox::put(curated, &news).await, held) {
            (Ok(()), Some(held)) => held.note(curated, &table.table).await,
            (left, _) => left,
        };
        failed.extend(left.err());
    }
    let undone = RunReport {
        tables: undone.iter().map(TableReport::without_batches).collect(),
        ..report.clone()
    };
    failpoint::pass("before_runs");
    failed.extend(append(curated, &undone, None).await.err());
    let what = "where the run did not get through is not recorded";
    let said = failed.iter().map(|error| format!("{what}: {}", error.chain()));
    report.unfinished.extend(said);
}

/// The records of the newest runs, newest run first, at most `limit` of them.
pub(crate) async fn read(curated: &Curated, limit: usize) -> Result<Vec<RunRecord>> {
    let log = log(curated)?;
    let Some(snapshot) = log.load().await? else {
        return Ok(Vec::new());
    };
    let mut days: BTreeMap<Option<&str>, Vec<&DataFile>> = BTreeMap::new();
    for file in snapshot.files.iter() {
        days.entry(file.partition.get(DAY).and_then(Option::as_deref))
            .or_default()
            .push(file);
    }
    let mut records = Vec::new();
    for files in days.into_values().rev() {
        if records.len() >= limit {
            break;
        }
        for batch in read_files(&log, files, &schema()).await? {
            for row in 0..batch.num_rows() {
                records.push(record(&Cells(&batch), row)?);
            }
        }
    }
    records.sort_by_key(|record: &RunRecord| Reverse(record.started_at));
    records.truncate(limit);
    Ok(records)
}

fn log(curated: &Curated) -> Result<DeltaLog> {
    curated.system("runs")
}

fn schema() -> SchemaRef {
    let mut fields = vec![
        Field::new(DAY, DataType::Date32, true),
        text_field("run"),
        text_field("table_name"),
        instant_field("started_at"),
        instant_field("ended_at"),
        text_field("outcome"),
        int_field("batches"),
        int_field("version"),
        int_field("late_objects"),
        int_field("millis"),
        text_field("messages"),
    ];
    fields.extend(COUNTS.map(|(name, _)| int_field(name)));
    Arc::new(Schema::new(fields))
}

fn batch(report: &RunReport, tables: &[&TableReport]) -> Result<RecordBatch> {
    let day = Date32Type::from_naive_date(report.started_at.date_naive());
    let messages = tables
        .iter()
        .map(|table| {
            serde_json::to_string(&table.messages).context(Kind::Internal, "messages have no JSON form")
        })
        .collect::<Result<Vec<_>>>()?;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![day; tables.len()])),
        texts(tables.iter().map(|_| Some(report.run.as_str()))),
        texts(tables.iter().map(|table| Some(table.table.as_str()))),
        instants(tables.iter().map(|_| report.started_at)),
        instants(tables.iter().map(|_| report.ended_at)),
        texts(tables.iter().map(|table| Some(table.outcome.as_str()))),
        ints(tables.iter().map(|table| Some(table.batches as i64))),
        ints(
            tables
                .iter()
                .map(|table| table.version.map(|version| version as i64)),
        ),
        ints(tables.iter().map(|table| Some(table.late_objects as i64))),
        ints(tables.iter().map(|table| Some(table.millis as i64))),
        texts(messages.iter().map(|text| Some(text.as_str()))),
    ];
    for (_, count) in COUNTS {
        columns.push(ints(
            tables
                .iter()
                .map(|table| Some(*count(&mut table.counts.clone()) as i64)),
        ));
    }
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn record(cells: &Cells<'_>, row: usize) -> Result<RunRecord> {
    let mut counts = Counts::default();
    for (name, count) in COUNTS {
        *count(&mut counts) = cells.int(name, row).unwrap_or_default() as u64;
    }
    let foreign = "record of a run is not what this program writes";
    Ok(RunRecord {
        run: cells.text("run", row).unwrap_or_default(),
        table: cells.text("table_name", row).unwrap_or_default(),
        started_at: cells.instant("started_at", row),
        outcome: serde_json::from_value(Value::from(cells.text("outcome", row)))
            .context(Kind::Foreign, foreign)?,
        counts,
        messages: match cells.text("messages", row) {
            Some(text) => serde_json::from_str(&text).context(Kind::Foreign, foreign)?,
            None => Vec::new(),
        },
    })
}

#[cfg(test)]
mod tests {
    use crate::storage::Place;
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn report(run: &str, day: i64, outcomes: &[Outcome]) -> RunReport {
        let started_at = DateTime::UNIX_EPOCH + TimeDelta::days(day);
        let table = |(index, outcome): (usize, &Outcome)| TableReport {
            table: format!("jwo.t{index}"),
            outcome: *outcome,
            batches: 1,
            version: Some(3),
            counts: Counts {
                rows_read: 7,
                bytes_read: 11,
                ..Counts::default()
            },
            late_objects: 0,
            over_budget: false,
            waiting_documents: 0,
            messages: vec!["check \"x\" warned".to_owned()],
            millis: 5,
        };
        let tables = outcomes.iter().enumerate().map(table).collect();
        RunReport {
            schema: 1,
            run: run.to_owned(),
            started_at,
            ended_at: started_at,
            tables,
            unfinished: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_newest_runs_come_first_and_each_progress_once() {
        let folder = tempfile::tempdir().unwrap();
        let curated = Curated::at(Place::of_folder(folder.path()));
        append(&curated, &report("quiet", 9, &[]), None).await.unwrap();
        assert!(
            log(&curated).unwrap().load().await.unwrap().is_none(),
            "a quiet run creates nothing"
        );
        let outcomes = [Outcome::Updated, Outcome::PartlyQuarantined];
        append(&curated, &report("second", 2, &outcomes), None)
            .await
            .unwrap();
        for _ in 0..2 {
            let progress = Some(("record:jwo.t0".to_owned(), 1));
            append(&curated, &report("first", 1, &outcomes), progress)
                .await
                .unwrap();
        }
        let records = read(&curated, 9).await.unwrap();
        let seen: Vec<_> = records
            .iter()
            .map(|r| (r.run.as_str(), r.table.as_str(), r.outcome))
            .collect();
        assert_eq!(
            seen,
            [
                ("second", "jwo.t0", Outcome::Updated),
                ("second", "jwo.t1", Outcome::PartlyQuarantined),
                ("first", "jwo.t0", Outcome::Updated),
                ("first", "jwo.t1", Outcome::PartlyQuarantined),
            ]
        );
        assert_eq!(
            records[0].counts,
            Counts {
                rows_read: 7,
                bytes_read: 11,
                ..Counts::default()
            }
        );
        assert_eq!(records[0].messages, ["check \"x\" warned"]);
    }

    #[test]
    fn every_count_has_a_column() {
        let counts = serde_json::to_value(Counts::default()).unwrap();
        let mut fields: Vec<&String> = counts.as_object().unwrap().keys().collect();
        let mut columns = COUNTS.map(|(name, _)| name);
        fields.sort();
        columns.sort_unstable();
        assert_eq!(fields, columns);
    }

    #[tokio::test]
    async fn a_table_that_is_held_as_it_was_is_recorded_by_each_run_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let curated = Curated::at(Place::of_folder(folder.path()));
        let held = |run: i64, why: &str| {
            let mut report = report(&format!("r-{run}"), run, &[Outcome::Held, Outcome::Failed]);
            report.tables[0].messages = vec![why.to_owned()];
            report
        };
        let waiting = || {
            std::fs::read_dir(folder.path().join("marketlake/outbox"))
                .unwrap()
                .count()
        };
        // What failed is told by each run.
        for (run, why, told) in [(1, "a", 2), (2, "a", 3), (3, "b", 5), (4, "b", 6), (5, "a", 8)] {
            let mut report = held(run, why);
            close(&curated, &mut report).await;
            assert!(report.unfinished.is_empty(), "{:?}", report.unfinished);
            assert_eq!(waiting(), told, "run {run}");
        }
        let records = read(&curated, 100).await.unwrap();
        assert_eq!(records.len(), 10);
    }
}
