//! Whether every key has one row, and every identity one key.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use serde::{Deserialize, Serialize};
use serde_json::json;

use deltalake_core::kernel::Action;

use crate::apply::{OpenFiles, apply, merge_copies};
use crate::commit::{Attempt, Attempted, Opened, mark, open};
use crate::contract::{Contract, Feed};
use crate::delta::partition::PartitionValues;
use crate::delta::{Commit, DataFile, Snapshot, changes as changes_of};
use crate::error::Result;
use crate::failpoint;
use crate::layout;
use crate::query::{SnapshotTable, session};
use crate::report::{MaintainedTable, Outcome};
use crate::storage::Place;
use crate::system::changes;

use super::Upkeep;
use super::subject::Subject;

/// Keys merged at a time.
const AT_ONCE: usize = 10_000;
/// How long it takes at most until all files are looked at again: that rows of a key lie within its window is an assumption
/// about the source.
const WHOLE_EVERY: TimeDelta = TimeDelta::days(30);
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
    let remembered = upkeep.lake.remembered()?;
    let file = format!("{}.audited", contract.name);
    let before = Audited::read(&remembered, &file, &table.snapshot, upkeep.now).await;
    let (files, whole_at) = match &before {
        Some(before) => unaudited(before, upkeep.now, subject, &table.snapshot, contract).await?,
        None => (table.snapshot.files.clone(), upkeep.now),
    };
    let is_whole = whole_at == upkeep.now;
    let copied = repeated(upkeep, subject, &table.snapshot, contract, contract.key(), files);
    let copied = upkeep.lake.stop().unless(copied).await?;
    done.copied_keys = copied.num_rows() as u64;
    if copied.num_rows() == 0 {
        // Those of new rows can be in any file.
        let is_right = !is_whole || identities(upkeep, subject, &table.snapshot, contract, done).await?;
        // What is wrong is looked for again until it is put right.
        if is_right && !upkeep.options.dry_run {
            let audited = Audited {
                table: table.snapshot.id.clone(),
                version: table.snapshot.version,
                whole_at,
            };
            audited.keep(&remembered, &file).await;
        }
        return Ok(());
    }
    let at_least = at_least(copied.num_rows());
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
    let recorded = upkeep.ledger.progress(&contract.name).recorded;
    let Some((_, about)) = table.last.as_ref().filter(|_| recorded == table.taken) else {
        done.messages
            .push(say("they are merged once the last batch has been recorded"));
        return Ok(());
    };
    upkeep.lake.stop().check()?;
    let attempt = Attempt::new();
    let plan = merge_copies(contract, &OpenFiles::of(&table.log), &table.snapshot, &copied).await?;
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
    let mut ledger = upkeep.ledger.clone();
    ledger.begin_merge(&contract.name).await?;
    match attempt.land(&table.log, &table.snapshot, commit).await? {
        Attempted::In { version, doubt } => {
            failpoint::pass(failpoint::MERGE);
            done.merged_rows = merged;
            done.commits += 1;
            done.messages.push(say("they were merged"));
            done.messages.extend(doubt);
            let recorded = changes::record(upkeep.lake.curated(), &table.log, version).await;
            let rested = match recorded {
                Ok(()) => ledger.rest(&contract.name, mark(upkeep.lake, contract)?).await,
                Err(error) => Err(error),
            };
            if let Err(error) = rested {
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

/// Whether no identity has several keys, as the contract assumes of the source. Which of the rows is right only the source
/// knows, so they stay and a person is asked. The keys of the table are distinct.
async fn identities(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    contract: &Contract,
    done: &mut MaintainedTable,
) -> Result<bool> {
    let identity = contract.raw_feed().map(|feed| feed.identity.as_slice());
    let Some(identity) = identity.filter(|identity| !identity.is_empty()) else {
        return Ok(true);
    };
    let files = snapshot.files.clone();
    let torn = repeated(upkeep, subject, snapshot, contract, identity, files);
    let torn = upkeep.lake.stop().unless(torn).await?.num_rows();
    done.torn_identities = torn as u64;
    if torn == 0 {
        return Ok(true);
    }
    let (at_least, names) = (at_least(torn), identity.join(", "));
    done.messages.push(format!(
        "{at_least}{torn} values of {names} have several keys, and sums count each of them: the source did not keep what \
         is assumed of it (identity); `SELECT {names}, count(*) FROM {} GROUP BY {names} HAVING count(*) > 1` names them, \
         `marketlake why` the objects that brought them; take the wrong ones out of the raw zone, then \
         `marketlake rebuild {}`",
        contract.name, contract.name
    ));
    done.outcome = Outcome::Held;
    Ok(false)
}

/// What is said before a number that is only as large as the audit counts.
fn at_least(found: usize) -> &'static str {
    if found == AT_ONCE { "at least " } else { "" }
}

/// The version of a table of which every key was found to have one row.
#[derive(Serialize, Deserialize)]
struct Audited {
    table: String,
    version: u64,
    /// When all files were looked at last.
    whole_at: DateTime<Utc>,
}

impl Audited {
    /// What was kept of an earlier audit of the table; none where all of it has to be looked at.
    async fn read(place: &Place, file: &str, snapshot: &Snapshot, now: DateTime<Utc>) -> Option<Self> {
        let kept = place.read(file).await.ok().flatten()?;
        let kept: Self = serde_json::from_slice(&kept).ok()?;
        let fits = kept.table == snapshot.id && kept.version <= snapshot.version;
        (fits && now.signed_duration_since(kept.whole_at) < WHOLE_EVERY).then_some(kept)
    }

    /// Where it cannot be kept, the next audit looks at everything.
    async fn keep(&self, place: &Place, file: &str) {
        let Ok(bytes) = serde_json::to_vec(self) else {
            return;
        };
        if let Err(error) = place.write(file, bytes).await {
            tracing::debug!(table = self.table, %error, "audit is not remembered");
        }
    }
}

/// The files among which a key with several rows can be that had one when the table was audited last: those that hold its
/// new rows, and those in which other rows of their keys can be by the key window. With them when all were looked at.
async fn unaudited(
    before: &Audited,
    now: DateTime<Utc>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    contract: &Contract,
) -> Result<(Arc<Vec<DataFile>>, DateTime<Utc>)> {
    let Some(changed) = changes_of(&subject.log, before.version, snapshot.version).await? else {
        return Ok((snapshot.files.clone(), now));
    };
    let partitions: BTreeSet<&PartitionValues> = changed.iter().map(|change| &change.partition).collect();
    let can_hold = |file: &&DataFile| {
        if contract.keys_stay() {
            return partitions.contains(&file.partition);
        }
        partitions
            .iter()
            .any(|partition| reach_each_other(contract, partition, &file.partition))
    };
    let files = snapshot.files.iter().filter(can_hold).cloned().collect();
    Ok((Arc::new(files), before.whole_at))
}

/// Whether rows of one key can be in both partitions. Two observations of a key are at most a window apart, and the date of
/// a row as far from the day of its object.
fn reach_each_other(contract: &Contract, one: &PartitionValues, other: &PartitionValues) -> bool {
    let window = contract.raw_feed().and_then(|feed| feed.key_window_days);
    let Some((window, column)) = window.zip(contract.window_column()) else {
        return true;
    };
    let date = |partition: &PartitionValues| partition.get(column)?.as_ref()?.parse::<NaiveDate>().ok();
    // A row without a date can have the key of any.
    let Some((one, other)) = date(one).zip(date(other)) else {
        return true;
    };
    (one - other).num_days().abs() <= 2 * i64::from(window) + 1
}

/// Values of these columns of a key that more than one row among the files has, at most [`AT_ONCE`] of them.
async fn repeated(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    contract: &Contract,
    columns: &[String],
    files: Arc<Vec<DataFile>>,
) -> Result<RecordBatch> {
    let context = session(upkeep.lake.room())?;
    let key: Vec<Expr> = columns.iter().map(|name| ident(name.as_str())).collect();
    let counted = context
        .read_table(Arc::new(SnapshotTable::of_files(&subject.log, snapshot, files)))?
        .aggregate(key.clone(), vec![count(lit(1)).alias(COPIES)])?
        .filter(ident(COPIES).gt(lit(1)))?
        .select(key)?
        .limit(0, Some(AT_ONCE))?;
    let batches = counted.collect().await?;
    let all = layout::schema(contract);
    let fields = columns
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
