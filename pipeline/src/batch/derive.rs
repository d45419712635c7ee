//! Tables with inputs: what the inputs' logs say changed is computed anew.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::{DataFrame, SessionContext};

use crate::backoff;
use crate::contract::{Contract, Feed, InputFeed, TableName};
use crate::delta::{DeltaLog, Snapshot, changes};
use crate::error::{Context, Error, Kind, Result};
use crate::failpoint;
use crate::keep::{Groups, Touched, apply, key_positions, replace};
use crate::lake::{Lake, Selection};
use crate::layout;
use crate::ledger::{Claim, Draft, InputRange, Lease, Ledger, ObjectResult};
use crate::query::{SnapshotTable, register, session};
use crate::report::{Counts, Observer};
use crate::shape::Checks;

use super::commit::{Attempt, Outcome, commit};
use super::group::{State, state};
use super::record::{Batch, record};
use super::side::SideFile;
use super::table::{self, Opened, Table};
use super::tally::{Summary, Tallies, Tally};
use super::touched::Collector;

/// Commits of an input that change no rows are passed over until there are so many of them.
const PASSED_OVER: u64 = 100;

/// Brings a table with inputs up to date with them.
pub(crate) async fn run_derived(
    lake: &Lake,
    contract: &Contract,
    selection: &Selection,
    observer: &dyn Observer,
    tallies: &mut Tallies,
) -> Result<()> {
    let Feed::Inputs(feed) = &contract.feed else {
        return Ok(());
    };
    let tally = tallies.of(&contract.name);
    let names = [contract.name.clone()];
    let Some(_lease) = Lease::take(&lake.locks()?, &names, lake.settings().busy_wait).await? else {
        tally.busy();
        return Ok(());
    };
    let mut ledger = Ledger::open(lake.curated()).await?;
    let mut looked_at = selection.release.contains(&contract.name);
    loop {
        match state(lake, &mut ledger, contract, tally).await? {
            State::Held(reasons) => {
                tally.hold(reasons);
                return Ok(());
            }
            State::Open(claim) => {
                if std::mem::take(&mut looked_at) {
                    tally.release(claim.draft.batch);
                }
                observer.batch_started(&[contract.name.to_string()], claim.draft.inputs.len() as u64, 0);
                recompute(lake, &mut ledger, contract, feed, &claim, tally).await?;
                if tally.is_over() {
                    return Ok(());
                }
            }
            State::Idle(taken) => {
                looked_at = false;
                if let Some(missing) = without_inputs(lake, &ledger, feed).await? {
                    if selection.tables.contains(&contract.name) {
                        tally.say(format!("input {missing} does not exist yet"));
                    }
                    return Ok(());
                }
                // No table is made under rules that have to be changed before they work; one that is there is held under
                // others than its own.
                if !lake.table_log(&contract.name)?.exists().await? {
                    verify(lake, contract, feed).await?;
                }
                let Opened::Ready(table) = table::open(lake, &ledger, contract).await? else {
                    continue;
                };
                let Some(inputs) = news(lake, &ledger, contract, feed, &table).await? else {
                    return Ok(());
                };
                let draft = Draft {
                    table: contract.name.clone(),
                    batch: taken + 1,
                    rules: contract.fingerprint(),
                    objects: Vec::new(),
                    inputs,
                };
                crate::record::load_ahead(lake.curated())?;
                ledger.claim(&[draft], table::now()).await?;
            }
        }
    }
}

/// An input, where none of them exists, so that there is nothing to compute. Where some exist, the others are made:
/// nobody has delivered to them yet, and they count as empty.
async fn without_inputs(lake: &Lake, ledger: &Ledger, feed: &InputFeed) -> Result<Option<TableName>> {
    let mut missing = Vec::new();
    for name in &feed.inputs {
        if !lake.table_log(name)?.exists().await? {
            missing.push(name);
        }
    }
    if missing.len() == feed.inputs.len() {
        return Ok(missing.first().map(|name| (*name).clone()));
    }
    for name in missing {
        table::open(lake, ledger, lake.contract(name)?).await?;
    }
    Ok(None)
}

/// Application id under which a table states the version of an input, by the input's table id, that it took in.
pub(crate) fn input_app(id: &str) -> String {
    format!("marketlake:input:{id}")
}

