//! Tables with inputs: what the inputs' logs say changed is computed anew.

mod compute;
mod touched;
mod work;

pub(crate) use compute::{Computation, Destination, Input, Part, put};

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Instant;

use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::future::try_join_all;
use futures::join;

use crate::contract::{Contract, Feed, InputFeed, StoredAccounts, TableName};
use crate::delta::{Snapshot, Which, changes};
use crate::error::{Context, Error, Kind, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::layout;
use crate::query::{register, session};
use crate::report::{Counts, Observer};
use crate::request::Selection;
use crate::shape::Checks;
use crate::shape::Shaper;
use crate::storage::{Lease, Turn};
use crate::system::ledger::{Claim, Draft, InputRange, Ledger, ObjectResult};

use crate::commit::budget;
use crate::commit::notes::Notes;
use crate::commit::side_file::SideFile;
use crate::commit::table::{self, Opened, Table};
use crate::commit::tally::{Summary, Tally};
use crate::commit::{Attempt, Proposal, TableRun, commit_batch};
use crate::commit::{State, state};
use crate::ingest::poison::PoisonLog;
use compute::Sifted;
use work::{Work, inputs, touched};

impl Lake {
    /// Plans the SQL and the checks of a table; reads no data.
    ///
    /// # Errors
    /// When there is no such contract, or its SQL or a check cannot be planned.
    pub async fn verify(&self, table: &TableName) -> Result<()> {
        let contract = self.contract(table)?;
        match &contract.feed {
            Feed::Raw(_) => Shaper::new(contract, self.pseudonyms())?.verify().await,
            Feed::Inputs(feed) => verify(self, contract, feed).await,
        }
    }
}

/// Commits of an input that change no rows are passed over until there are so many of them.
const PASSED_OVER: u64 = 100;

/// Brings a table with inputs up to date with them. `ledger` is the one that says so, where it has been read.
pub(crate) async fn run_derived(
    lake: &Lake,
    contract: &Contract,
    ledger: Option<Ledger>,
    selection: &Selection,
    observer: &dyn Observer,
    tally: &mut Tally,
) -> Result<()> {
    let Feed::Inputs(feed) = &contract.feed else {
        return Ok(());
    };
    let names = [contract.name.clone()];
    let (leases, patience) = (lake.leases()?, lake.settings().busy_wait);
    let Some(mut lease) = lake.stop().unless(Lease::ask(&leases, &names, patience)).await? else {
        tally.busy();
        return Ok(());
    };
    let rounds = async {
        let ledger = match ledger {
            Some(ledger) => ledger,
            None => Ledger::open(lake.curated()).await?,
        };
        let mut rounds = Rounds {
            lake,
            contract,
            feed,
            is_asked_for: selection.tables.contains(&contract.name),
            looked_at: selection.release.contains(&contract.name),
            observer,
            ledger,
            which: Which::Known,
        };
        rounds.all(&mut lease, tally).await
    };
    let done = rounds.await;
    lake.give_back(lease).await;
    if done? == Turn::Theirs {
        tally.busy();
    }
    Ok(())
}

/// The work of a run on one table.
struct Rounds<'a> {
    lake: &'a Lake,
    contract: &'a Contract,
    feed: &'a InputFeed,
    /// Whether somebody asked for this table by name.
    is_asked_for: bool,
    /// Whether a person has looked at what was open when the run began.
    looked_at: bool,
    observer: &'a dyn Observer,
    ledger: Ledger,
    /// Which version says where the table stands.
    which: Which,
}

