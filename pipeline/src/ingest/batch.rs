//! The shaped rows of a batch go into their table.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use deltalake_core::kernel::Add;

use crate::apply::{Changes, WorkingSet, supersede};
use crate::blocking::blocking;
use crate::contract::{Contract, Feed, Keep, Otherwise};
use crate::error::{Error, Result};
use crate::keep::{Replaced, shrink};
use crate::lake::Lake;
use crate::raw::RawObject;
use crate::report::{Counts, Outcome};
use crate::shape::Reject;
use crate::system::ledger::{Claim, ObjectResult, Taken};
use crate::system::quarantine::{self, QuarantineRow};

use super::documents::{Gathered, gather};
use super::object_rows::ObjectRows;
use super::portions::{KeyedRows, put_documents, put_keys};
use super::row_buffer::BufferedRows;
use super::waiting::held_up;
use crate::commit::budget;
use crate::commit::notes::Notes;
use crate::commit::rules::in_force;
use crate::commit::side_file::SideFile;
use crate::commit::tally::{Summary, Tally, Waiting};
use crate::commit::{Attempt, Proposal, TableRun, commit_batch};

/// The part of the memory limit that the rows of a batch go in by: folding two of them takes a few times as much.
const PORTION: usize = 16;
/// The part of the memory limit that partitions go in together by: no file is written twice, however small it is.
const PARTITIONS: usize = 64;

/// Files of the table that are looked into at the same time, where there is memory: more than there are processors, so that
/// waiting for the disk costs none.
const FILES_AT_ONCE: usize = 3;

/// Takes in what the objects of a claim gave, commits and records.
pub(crate) async fn ingest_batch(
    run: &mut TableRun<'_>,
    claim: &Claim,
    mut objects: Vec<(RawObject, ObjectRows)>,
    mut buffered: BufferedRows,
) -> Result<()> {
    let (lake, contract, batch) = (run.lake, run.contract, claim.draft.batch);
    let held = sum(objects.iter().map(|(_, gave)| &gave.held));
    if !run.tally.passes(&contract.name, batch, &held) {
        return Ok(());
    }
    let attempt = Attempt::new();
    let taken: HashSet<usize> = objects
        .iter()
        .filter(|(_, gave)| gave.rejected.is_none())
        .map(|(_, gave)| gave.ordinal)
        .collect();
    buffered.retain(|object| taken.contains(&object));
    let gathered = gather(contract, &mut objects, &buffered, lake.settings().at_once(2))?.map(Arc::new);
    if gathered.is_none() {
        buffered = by_partition(run, buffered).await?;
    }
    let giving = objects.iter().filter(|(_, gave)| gave.gives());
    let giving: BTreeSet<&String> = giving.map(|(_, gave)| &gave.account).collect();
    run.delivered = in_force(lake, contract, giving)?;
    let excess = budget::excess(&contract.quarantine, batch, objects.iter().map(|(_, gave)| gave));
    if !run.tally.may_exceed(contract, batch, excess.as_deref()) {
        return Ok(());
    }
    let noted = Notes {
        over_budget: excess,
        lookalikes: contract.lookalikes(&buffered.fields),
        ..gathered
            .as_ref()
            .map_or_else(Notes::default, |gathered| gathered.notes.clone())
    };
    let side = SideFile {
        results: results(claim, &objects, gathered.as_deref(), &attempt),
        quarantine: quarantine(lake, claim, &objects, &attempt).await?,
    };
    let (read, warned) = (
        counted(&objects),
        sum(objects.iter().map(|(_, gave)| &gave.warned)),
    );
    let rows = Rows {
        claim,
        keyed: KeyedRows {
            contract: Arc::new(contract.clone()),
            buffered: Arc::new(buffered),
            periods: periods(&claim.draft.objects)?,
            files_at_once: lake.settings().at_once(FILES_AT_ONCE),
        },
        gathered,
        portion: lake.settings().memory_limit / PORTION,
    };
    commit_batch(run, batch, &attempt, Some(side), &[], async |run, table| {
        let mut notes = noted.clone();
        let files = table.snapshot.files.to_vec();
        let working = WorkingSet::new(&table.log, files, &attempt.id);
        let Some(changes) = rows.put(run, working, &mut notes).await? else {
            return Ok(None);
        };
        let applied = changes.finish(contract);
        let mut counts = read.clone();
        counts.add(&applied.counts);
        counts.rows_conflicting += rows.gathered.as_ref().map_or(0, |gathered| gathered.conflicts);
        let (late_objects, late_days) = run.tally.late_claimed();
        Ok(Some(Proposal {
            actions: applied.actions,
            side: None,
            summary: Summary {
                counts,
                warned: warned.clone(),
                late_objects,
                late_days,
                millis: attempt.millis(),
                released: run.tally.is_released(batch),
                notes,
                run: Some(run.tally.run().id.clone()),
                changed: applied.changed,
                waiting: waiting(claim, &objects, table.waiting()?),
            },
        }))
    })
    .await?;
    for (object, gave) in objects.iter().filter(|(_, gave)| gave.waits) {
        let why = held_up(&object.uri, gave.rejected.as_deref());
        run.tally.lack(Outcome::Held, why);
    }
    Ok(())
}