/// What the inputs have that the table has not taken in; none where nothing changed. An input that somebody else wrote to is refused, so that no
/// claim names a version of it that it does not keep.
async fn news(
    lake: &Lake,
    ledger: &Ledger,
    contract: &Contract,
    feed: &InputFeed,
    table: &Table,
) -> Result<Option<Vec<InputRange>>> {
    let mut inputs = Vec::new();
    let mut changed = false;
    for name in &feed.inputs {
        let log = lake.table_log(name)?;
        let snapshot = log.load().await?.ok_or_else(|| {
            Error::new(Kind::NotFound, "input vanished")
                .with("input", name)
                .with("table", &contract.name)
        })?;
        table::checked(&log, &snapshot, ledger).await?;
        let seen = table
            .snapshot
            .txn(&input_app(&snapshot.id))
            .await?
            .map(|version| version as u64);
        // An input that was set back is as good as another one.
        let from = seen.filter(|version| *version <= snapshot.version);
        let news = match from {
            None => true,
            Some(from) if from == snapshot.version => false,
            Some(from) => {
                let changes = changes(&log, from, snapshot.version).await?;
                changes.is_none_or(|changes| !changes.is_empty()) || snapshot.version - from > PASSED_OVER
            }
        };
        changed |= news;
        inputs.push(InputRange {
            table: name.clone(),
            id: snapshot.id.clone(),
            from,
            to: snapshot.version,
        });
    }
    if inputs.is_empty() {
        return Err(Error::usage("table has no inputs").with("table", &contract.name));
    }
    Ok(changed.then_some(inputs))
}

/// An input at the version that the claim names.
struct Input {
    range: InputRange,
    log: DeltaLog,
    snapshot: Snapshot,
}

async fn recompute(
    lake: &Lake,
    ledger: &mut Ledger,
    contract: &Contract,
    feed: &InputFeed,
    claim: &Claim,
    tally: &mut Tally,
) -> Result<()> {
    let mut inputs = Vec::new();
    for range in &claim.draft.inputs {
        let log = lake.table_log(&range.table)?;
        let snapshot = log.load_at(range.to).await?;
        inputs.push(Input {
            range: range.clone(),
            log,
            snapshot,
        });
    }
    let touched = touched(contract, feed, &inputs).await?;
    let rows = compute(lake, contract, feed, claim, &inputs, &touched).await?;
    failpoint::pass("after_decode");
    let checked =
        Checks::new(contract, &rows.schema())?.evaluate(&rows, &mut vec![Vec::new(); rows.num_rows()])?;
    if !tally.passes(&contract.name, claim.draft.batch, &checked.held) {
        return Ok(());
    }
    let attempt = Attempt::new(claim.draft.batch);
    let results = claim
        .draft
        .inputs
        .iter()
        .map(|input| ObjectResult::of_input(claim, &input.table, &attempt.id))
        .collect();
    let side = SideFile {
        results,
        quarantine: Vec::new(),
    };
    loop {
        let Opened::Ready(table) = table::open(lake, ledger, contract).await? else {
            return Ok(());
        };
        if table.taken >= claim.draft.batch {
            return Ok(());
        }
        let plan = replace(contract, &table.log, &table.snapshot, &touched, rows.clone()).await?;
        // Nothing reads the side file before the commit, so the disk is waited for beside the work.
        let (side_file, applied) = tokio::try_join!(
            side.write(lake.curated(), &contract.name, claim.draft.batch, &attempt.id),
            apply(contract, &table.log, &table.snapshot.files, plan, &attempt.id),
        )?;
        failpoint::pass("after_files");
        let mut counts = Counts {
            objects: inputs.len() as u64,
            rows_warned: checked.warned.values().sum(),
            ..Counts::default()
        };
        counts.add(&applied.counts);
        let progress = inputs
            .iter()
            .map(|input| (input_app(&input.range.id), input.range.to as i64))
            .collect();
        let summary = Summary {
            counts,
            warned: checked.warned.clone(),
            late_objects: 0,
            millis: attempt.millis(),
            released: tally.is_released(claim.draft.batch),
            run: Some(tally.run().id.clone()),
            changed: applied.changed,
            ..Summary::default()
        };
        let actions = applied.actions;
        match commit(ledger, &table, &attempt, &side_file, actions, progress, &summary).await? {
            Outcome::In(version) => {
                let batch = Batch {
                    number: claim.draft.batch,
                    version,
                    summary,
                    side,
                };
                return record(lake, ledger, &contract.name, batch, tally).await;
            }
            Outcome::Lost => backoff::pause().await,
        }
    }
}

async fn touched(contract: &Contract, feed: &InputFeed, inputs: &[Input]) -> Result<Touched> {
    let mut collector = Collector::new(&feed.recompute, &layout::schema(contract))?;
    for input in inputs {
        // An id that is not the snapshot's is that of an input that was made anew since the claim.
        let from = input.range.from.filter(|_| input.range.id == input.snapshot.id);
        let Some(from) = from else {
            return Ok(Touched::Everything);
        };
        let Some(changes) = changes(&input.log, from, input.range.to).await? else {
            return Ok(Touched::Everything);
        };
        if !collector.add(&input.log, &changes).await? {
            return Ok(Touched::Everything);
        }
    }
    Ok(Touched::Values(collector.finish()?))
}

