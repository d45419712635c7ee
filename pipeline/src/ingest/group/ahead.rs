//! A look ahead of all work. Whether tables rest is in the ledger, and whether anything is pending in a listing: where both
//! say no, nobody opens a table or takes a lease.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::commit::rules::mark;
use crate::commit::tally::Tallies;
use crate::contract::{Contract, TableName};
use crate::error::Result;
use crate::lake::Lake;
use crate::raw::RawObject;
use crate::request::Selection;
use crate::system::ledger::Ledger;

use super::super::lookback::LookBack;
use super::super::pending::Pending;
use super::Group;

/// What was found counts for so long: objects that are claimed should be as they were listed.
const FRESH: Duration = Duration::from_secs(60);
/// More objects than these are not kept until their turn comes.
const KEPT: usize = 10_000;

/// What the work on a group begins with.
pub(crate) enum Given {
    /// Nothing is known.
    Nothing,
    /// These objects are to be taken in again.
    Objects(BTreeMap<TableName, Vec<RawObject>>),
    /// Its tables rest, and this is what they have not taken in.
    Ahead(Box<Ahead>),
}

/// What a look found for a group whose tables rest.
pub(crate) struct Ahead {
    /// The ledger that says so.
    pub(super) ledger: Ledger,
    pub(super) look_back: LookBack,
    pub(super) pending: Pending,
    /// How far each table was.
    pub(super) known: BTreeMap<TableName, i64>,
    at: Instant,
}

impl Given {
    /// Lists what is pending for a group by what the ledger says, where its tables rest.
    pub(crate) async fn by_looking(
        lake: &Lake,
        ledger: &Ledger,
        group: &Group<'_>,
        selection: &Selection,
    ) -> Self {
        match lake
            .stop()
            .unless(Ahead::of(lake, ledger, group, selection))
            .await
        {
            Ok(Some(ahead)) => Self::Ahead(Box::new(ahead)),
            Ok(None) => Self::Nothing,
            Err(error) => {
                // Whoever works on the group meets it, and says of which table.
                tracing::debug!(%error, "what is pending is not known ahead");
                Self::Nothing
            }
        }
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Ahead(ahead) if ahead.pending.is_empty())
    }
}

impl Ahead {
    async fn of(
        lake: &Lake,
        ledger: &Ledger,
        group: &Group<'_>,
        selection: &Selection,
    ) -> Result<Option<Self>> {
        let mut known = BTreeMap::new();
        for contract in &group.contracts {
            let name = &contract.name;
            if selection.release.contains(name) || !ledger.rests(name, mark(lake, contract)?) {
                return Ok(None);
            }
            known.insert(name.clone(), ledger.progress(name).claimed);
        }
        let look_back = LookBack::of(lake, ledger, selection, &group.names());
        let narrowed = look_back.narrow(selection);
        // Of a table at rest nothing waits to be read.
        let waiting = BTreeMap::new();
        let pending = Pending::of(lake, Some(ledger), &group.contracts, &narrowed, &waiting).await?;
        Ok((pending.len() <= KEPT).then(|| Self {
            ledger: ledger.clone(),
            look_back,
            pending,
            known,
            at: Instant::now(),
        }))
    }

    /// Whether it still counts.
    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }

    /// Ends the work on a group for which nothing is pending.
    pub(super) async fn end(mut self, group: &Group<'_>, selection: &Selection, tallies: &mut Tallies) {
        let contracts = group.contracts.iter();
        let idle: Vec<(&Contract, i64)> = contracts
            .map(|contract| (*contract, self.known.get(&contract.name).copied().unwrap_or(0)))
            .collect();
        let is_whole = tell(group, &mut self.pending, &idle, selection, tallies);
        if is_whole
            && self.look_back.is_due()
            && let Err(error) = self.look_back.done(&mut self.ledger, &group.names()).await
        {
            tallies.of(&group.contracts[0].name).unmarked(&error);
        }
    }
}

/// Says, once, what is to be said of a listing. Whether everything was listed.
pub(super) fn tell(
    group: &Group<'_>,
    found: &mut Pending,
    idle: &[(&Contract, i64)],
    selection: &Selection,
    tallies: &mut Tallies,
) -> bool {
    for message in found.left_alone() {
        tallies.of(&group.contracts[0].name).say(message);
    }
    let is_whole = found.tell_of_missed(idle, tallies);
    for (contract, taken) in idle {
        let tally = tallies.of(&contract.name);
        if found.found_nothing && *taken == 0 && selection.tables.contains(&contract.name) {
            let ranged = selection.from.is_some() || selection.to.is_some();
            let when = if ranged { " in the days asked for" } else { "" };
            tally.say(format!("no raw object was found at {}{when}", group.paths()));
        }
    }
    for (table, documents) in std::mem::take(&mut found.waiting) {
        tallies.of(&table).wait_for_parts(documents);
    }
    is_whole
}