/// The rows of a batch that go in by key, grouped by the partitions that are looked into together.
async fn by_partition(run: &TableRun<'_>, buffered: BufferedRows) -> Result<BufferedRows> {
    let memory_limit = run.lake.settings().memory_limit;
    // Where a key can be in any partition, each group of them looks for its keys in the others, too.
    let bytes = if run.contract.keys_stay() {
        memory_limit / PARTITIONS
    } else {
        memory_limit / PORTION / 2
    };
    blocking(move || buffered.by_partition(bytes)).await
}

/// The good rows of a batch, as they go into its table.
struct Rows<'a> {
    claim: &'a Claim,
    keyed: KeyedRows,
    /// The documents that they are; none where the table keeps rows.
    gathered: Option<Arc<Gathered>>,
    /// Bytes of rows that go in at a time.
    portion: usize,
}

impl Rows<'_> {
    /// Puts them into the files of a version of the table; none where a person is asked first.
    async fn put(
        &self,
        run: &mut TableRun<'_>,
        working: WorkingSet<'_>,
        notes: &mut Notes,
    ) -> Result<Option<Changes>> {
        let (contract, keyed) = (run.contract, &self.keyed);
        let Some(gathered) = &self.gathered else {
            let groups_at_once = run.lake.settings().at_once(2);
            return put_keys(keyed, working, self.portion, groups_at_once)
                .await
                .map(Some);
        };
        let (order, days) = gathered.documents.reach();
        let recorded = run.ledger.documents(&contract.name, &order, days).await?;
        let (open, files) = (working.open_files(), working.files());
        let at_once = keyed.files_at_once;
        let superseded = supersede(contract, open, files, &gathered.documents, &recorded, at_once).await?;
        if !guard(contract, self.claim, &superseded.replaced, notes, run.tally) {
            return Ok(None);
        }
        put_documents(
            contract,
            working,
            &keyed.buffered,
            self.portion,
            gathered,
            superseded,
        )
        .await
        .map(Some)
    }
}

/// What became of each object, for the ledger.
fn results(
    claim: &Claim,
    objects: &[(RawObject, ObjectRows)],
    gathered: Option<&Gathered>,
    attempt: &Attempt,
) -> Vec<ObjectResult> {
    let mut said = gathered.map_or(&[][..], |gathered| &gathered.results).iter();
    objects
        .iter()
        .map(|(object, gave)| ObjectResult {
            document: said.next().cloned().flatten(),
            ..result(claim, object, gave, attempt)
        })
        .collect()
}