/// Runs the contract's SQL over the inputs, filtered to what is touched.
async fn compute(
    lake: &Lake,
    contract: &Contract,
    feed: &InputFeed,
    claim: &Claim,
    inputs: &[Input],
    touched: &Touched,
) -> Result<RecordBatch> {
    let schema = layout::schema(contract);
    if matches!(touched, Touched::Values(values) if values.num_rows() == 0) {
        return Ok(RecordBatch::new_empty(schema));
    }
    let context = session(lake.settings().memory_limit, None)?;
    for input in inputs {
        let table = Arc::new(SnapshotTable::new(&input.log, &input.snapshot));
        let mut frame = context.read_table(table)?;
        if let Touched::Values(values) = touched {
            frame = frame.filter(among(&feed.recompute, values)?)?;
        }
        register(&context, &input.range.table, frame.into_view())?;
    }
    let sql = contract
        .sql
        .as_deref()
        .ok_or_else(|| Error::usage("table has inputs but no SQL").with("table", &contract.name))?;
    let failed = |error: Error| error.with("table", &contract.name);
    let batches = run(&context, sql).await.map_err(failed)?;
    let typed = batches
        .iter()
        .map(|batch| {
            let columns = schema
                .fields()
                .iter()
                .map(|field| -> Result<ArrayRef> {
                    Ok(match field.name().as_str() {
                        layout::BATCH => {
                            Arc::new(Int64Array::from(vec![claim.draft.batch; batch.num_rows()]))
                        }
                        layout::LOADED_AT => {
                            let micros = vec![claim.claimed_at.timestamp_micros(); batch.num_rows()];
                            Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
                        }
                        name => {
                            let column = batch.column_by_name(name).ok_or_else(|| {
                                Error::usage("SQL does not give a column of the contract")
                                    .with("column", name)
                            })?;
                            layout::conform(column, field.data_type())?
                        }
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
        .collect::<Result<Vec<_>>>()
        .map_err(failed)?;
    let rows = concat_batches(&schema, &typed)?;
    check_key(contract, &rows)?;
    Ok(rows)
}

/// Plans the contract's SQL over inputs without rows.
///
/// # Errors
/// When it cannot be planned.
pub(crate) async fn verify(lake: &Lake, contract: &Contract, feed: &InputFeed) -> Result<()> {
    let context = session(lake.settings().memory_limit, None)?;
    for name in &feed.inputs {
        let nothing = MemTable::try_new(layout::schema(lake.contract(name)?), vec![Vec::new()])?;
        register(&context, name, Arc::new(nothing))?;
    }
    if let Some(sql) = &contract.sql {
        plan(&context, sql).await?.create_physical_plan().await?;
    }
    Checks::new(contract, &layout::schema(contract))?;
    Ok(())
}

async fn plan(context: &SessionContext, sql: &str) -> Result<DataFrame> {
    context
        .sql(sql)
        .await
        .context(Kind::Usage, "SQL of the contract cannot be planned")
}

async fn run(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    plan(context, sql)
        .await?
        .collect()
        .await
        .context(Kind::Data, "SQL of the contract failed")
}

/// The condition that a row's values are among those of `values`.
fn among(names: &[String], values: &RecordBatch) -> Result<Expr> {
    let scalar = |column: usize, row: usize| {
        Ok::<_, Error>(lit(ScalarValue::try_from_array(values.column(column), row)?))
    };
    if let [name] = names {
        let list = (0..values.num_rows())
            .map(|row| scalar(0, row))
            .collect::<Result<Vec<_>>>()?;
        return Ok(col(name.as_str()).in_list(list, false));
    }
    let mut condition = lit(false);
    for row in 0..values.num_rows() {
        let mut one = lit(true);
        for (column, name) in names.iter().enumerate() {
            one = one.and(col(name.as_str()).eq(scalar(column, row)?));
        }
        condition = condition.or(one);
    }
    Ok(condition)
}

/// A key that is null or there twice is a mistake of the SQL, not of the data.
fn check_key(contract: &Contract, rows: &RecordBatch) -> Result<()> {
    let key = key_positions(rows.schema_ref(), contract.key())?;
    for column in &key {
        if rows.column(*column).null_count() > 0 {
            return Err(
                Error::usage("SQL gives rows without a key; filter them or fill the key")
                    .with("table", &contract.name)
                    .with("column", rows.schema_ref().field(*column).name()),
            );
        }
    }
    if Groups::of(rows, &key)?.len() != rows.num_rows() {
        return Err(Error::usage("SQL gives several rows with the same key").with("table", &contract.name));
    }
    Ok(())
}
