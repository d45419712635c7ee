//! Tables that are fed by raw objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::apply;
use crate::apply::sorted::{self, Sorted, Target};
use crate::commit;
use crate::commit::{Attempt, Opened, SideFile, Tally};
use crate::contract::RawFeed;
use crate::delta::Which;
use crate::error::Result;
use crate::failpoint;
use crate::layout;
use crate::query::{SnapshotTable, session};
use crate::report::Outcome;
use crate::storage::Lease;
use crate::system::ledger::{Claim, Draft, Ledger};
use crate::system::quarantine;

use super::commit::{Ready, commit};
use super::objects::{Sources, sources};
use super::staging::Staging;
use super::standing::Standing;
use super::{Ended, Job, busy, range};

/// Objects that are named one by one in a report.
const NAMED: usize = 100;

/// Stages while runs go on, then makes the table anew from what was staged.
pub(super) async fn rebuild(job: &Job<'_>, feed: &RawFeed, tally: &mut Tally) -> Result<Option<Ended>> {
    let lake = job.lake;
    let mut ledger = Ledger::open(lake.curated()).await?;
    if let Err(ended) = stage(job, feed, &ledger).await? {
        return Ok(Some(ended));
    }
    failpoint::pass("after_staging");
    let names = [job.contract.name.clone()];
    let (leases, patience) = (lake.leases()?, lake.settings().busy_wait);
    let Some(lease) = lake.stop().unless(Lease::take(&leases, &names, patience)).await? else {
        return Ok(Some(busy()));
    };
    let ended = make_anew(job, feed, &mut ledger, tally).await;
    lease.release().await;
    ended
}

/// Makes the table anew, with its lease in hand.
async fn make_anew(
    job: &Job<'_>,
    feed: &RawFeed,
    ledger: &mut Ledger,
    tally: &mut Tally,
) -> Result<Option<Ended>> {
    let lake = job.lake;
    let mut backoff = lake.table_log(&job.contract.name)?.races();
    loop {
        lake.stop().check()?;
        ledger.refresh().await?;
        commit::complete(lake, ledger, &job.contract.name, tally).await?;
        // What was claimed meanwhile is staged now.
        let staged = match stage(job, feed, ledger).await? {
            Ok(staged) => staged,
            Err(ended) => return Ok(Some(ended)),
        };
        if staged.standing.open && (job.options.from.is_some() || job.options.to.is_some()) {
            // Its objects may be of other days, and it counts as taken in once a later batch is.
            return Ok(Some(begun(job, staged.standing.claimed)));
        }
        if finish(job, ledger, staged, tally).await? {
            return Ok(None);
        }
        backoff.lost(&job.contract.name.to_string()).await?;
    }
}

struct Staged<'a> {
    standing: Standing,
    sources: Sources,
    staging: Staging<'a>,
}

/// Brings the staging up to the ledger; how it ended where it cannot be.
async fn stage<'a>(job: &'a Job<'a>, feed: &RawFeed, ledger: &Ledger) -> Result<Result<Staged<'a>, Ended>> {
    let standing = Standing::of(job.lake, ledger, job.contract).await?;
    if range::of(job.contract, job.options)?.is_some()
        && let Opened::Held(mut reasons) = commit::open(job.lake, ledger, job.contract, Which::Newest).await?
    {
        reasons.push("only the whole table can be made anew: leave --from and --to away".to_owned());
        return Ok(Err(Ended {
            outcome: Outcome::Held,
            messages: reasons,
        }));
    }
    let sources = sources(job, feed, ledger, &standing);
    let sources = job.lake.stop().unless(sources).await?;
    if !sources.missing.is_empty() && !job.options.accept_missing {
        return Ok(Err(Ended {
            outcome: Outcome::Failed,
            messages: gone(job, "are not there any more", &sources.missing),
        }));
    }
    if sources.objects.is_empty() {
        let (outcome, when) = match job.options.from.is_some() || job.options.to.is_some() {
            true => (Outcome::Unchanged, " about the days asked for"),
            false => (Outcome::Failed, ""),
        };
        return Ok(Err(Ended {
            outcome,
            messages: vec![format!(
                "no raw object{when} is known: there is nothing to make rows of"
            )],
        }));
    }
    let mut staging = Staging::open(job, &sources).await?;
    if staging.is_outdated(&sources).await? {
        staging.remove().await?;
        staging = Staging::open(job, &sources).await?;
    }
    let release = job.options.release || !(standing.open || standing.adopts);
    let report = staging.fill(&sources, release).await?;
    let messages = match report.outcome {
        Outcome::Failed | Outcome::Busy | Outcome::Stopped => report.messages,
        Outcome::Held => {
            let table = &job.contract.name;
            let held = report.messages.iter().map(|message| {
                let what = message.split(';').next().unwrap_or(message);
                format!(
                    "{what} of the rebuild; look at them, then run `marketlake rebuild {table} --release`"
                )
            });
            held.collect()
        }
        _ => {
            let lost = match job.options.accept_missing {
                true => Vec::new(),
                false => staging.rejected_again(&sources).await?,
            };
            if !lost.is_empty() {
                return Ok(Err(Ended {
                    outcome: Outcome::Failed,
                    messages: gone(
                        job,
                        "were delivered again and are rejected as they are now",
                        &lost,
                    ),
                }));
            }
            return Ok(Ok(Staged {
                standing,
                sources,
                staging,
            }));
        }
    };
    Ok(Err(Ended {
        outcome: report.outcome,
        messages,
    }))
}

