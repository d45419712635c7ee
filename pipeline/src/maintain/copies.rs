//! Several rows of one key become one, where what is kept is a maximum.

use arrow::array::RecordBatch;
use deltalake_core::kernel::{Action, Add};
use serde_json::{Value, json};

use crate::apply::{OpenFiles, apply, merge_copies};
use crate::commit::{Attempt, Attempted, mark};
use crate::contract::Feed;
use crate::delta::Commit;
use crate::error::Result;
use crate::failpoint;
use crate::report::{MaintainedTable, Outcome};
use crate::system::changes;
use crate::system::ledger::Ledger;

use super::audit::{Audit, at_least};

/// Merges the rows of these keys, or says why they stay as they are.
pub(super) async fn merge(audit: &Audit<'_>, copied: &RecordBatch, done: &mut MaintainedTable) -> Result<()> {
    let contract = audit.contract;
    let found = copied.num_rows();
    let say = |what: &str| format!("{}{found} keys have several rows: {what}", at_least(found));
    if let Feed::Inputs(_) = contract.feed {
        let way_out = format!("make the table anew with `marketlake rebuild {}`", contract.name);
        done.messages.push(say(&way_out));
        done.outcome = Outcome::Held;
        return Ok(());
    }
    if audit.upkeep.options.dry_run {
        done.messages.push(say("they would be merged"));
        return Ok(());
    }
    let recorded = audit.upkeep.ledger.progress(&contract.name).recorded;
    let is_recorded = recorded == audit.table.taken;
    let Some((_, about)) = audit.table.last.as_ref().filter(|_| is_recorded) else {
        done.messages
            .push(say("they are merged once the last batch has been recorded"));
        return Ok(());
    };
    audit.upkeep.lake.stop().check()?;
    let mut ledger = audit.upkeep.ledger.clone();
    match commit(audit, copied, about, &mut ledger).await? {
        Merged::In { version, rows, doubt } => {
            done.merged_rows = rows;
            done.commits += 1;
            done.messages.push(say("they were merged"));
            done.messages.extend(doubt);
            if let Err(error) = record(audit, version, &mut ledger).await {
                let what = "they are merged, and what that changed is not recorded yet; the next run does it";
                done.messages.push(format!("{what}: {}", error.chain()));
            }
        }
        Merged::Lost => done
            .messages
            .push(say("another commit came first; maintain again to merge them")),
    }
    Ok(())
}

/// How merging ended.
enum Merged {
    In {
        version: u64,
        /// Rows that are gone.
        rows: u64,
        /// What was found wrong afterwards.
        doubt: Option<String>,
    },
    /// Another commit came first.
    Lost,
}

/// Commits one row a key. The table is at the same batch as before, which is what its newest commit has to say: `about`
/// is what that of the last batch says.
async fn commit(
    audit: &Audit<'_>,
    copied: &RecordBatch,
    about: &Value,
    ledger: &mut Ledger,
) -> Result<Merged> {
    let (contract, table) = (audit.contract, &audit.table);
    let attempt = Attempt::new();
    let plan = merge_copies(contract, &OpenFiles::of(&table.log), &table.snapshot, copied).await?;
    let rows = plan.counts.rows_removed;
    let applied = apply(contract, &table.log, &table.snapshot.files, plan, &attempt.id).await?;
    let mut about = about.as_object().cloned().unwrap_or_default();
    about.remove("run");
    about.insert("changed".to_owned(), json!(applied.changed));
    about.insert("merged".to_owned(), json!(rows));
    let added = applied.actions.iter().filter_map(|action| match action {
        Action::Add(add) => Some(add.clone()),
        _ => None,
    });
    let added: Vec<Add> = added.collect();
    let commit = Commit {
        operation: "MERGE COPIES",
        actions: applied.actions,
        txns: Vec::new(),
        about,
    };
    ledger.begin_merge(&contract.name).await?;
    match attempt.land(&table.log, &table.snapshot, commit).await? {
        Attempted::In { version, doubt } => {
            failpoint::pass(failpoint::MERGE);
            Ok(Merged::In { version, rows, doubt })
        }
        Attempted::Lost => {
            attempt.discard(&table.log, &added).await;
            Ok(Merged::Lost)
        }
    }
}

/// Writes down what the commit changed, and then that nothing of the table is left to be done.
async fn record(audit: &Audit<'_>, version: u64, ledger: &mut Ledger) -> Result<()> {
    let lake = audit.upkeep.lake;
    changes::record(lake.curated(), &audit.table.log, version).await?;
    ledger
        .rest(&audit.contract.name, mark(lake, audit.contract)?)
        .await
}
