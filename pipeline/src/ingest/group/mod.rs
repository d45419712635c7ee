//! Raw-fed tables that read the same objects, batch after batch until nothing is left.

mod ahead;

pub(crate) use ahead::Given;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::contract::{
    Contract, Contracts, CsvFormat, Format, RawFeed, StoredAccounts, TableName, TsvFormat,
};
use crate::error::{Kind, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::layout;
use crate::raw::RawObject;
use crate::report::{Observer, Silent};
use crate::request::Selection;
use crate::shape::{BatchStamp, Shaper};
use crate::storage::{Lease, Turn};
use crate::system::ledger::{Claim, Draft, Ledger};

use super::batch::ingest_batch;
use super::lookback::LookBack;
use super::object_rows::ObjectRows;
use super::pending::Pending;
use super::poison::PoisonLog;
use super::read::{Pace, TableReader, read_objects};
use super::row_buffer::{Budget, RowBuffer};
use super::waiting::waiting_of;
use super::watch::{Telling, Watch};
use crate::commit::table;
use crate::commit::tally::Tallies;
use crate::commit::{State, TableRun, state};
use crate::derive::compute_alone;

use ahead::{Ahead, tell};

/// The part of the memory limit that rows of a batch may wait in; the rest is for decoding, shaping and folding.
const IN_MEMORY: usize = 16;

/// Tables that read the same objects in the same way: these are listed once and decoded once.
pub(crate) struct Group<'a> {
    pub(crate) contracts: Vec<&'a Contract>,
    format: Format,
}

impl<'a> Group<'a> {
    /// Groups the raw-fed tables among `contracts`.
    fn all(contracts: impl Iterator<Item = &'a Contract>) -> Vec<Self> {
        let mut groups: Vec<(&RawFeed, &str, Self)> = Vec::new();
        for contract in contracts {
            let Some(feed) = contract.raw_feed() else { continue };
            let source = contract.name.source.as_str();
            let format = with_known_names(contract, feed);
            let same = |known: &&mut (&RawFeed, &str, Self)| {
                known.0.paths == feed.paths && known.1 == source && known.2.format == format
            };
            match groups.iter_mut().find(same) {
                Some((.., group)) => group.contracts.push(contract),
                None => {
                    let contracts = vec![contract];
                    groups.push((feed, source, Self { contracts, format }));
                }
            }
        }
        groups.into_iter().map(|(.., group)| group).collect()
    }

    /// The groups of the tables that are wanted. How their objects are read does not depend on which those are.
    pub(crate) fn of(contracts: &'a Contracts, is_wanted: impl Fn(&Contract) -> bool) -> Vec<Self> {
        let mut groups = Self::all(contracts.values());
        for group in &mut groups {
            group.contracts.retain(|contract| is_wanted(contract));
        }
        groups.retain(|group| !group.contracts.is_empty());
        groups
    }

    /// What the ledger calls it.
    fn name(&self) -> String {
        let names = self.contracts.iter().map(|contract| contract.name.to_string());
        names.collect::<Vec<_>>().join("+")
    }

    /// The paths at which its objects lie, for people.
    fn paths(&self) -> String {
        let feed = self.contracts.first().and_then(|contract| contract.raw_feed());
        let paths = feed.iter().flat_map(|feed| &feed.paths);
        paths.map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    }

    /// The format in which all tables of the group read.
    pub(crate) fn format(&self) -> &Format {
        &self.format
    }
}

/// A header is recognised by the names that the table itself knows: what a neighbour knows of the same objects must not
/// change how fields are called, so only tables that know the same names read them together.
fn with_known_names(contract: &Contract, feed: &RawFeed) -> Format {
    let mut format = feed.format.clone();
    if let Format::Csv(CsvFormat { known, .. }) | Format::Tsv(TsvFormat { known, .. }) = &mut format {
        known.extend(contract.named_fields());
        known.extend(feed.elsewhere.keys().cloned());
        known.sort();
        known.dedup();
    }
    format
}

/// Takes in all that is pending for the group's tables; outcomes go to the tallies.
pub(crate) async fn run_group(
    lake: &Lake,
    group: &Group<'_>,
    selection: &Selection,
    given: Given,
    observer: &dyn Observer,
    tallies: &mut Tallies,
) -> Result<()> {
    let (replay, ahead) = match given {
        Given::Ahead(ahead) if ahead.pending.is_empty() => {
            return ahead.end(lake, group, selection, tallies).await;
        }
        Given::Ahead(ahead) => (None, Some(ahead).filter(|ahead| ahead.is_fresh())),
        Given::Objects(replay) => (Some(replay), None),
        Given::Nothing => (None, None),
    };
    let names: Vec<TableName> = group
        .contracts
        .iter()
        .map(|contract| contract.name.clone())
        .collect();
    let (locks, patience) = (lake.locks()?, lake.settings().busy_wait);
    let Some(mut lease) = lake.stop().unless(Lease::ask(&locks, &names, patience)).await? else {
        names.iter().for_each(|name| tallies.of(name).busy());
        return Ok(());
    };
    let request = Request {
        group,
        selection,
        replay,
        ahead,
    };
    let done = batches(lake, request, &mut lease, observer, tallies).await;
    lease.release().await;
    if done? == Turn::Theirs {
        names.iter().for_each(|name| tallies.of(name).busy());
    }
    Ok(())
}

