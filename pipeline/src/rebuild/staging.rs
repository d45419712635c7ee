//! The lake into which a table's objects are taken in anew.
//!
//! It has a ledger, attempts and a quarantine of its own, so that the protocol of batches holds in it: a process that
//! dies is resumed, an object that kills it is found. It is named by everything that decides about its rows; where that
//! has changed since, a new one is begun.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use crate::commit::Tallies;
use crate::curated::Curated;
use crate::delta::{DeltaLog, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::ingest::{Given, Group, run_group};
use crate::lake::Lake;
use crate::raw::{Identity, RawObject};
use crate::report::{Counts, Outcome, TableReport};
use crate::request::Selection;
use crate::storage::{Entry, Lease, Place};
use crate::system::ledger::{Claim, Ledger, LedgerRow, ObjectResult, Taken, latest_results};
use crate::system::quarantine::{self, QuarantineRow};

use super::objects::Sources;
use super::{Job, lease};

/// A lake with one table.
pub(super) struct Staging<'a> {
    job: &'a Job<'a>,
    lake: Lake,
}

impl<'a> Staging<'a> {
    /// The staging for these objects; what was staged under other rules is removed.
    pub(super) async fn open(job: &'a Job<'a>, sources: &Sources) -> Result<Self> {
        let parent = of_table(job)?;
        let folder = parent.below(&name(job, sources))?;
        for other in folders(&parent).await? {
            if other.path() != folder.path() {
                other.remove_all().await?;
            }
        }
        Ok(Self {
            job,
            lake: job.lake.staged(folder),
        })
    }

    /// Takes in the objects that are not staged yet. The report is that of the batches that this took. With `release`
    /// batches go in although a check asks to hold them.
    pub(super) async fn fill(&self, sources: &Sources, release: bool) -> Result<TableReport> {
        let mut before = None;
        loop {
            let report = self.take_in(sources, release).await?;
            if !release || report.outcome != Outcome::Held {
                return Ok(report);
            }
            // A release is for the one batch that waits: the next call lets it go in, and meets the next one.
            let ledger = Ledger::open(self.lake.curated()).await?;
            let now = Some(ledger.progress(&self.job.contract.name));
            if now == before {
                return Ok(report);
            }
            before = now;
        }
    }

    /// Objects that gave rows and were delivered again since, or their manifests were, and that are rejected as they are now:
    /// a run leaves the rows as they are. Each with why.
    pub(super) async fn rejected_again(&self, sources: &Sources) -> Result<Vec<String>> {
        let ledger = Ledger::open(self.lake.curated()).await?;
        let rows = ledger.rows(&self.job.contract.name).await?;
        let latest = latest_results(&rows);
        let again = sources
            .delivered_again
            .iter()
            .filter_map(|identity| latest.get(identity));
        let rejected = again.filter(|row| row.is_reject());
        Ok(rejected
            .map(|row| format!("{}: {}", row.object, row.reason.as_deref().unwrap_or_default()))
            .collect())
    }

    /// Whether something was staged that is not among the objects any more: it was delivered again since.
    pub(super) async fn is_outdated(&self, sources: &Sources) -> Result<bool> {
        let ledger = Ledger::open(self.lake.curated()).await?;
        let rows = ledger.rows(&self.job.contract.name).await?;
        Ok(rows
            .iter()
            .filter(|row| row.is_claim())
            .filter_map(LedgerRow::identity)
            .any(|identity| !sources.objects.contains_key(&identity)))
    }

    async fn take_in(&self, sources: &Sources, release: bool) -> Result<TableReport> {
        let table = &self.job.contract.name;
        let ledger = Ledger::open(self.lake.curated()).await?;
        let staged: HashSet<Identity> = ledger
            .rows(table)
            .await?
            .iter()
            .filter(|row| row.is_claim())
            .filter_map(LedgerRow::raw_object)
            .map(|object| object.identity())
            .collect();
        let is_new = |object: &RawObject| !staged.contains(&object.identity());
        let document = |object: &RawObject| Some((object.document.clone()?, object.account.clone()));
        // Parts of a document go in together, as they do in a run: those that are staged come again with one that is not.
        let open: HashSet<_> = sources
            .objects
            .values()
            .filter(|object| is_new(object))
            .filter_map(document)
            .collect();
        let is_open = |object: &RawObject| document(object).is_some_and(|document| open.contains(&document));
        let waiting: Vec<RawObject> = sources
            .objects
            .values()
            .filter(|object| is_new(object) || is_open(object))
            .cloned()
            .collect();
        let group = Group::of(self.lake.contracts(), |contract| contract.name == *table)
            .pop()
            .ok_or_else(|| Error::internal("table is in no group").with("table", table))?;
        let selection = Selection {
            tables: [table.clone()].into(),
            release: release.then(|| table.clone()).into_iter().collect(),
            ..Selection::default()
        };
        let mut tallies = Tallies::new(self.job.run.clone());
        let replay = BTreeMap::from([(table.clone(), waiting)]);
        run_group(
            &self.lake,
            &group,
            &selection,
            Given::Objects(replay),
            self.job.observer,
            &mut tallies,
        )
        .await?;
        let tally = tallies
            .take(table)
            .ok_or_else(|| Error::internal("table was not staged").with("table", table))?;
        match tally.unfinished(table).pop() {
            // What is staged is known by its record.
            Some(unfinished) => Err(Error::new(Kind::Io, unfinished)),
            None => Ok(tally.report(table)),
        }
    }

