//! Whether every key has one row.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use serde_json::json;

use deltalake_core::kernel::Action;

use crate::batch::{Attempt, Attempted, Opened, open};
use crate::contract::{Contract, Feed};
use crate::delta::{Commit, Snapshot};
use crate::error::Result;
use crate::failpoint;
use crate::keep::{apply, merge_copies};
use crate::layout;
use crate::query::{SnapshotTable, session};
use crate::record::changes;
use crate::report::{MaintainedTable, Outcome};

use super::Upkeep;
use super::subject::Subject;

/// Keys merged at a time.
const AT_ONCE: usize = 10_000;
/// Name of the column that counts.
const COPIES: &str = "_copies";

/// Counts the rows of every key, and merges copies where what is kept is a maximum.
pub(super) async fn audit(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    done: &mut MaintainedTable,
) -> Result<()> {
    let Some(contract) = subject.contract else {
        return Ok(());
    };
    // Also refuses a table that is not what the last batch left.
    let table = match open(upkeep.lake, &upkeep.ledger, contract).await? {
        Opened::Ready(table) => table,
        Opened::Held(reasons) => {
            done.messages
                .push(format!("its keys were not looked at: {}", reasons.join("; ")));
            return Ok(());
        }
    };
    if contract.key().is_empty() {
        return Ok(());
    }
    let copied = copied_keys(upkeep, subject, &table.snapshot, contract).await?;
    done.copied_keys = copied.num_rows() as u64;
    if copied.num_rows() == 0 {
        return Ok(());
    }
    let at_least = if copied.num_rows() == AT_ONCE {
        "at least "
    } else {
        ""
    };
    let say = |what: &str| format!("{at_least}{} keys have several rows: {what}", copied.num_rows());
    if let Feed::Inputs(_) = contract.feed {
        let way_out = format!("make the table anew with `marketlake rebuild {}`", contract.name);
        done.messages.push(say(&way_out));
        done.outcome = Outcome::Held;
        return Ok(());
    }
    if upkeep.options.dry_run {
        done.messages.push(say("they would be merged"));
        return Ok(());
    }
    let recorded = upkeep.ledger.progress(&contract.name).await?.recorded;
    let Some((_, about)) = table.last.as_ref().filter(|_| recorded == table.taken) else {
        done.messages
            .push(say("they are merged once the last batch has been recorded"));
        return Ok(());
    };
    let attempt = Attempt::new();
    let plan = merge_copies(contract, &table.log, &table.snapshot, &copied).await?;
    let merged = plan.counts.rows_removed;
    let applied = apply(contract, &table.log, &table.snapshot.files, plan, &attempt.id).await?;
    // The table is at the same batch as before, which is what its newest commit has to say.
    let mut about = about.as_object().cloned().unwrap_or_default();
    about.remove("run");
    about.insert("changed".to_owned(), json!(applied.changed));
    about.insert("merged".to_owned(), json!(merged));
    let written: Vec<Action> = applied.actions.clone();
    let commit = Commit {
        operation: "MERGE COPIES",
        actions: applied.actions,
        txns: Vec::new(),
        about,
    };
    match attempt.land(&table.log, &table.snapshot, commit).await? {
        Attempted::In { version, doubt } => {
            failpoint::pass(failpoint::MERGE);
            done.merged_rows = merged;
            done.commits += 1;
            done.messages.push(say("they were merged"));
            done.messages.extend(doubt);
            if let Err(error) = changes::record(upkeep.lake.curated(), &table.log, version).await {
                let what = "they are merged, and what that changed is not recorded yet; the next run does it";
                done.messages.push(format!("{what}: {}", error.chain()));
            }
        }
        Attempted::Lost => {
            let files = written.iter().filter_map(|action| match action {
                Action::Add(add) => Some(add),
                _ => None,
            });
            attempt.discard(&table.log, files).await;
            done.messages
                .push(say("another commit came first; maintain again to merge them"));
        }
    }
    Ok(())
}

/// Keys with more than one row, at most [`AT_ONCE`] of them: the key columns of the table.
async fn copied_keys(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    contract: &Contract,
) -> Result<RecordBatch> {
    let context = session(upkeep.lake.settings().memory_limit, None)?;
    let key: Vec<Expr> = contract.key().iter().map(|name| ident(name.as_str())).collect();
    let counted = context
        .read_table(Arc::new(SnapshotTable::new(&subject.log, snapshot)))?
        .aggregate(key.clone(), vec![count(lit(1)).alias(COPIES)])?
        .filter(ident(COPIES).gt(lit(1)))?
        .select(key)?
        .limit(0, Some(AT_ONCE))?;
    let batches = counted.collect().await?;
    let all = layout::schema(contract);
    let fields = contract
        .key()
        .iter()
        .map(|name| Ok(all.field_with_name(name)?.clone()))
        .collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(Schema::new(fields));
    let batches = batches
        .iter()
        .map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?))
        .collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&schema, &batches)?)
}