impl Rounds<'_> {
    /// Works on an open claim and claims what is new in the inputs until nothing is left, or somebody else has the table.
    async fn all(&mut self, lease: &mut Lease, tally: &mut Tally) -> Result<Turn> {
        loop {
            let which = std::mem::replace(&mut self.which, Which::Known);
            let round = match state(self.lake, &mut self.ledger, self.contract, which, tally).await {
                Err(error) => {
                    tally.stop(&error);
                    Break(Turn::Ours)
                }
                Ok(State::Held(reasons)) => {
                    tally.hold(reasons);
                    Break(Turn::Ours)
                }
                Ok(State::Open(claim)) if self.lake.stop().is_asked() => {
                    tally.leave(claim.draft.batch);
                    Break(Turn::Ours)
                }
                // On the heap: the work is large.
                Ok(State::Open(claim)) => Box::pin(self.take_in(&claim, lease, tally)).await?,
                Ok(State::Idle(taken)) => Box::pin(self.claim(taken, lease, tally)).await?,
            };
            if let Break(turn) = round {
                return Ok(turn);
            }
        }
    }

    /// Computes what is claimed.
    async fn take_in(
        &mut self,
        claim: &Claim,
        lease: &mut Lease,
        tally: &mut Tally,
    ) -> Result<ControlFlow<Turn>> {
        let (lake, contract) = (self.lake, self.contract);
        match lake.stop().unless(lease.hold()).await? {
            Turn::Ours => {}
            Turn::AfterAnother => {
                // Who had it may have done this.
                self.which = Which::Newest;
                return Ok(Continue(()));
            }
            Turn::Theirs => return Ok(Break(Turn::Theirs)),
        }
        if std::mem::take(&mut self.looked_at) {
            tally.release(claim.draft.batch);
        }
        let _place = lake.place_at_work().await?;
        let inputs = &claim.draft.inputs;
        self.observer
            .batch_started(&[contract.name.to_string()], inputs.len() as u64, 0);
        let batches = [(contract.name.clone(), claim.draft.batch)];
        let (attempts, ledger) = (lake.attempts()?, self.ledger.id());
        let mut poison = PoisonLog::open(&attempts, lease, ledger, &batches, self.observer).await?;
        if let Some(reason) = poison.begin_batch(lake, &contract.name).await? {
            tally.hold([cannot(contract, claim, &reason)]);
            return Ok(Break(Turn::Ours));
        }
        let done = recompute(lake, &mut self.ledger, contract, self.feed, claim, tally).await;
        // Whatever it did not do, this process did not die of it.
        poison.close().await;
        if let Err(error) = done {
            tally.fail_with(claim.draft.batch, &error);
        }
        // A claim has all news that there were, and mostly there are no more.
        let is_recorded = self.ledger.progress(&contract.name).recorded == claim.draft.batch;
        if tally.is_over() || is_recorded && self.ledger.has_seen(&contract.name, &self.feed.inputs) {
            return Ok(Break(Turn::Ours));
        }
        Ok(Continue(()))
    }

    /// Claims what is new in the inputs; the end where nothing is.
    async fn claim(&mut self, taken: i64, lease: &mut Lease, tally: &mut Tally) -> Result<ControlFlow<Turn>> {
        self.looked_at = false;
        let (lake, contract, feed) = (self.lake, self.contract, self.feed);
        if let Some(missing) = without_inputs(lake, &self.ledger, feed).await? {
            if self.is_asked_for {
                tally.say(format!("input {missing} does not exist yet"));
            }
            return Ok(Break(Turn::Ours));
        }
        // No table is made under rules that have to be changed before they work; one that is there is held under others than
        // its own.
        if taken == 0 && !lake.table_log(&contract.name)?.exists().await? {
            verify(lake, contract, feed).await?;
        }
        let Opened::Ready(table) = table::open(lake, &self.ledger, contract, Which::Known).await? else {
            self.which = Which::Newest;
            return Ok(Continue(()));
        };
        let Some(inputs) = lake.stop().unless(self.news(&table)).await? else {
            return Ok(Break(Turn::Ours));
        };
        let draft = Draft {
            table: contract.name.clone(),
            batch: taken + 1,
            rules: contract.fingerprint(),
            objects: Vec::new(),
            inputs: inputs.clone(),
        };
        crate::system::load_ahead(lake.curated())?;
        // What is claimed now would only wait.
        lake.stop().check()?;
        let mut turn = Turn::Ours;
        let since = self.ledger.at();
        let hold = async {
            let held = lake.stop().unless(lease.hold());
            // Both to their ends: a lease that is cut off might be ours, and nobody would know.
            let (held, are_newest) = join!(held, are_newest(lake, &inputs, since));
            turn = held?;
            Ok(turn == Turn::Ours && are_newest?)
        };
        if !self.ledger.claim(&[draft], table::now(), hold).await? {
            // Who had it may have taken these in, or the inputs went on.
            self.which = Which::Newest;
        }
        Ok(match turn {
            Turn::Theirs => Break(turn),
            Turn::Ours | Turn::AfterAnother => Continue(()),
        })
    }

    /// What the inputs have that the table has not taken in; none where nothing changed. Where what is known of them says so
    /// it may be old.
    async fn news(&self, table: &Table) -> Result<Option<Vec<InputRange>>> {
        let news =
            async |which| news(self.lake, &self.ledger, (self.contract, self.feed), table, which).await;
        match news(Which::Known).await? {
            None => news(Which::Newest).await,
            known => Ok(known),
        }
    }
}

