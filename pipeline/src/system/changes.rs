//! Which parts of tables commits changed, `marketlake.changes`: a row per commit and part.
//!
//! Invariant: the rows of a table are what its log says, commit after commit without a gap, each once. How far they
//! go is a txn, by the table's id, in the commit that brings them; so whoever records a commit, however often, and
//! whatever died before, adds just those that are missing. A table that is made anew has another id and begins with
//! the commit that made it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Field, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::contract::ColumnType;
use crate::curated::Curated;
use crate::delta::partition::PartitionValues;
use crate::delta::{
    Addition, Append, Appended, ChangedPart, DeltaLog, Snapshot, Which, indexed, write_partitioned,
};
use crate::error::{Context, Error, Kind, Result};
use crate::layout::map_builder;

use super::columns::{instant_field, instants, int_field, ints, text_field, texts};

const TABLE: &str = "table_name";
/// Columns of which the log holds bounds.
const BOUNDED: [&str; 1] = ["version"];

/// A part that a commit changed.
struct Row {
    version: u64,
    batch: Option<i64>,
    run: Option<String>,
    committed_at: DateTime<Utc>,
    operation: String,
    part: ChangedPart,
}

/// What a commit says about itself, as far as it matters here.
#[derive(Deserialize)]
struct About {
    batch: Option<i64>,
    run: Option<String>,
    /// Only said by a merge of copies, which is no batch of its own.
    merged: Option<u64>,
    #[serde(default)]
    changed: Vec<ChangedPart>,
}

/// Brings the changes of a table up to one of its versions, which was committed with what it changes.
pub(crate) async fn record(curated: &Curated, table: &DeltaLog, version: u64) -> Result<()> {
    let log = curated.system("changes")?;
    let app = format!("changes:{}", table.load_at(version).await?.id);
    let mut snapshot = open_or_create(&log).await?;
    loop {
        let seen = snapshot.txn(&app).map(|seen| seen as u64);
        if seen >= Some(version) {
            return Ok(());
        }
        let adds = write(&log, table, seen.unwrap_or(version - 1), version).await?;
        let progress = (app.clone(), version as i64);
        let plan = move |snapshot: &Snapshot| {
            let is_as_written = snapshot.txn(&progress.0).map(|seen| seen as u64) == seen;
            Ok(is_as_written.then(|| Addition {
                actions: adds.iter().cloned().map(Action::Add).collect(),
                txns: vec![progress.clone()],
            }))
        };
        let append = Append {
            operation: "CHANGES",
            about: Map::from_iter([("table".to_owned(), json!(table.table()))]),
            base: snapshot,
            plan: Arc::new(plan),
        };
        match log.append(append).await? {
            Appended::In(_) => return Ok(()),
            // Somebody else brought them up to another version.
            Appended::Not(newest) => snapshot = newest,
        }
    }
}

async fn open_or_create(log: &DeltaLog) -> Result<Snapshot> {
    let description = "Which parts of tables commits changed.";
    log.open_or_create(
        Which::Known,
        &schema(),
        &[TABLE.to_owned()],
        &[indexed(&BOUNDED)],
        description,
    )
    .await
}

/// Writes the changes of the commits after `seen` up to `version` to files that no commit names yet.
async fn write(log: &DeltaLog, table: &DeltaLog, seen: u64, version: u64) -> Result<Vec<Add>> {
    let mut rows = Vec::new();
    for version in seen + 1..=version {
        let entry = table.entry(version).await?.ok_or_else(|| {
            let what = format!(
                "log no longer has a commit that was not recorded; make the table anew with `marketlake rebuild {}`",
                table.table()
            );
            Error::new(Kind::Foreign, what).with("version", version)
        })?;
        rows.extend(changes(&entry, version).map_err(|error| error.with("table", table.table()))?);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    write_partitioned(log, &batch(table.table(), &rows)?, &[TABLE.to_owned()], &BOUNDED).await
}

/// What the entry of a commit says that it changed. Commits that only rearrange files say nothing.
fn changes(entry: &[Value], version: u64) -> Result<Vec<Row>> {
    let Some(info) = entry.iter().find_map(|action| action.get("commitInfo")) else {
        return Ok(Vec::new());
    };
    let about = match info.get("marketlake") {
        Some(about) if about.get("changed").is_some() => About::deserialize(about)
            .context(Kind::Foreign, "commit does not say what it changed")
            .map_err(|error| error.with("version", version))?,
        _ => return Ok(Vec::new()),
    };
    let operation = info.get("operation").and_then(Value::as_str).unwrap_or_default();
    let committed_at = info.get("timestamp").and_then(Value::as_i64);
    let row = |part| Row {
        version,
        batch: about.batch.filter(|_| about.merged.is_none()),
        run: about.run.clone(),
        committed_at: committed_at
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_default(),
        operation: operation.to_lowercase().replace(' ', "_"),
        part,
    };
    Ok(about.changed.into_iter().map(row).collect())
}

fn schema() -> SchemaRef {
    let map = |name| Field::new(name, ColumnType::Map.arrow(), true);
    Arc::new(Schema::new(vec![
        text_field(TABLE),
        int_field("version"),
        int_field("batch"),
        text_field("run"),
        instant_field("committed_at"),
        text_field("operation"),
        map("partition_values"),
        map("scope_values"),
        Field::new("period", DataType::Date32, true),
        int_field("rows_inserted"),
        int_field("rows_updated"),
        int_field("rows_removed"),
    ]))
}

fn batch(table: &str, rows: &[Row]) -> Result<RecordBatch> {
    let day = |row: &Row| row.part.period.map(Date32Type::from_naive_date);
    let count = |of: fn(&Row) -> u64| ints(rows.iter().map(|row| Some(of(row) as i64)));
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(|_| Some(table))),
        ints(rows.iter().map(|row| Some(row.version as i64))),
        ints(rows.iter().map(|row| row.batch)),
        texts(rows.iter().map(|row| row.run.as_deref())),
        instants(rows.iter().map(|row| row.committed_at)),
        texts(rows.iter().map(|row| Some(row.operation.as_str()))),
        maps(rows.iter().map(|row| Some(&row.part.partition)))?,
        maps(rows.iter().map(|row| row.part.scope.as_ref()))?,
        Arc::new(rows.iter().map(day).collect::<Date32Array>()),
        count(|row| row.part.rows.inserted),
        count(|row| row.part.rows.updated),
        count(|row| row.part.rows.removed),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn maps<'a>(values: impl Iterator<Item = Option<&'a PartitionValues>>) -> Result<ArrayRef> {
    let mut builder = map_builder();
    for values in values {
        for (name, value) in values.into_iter().flatten() {
            builder.keys().append_value(name);
            builder.values().append_option(value.as_deref());
        }
        builder.append(values.is_some())?;
    }
    Ok(Arc::new(builder.finish()))
}