    /// The staged table.
    pub(super) async fn table(&self) -> Result<(DeltaLog, Snapshot)> {
        let log = self.lake.table_log(&self.job.contract.name)?;
        let snapshot = log
            .load()
            .await?
            .ok_or_else(|| Error::new(Kind::NotFound, "staged rows are gone"))?;
        Ok((log, snapshot))
    }

    /// What became of every object of the claim, and the sums.
    pub(super) async fn results(&self, claim: &Claim, attempt: &str) -> Result<(Vec<ObjectResult>, Counts)> {
        let ledger = Ledger::open(self.lake.curated()).await?;
        let rows = ledger.rows(&claim.draft.table).await?;
        let staged = latest_results(&rows);
        let mut counts = Counts::default();
        let mut results = Vec::new();
        for object in &claim.draft.objects {
            let row = staged.get(&object.identity()).ok_or_else(|| {
                Error::internal("object of the claim was not staged").with("object", &object.uri)
            })?;
            let mut result = ObjectResult::of(claim, object, attempt);
            result.rows_read = row.rows_read.unwrap_or(0) as u64;
            result.rows_rejected = row.rows_rejected.unwrap_or(0) as u64;
            result.document = row.document();
            if let Some(reason) = &row.reason {
                result.taken = Taken::Rejected {
                    reason: reason.clone(),
                };
                counts.objects_rejected += 1;
            }
            counts.objects += 1;
            counts.bytes_read += object.size;
            counts.rows_read += result.rows_read;
            counts.rows_rejected += result.rows_rejected;
            results.push(result);
        }
        Ok((results, counts))
    }

    /// Writes the staged rejects of the claim's objects, as rejects of its batch.
    pub(super) async fn rejects(&self, claim: &Claim, attempt: &str, to: &Curated) -> Result<Vec<Add>> {
        let curated = self.lake.curated();
        let rows = Ledger::open(curated).await?.rows(&claim.draft.table).await?;
        let latest = latest_results(&rows);
        // Two states of an object may be of different batches.
        let latest: HashSet<(&str, i64)> = claim
            .draft
            .objects
            .iter()
            .filter_map(|object| latest.get(&object.identity()))
            .map(|row| (row.path.as_str(), row.batch))
            .collect();
        let mut rejects = quarantine::Writer::new(to);
        let mut portions = pin!(quarantine::portions(curated, Some(&claim.draft.table)).await?);
        while let Some(portion) = portions.try_next().await? {
            let wanted = portion
                .into_iter()
                .filter(|row| latest.contains(&(row.path.as_str(), row.batch)));
            let renamed = wanted.map(|reject| QuarantineRow {
                batch: claim.draft.batch,
                rejected_at: claim.claimed_at,
                attempt: attempt.to_owned(),
                ..reject
            });
            rejects.add(renamed).await?;
        }
        rejects.finish().await
    }

    /// Removes what was staged.
    pub(super) async fn remove(self) -> Result<()> {
        of_table(self.job)?.remove_all().await
    }
}

/// Name of a staging: a hash over everything that decides about its rows.
fn name(job: &Job<'_>, sources: &Sources) -> String {
    let mut hash = Sha256::new();
    for part in [
        env!("CARGO_PKG_VERSION").to_owned(),
        format!("{:?}", job.contract),
        format!("{:?}", job.lake.accounts()),
        job.lake.pseudonyms().key_id().to_owned(),
        format!("{:?} {:?}", job.options.from, job.options.to),
        sources.missing.join("\n"),
    ] {
        hash.update(Sha256::digest(part));
    }
    let mut name = format!("{:x}", hash.finalize());
    name.truncate(16);
    name
}

/// Folder of all that is staged for a table.
fn of_table(job: &Job<'_>) -> Result<Place> {
    job.lake.rebuilds()?.below(&job.contract.name.to_string())
}

/// Removes what was staged for rebuilds that nobody went on with since `cutoff`; how many there were.
pub(crate) async fn clean(lake: &Lake, cutoff: DateTime<Utc>, dry_run: bool) -> Result<u64> {
    let mut removed = 0;
    for folder in folders(&lake.rebuilds()?).await? {
        let table = folder.path().filename().map(str::parse);
        let Some(Ok(table)) = table else { continue };
        if newest(&folder).await? > cutoff {
            continue;
        }
        if dry_run {
            removed += 1;
            continue;
        }
        let lease = Lease::take(&lake.leases()?, &[lease(&table)], Duration::ZERO).await?;
        if let Some(lease) = lease {
            let done = folder.remove_all().await;
            lease.release().await;
            done?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// When something in a folder changed last.
async fn newest(folder: &Place) -> Result<DateTime<Utc>> {
    let files = folder.files().await?;
    let newest = files.iter().map(|file| file.last_modified).max();
    Ok(newest.unwrap_or(DateTime::<Utc>::MIN_UTC))
}

/// The folders in a folder; none where that is not there.
async fn folders(parent: &Place) -> Result<Vec<Place>> {
    let entries = parent.entries_in(parent.path()).await?;
    let folders = entries.iter().filter_map(|entry| match entry {
        Entry::Folder(path) => Some(parent.at(path)),
        Entry::File(_) | Entry::Odd(_) => None,
    });
    folders.collect()
}