/// A batch was begun that has to be ended before some days can be made anew.
fn begun(job: &Job<'_>, batch: i64) -> Ended {
    let table = &job.contract.name;
    let message = format!(
        "batch {batch} is begun and not committed: run `marketlake run {table}` first, which takes it in or says why it \
         waits, or make the whole table anew"
    );
    Ended {
        outcome: Outcome::Held,
        messages: vec![message],
    }
}

/// Why it cannot go on: what became of objects, and which they are, one by one.
fn gone(job: &Job<'_>, what: &str, missing: &[String]) -> Vec<String> {
    let mut messages = vec![format!(
        "{} raw objects of the table {what}; bring them back, or go on without their rows with \
         `marketlake rebuild {} --accept-missing`",
        missing.len(),
        job.contract.name
    )];
    messages.extend(missing.iter().take(NAMED).cloned());
    if missing.len() > NAMED {
        messages.push(format!("and {} more", missing.len() - NAMED));
    }
    messages
}

/// Writes, claims and commits; false where another claim came first.
async fn finish(job: &Job<'_>, ledger: &mut Ledger, staged: Staged<'_>, tally: &mut Tally) -> Result<bool> {
    let Staged {
        standing,
        sources,
        staging,
    } = staged;
    let attempt = Attempt::new();
    let claim = Claim {
        draft: Draft {
            table: job.contract.name.clone(),
            batch: standing.next(),
            rules: job.contract.fingerprint(),
            objects: sources.objects.into_values().collect(),
            inputs: Vec::new(),
        },
        claimed_at: commit::now(),
    };
    let (log, rows) = staging.table().await?;
    let sorted = write(job, &claim, &attempt.id, SnapshotTable::new(&log, &rows)).await?;
    let (results, counts) = staging.results(&claim, &attempt.id).await?;
    // Whoever accepts that objects are gone has been asked.
    let over_budget = match sources.missing.is_empty() {
        true => commit::excess_of_results(&job.contract.quarantine, claim.draft.batch, &results),
        false => None,
    };
    let rejects = staging.rejects(&claim, &attempt.id, job.lake.curated());
    let side = SideFile {
        results,
        quarantine: job.lake.stop().unless(rejects).await?,
    };
    let batch = claim.draft.batch;
    let ready = Ready {
        claim,
        newest: standing.claimed,
        attempt,
        sorted,
        side,
        accounts: commit::accounts_of(&rows)?,
        inputs: Vec::new(),
        counts,
        warned: BTreeMap::new(),
        over_budget,
    };
    if !commit(job, ledger, ready, tally).await? {
        return Ok(false);
    }
    forget_secrets(job, batch, tally).await;
    if let Err(error) = staging.remove().await {
        tally.say(format!("the table is made anew; {}", error.chain()));
    }
    if !sources.missing.is_empty() {
        tally.say(format!(
            "{} raw objects were not there any more; their rows are missing",
            sources.missing.len()
        ));
    }
    if !sources.delivered_again.is_empty() {
        tally.say(format!(
            "{} objects or their manifests had been delivered again, with the same size; what lies there now was taken in, \
             and what they had said before cannot be made again",
            sources.delivered_again.len()
        ));
    }
    Ok(true)
}

/// Writes the staged rows into sorted files of the table, as rows of the claimed batch.
async fn write(job: &Job<'_>, claim: &Claim, attempt: &str, staged: SnapshotTable) -> Result<Sorted> {
    let (lake, contract) = (job.lake, job.contract);
    let target = Target {
        log: &lake.table_log(&contract.name)?,
        schema: layout::schema(contract),
        partition: &contract.partition,
        sort: contract.sort(),
        file_size: contract.file_size,
        options: apply::options(contract),
        attempt,
        data_change: true,
        stamp: Some((claim.draft.batch, claim.claimed_at)),
    };
    let rows = session(lake.room())?.read_table(Arc::new(staged))?;
    lake.stop().unless(sorted::write(rows, &target, |_| Ok(()))).await
}

/// Takes out of the quarantine what texts of earlier rejects say that may not be written down any more. Of a part of the
/// table nobody knows which of them are meant.
async fn forget_secrets(job: &Job<'_>, batch: i64, tally: &mut Tally) {
    let privacy = job.contract.privacy();
    if !privacy.has_secrets() || job.options.from.is_some() || job.options.to.is_some() {
        return;
    }
    let discreet = |reason: &str| privacy.discreet(reason);
    let (curated, table) = (job.lake.curated(), &job.contract.name);
    if let Err(error) = quarantine::forget_texts(curated, table, batch, discreet).await {
        tally.say(format!(
            "texts of earlier rejects are still in the quarantine; {}",
            error.chain()
        ));
    }
}
