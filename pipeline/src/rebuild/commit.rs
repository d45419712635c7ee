//! Claim, commit and record of a table that was made anew.

use std::collections::BTreeMap;
use std::time::Instant;

use deltalake_core::kernel::Action;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::backoff;
use crate::batch::{self, Batch, OLDEST_ATTEMPT, Opened, SideFile, Summary, Tally};
use crate::delta::{Commit, DataFile, DeltaLog, Landed, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::keep::replaced_partitions;
use crate::layout;
use crate::ledger::{Claim, Ledger};
use crate::report::Counts;
use crate::sorted::Sorted;

use super::{Job, range};

/// Everything that a commit needs.
pub(super) struct Ready {
    /// What is claimed, and as which batch.
    pub(super) claim: Claim,
    /// Greatest batch claimed before.
    pub(super) newest: i64,
    pub(super) attempt: String,
    pub(super) started: Instant,
    /// The new files.
    pub(super) sorted: Sorted,
    pub(super) side: SideFile,
    /// Versions of inputs that are taken in, by application id.
    pub(super) inputs: Vec<(String, i64)>,
    pub(super) counts: Counts,
    /// Failures of checks that only warn, by check.
    pub(super) warned: BTreeMap<String, u64>,
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
    let claimed = ledger
        .claim_anew(&ready.claim.draft, ready.newest, ready.claim.claimed_at)
        .await?;
    if !claimed {
        ready.sorted.discard(&log).await;
        return Ok(false);
    }
    failpoint::pass("after_rebuild_claim");
    let side = ready
        .side
        .write(lake.curated(), name, batch, &ready.attempt)
        .await?;
    failpoint::pass("before_rebuild_commit");
    let (version, summary) = loop {
        let base = base(job, ledger, &log).await?;
        if ready.started.elapsed() > OLDEST_ATTEMPT {
            return Err(Error::new(
                Kind::Io,
                "attempt is too old to be committed; run it again",
            ));
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
            late_objects: 0,
            millis: ready.started.elapsed().as_millis() as u64,
            released: job.options.release,
            run: Some(job.run.id.clone()),
            changed: replaced_partitions(job.contract, &base.old, &ready.sorted.adds),
            ..Summary::default()
        };
        let Value::Object(mut about) = json!(summary) else {
            return Err(Error::internal("summary of a batch has no JSON form"));
        };
        about.insert("batch".to_owned(), json!(batch));
        about.insert("attempt".to_owned(), json!(ready.attempt));
        about.insert("side".to_owned(), json!(side));
        let live = base.snapshot.files.len() - base.old.len() + ready.sorted.adds.len();
        let change = Commit {
            operation: "REBUILD",
            actions: actions(&log, &ready, &base).await?,
            txns: std::iter::once((ledger.app(), batch))
                .chain(ready.inputs.clone())
                .collect(),
            about,
        };
        let landed = log.commit(&base.snapshot, change).await;
        let version = base.snapshot.version + 1;
        // A write whose outcome is not known may have been applied: the entry says whose it is.
        if matches!(landed, Ok(Landed::At(_))) || is_ours(&log, version, &ready.attempt).await? {
            let found = log.load_at(version).await?.files.len();
            if found != live {
                let what = format!("table has {found} files after the commit instead of {live}");
                return Err(Error::new(Kind::Foreign, what).with("version", version));
            }
            break (version, summary);
        }
        landed?;
        backoff::pause().await;
    };
    failpoint::pass("after_rebuild_commit");
    let done = Batch {
        number: batch,
        version,
        summary,
        side: ready.side,
    };
    batch::record(lake, ledger, name, done, tally).await?;
    failpoint::pass("after_rebuild_record");
    Ok(true)
}

/// Loads what is to be replaced, creating a table that is not there.
async fn base(job: &Job<'_>, ledger: &Ledger, log: &DeltaLog) -> Result<Base> {
    let contract = job.contract;
    if let Some(range) = range::of(contract, job.options)? {
        return match batch::open(job.lake, ledger, contract).await? {
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
    let properties = batch::properties(job.lake, ledger, contract)?;
    let snapshot = match log.load_unguarded().await? {
        Some(snapshot) => snapshot,
        None => {
            log.load_or_create(&schema, &contract.partition, &properties, &contract.description)
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

async fn actions(log: &DeltaLog, ready: &Ready, base: &Base) -> Result<Vec<Action>> {
    let mut actions = base.definition.clone();
    for add in &ready.sorted.adds {
        if !log.has_file(&Path::from(add.path.as_str())).await? {
            return Err(
                Error::new(Kind::NotFound, "new file vanished before the commit").with("file", &add.path)
            );
        }
        actions.push(Action::Add(add.clone()));
    }
    actions.extend(
        base.old
            .iter()
            .filter_map(|file| file.remove().map(Action::Remove)),
    );
    Ok(actions)
}

async fn is_ours(log: &DeltaLog, version: u64, attempt: &str) -> Result<bool> {
    let entry = log.entry(version).await?.unwrap_or_default();
    Ok(entry.iter().any(|action| {
        let about = action.get("commitInfo").and_then(|info| info.get("marketlake"));
        about
            .and_then(|about| about.get("attempt"))
            .and_then(|id| id.as_str())
            == Some(attempt)
    }))
}
