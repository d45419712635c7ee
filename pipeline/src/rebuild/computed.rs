//! Tables with inputs: their SQL over all rows of the inputs.

use crate::apply::sorted::Sorted;
use crate::commit;
use crate::commit::{Attempt, SideFile, Tally};
use crate::contract::{InputFeed, StoredAccounts};
use crate::derive::{Computation, Destination, Input, Part, input_app, put, results};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::report::{Counts, Outcome};
use crate::storage::Lease;
use crate::system::ledger::{Claim, Draft, InputRange, Ledger};

use super::commit::{Ready, commit};
use super::standing::Standing;
use super::{Ended, Job, busy};

/// Computes the table in full, and makes that its content.
pub(super) async fn rebuild(job: &Job<'_>, feed: &InputFeed, tally: &mut Tally) -> Result<Option<Ended>> {
    let lake = job.lake;
    let names = [job.contract.name.clone()];
    let (leases, patience) = (lake.leases()?, lake.settings().busy_wait);
    let Some(lease) = lake.stop().unless(Lease::take(&leases, &names, patience)).await? else {
        return Ok(Some(busy()));
    };
    let ended = make_anew(job, feed, tally).await;
    lease.release().await;
    ended
}

/// Makes the table anew, with its lease in hand.
async fn make_anew(job: &Job<'_>, feed: &InputFeed, tally: &mut Tally) -> Result<Option<Ended>> {
    let lake = job.lake;
    let mut ledger = Ledger::open(lake.curated()).await?;
    failpoint::pass("after_staging");
    let mut backoff = lake.table_log(&job.contract.name)?.races();
    loop {
        lake.stop().check()?;
        ledger.refresh().await?;
        commit::complete(lake, &mut ledger, &job.contract.name, tally).await?;
        match once(job, feed, &mut ledger, tally).await? {
            Try::Done => return Ok(None),
            Try::Ended(ended) => return Ok(Some(ended)),
            Try::Lost => {}
        }
        backoff.lost(&job.contract.name.to_string()).await?;
    }
}

enum Try {
    Done,
    Ended(Ended),
    /// Another claim came first.
    Lost,
}

async fn once(job: &Job<'_>, feed: &InputFeed, ledger: &mut Ledger, tally: &mut Tally) -> Result<Try> {
    let (lake, contract) = (job.lake, job.contract);
    let standing = Standing::of(lake, ledger, contract).await?;
    let inputs = inputs(job, feed).await?;
    let attempt = Attempt::new();
    let claim = Claim {
        draft: Draft {
            table: contract.name.clone(),
            batch: standing.next(),
            rules: contract.fingerprint(),
            objects: Vec::new(),
            inputs: inputs.iter().map(|input| input.range.clone()).collect(),
        },
        claimed_at: commit::now(),
    };
    let log = lake.table_log(&contract.name)?;
    let computation = Computation::new(contract, feed, &inputs, lake.room())?;
    let mut destination = Destination::New {
        target: computation.target(&log, &attempt.id),
        sorted: Sorted::default(),
    };
    let parts = vec![Part::Everything];
    let put = put(
        &computation,
        parts,
        &claim,
        lake.curated(),
        &attempt.id,
        &mut destination,
    );
    let put = lake.stop().unless(put).await;
    let sifted = match put {
        Ok(sifted) if sifted.held.is_empty() || job.options.release => sifted,
        put => {
            destination.discard(&log).await;
            let held = put?.held;
            let held = held.iter().map(|(check, rows)| {
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
    };
    let (rejected, of) = (sifted.rejected, sifted.rows);
    let over_budget = commit::excess_of_rows(&contract.quarantine, claim.draft.batch, rejected, of);
    let side = SideFile {
        results: results(&claim, &attempt.id, &sifted),
        quarantine: sifted.quarantine,
    };
    let inputs = claim.draft.inputs.iter();
    let sorted = destination.into_sorted();
    let ready = Ready {
        inputs: inputs
            .map(|input| (input_app(&input.id), input.to as i64))
            .collect(),
        counts: Counts {
            objects: claim.draft.inputs.len() as u64,
            rows_read: sifted.rows,
            rows_rejected: sifted.rejected,
            rows_warned: sifted.warned.values().sum(),
            ..Counts::default()
        },
        claim,
        newest: standing.claimed,
        attempt,
        sorted,
        side,
        accounts: StoredAccounts::new(),
        warned: sifted.warned,
        over_budget,
    };
    Ok(if commit(job, ledger, ready, tally).await? {
        Try::Done
    } else {
        Try::Lost
    })
}

/// The inputs at their newest versions.
async fn inputs(job: &Job<'_>, feed: &InputFeed) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for name in &feed.inputs {
        let log = job.lake.table_log(name)?;
        let snapshot = log.load().await?.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("input {name} does not exist yet; `marketlake run` makes it"),
            )
        })?;
        let range = InputRange {
            table: name.clone(),
            id: snapshot.id.clone(),
            from: None,
            to: snapshot.version,
        };
        inputs.push(Input { range, log, snapshot });
    }
    Ok(inputs)
}
