mod generated;
mod pruning;
mod scanning;
mod statements;

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use deltalake_core::kernel::{Action, Add};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::delta::{Commit, DeltaLog, Landed, Snapshot, Which, write_partitioned};
use crate::storage::Place;

use super::{Room, SnapshotTable, register, session};

const MEMORY: usize = 64 << 20;

/// An empty curated zone that goes away with the test.
fn zone() -> (tempfile::TempDir, Curated) {
    let folder = tempfile::tempdir().unwrap();
    let curated = Curated::at(Place::of_folder(&folder.path().join("a lake")));
    (folder, curated)
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn ints<const N: usize>(values: [i64; N]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn days<const N: usize>(values: [Option<i32>; N]) -> ArrayRef {
    Arc::new(Date32Array::from(values.to_vec()))
}

fn texts<const N: usize>(values: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A table of that schema, empty.
async fn create(curated: &Curated, name: &str, schema: &Schema, partition: &[&str]) -> DeltaLog {
    let log = curated.table(&name.parse().unwrap()).unwrap();
    let partition: Vec<String> = partition.iter().map(ToString::to_string).collect();
    log.open_or_create(Which::Newest, schema, &partition, &[], "")
        .await
        .unwrap();
    log
}

/// Writes rows, which may lack columns of the table, as a file a partition; `n` has statistics.
async fn append(log: &DeltaLog, rows: &RecordBatch, partition: &[&str]) -> Snapshot {
    let partition: Vec<String> = partition.iter().map(ToString::to_string).collect();
    let adds = write_partitioned(log, rows, &partition, &["n"]).await.unwrap();
    commit(log, adds).await
}

async fn commit(log: &DeltaLog, adds: Vec<Add>) -> Snapshot {
    let base = log.load().await.unwrap().unwrap();
    let actions = adds.into_iter().map(Action::Add).collect();
    let commit = Commit {
        operation: "CURATE",
        actions,
        ..Commit::default()
    };
    assert!(matches!(log.commit(&base, commit).await.unwrap(), Landed::At(_)));
    log.load().await.unwrap().unwrap()
}

/// A session in which the snapshot is `t.t`.
fn over(log: &DeltaLog, snapshot: &Snapshot) -> SessionContext {
    let context = session(&Room::of(MEMORY)).unwrap();
    let name = TableName {
        source: "t".into(),
        table: "t".into(),
    };
    register(&context, &name, Arc::new(SnapshotTable::new(log, snapshot))).unwrap();
    context
}

async fn rows(context: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    let plan = plan(context, sql).await;
    collect(plan, context.task_ctx()).await.unwrap()
}

async fn plan(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    context
        .sql(sql)
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap()
}

/// Rows as lines of text, cells by `|`.
fn lines(rows: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(rows).unwrap().to_string();
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("|")
    };
    text.lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(cells)
        .collect()
}