/// Whether the inputs of a claim are as new as they were at an instant after which the ledger was read: the claim says that it
/// has seen all that the ledger knows of.
async fn are_newest(lake: &Lake, inputs: &[InputRange], since: Instant) -> Result<bool> {
    let looks = inputs.iter().map(async |input| {
        let newest = lake.table_log(&input.table)?.load_since(since).await?;
        let is_it = |newest: Snapshot| newest.version == input.to && newest.id == input.id;
        Ok::<_, Error>(newest.is_some_and(is_it))
    });
    Ok(!try_join_all(looks).await?.contains(&false))
}

/// An input, where none of them exists, so that there is nothing to compute. Where some exist, the others are made:
/// nobody has delivered to them yet, and they count as empty.
async fn without_inputs(lake: &Lake, ledger: &Ledger, feed: &InputFeed) -> Result<Option<TableName>> {
    let looks = feed.inputs.iter().map(async |name| {
        let is_there = lake.table_log(name)?.exists().await?;
        Ok::<_, Error>((!is_there).then_some(name))
    });
    let missing: Vec<&TableName> = try_join_all(looks).await?.into_iter().flatten().collect();
    if missing.len() == feed.inputs.len() {
        return Ok(missing.first().map(|name| (*name).clone()));
    }
    for name in missing {
        table::open(lake, ledger, lake.contract(name)?, Which::Newest).await?;
    }
    Ok(None)
}

/// Application id under which a table states the version of an input, by the input's table id, that it took in.
pub(crate) fn input_app(id: &str) -> String {
    format!("marketlake:input:{id}")
}

/// What these versions of the inputs have that the table has not taken in; none where nothing changed. An input that somebody
/// else wrote to is refused, so that no claim names a version of it that it does not keep.
async fn news(
    lake: &Lake,
    ledger: &Ledger,
    (contract, feed): (&Contract, &InputFeed),
    table: &Table,
    which: Which,
) -> Result<Option<Vec<InputRange>>> {
    let looks = feed.inputs.iter().map(async |name| {
        let log = lake.table_log(name)?;
        let snapshot = match which {
            Which::Known => log.known().await?,
            Which::Newest => log.load_since(ledger.at()).await?,
        };
        let snapshot = snapshot.ok_or_else(|| {
            Error::new(Kind::NotFound, "input vanished")
                .with("input", name)
                .with("table", &contract.name)
        })?;
        table::checked(&log, &snapshot, ledger).await?;
        let seen = table
            .snapshot
            .txn(&input_app(&snapshot.id))
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
        let input = InputRange {
            table: name.clone(),
            id: snapshot.id.clone(),
            from,
            to: snapshot.version,
        };
        Ok::<_, Error>((input, news))
    });
    let (inputs, news): (Vec<_>, Vec<bool>) = try_join_all(looks).await?.into_iter().unzip();
    if inputs.is_empty() {
        return Err(Error::usage("table has no inputs").with("table", &contract.name));
    }
    Ok(news.contains(&true).then_some(inputs))
}