/// What a group is asked for.
struct Request<'a> {
    group: &'a Group<'a>,
    selection: &'a Selection,
    /// Only these objects, by table; none: what is new.
    replay: Option<BTreeMap<TableName, Vec<RawObject>>>,
    /// What was found before.
    ahead: Option<Box<Ahead>>,
}

/// Works on open claims and claims what is new until nothing is left, or somebody else has the tables.
#[expect(clippy::too_many_lines, reason = "its steps have no names yet")]
async fn batches(
    lake: &Lake,
    request: Request<'_>,
    lease: &mut Lease,
    observer: &dyn Observer,
    tallies: &mut Tallies,
) -> Result<Turn> {
    let Request {
        group,
        selection,
        replay,
        ahead,
    } = request;
    let stop = lake.stop();
    let names: Vec<TableName> = group
        .contracts
        .iter()
        .map(|contract| contract.name.clone())
        .collect();
    let mut ledger = Ledger::open(lake.curated()).await?;
    // How far each table was when what is pending was found out, own claims included.
    let (look_back, mut pending, mut known) = match ahead {
        Some(ahead) => (ahead.look_back, Some(ahead.pending), ahead.known),
        None => {
            let look_back = LookBack::of(lake, &ledger, selection, group.name());
            (look_back, None, BTreeMap::new())
        }
    };
    let mut looked_at = selection.release.clone();
    let mut verified = BTreeSet::new();
    // Whether nothing was missed by the listings.
    let mut is_whole = true;
    loop {
        let mut open: Vec<(&Contract, Claim)> = Vec::new();
        let mut idle: Vec<(&Contract, i64)> = Vec::new();
        for &contract in &group.contracts {
            if tallies.of(&contract.name).is_over() {
                continue;
            }
            match state(lake, &mut ledger, contract, tallies.of(&contract.name)).await {
                Ok(State::Open(claim)) => open.push((contract, claim)),
                Ok(State::Idle(taken)) => idle.push((contract, taken)),
                Ok(State::Held(reasons)) => tallies.of(&contract.name).hold(reasons),
                Err(error) => tallies.of(&contract.name).stop(&error),
            }
        }
        // Only what was open when the run began has been looked at by a person.
        for (contract, claim) in &open {
            if looked_at.remove(&contract.name) {
                tallies.of(&contract.name).release(claim.draft.batch);
            }
        }
        looked_at.clear();
        if stop.is_asked() {
            for (contract, claim) in &open {
                tallies.of(&contract.name).leave(claim.draft.batch);
            }
        }
        stop.check()?;
        if !open.is_empty() {
            match stop.unless(lease.hold()).await? {
                Turn::Ours => {}
                // Who had it may have done this.
                Turn::AfterAnother => continue,
                Turn::Theirs => return Ok(Turn::Theirs),
            }
            let numbers: Vec<(TableName, i64)> = open
                .iter()
                .map(|(contract, claim)| (contract.name.clone(), claim.draft.batch))
                .collect();
            let place = lake.place_at_work().await?;
            let poison = PoisonLog::open(&lake.attempts()?, lease, ledger.id(), &numbers, observer).await?;
            work(lake, &mut ledger, group, &open, poison, tallies).await?;
            // Others may work while those are let in who wait for the tables.
            drop(place);
            if stop.unless(lease.give_way()).await? == Turn::Theirs {
                return Ok(Turn::Theirs);
            }
            continue;
        }
        if idle.is_empty() {
            return Ok(Turn::Ours);
        }
        if idle
            .iter()
            .any(|(contract, taken)| known.get(&contract.name).is_some_and(|known| known != taken))
        {
            // Somebody else took batches in meanwhile: what is pending has to be found out anew.
            pending = pending.filter(|_| replay.is_some());
        }
        if pending.is_none() {
            known = idle
                .iter()
                .map(|(contract, taken)| (contract.name.clone(), *taken))
                .collect();
            pending = Some(match &replay {
                Some(replay) => Pending::exactly(replay.clone()),
                None => {
                    let (narrow, waiting) = (look_back.narrow(selection), waiting_of(&idle, tallies));
                    let found = Pending::of(lake, Some(&ledger), &group.contracts, &narrow, &waiting);
                    stop.unless(found).await?
                }
            });
        }
        let Some(found) = &mut pending else {
            return Ok(Turn::Ours);
        };
        if idle
            .iter()
            .any(|(contract, _)| !found.objects(&contract.name).is_empty())
        {
            match stop.unless(lease.hold()).await? {
                Turn::Ours => {}
                // Who had it may have taken these in.
                Turn::AfterAnother => continue,
                Turn::Theirs => return Ok(Turn::Theirs),
            }
        }
        is_whole &= tell(group, found, &idle, selection, tallies);
        let tables: Vec<TableName> = idle.iter().map(|(contract, _)| contract.name.clone()).collect();
        let mut next = found.next(lake, &tables);
        let drafts: Vec<Draft> = idle
            .iter()
            .filter_map(|(contract, taken)| {
                Some(Draft {
                    table: contract.name.clone(),
                    batch: taken + 1,
                    rules: contract.fingerprint(),
                    objects: next.remove(&contract.name)?,
                    inputs: Vec::new(),
                })
            })
            .collect();
        if drafts.is_empty() {
            if replay.is_none()
                && is_whole
                && idle.len() == group.contracts.len()
                && let Err(error) = look_back.done(&mut ledger).await
            {
                // Everything that was found is in.
                tallies.of(&names[0]).unmarked(&error);
            }
            return Ok(Turn::Ours);
        }
        // What cannot be planned would reject every object, and a claim would hold on to the rules of today.
        let mut planned = true;
        for name in drafts.iter().map(|draft| &draft.table) {
            if verified.insert(name.clone())
                && let Err(error) = lake.verify(name).await
            {
                tallies.of(name).fail(&error);
                planned = false;
            }
        }
        if !planned {
            continue;
        }
        crate::system::load_ahead(lake.curated())?;
        // What is claimed now would only wait.
        stop.check()?;
        if ledger.claim(&drafts, table::now()).await? {
            found.remove(&drafts);
            known.extend(drafts.iter().map(|draft| (draft.table.clone(), draft.batch)));
            for draft in drafts.iter().filter(|draft| replay.is_none() && draft.batch > 1) {
                let late = draft
                    .objects
                    .iter()
                    .filter(|object| look_back.is_late(object.period.date()))
                    .count();
                tallies.of(&draft.table).late(late as u64);
            }
        } else if replay.is_none() {
            // Somebody else claimed: what is pending has to be found out anew.
            pending = None;
        }
    }
}

