//! A batch goes into its table: planned, committed and recorded, again as long as other writers come first.

use deltalake_core::kernel::{Action, Add};
use serde_json::Value;
use tracing::Instrument;

use super::side_file::SideFile;
use crate::commit::record::{Batch, settle};
use crate::commit::table::{self, Opened, Table};
use crate::commit::tally::{Summary, Tally};
use crate::contract::{Contract, StoredAccounts};
use crate::delta::{Commit, Which, changes};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::system::ledger::Ledger;

use super::about;
use super::attempt::Attempt;
use super::attempt::Attempted;

/// One table in one run.
pub(crate) struct TableRun<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) contract: &'a Contract,
    pub(crate) tally: &'a mut Tally,
    /// What is in force of the accounts whose rows a batch brings.
    pub(crate) delivered: StoredAccounts,
}

/// What a batch does to one version of its table. The files are written; no commit names them.
pub(crate) struct Proposal {
    pub(crate) actions: Vec<Action>,
    pub(crate) summary: Summary,
    /// What is to be recorded, where that was not known before the work.
    pub(crate) side: Option<SideFile>,
}

impl Proposal {
    fn adds(&self) -> impl Iterator<Item = &Add> {
        self.actions.iter().filter_map(|action| match action {
            Action::Add(add) => Some(add),
            _ => None,
        })
    }

    /// Whether it, made for version `from`, is right for this one, too: in between no row changed, and what it takes out is
    /// still there.
    async fn is_still_right(&self, from: u64, table: &Table) -> Result<bool> {
        let removed = self.actions.iter().filter_map(|action| match action {
            Action::Remove(remove) => Some(remove),
            _ => None,
        });
        let changed = changes(&table.log, from, table.snapshot.version).await?;
        Ok(changed.is_some_and(|changed| changed.is_empty()) && table.snapshot.holds(removed))
    }
}

/// Commits a batch and records it. `propose` writes its files for a version of the table, or ends the work; it is asked
/// again where another writer's commit came first and changed what it was made for. `known` is what is to be recorded, where
/// that is known before the work; `inputs` are the versions of inputs that are taken in, by application id.
pub(crate) async fn commit_batch(
    run: &mut TableRun<'_>,
    batch: i64,
    attempt: &Attempt,
    known: Option<SideFile>,
    inputs: &[(String, i64)],
    propose: impl AsyncFnMut(&mut TableRun<'_>, &Table) -> Result<Option<Proposal>>,
) -> Result<()> {
    let span = tracing::error_span!("batch", table = %run.contract.name, batch);
    let committed = commit(run, batch, attempt, known, inputs, propose);
    committed.instrument(span).await
}

async fn commit(
    run: &mut TableRun<'_>,
    batch: i64,
    attempt: &Attempt,
    known: Option<SideFile>,
    inputs: &[(String, i64)],
    mut propose: impl AsyncFnMut(&mut TableRun<'_>, &Table) -> Result<Option<Proposal>>,
) -> Result<()> {
    let (lake, contract) = (run.lake, run.contract);
    let name = &contract.name;
    let mut backoff = lake.table_log(name)?.races();
    let mut side_file: Option<Value> = None;
    let mut lost: Option<(u64, Proposal)> = None;
    // Whoever commits to another version than the newest has lost.
    let mut which = Which::Known;
    loop {
        lake.stop().check()?;
        let table = match open(run, batch, which).await? {
            Some(Opened::Ready(table)) => table,
            Some(Opened::Held(reasons)) => {
                run.tally.hold(reasons);
                return Ok(());
            }
            None => {
                which = Which::Newest;
                continue;
            }
        };
        if table.taken >= batch {
            // Another runner finished the batch; its record is caught up before the next one.
            if let Some((_, lost)) = &lost {
                attempt.discard(&table.log, lost.adds()).await;
            }
            return Ok(());
        }
        let proposal = match kept(lost.take(), attempt, &table).await? {
            Some(proposal) => proposal,
            None => {
                // Nothing reads the side file before the commit, so the disk is waited for beside the work.
                let writing = async {
                    match (&side_file, &known) {
                        (None, Some(side)) => {
                            let said = side.put(lake.curated(), name, batch, &attempt.id).await?;
                            Ok(Some(said))
                        }
                        _ => Ok(side_file.clone()),
                    }
                };
                let working = async { tokio::try_join!(writing, propose(&mut *run, &table)) };
                let (path, proposal) = lake.stop().unless(working).await?;
                side_file = path;
                let Some(proposal) = proposal else { return Ok(()) };
                if let Some(side) = &proposal.side {
                    side_file = Some(side.put(lake.curated(), name, batch, &attempt.id).await?);
                }
                failpoint::pass("after_files");
                proposal
            }
        };
        let side_file = side_file
            .clone()
            .ok_or_else(|| Error::internal("batch has nothing to record").with("table", name))?;
        let summary = Summary {
            millis: attempt.millis(),
            ..proposal.summary.clone()
        };
        let commit = Commit {
            operation: "CURATE",
            actions: table.growth.iter().chain(&proposal.actions).cloned().collect(),
            txns: txns(run.ledger, batch, inputs),
            about: about(batch, side_file, &summary)?,
        };
        failpoint::pass("before_commit");
        if let Err(stopped) = lake.stop().check() {
            // The next attempt writes files of its own.
            attempt.discard(&table.log, proposal.adds()).await;
            return Err(stopped);
        }
        match attempt.land(&table.log, &table.snapshot, commit).await? {
            Attempted::In { version, doubt } => {
                failpoint::pass("after_commit");
                doubt.into_iter().for_each(|doubt| run.tally.say(doubt));
                let done = Batch {
                    number: batch,
                    version,
                    summary,
                    side: proposal.side.or(known).unwrap_or_default(),
                };
                settle(lake, run.ledger, name, done, run.tally).await;
                return Ok(());
            }
            Attempted::Lost => backoff.lost(&name.to_string()).await?,
        }
        which = Which::Newest;
        lost = Some((table.snapshot.version, proposal));
    }
}

/// Opens the table for a batch; none where what is known of it looks wrong, which may only be old.
async fn open(run: &TableRun<'_>, batch: i64, which: Which) -> Result<Option<Opened>> {
    let opened = table::open_for(run.lake, run.ledger, run.contract, &run.delivered, which).await;
    let is_next = matches!(&opened, Ok(Opened::Ready(table)) if table.taken == batch - 1);
    if which == Which::Known && !is_next {
        return Ok(None);
    }
    match opened? {
        Opened::Ready(table) if table.taken < batch - 1 => Err(Error::internal("batch is not the next one")
            .with("table", &run.contract.name)
            .with("batch", batch)),
        opened => Ok(Some(opened)),
    }
}

/// A proposal that lost, with the version that it was made for, where it is right for this one, too; else its files go.
async fn kept(lost: Option<(u64, Proposal)>, attempt: &Attempt, table: &Table) -> Result<Option<Proposal>> {
    let Some((from, proposal)) = lost else {
        return Ok(None);
    };
    if proposal.is_still_right(from, table).await? {
        return Ok(Some(proposal));
    }
    attempt.discard(&table.log, proposal.adds()).await;
    Ok(None)
}

/// What the table and its inputs come to with the batch.
fn txns(ledger: &Ledger, batch: i64, inputs: &[(String, i64)]) -> Vec<(String, i64)> {
    let own = std::iter::once((ledger.app(), batch));
    own.chain(inputs.iter().cloned()).collect()
}