async fn recompute(
    lake: &Lake,
    ledger: &mut Ledger,
    contract: &Contract,
    feed: &InputFeed,
    claim: &Claim,
    tally: &mut Tally,
) -> Result<()> {
    let inputs = inputs(lake, claim).await?;
    let computation = Computation::new(contract, feed, &inputs, lake.room())?;
    let attempt = Attempt::new();
    let progress: Vec<(String, i64)> = inputs
        .iter()
        .map(|input| (input_app(&input.range.id), input.range.to as i64))
        .collect();
    let batch = claim.draft.batch;
    let excess =
        |sifted: &Sifted| budget::excess_of_rows(&contract.quarantine, batch, sifted.rejected, sifted.rows);
    let mut run = TableRun {
        lake,
        ledger,
        contract,
        tally,
        delivered: StoredAccounts::new(),
    };
    commit_batch(&mut run, batch, &attempt, None, &progress, async |run, table| {
        let touched = touched(lake, run.ledger, contract, feed, &inputs, table).await?;
        let mut work = Work::of(lake, &computation, table, &touched, &attempt.id)?;
        let sifted = match work.done(lake, claim).await {
            Ok(sifted)
                if run.tally.passes(&contract.name, batch, &sifted.held)
                    && run.tally.may_exceed(contract, batch, excess(&sifted).as_deref()) =>
            {
                sifted
            }
            put => {
                work.discard().await;
                return match put {
                    Err(error) if matches!(error.kind(), Kind::Data | Kind::Usage) => {
                        run.tally.hold([cannot(contract, claim, &error.chain())]);
                        Ok(None)
                    }
                    put => put.map(|_| None),
                };
            }
        };
        failpoint::pass("after_decode");
        let applied = work.finish();
        let notes = Notes {
            over_budget: excess(&sifted),
            ..Notes::default()
        };
        let mut counts = Counts {
            objects: inputs.len() as u64,
            rows_read: sifted.rows,
            rows_rejected: sifted.rejected,
            rows_warned: sifted.warned.values().sum(),
            ..Counts::default()
        };
        counts.add(&applied.counts);
        let side = SideFile {
            results: results(claim, &attempt.id, &sifted),
            quarantine: sifted.quarantine,
        };
        Ok(Some(Proposal {
            actions: applied.actions,
            side: Some(side),
            summary: Summary {
                counts,
                warned: sifted.warned,
                late_objects: 0,
                millis: attempt.millis(),
                released: run.tally.is_released(batch),
                notes,
                run: Some(run.tally.run().id.clone()),
                changed: applied.changed,
                ..Summary::default()
            },
        }))
    })
    .await
}

/// What became of each input; rejected rows count for the first.
pub(crate) fn results(claim: &Claim, attempt: &str, sifted: &Sifted) -> Vec<ObjectResult> {
    let inputs = claim.draft.inputs.iter();
    let mut results: Vec<_> = inputs
        .map(|input| ObjectResult::of_input(claim, &input.table, attempt))
        .collect();
    if let Some(first) = results.first_mut() {
        first.rows_rejected = sifted.rejected;
    }
    results
}

/// Why a batch waits that will fail the same way again.
fn cannot(contract: &Contract, claim: &Claim, reason: &str) -> String {
    format!(
        "batch {} cannot be computed: {reason}; give it more memory where that is why, or mend the SQL and run \
         `marketlake rebuild {}`",
        claim.draft.batch, contract.name
    )
}

/// Computes the open batch of a table with inputs and keeps nothing of it. What is wrong with its rows the run will say.
pub(crate) async fn compute_alone(lake: &Lake, ledger: &Ledger, contract: &Contract) -> Result<()> {
    let Feed::Inputs(feed) = &contract.feed else {
        return Ok(());
    };
    let newest = ledger.progress(&contract.name).claimed;
    let Some(claim) = ledger.claim_of(&contract.name, newest).await? else {
        return Ok(());
    };
    let Opened::Ready(table) = table::open(lake, ledger, contract, Which::Newest).await? else {
        return Ok(());
    };
    let inputs = inputs(lake, &claim).await?;
    let touched = touched(lake, ledger, contract, feed, &inputs, &table).await?;
    let computation = Computation::new(contract, feed, &inputs, lake.room())?;
    let mut work = Work::of(lake, &computation, &table, &touched, "alone")?;
    let done = work.done(lake, &claim).await;
    work.discard().await;
    match done {
        Err(error) if !matches!(error.kind(), Kind::Data | Kind::Usage) => Err(error),
        _ => Ok(()),
    }
}

/// Plans the contract's SQL over inputs without rows.
///
/// # Errors
/// When it cannot be planned.
pub(crate) async fn verify(lake: &Lake, contract: &Contract, feed: &InputFeed) -> Result<()> {
    let context = session(lake.room())?;
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
