//! Rounds of work on a group of tables: each takes in what is claimed, or claims what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::{self, Break, Continue};

use tracing::{Instrument, Span};

use crate::commit::tally::{LateDays, Tallies};
use crate::commit::{State, state, table};
use crate::contract::{Contract, TableName};
use crate::delta::Which;
use crate::error::Result;
use crate::lake::Lake;
use crate::raw::RawObject;
use crate::report::Observer;
use crate::request::Selection;
use crate::storage::{Lease, Turn};
use crate::system::ledger::{Claim, Draft, Ledger};

use super::super::lookback::LookBack;
use super::super::pending::Pending;
use super::super::poison::PoisonLog;
use super::super::waiting::waiting_of;
use super::Group;
use super::ahead::{Given, tell};
use super::work::work;

/// A table whose claim waits for its commit.
pub(super) type Open<'a> = (&'a Contract, Claim);
/// A table that took in everything claimed, and how many batches that were.
type Idle<'a> = (&'a Contract, i64);

/// The work of a run on the tables of a group.
pub(super) struct Rounds<'a> {
    lake: &'a Lake,
    group: &'a Group<'a>,
    selection: &'a Selection,
    observer: &'a dyn Observer,
    tallies: &'a mut Tallies,
    ledger: Ledger,
    /// Only these objects, by table; none: what is new.
    replay: Option<BTreeMap<TableName, Vec<RawObject>>>,
    look_back: LookBack,
    /// What is to be claimed; none where that has to be found out.
    pending: Option<Pending>,
    /// How far each table was when what is pending was found out, own claims included.
    known: BTreeMap<TableName, i64>,
    /// Whether the tables rest, so that the ledger knows all that there is to know of them.
    at_rest: bool,
    /// Which versions say where the tables stand.
    which: Which,
    /// Tables of which a person has looked at what was open when the run began.
    looked_at: BTreeSet<TableName>,
    /// Tables whose SQL and checks can be planned.
    verified: BTreeSet<TableName>,
    /// Whether nothing was missed by the listings.
    is_whole: bool,
}

impl<'a> Rounds<'a> {
    /// Begins with what is given.
    pub(super) async fn new(
        lake: &'a Lake,
        group: &'a Group<'a>,
        selection: &'a Selection,
        given: Given,
        observer: &'a dyn Observer,
        tallies: &'a mut Tallies,
    ) -> Result<Self> {
        let at_rest = matches!(given, Given::Ahead(_));
        let (replay, ahead) = match given {
            Given::Ahead(ahead) => (None, Some(ahead)),
            Given::Objects(replay) => (Some(replay), None),
            Given::Nothing => (None, None),
        };
        let (ledger, look_back, pending, known) = match ahead {
            Some(ahead) => (ahead.ledger, ahead.look_back, Some(ahead.pending), ahead.known),
            None => {
                let ledger = Ledger::open(lake.curated()).await?;
                (ledger, LookBack::NONE, None, BTreeMap::new())
            }
        };
        Ok(Self {
            lake,
            group,
            selection,
            observer,
            tallies,
            ledger,
            replay,
            look_back,
            pending,
            known,
            at_rest,
            which: Which::Known,
            looked_at: selection.release.clone(),
            verified: BTreeSet::new(),
            is_whole: true,
        })
    }

    /// Goes on until nothing is left, or somebody else has the tables.
    pub(super) async fn all(&mut self, lease: &mut Lease) -> Result<Turn> {
        loop {
            let (open, idle) = self.states().await;
            self.release(&open);
            self.lake.stop().check()?;
            // On the heap: the work is large, and lies below that of other groups.
            let round = match open.is_empty() {
                false => Box::pin(self.take_in(&open, lease)).await?,
                true => Box::pin(self.claim(&idle, lease)).await?,
            };
            if let Break(turn) = round {
                return Ok(turn);
            }
        }
    }