/// Works on the open claims of some tables together: each object is read once.
#[expect(clippy::too_many_lines, reason = "its steps have no names yet")]
async fn work(
    lake: &Lake,
    ledger: &mut Ledger,
    group: &Group<'_>,
    open: &[(&Contract, Claim)],
    mut poison: PoisonLog<'_>,
    tallies: &mut Tallies,
) -> Result<()> {
    let mut objects: BTreeMap<_, RawObject> = BTreeMap::new();
    for (_, claim) in open {
        for object in &claim.draft.objects {
            let known = objects
                .entry((object.period, object.identity()))
                .or_insert_with(|| object.clone());
            if known.document.is_none() {
                known.document.clone_from(&object.document);
            }
        }
    }
    let mut objects: Vec<RawObject> = objects.into_values().collect();
    let zone = lake.raw_zone();
    zone.relocate(group.contracts[0], &mut objects);
    let tables: Vec<String> = open
        .iter()
        .map(|(contract, _)| contract.name.to_string())
        .collect();
    poison.observer().batch_started(
        &tables,
        objects.len() as u64,
        objects.iter().map(|object| object.size).sum(),
    );

    if lake.is_staged() {
        poison.for_rebuild();
    } else if poison.is_careful() && zone.has_places_of(&objects).await {
        poison.places_are_there();
    }
    objects.sort_by_key(|object| std::cmp::Reverse(poison.deaths(object)));
    let names: Vec<TableName> = open.iter().map(|(contract, _)| contract.name.clone()).collect();
    let tried = poison.try_suspects(lake, &names, &objects).await;
    let pace = if poison.is_careful() {
        Pace::CAREFUL
    } else {
        Pace::within(lake.settings())
    };
    let reading = async {
        tried?;
        read(lake, group, open, &objects, pace, &poison).await
    };
    let (gave, buffers) = match lake.stop().unless(reading).await {
        Err(error) if error.kind() == Kind::Stopped => {
            // Nobody died of what is in hand.
            poison.stopped().await?;
            for (contract, claim) in open {
                tallies.of(&contract.name).leave(claim.draft.batch);
            }
            return Err(error);
        }
        read => read?,
    };
    failpoint::pass("after_decode");

    let mut per_table: Vec<Vec<(RawObject, ObjectRows)>> = open.iter().map(|_| Vec::new()).collect();
    for (object, by_table) in objects.iter().zip(gave) {
        for (table, gave) in by_table.into_iter().enumerate() {
            if let Some(gave) = gave {
                per_table[table].push((object.clone(), gave));
            }
        }
    }
    let mut had_room = true;
    for ((contract, claim), (gave, buffer)) in open.iter().zip(per_table.into_iter().zip(buffers)) {
        let tally = tallies.of(&contract.name);
        let largest = buffer.largest().map(|(_, ordinal)| &objects[ordinal]);
        // A table that fails takes nothing back of those that are in.
        let mut taken = match buffer.close() {
            Ok(rows) => {
                let mut run = TableRun {
                    lake,
                    ledger: &mut *ledger,
                    contract,
                    tally: &mut *tally,
                    delivered: StoredAccounts::new(),
                };
                ingest_batch(&mut run, claim, gave, rows).await
            }
            Err(error) => Err(error),
        };
        if let (Err(error), Some(largest)) = (&taken, largest)
            && error.has_no_room()
        {
            had_room = false;
            poison.too_large(largest).await?;
            taken = taken.map_err(|error| error.with("object", &largest.uri));
        }
        if let Err(error) = taken {
            tally.fail_with(claim.draft.batch, &error);
        }
    }
    match (lake.stop().is_asked(), had_room) {
        (true, _) => poison.stopped().await?,
        (false, true) => poison.close().await,
        // What it says is not forgotten before the batch is in.
        (false, false) => {}
    }
    Ok(())
}

