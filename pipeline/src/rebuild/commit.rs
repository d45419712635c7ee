//! Claim, commit and record of a table that was made anew.

use std::collections::BTreeMap;

use deltalake_core::kernel::Action;

use crate::apply::replaced_partitions;
use crate::apply::sorted::Sorted;
use crate::commit;
use crate::commit::{Attempt, Attempted, Batch, Notes, Opened, SideFile, Summary, Tally};
use crate::contract::StoredAccounts;
use crate::delta::{Commit, DataFile, DeltaLog, Snapshot, Which};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::layout;
use crate::report::Counts;
use crate::system::ledger::{Claim, Ledger};

use super::{Job, range};

/// Everything that a commit needs.
pub(super) struct Ready {
    /// What is claimed, and as which batch.
    pub(super) claim: Claim,
    /// Greatest batch claimed before.
    pub(super) newest: i64,
    pub(super) attempt: Attempt,
    /// The new files.
    pub(super) sorted: Sorted,
    pub(super) side: SideFile,
    /// What is in force of the accounts whose rows these are.
    pub(super) accounts: StoredAccounts,
    /// Versions of inputs that are taken in, by application id.
    pub(super) inputs: Vec<(String, i64)>,
    pub(super) counts: Counts,
    /// Failures of checks that only warn, by check.
    pub(super) warned: BTreeMap<String, u64>,
    /// What of it went to quarantine beyond the contract's budget, in words.
    pub(super) over_budget: Option<String>,
}

/// The state that a commit is planned from, and what it changes beside the new files.
struct Base {
    snapshot: Snapshot,
    old: Vec<DataFile>,
    definition: Vec<Action>,
}

/// Claims the batch, puts the new files in the place of the old ones, and records it. False where another claim came
/// first, and then nothing happened.
pub(super) async fn commit(
    job: &Job<'_>,
    ledger: &mut Ledger,
    ready: Ready,
    tally: &mut Tally,
) -> Result<bool> {
    let (lake, name, batch) = (job.lake, &job.contract.name, ready.claim.draft.batch);
    let log = lake.table_log(name)?;
    failpoint::pass("after_rebuild_files");
    // From the claim on no run takes anything into the table, so what follows is not left.
    if let Err(stopped) = lake.stop().check() {
        ready.attempt.discard(&log, &ready.sorted.adds).await;
        return Err(stopped);
    }
    let claimed = ledger
        .claim_anew(&ready.claim.draft, ready.newest, ready.claim.claimed_at)
        .await?;
    if !claimed {
        ready.attempt.discard(&log, &ready.sorted.adds).await;
        return Ok(false);
    }
    failpoint::pass("after_rebuild_claim");
    let side = ready
        .side
        .put(lake.curated(), name, batch, &ready.attempt.id)
        .await?;
    failpoint::pass("before_rebuild_commit");
    let mut backoff = log.races();
    let (version, summary) = loop {
        let base = base(job, ledger, &log, &ready.accounts).await?;
        if ledger.taken(&base.snapshot) >= batch {
            // Another rebuild claimed after this one and is in: what it made is newer.
            ready.attempt.discard(&log, &ready.sorted.adds).await;
            return Ok(false);
        }
        let summary = Summary {
            counts: Counts {
                rows_inserted: ready.sorted.rows,
                rows_removed: base.old.iter().filter_map(DataFile::rows).sum(),
                files_added: ready.sorted.adds.len() as u64,
                files_removed: base.old.len() as u64,
                ..ready.counts.clone()
            },
            warned: ready.warned.clone(),
            notes: Notes {
                over_budget: ready.over_budget.clone(),
                ..Notes::default()
            },
            late_objects: 0,
            millis: ready.attempt.millis(),
            released: job.options.release,
            run: Some(job.run.id.clone()),
            changed: replaced_partitions(job.contract, &base.old, &ready.sorted.adds),
            ..Summary::default()
        };
        let change = Commit {
            operation: "REBUILD",
            actions: actions(&ready, &base),
            txns: std::iter::once((ledger.app(), batch))
                .chain(ready.inputs.clone())
                .collect(),
            about: commit::about(batch, side.clone(), &summary)?,
        };
        match ready.attempt.land(&log, &base.snapshot, change).await? {
            Attempted::In { version, doubt } => {
                doubt.into_iter().for_each(|doubt| tally.say(doubt));
                break (version, summary);
            }
            Attempted::Lost => backoff.lost(log.table()).await?,
        }
    };
    failpoint::pass("after_rebuild_commit");
    let done = Batch {
        number: batch,
        version,
        summary,
        side: ready.side,
    };
    commit::settle(lake, ledger, name, done, tally).await;
    failpoint::pass("after_rebuild_record");
    Ok(true)
}

/// Loads what is to be replaced, creating a table that is not there.
async fn base(job: &Job<'_>, ledger: &Ledger, log: &DeltaLog, accounts: &StoredAccounts) -> Result<Base> {
    let contract = job.contract;
    if let Some(range) = range::of(contract, job.options)? {
        return match commit::open_for(job.lake, ledger, contract, accounts, Which::Newest).await? {
            Opened::Ready(table) => {
                let files = table.snapshot.files.iter();
                Ok(Base {
                    old: files.filter(|file| range.holds(file)).cloned().collect(),
                    definition: table.growth.into_iter().collect(),
                    snapshot: table.snapshot,
                })
            }
            Opened::Held(reasons) => Err(Error::usage(reasons.join("; "))),
        };
    }
    let schema = layout::described(contract);
    let properties = commit::properties(job.lake, ledger, contract, accounts)?;
    let snapshot = match log.load_unguarded().await? {
        Some(snapshot) => snapshot,
        None => {
            log.open_or_create(
                Which::Newest,
                &schema,
                &contract.partition,
                &properties,
                &contract.description,
            )
            .await?
        }
    };
    Ok(Base {
        old: snapshot.files.to_vec(),
        // With an id of its own, so that tables computed from this one take it for another one, which it is.
        definition: log.definition(&schema, &contract.partition, &properties, &contract.description)?,
        snapshot,
    })
}

fn actions(ready: &Ready, base: &Base) -> Vec<Action> {
    let added = ready.sorted.adds.iter().cloned().map(Action::Add);
    let removed = base
        .old
        .iter()
        .filter_map(|file| file.remove().map(Action::Remove));
    base.definition
        .iter()
        .cloned()
        .chain(added)
        .chain(removed)
        .collect()
}