    /// Where the tables stand that can be worked on.
    async fn states(&mut self) -> (Vec<Open<'a>>, Vec<Idle<'a>>) {
        let (mut open, mut idle) = (Vec::new(), Vec::new());
        let at_rest = std::mem::take(&mut self.at_rest);
        for &contract in &self.group.contracts {
            let name = &contract.name;
            if self.tallies.of(name).is_over() {
                continue;
            }
            if at_rest {
                idle.push((contract, self.ledger.progress(name).claimed));
                continue;
            }
            let tally = self.tallies.of(name);
            match state(self.lake, &mut self.ledger, contract, self.which, tally).await {
                Ok(State::Open(claim)) => open.push((contract, claim)),
                Ok(State::Idle(taken)) => idle.push((contract, taken)),
                Ok(State::Held(reasons)) => self.tallies.of(name).hold(reasons),
                Err(error) => self.tallies.of(name).stop(&error),
            }
        }
        self.which = Which::Known;
        (open, idle)
    }

    /// Lets open batches in that a person has looked at: only those that were open when the run began. Where somebody asks
    /// for the end they are left.
    fn release(&mut self, open: &[Open<'a>]) {
        for (contract, claim) in open {
            if self.looked_at.remove(&contract.name) {
                self.tallies.of(&contract.name).release(claim.draft.batch);
            }
        }
        self.looked_at.clear();
        if self.lake.stop().is_asked() {
            for (contract, claim) in open {
                self.tallies.of(&contract.name).leave(claim.draft.batch);
            }
        }
    }

    /// Takes in what is claimed, and lets others have their turn.
    async fn take_in(&mut self, open: &[Open<'a>], lease: &mut Lease) -> Result<ControlFlow<Turn>> {
        let (lake, stop) = (self.lake, self.lake.stop());
        match stop.unless(lease.hold()).await? {
            Turn::Ours => {}
            Turn::AfterAnother => {
                // Who had it may have done this.
                self.which = Which::Newest;
                return Ok(Continue(()));
            }
            Turn::Theirs => return Ok(Break(Turn::Theirs)),
        }
        let numbers: Vec<(TableName, i64)> = open
            .iter()
            .map(|(contract, claim)| (contract.name.clone(), claim.draft.batch))
            .collect();
        let place = lake.place_at_work().await?;
        let (attempts, ledger) = (lake.attempts()?, self.ledger.id());
        let poison = PoisonLog::open(&attempts, lease, ledger, &numbers, self.observer).await?;
        let work = work(lake, &mut self.ledger, self.group, open, poison, self.tallies);
        work.instrument(span_of(&numbers)).await?;
        // Others may work while those are let in who wait for the tables.
        drop(place);
        match stop.unless(lease.give_way()).await? {
            Turn::Ours => {}
            Turn::AfterAnother => self.which = Which::Newest,
            Turn::Theirs => return Ok(Break(Turn::Theirs)),
        }
        Ok(Continue(()))
    }

    /// Claims what is new; the end where nothing is.
    async fn claim(&mut self, idle: &[Idle<'a>], lease: &mut Lease) -> Result<ControlFlow<Turn>> {
        if idle.is_empty() {
            return Ok(Break(Turn::Ours));
        }
        let pending = self.pending(idle).await?;
        let drafts = self.drafts(&pending, idle);
        if drafts.is_empty() {
            self.tell(pending, idle);
            self.end(idle).await;
            return Ok(Break(Turn::Ours));
        }
        if !self.are_planned(&drafts).await {
            self.pending = Some(pending);
            return Ok(Continue(()));
        }
        let (lake, stop) = (self.lake, self.lake.stop());
        crate::system::load_ahead(lake.curated())?;
        // What is claimed now would only wait.
        stop.check()?;
        let mut turn = Turn::Ours;
        let hold = async {
            turn = stop.unless(lease.hold()).await?;
            Ok(turn == Turn::Ours)
        };
        if self.ledger.claim(&drafts, table::now(), hold).await? {
            let mut pending = self.tell(pending, idle);
            pending.remove(&drafts);
            self.pending = Some(pending);
            self.note(&drafts);
            return Ok(Continue(()));
        }
        if turn == Turn::Theirs {
            return Ok(Break(turn));
        }
        // Somebody else claimed, or had the tables until now: what is pending has to be found out anew.
        self.which = Which::Newest;
        self.pending = Some(pending).filter(|_| self.replay.is_some());
        Ok(Continue(()))
    }

    /// What is pending, found out anew where others took batches in meanwhile.
    async fn pending(&mut self, idle: &[Idle<'a>]) -> Result<Pending> {
        let went_on = |(contract, taken): &Idle<'_>| {
            let known = self.known.get(&contract.name);
            known.is_some_and(|known| known != taken)
        };
        let known = self.pending.take();
        if let Some(pending) = known.filter(|_| self.replay.is_some() || !idle.iter().any(went_on)) {
            return Ok(pending);
        }
        self.known = idle
            .iter()
            .map(|(contract, taken)| (contract.name.clone(), *taken))
            .collect();
        if let Some(replay) = &self.replay {
            return Ok(Pending::exactly(replay.clone()));
        }
        let tables: Vec<&TableName> = idle.iter().map(|(contract, _)| &contract.name).collect();
        self.look_back = LookBack::of(self.lake, &self.ledger, self.selection, &tables);
        let narrow = self.look_back.narrow(self.selection);
        let waiting = waiting_of(idle, self.tallies);
        let contracts = &self.group.contracts;
        let found = Pending::of(self.lake, Some(&self.ledger), contracts, &narrow, &waiting);
        self.lake.stop().unless(found).await
    }

    /// The next batch of each table that has something to take in.
    fn drafts(&self, pending: &Pending, idle: &[Idle<'a>]) -> Vec<Draft> {
        let tables: Vec<TableName> = idle.iter().map(|(contract, _)| contract.name.clone()).collect();
        let mut next = pending.next(self.lake, &tables);
        let draft = |(contract, taken): &Idle<'_>| {
            Some(Draft {
                table: contract.name.clone(),
                batch: taken + 1,
                rules: contract.fingerprint(),
                objects: next.remove(&contract.name)?,
                inputs: Vec::new(),
            })
        };
        idle.iter().filter_map(draft).collect()
    }

    /// Says what is to be said of a listing, once.
    fn tell(&mut self, mut pending: Pending, idle: &[Idle<'a>]) -> Pending {
        self.is_whole &= tell(self.group, &mut pending, idle, self.selection, self.tallies);
        pending
    }

    /// Notes that everything that was found is in these tables, where it is.
    async fn end(&mut self, idle: &[Idle<'a>]) {
        let tables: Vec<&TableName> = idle.iter().map(|(contract, _)| &contract.name).collect();
        if self.replay.is_none()
            && self.is_whole
            && let Err(error) = self.look_back.done(&mut self.ledger, &tables).await
        {
            self.tallies.of(&self.group.contracts[0].name).unmarked(&error);
        }
    }

    /// Whether the rules of all these tables can be planned. What cannot would reject every object, and a claim would hold on
    /// to the rules of today.
    async fn are_planned(&mut self, drafts: &[Draft]) -> bool {
        let mut are_planned = true;
        for name in drafts.iter().map(|draft| &draft.table) {
            if self.verified.insert(name.clone())
                && let Err(error) = self.lake.verify(name).await
            {
                self.tallies.of(name).fail(&error);
                are_planned = false;
            }
        }
        are_planned
    }

    /// Counts what was claimed.
    fn note(&mut self, drafts: &[Draft]) {
        let claimed = drafts.iter().map(|draft| (draft.table.clone(), draft.batch));
        self.known.extend(claimed);
        if self.replay.is_some() {
            return;
        }
        for draft in drafts {
            let tally = self.tallies.of(&draft.table);
            let untold = draft
                .objects
                .iter()
                .filter(|object| self.look_back.is_untold(object));
            tally.untold(untold.count() as u64);
            // What a table begins with is not late.
            if draft.batch > 1 {
                let is_late = |object: &&RawObject| self.look_back.is_late(object.period.date());
                let late = draft.objects.iter().filter(is_late);
                let day = |object: &RawObject| (object.account.clone(), object.period.date());
                let days: LateDays = late.clone().map(day).collect();
                tally.late(late.count() as u64, days);
            }
        }
    }
}

/// Has lines of the log say which batches of which tables they are about.
fn span_of(numbers: &[(TableName, i64)]) -> Span {
    let listed = |words: Vec<String>| words.join(", ");
    let tables = listed(numbers.iter().map(|(table, _)| table.to_string()).collect());
    let batches = listed(numbers.iter().map(|(_, batch)| batch.to_string()).collect());
    tracing::error_span!("tables", table = tables, batch = batches)
}
