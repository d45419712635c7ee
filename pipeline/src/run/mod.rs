//! The main job: groups of raw-fed tables, then the tables computed from them, each by its protocol.

mod plan;
mod replay;
mod standing;

use std::collections::BTreeSet;

use chrono::Utc;
use futures::stream::{self, StreamExt};
use tracing::Instrument;

use crate::commit::{RunId, Tallies};
use crate::contract::{Contract, Feed, TableName};
use crate::derive::run_derived;
use crate::error::{Kind, Result};
use crate::ingest::{Given, Group, run_group};
use crate::lake::Lake;
use crate::report::{Observer, RunReport, SCHEMA};
use crate::request::Selection;
use crate::system::runs;

use replay::{Objects, Replay};
use standing::Standing;

impl Lake {
    /// The main job: takes in what is new and brings the tables that depend on it up to date. A failing table does
    /// not stop the others; its outcome says so.
    ///
    /// # Errors
    /// When a table of the selection has no contract, or the record of the run cannot be written.
    pub async fn run(&self, selection: &Selection, observer: &dyn Observer) -> Result<RunReport> {
        run(self, selection, None, observer).await
    }
}

/// Runs everything that the selection names.
pub(crate) async fn run(
    lake: &Lake,
    selection: &Selection,
    replay: Option<Replay>,
    observer: &dyn Observer,
) -> Result<RunReport> {
    let run = RunId::begin(lake.job());
    let span = run.span();
    work(lake, selection, replay, observer, run)
        .instrument(span)
        .await
}

async fn work(
    lake: &Lake,
    selection: &Selection,
    replay: Option<Replay>,
    observer: &dyn Observer,
    run: RunId,
) -> Result<RunReport> {
    let contracts = selected(lake, selection)?;
    lake.curated().begin_job();
    let mut standing = Standing::of(lake).await;
    let mut tallies = Tallies::new(run.clone());
    let mut order: Vec<TableName> = Vec::new();
    let groups: Vec<Group<'_>> = Group::of(lake.contracts(), |contract| selection.names(contract));
    let given = match &replay {
        Some(replay) => groups
            .iter()
            .map(|group| Given::Objects(part(&replay.objects, group)))
            .collect(),
        None => standing.ahead(lake, &groups, selection).await,
    };
    standing.load_ahead(lake, &contracts, groups.iter().zip(&given))?;
    standing.is_old |= !given.iter().all(Given::is_quiet);
    let worked = groups.iter().zip(given).map(|(group, given)| {
        order.extend(group.contracts.iter().map(|contract| contract.name.clone()));
        let tallies = Tallies::new(run.clone());
        take_in(lake, group, selection, given, observer, tallies)
    });
    let worked: Vec<_> = worked.collect();
    let worked: Vec<Tallies> = stream::iter(worked).buffered(lake.side_by_side()).collect().await;
    worked.into_iter().for_each(|group| tallies.absorb(group));
    for (table, message) in replay.iter().flat_map(|replay| &replay.left_alone) {
        tallies.of(table).say(message.clone());
    }
    for level in levels(&contracts) {
        order.extend(level.iter().map(|contract| contract.name.clone()));
        for contract in &level {
            tallies.of(&contract.name);
        }
        let busy = standing.busy(lake, level, selection).await;
        standing.is_old |= !busy.is_empty();
        let known = standing.ledger();
        let computed = busy.into_iter().map(async |contract| {
            let mut tallies = Tallies::new(run.clone());
            let tally = tallies.of(&contract.name);
            let span = tracing::error_span!("table", table = %contract.name);
            let done = run_derived(lake, contract, known.clone(), selection, observer, tally);
            let done = done.instrument(span).await;
            if let Err(error) = done {
                tally.fail(&error);
            }
            tallies
        });
        let computed: Vec<Tallies> = stream::iter(computed)
            .buffered(lake.side_by_side())
            .collect()
            .await;
        computed.into_iter().for_each(|table| tallies.absorb(table));
    }
    // From here on nothing may take the report away: tables have been committed.
    let mut unfinished = Vec::new();
    match lake.stop().unless(standing.forsaken(lake, selection)).await {
        Err(error) if error.kind() == Kind::Stopped => {}
        Ok(forsaken) => {
            for name in forsaken {
                let reason =
                    format!("a batch of {name} is claimed and its contract is gone; give the contract back");
                tallies.of(&name).hold([reason]);
                order.push(name);
            }
        }
        Err(error) => unfinished.push(format!(
            "tables without a contract were not looked for: {}",
            error.chain()
        )),
    }
    let mut tables = Vec::new();
    for name in order {
        if let Some(tally) = tallies.take(&name) {
            unfinished.extend(tally.unfinished(&name));
            let report = tally.report(&name);
            observer.table_finished(&report);
            tables.push(report);
        }
    }
    let mut report = RunReport {
        schema: SCHEMA,
        run: run.id,
        started_at: run.started_at,
        ended_at: Utc::now(),
        tables,
        unfinished,
    };
    runs::close(lake.curated(), &mut report).await;
    lake.curated().settled().await;
    Ok(report)
}

/// Takes in what is new for a group of tables; how far it came.
async fn take_in(
    lake: &Lake,
    group: &Group<'_>,
    selection: &Selection,
    given: Given,
    observer: &dyn Observer,
    mut tallies: Tallies,
) -> Tallies {
    if matches!(&given, Given::Objects(objects) if objects.is_empty()) {
        return tallies;
    }
    if let Err(error) = run_group(lake, group, selection, given, observer, &mut tallies).await {
        for contract in &group.contracts {
            let tally = tallies.of(&contract.name);
            if !tally.is_over() {
                tally.fail(&error);
            }
        }
    }
    tallies
}

fn selected<'a>(lake: &'a Lake, selection: &Selection) -> Result<Vec<&'a Contract>> {
    for name in selection.tables.iter().chain(&selection.release) {
        lake.contract(name)?;
    }
    let contracts = lake.contracts().values();
    Ok(contracts.filter(|contract| selection.names(contract)).collect())
}

fn part(replay: &Objects, group: &Group<'_>) -> Objects {
    let own = group
        .contracts
        .iter()
        .filter_map(|c| Some((c.name.clone(), replay.get(&c.name)?.clone())));
    own.collect()
}

/// Tables with inputs: first those that read no other of them, then those that read only these, and so on. The loader has
/// refused cycles.
fn levels<'a>(contracts: &[&'a Contract]) -> Vec<Vec<&'a Contract>> {
    let mut waiting: Vec<(&Contract, &[TableName])> = contracts
        .iter()
        .filter_map(|&contract| match &contract.feed {
            Feed::Inputs(feed) => Some((contract, feed.inputs.as_slice())),
            Feed::Raw(_) => None,
        })
        .collect();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let names: BTreeSet<&TableName> = waiting.iter().map(|(contract, _)| &contract.name).collect();
        let is_ready = |inputs: &[TableName]| !inputs.iter().any(|input| names.contains(input));
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.iter().copied().partition(|(_, inputs)| is_ready(inputs));
        if ready.is_empty() {
            ordered.push(rest.into_iter().map(|(contract, _)| contract).collect());
            break;
        }
        ordered.push(ready.into_iter().map(|(contract, _)| contract).collect());
        waiting = rest;
    }
    ordered
}
