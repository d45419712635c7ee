//! The open claims of a group of tables: their objects are read once, and what they gave goes into each table.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt};

use crate::commit::TableRun;
use crate::commit::tally::{Tallies, Tally};
use crate::contract::{Contract, StoredAccounts, TableName};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::layout;
use crate::raw::RawObject;
use crate::shape::{BatchStamp, Shaper};
use crate::system::ledger::{Claim, Ledger};

use super::super::batch::ingest_batch;
use super::super::object_rows::ObjectRows;
use super::super::poison::PoisonLog;
use super::super::read::{Pace, TableReader, read_objects};
use super::super::row_buffer::{Budget, RowBuffer};
use super::super::watch::Watch;
use super::Group;
use super::rounds::Open;

/// The part of the memory limit that rows of a batch may wait in; the rest is for decoding, shaping and folding.
const IN_MEMORY: usize = 16;
/// Tables that rows go into at the same time.
const COMMITTED_AT_ONCE: usize = 4;

/// Works on the open claims of some tables together: each object is read once.
pub(super) async fn work(
    lake: &Lake,
    ledger: &mut Ledger,
    group: &Group<'_>,
    open: &[Open<'_>],
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
    let tables = open.iter().zip(per_table.into_iter().zip(buffers));
    let had_room = commit_tables(lake, ledger, &objects, tables, &poison, tallies).await?;
    match (lake.stop().is_asked(), had_room) {
        (true, _) => poison.stopped().await?,
        (false, true) => poison.close().await,
        // What it says is not forgotten before the batch is in.
        (false, false) => {}
    }
    Ok(())
}

/// Takes what objects gave into their tables: in a bucket side by side, where there is memory for that. Whether everything
/// that did not fit into memory had room elsewhere.
async fn commit_tables<'a>(
    lake: &Lake,
    ledger: &mut Ledger,
    objects: &[RawObject],
    tables: impl Iterator<Item = (&'a Open<'a>, Gave)>,
    poison: &PoisonLog<'_>,
    tallies: &mut Tallies,
) -> Result<bool> {
    let at_once = lake
        .side_by_side()
        .min(lake.settings().at_once(COMMITTED_AT_ONCE));
    let known = &*ledger;
    let tables: Vec<_> = tables
        .map(|((contract, claim), gave)| {
            let mut tally = tallies.lend(&contract.name);
            let taken = async move {
                let taken = commit_table(lake, known.clone(), (contract, claim), gave, &mut tally).await;
                (contract, claim, tally, taken)
            };
            Box::pin(taken)
        })
        .collect();
    let mut tables = stream::iter(tables).buffered(at_once);
    let mut had_room = true;
    let mut noted = Ok(());
    while let Some((contract, claim, mut tally, taken)) = tables.next().await {
        // A table that fails takes nothing back of those that are in.
        if let Err((mut error, largest)) = taken {
            if let Some(largest) = largest.map(|ordinal| &objects[ordinal])
                && error.has_no_room()
            {
                had_room = false;
                noted = noted.and(poison.too_large(largest).await);
                error = error.with("object", &largest.uri);
            }
            tally.fail_with(claim.draft.batch, &error);
        }
        tallies.give_back(&contract.name, tally);
    }
    drop(tables);
    // The batches are in. Who looks where the tables stand next gets the error.
    if let Err(error) = ledger.follow().await {
        tracing::debug!(%error, "ledger is not known");
    }
    noted.map(|()| had_room)
}

/// Takes what objects gave into one table. Where that fails, with the number of the object that takes the most room.
async fn commit_table(
    lake: &Lake,
    mut ledger: Ledger,
    (contract, claim): (&Contract, &Claim),
    (gave, buffer): Gave,
    tally: &mut Tally,
) -> Result<(), (Error, Option<usize>)> {
    let largest = buffer.largest().map(|(_, ordinal)| ordinal);
    let taken = async {
        // Tables before this one have been recorded.
        ledger.follow().await?;
        let mut run = TableRun {
            lake,
            ledger: &mut ledger,
            contract,
            tally,
            delivered: StoredAccounts::new(),
        };
        ingest_batch(&mut run, claim, gave, buffer.close()?).await
    };
    taken.await.map_err(|error| (error, largest))
}

/// What the objects of a batch gave one table: those of them that it claimed, and their good rows.
type Gave = (Vec<(RawObject, ObjectRows)>, Arc<RowBuffer>);

/// What objects gave, one by one and for each open claim, and where their good rows are.
pub(super) type Read = (Vec<Vec<Option<ObjectRows>>>, Vec<Arc<RowBuffer>>);

/// Reads objects for the open claims that name them.
pub(super) async fn read(
    lake: &Lake,
    group: &Group<'_>,
    open: &[Open<'_>],
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