/// Writes the rejects of the objects down.
async fn quarantine(
    lake: &Lake,
    claim: &Claim,
    objects: &[(RawObject, ObjectRows)],
    attempt: &Attempt,
) -> Result<Vec<Add>> {
    let mut rejects = quarantine::Writer::new(lake.curated());
    for (object, gave) in objects {
        lake.stop().check()?;
        for portion in gave.rejects.portions() {
            rejects.add(quarantined(claim, object, portion?, attempt)).await?;
        }
    }
    rejects.finish().await
}

/// Applies the shrink guard: notes what looks wrong, and says whether the batch may go in.
fn guard(
    contract: &Contract,
    claim: &Claim,
    replaced: &[Replaced],
    notes: &mut Notes,
    tally: &mut Tally,
) -> bool {
    let Feed::Raw(feed) = &contract.feed else {
        return true;
    };
    let Keep::LatestDocument {
        per,
        shrink: Some(rule),
        ..
    } = &feed.keep
    else {
        return true;
    };
    let shrunk = shrink::shrunk(contract, per, rule, claim.claimed_at, replaced);
    let words: Vec<String> = shrunk
        .into_iter()
        .map(|change| shrink::in_words(per, change))
        .collect();
    notes.shrunk = words.len() as u64;
    notes.shrunk_first = words.first().cloned();
    rule.otherwise != Otherwise::Hold || tally.may_shrink(&contract.name, claim.draft.batch, &words)
}

fn counted(objects: &[(RawObject, ObjectRows)]) -> Counts {
    let mut counts = Counts {
        objects: objects.len() as u64,
        ..Counts::default()
    };
    for (object, gave) in objects {
        counts.bytes_read += object.size;
        counts.rows_read += gave.rows_read;
        counts.rows_filtered += gave.filtered;
        counts.rows_warned += gave.warned.values().sum::<u64>();
        match gave.rejected {
            Some(_) => counts.objects_rejected += 1,
            None => counts.rows_rejected += gave.rejects.len(),
        }
    }
    counts
}

/// The objects of the table that wait after a batch, of those that waited before it.
fn waiting(claim: &Claim, objects: &[(RawObject, ObjectRows)], before: Waiting) -> Waiting {
    let mut waiting = before;
    for (object, gave) in objects {
        match gave.waits {
            true => waiting.insert(object.path.clone(), claim.draft.batch),
            false => waiting.remove(&object.path),
        };
    }
    waiting
}

fn result(claim: &Claim, object: &RawObject, gave: &ObjectRows, attempt: &Attempt) -> ObjectResult {
    let mut result = ObjectResult::of(claim, object, &attempt.id);
    result.rows_read = gave.rows_read;
    match &gave.rejected {
        Some(reason) => {
            let reason = reason.clone();
            result.taken = match gave.waits {
                true => Taken::Refused { reason },
                false => Taken::Rejected { reason },
            };
        }
        None => result.rows_rejected = gave.rejects.len(),
    }
    result
}

fn quarantined<'a>(
    claim: &'a Claim,
    object: &'a RawObject,
    rejects: Vec<Reject>,
    attempt: &'a Attempt,
) -> impl Iterator<Item = QuarantineRow> + 'a {
    rejects.into_iter().map(|reject| QuarantineRow {
        table: claim.draft.table.to_string(),
        batch: claim.draft.batch,
        object: object.uri.clone(),
        path: object.path.clone(),
        account: object.account.clone(),
        row: reject.row,
        reason: reject.reason,
        raw_text: Some(reject.text).filter(|text| !text.is_empty()),
        rejected_at: claim.claimed_at,
        attempt: attempt.id.clone(),
    })
}

/// First and last day that the objects are about.
fn periods(objects: &[RawObject]) -> Result<(chrono::NaiveDate, chrono::NaiveDate)> {
    let days = || objects.iter().map(|object| object.period.date());
    days()
        .min()
        .zip(days().max())
        .ok_or_else(|| Error::internal("claim of a raw-fed table names no object"))
}

fn sum<'a>(parts: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (check, rows) in parts.flatten() {
        *sums.entry(check.clone()).or_default() += rows;
    }
    sums
}