/// What objects gave, one by one and for each open claim, and where their good rows are.
type Read = (Vec<Vec<Option<ObjectRows>>>, Vec<Arc<RowBuffer>>);

/// Reads objects for the open claims that name them.
async fn read(
    lake: &Lake,
    group: &Group<'_>,
    open: &[(&Contract, Claim)],
    objects: &[RawObject],
    pace: Pace,
    watch: &dyn Watch,
) -> Result<Read> {
    let shapers = open
        .iter()
        .map(|(contract, _)| Ok(Arc::new(Shaper::new(contract, lake.pseudonyms())?)))
        .collect::<Result<Vec<_>>>()?;
    let budget = Budget::new(&lake.room().part(IN_MEMORY));
    let buffers: Vec<Arc<RowBuffer>> = open
        .iter()
        .map(|(contract, _)| {
            Arc::new(RowBuffer::new(
                layout::schema(contract),
                &contract.partition,
                budget.clone(),
            ))
        })
        .collect();
    let readers: Vec<TableReader<'_>> = open
        .iter()
        .zip(shapers.iter().zip(&buffers))
        .map(|((_, claim), (shaper, buffer))| {
            let claimed: std::collections::HashSet<_> =
                claim.draft.objects.iter().map(RawObject::identity).collect();
            TableReader {
                shaper,
                buffer,
                stamp: BatchStamp {
                    batch: claim.draft.batch,
                    claimed_at: claim.claimed_at,
                },
                wants: Box::new(move |object| claimed.contains(&object.identity())),
            }
        })
        .collect();
    let zone = lake.raw_zone();
    let source = group
        .contracts
        .first()
        .map_or("", |contract| contract.name.source.as_str());
    let gave = read_objects(
        objects,
        zone.of_source(source),
        group.format(),
        &readers,
        pace,
        watch,
    )
    .await?;
    drop(readers);
    Ok((gave, buffers))
}

impl Lake {
    /// Reads one object for the open batches of these tables and keeps nothing of it: the other side of a [`IsolatedReader`](crate::isolated::IsolatedReader).
    ///
    /// # Errors
    /// As a run that reads the object. An object that no open batch names is no error.
    pub async fn read_alone(&self, tables: &[TableName], object: &str) -> Result<()> {
        let Some(ledger) = Ledger::open_existing(self.curated()).await? else {
            return Ok(());
        };
        for name in tables {
            compute_alone(self, &ledger, self.contract(name)?).await?;
        }
        for group in Group::of(self.contracts(), |contract| tables.contains(&contract.name)) {
            let mut open = Vec::new();
            let mut found = None;
            for &contract in &group.contracts {
                let newest = ledger.progress(&contract.name).claimed;
                if let Some(claim) = ledger.claim_of(&contract.name, newest).await? {
                    let named = claim.draft.objects.iter().find(|one| one.uri == object);
                    found = found.or(named.cloned());
                    open.push((contract, claim));
                }
            }
            if let Some(object) = found {
                let mut objects = [object];
                let zone = self.raw_zone();
                zone.relocate(group.contracts[0], &mut objects);
                read(self, &group, &open, &objects, Pace::CAREFUL, &Telling(&Silent)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
