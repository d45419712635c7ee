//! Tables with inputs: their SQL over all rows of the inputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::SessionContext;
use uuid::Uuid;

use crate::backoff;
use crate::batch::{self, SideFile, Tally, input_app};
use crate::contract::{Contract, InputFeed};
use crate::error::{Context, Error, Kind, Result};
use crate::failpoint;
use crate::keep;
use crate::layout;
use crate::ledger::{Claim, Draft, InputRange, Lease, Ledger, ObjectResult};
use crate::query::{SnapshotTable, register, session};
use crate::report::{Counts, Outcome};
use crate::shape::Checks;
use crate::sorted::{self, Sorted, Target};

use super::commit::{Ready, commit};
use super::standing::Standing;
use super::{Ended, Job, busy};

/// Computes the table in full, and makes that its content.
pub(super) async fn rebuild(job: &Job<'_>, feed: &InputFeed, tally: &mut Tally) -> Result<Option<Ended>> {
    let lake = job.lake;
    let names = [job.contract.name.clone()];
    let Some(_lease) = Lease::take(&lake.locks()?, &names, lake.settings().busy_wait).await? else {
        return Ok(Some(busy()));
    };
    let mut ledger = Ledger::open(lake.curated()).await?;
    failpoint::pass("after_staging");
    loop {
        ledger.refresh().await?;
        match once(job, feed, &mut ledger, tally).await? {
            Try::Done => return Ok(None),
            Try::Ended(ended) => return Ok(Some(ended)),
            Try::Lost => {}
        }
        backoff::pause().await;
    }
}

enum Try {
    Done,
    Ended(Ended),
    /// Another claim came first.
    Lost,
}

async fn once(job: &Job<'_>, feed: &InputFeed, ledger: &mut Ledger, tally: &mut Tally) -> Result<Try> {
    let (lake, contract, started) = (job.lake, job.contract, Instant::now());
    let standing = Standing::of(lake, ledger, contract).await?;
    let context = session(lake.settings().memory_limit, None)?;
    let inputs = inputs(job, feed, &context).await?;
    let attempt = Uuid::new_v4().simple().to_string();
    let claim = Claim {
        draft: Draft {
            table: contract.name.clone(),
            batch: standing.next(),
            rules: contract.fingerprint(),
            objects: Vec::new(),
            inputs,
        },
        claimed_at: batch::now(),
    };
    let rows = rows(&context, contract).await?;
    check_key(contract, rows.clone()).await?;
    let checked = write(job, rows, &claim, &attempt).await?;
    if !checked.held.is_empty() && !job.options.release {
        checked.sorted.discard(&lake.table_log(&contract.name)?).await;
        let held = checked.held.iter().map(|(check, rows)| {
            format!(
                "check {check} failed for {rows} rows; look at them, then run `marketlake rebuild {} --release`",
                contract.name
            )
        });
        return Ok(Try::Ended(Ended {
            outcome: Outcome::Held,
            messages: held.collect(),
        }));
    }
    let results = claim.draft.inputs.iter();
    let side = SideFile {
        results: results
            .map(|input| ObjectResult::of_input(&claim, &input.table, &attempt))
            .collect(),
        quarantine: Vec::new(),
    };
    let inputs = claim.draft.inputs.iter();
    let ready = Ready {
        inputs: inputs
            .map(|input| (input_app(&input.id), input.to as i64))
            .collect(),
        counts: Counts {
            objects: claim.draft.inputs.len() as u64,
            rows_read: checked.sorted.rows,
            rows_warned: checked.warned.values().sum(),
            ..Counts::default()
        },
        claim,
        newest: standing.claimed,
        attempt,
        started,
        sorted: checked.sorted,
        side,
        warned: checked.warned,
    };
    Ok(if commit(job, ledger, ready, tally).await? {
        Try::Done
    } else {
        Try::Lost
    })
}

/// Makes the inputs known to SQL, and names their versions.
async fn inputs(job: &Job<'_>, feed: &InputFeed, context: &SessionContext) -> Result<Vec<InputRange>> {
    let mut inputs = Vec::new();
    for name in &feed.inputs {
        let log = job.lake.table_log(name)?;
        let snapshot = log.load().await?.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("input {name} does not exist yet; `marketlake run` makes it"),
            )
        })?;
        register(context, name, Arc::new(SnapshotTable::new(&log, &snapshot)))?;
        inputs.push(InputRange {
            table: name.clone(),
            id: snapshot.id.clone(),
            from: None,
            to: snapshot.version,
        });
    }
    Ok(inputs)
}

/// The rows of the contract's SELECT, under the names that it gives them.
async fn rows(context: &SessionContext, contract: &Contract) -> Result<DataFrame> {
    let sql = contract
        .sql
        .as_deref()
        .ok_or_else(|| Error::usage("table has inputs but no SQL").with("table", &contract.name))?;
    let selected = context
        .sql(sql)
        .await
        .context(Kind::Usage, "SQL of the contract cannot be planned")?;
    Ok(context.read_table(selected.into_view())?)
}

/// A key that is null or there twice is a mistake of the SQL, not of the data.
async fn check_key(contract: &Contract, rows: DataFrame) -> Result<()> {
    let key: Vec<Expr> = contract.key().iter().map(|name| ident(name.as_str())).collect();
    let is_null = |any: Expr, column: &Expr| any.or(column.clone().is_null());
    let wrong = key.iter().fold(ident("_copies").gt(lit(1)), is_null);
    let found = rows
        .aggregate(key, vec![count(lit(1)).alias("_copies")])?
        .filter(wrong)?
        .limit(0, Some(1))?
        .collect()
        .await
        .context(Kind::Data, "SQL of the contract failed")?;
    if found.iter().any(|batch| batch.num_rows() > 0) {
        return Err(Error::usage(
            "SQL gives rows without a key, or several with the same one; filter them, or complete the key",
        ));
    }
    Ok(())
}

/// Files of computed rows, and what their checks said.
struct Computed {
    sorted: Sorted,
    warned: BTreeMap<String, u64>,
    held: BTreeMap<String, u64>,
}

async fn write(job: &Job<'_>, rows: DataFrame, claim: &Claim, attempt: &str) -> Result<Computed> {
    let contract = job.contract;
    let log = job.lake.table_log(&contract.name)?;
    let target = Target {
        log: &log,
        schema: layout::schema(contract),
        partition: &contract.partition,
        sort: contract.sort(),
        file_size: contract.file_size,
        options: keep::options(contract),
        attempt,
        data_change: true,
        stamp: Some((claim.draft.batch, claim.claimed_at)),
    };
    let checks = Checks::new(contract, &target.schema)?;
    let (mut warned, mut held) = (BTreeMap::new(), BTreeMap::new());
    let sorted = sorted::write(rows, &target, |batch| {
        let checked = checks.evaluate(batch, &mut vec![Vec::new(); batch.num_rows()])?;
        for (sums, found) in [(&mut warned, checked.warned), (&mut held, checked.held)] {
            for (check, rows) in found {
                *sums.entry(check).or_default() += rows;
            }
        }
        Ok(())
    })
    .await?;
    Ok(Computed { sorted, warned, held })
}
