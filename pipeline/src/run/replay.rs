//! Objects with open rejects, taken in again through claims of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{Contract, TableName};
use crate::error::Result;
use crate::ingest::is_as_claimed;
use crate::lake::Lake;
use crate::raw::RawObject;
use crate::report::{Observer, RunReport};
use crate::request::{QuarantineFilter, Selection};
use crate::system::ledger::{Ledger, LedgerRow};
use crate::system::open_rejects;

use super::run;

/// Objects that are named in a message.
const SHOWN: usize = 5;

/// Objects by table.
pub(super) type Objects = BTreeMap<TableName, Vec<RawObject>>;

/// What is to be taken in again.
#[derive(Default)]
pub(crate) struct Replay {
    pub(super) objects: Objects,
    /// What is said of objects that are not as they were any more. Their rejects stay: nothing else has the text of those
    /// rows.
    pub(super) left_alone: Vec<(TableName, String)>,
}

/// The claim of an object, and of which document it is one of several parts.
struct Claimed {
    batch: i64,
    object: RawObject,
    document: Option<Document>,
}

/// Id and account.
type Document = (String, Option<String>);

impl Lake {
    /// Takes the objects with open rejects in again, whole, through claims of their own.
    ///
    /// # Errors
    /// As [`Lake::run`].
    pub async fn quarantine_replay(
        &self,
        filter: &QuarantineFilter,
        observer: &dyn Observer,
    ) -> Result<RunReport> {
        let mut replay = Replay::default();
        let curated = self.curated();
        if let Some(ledger) = Ledger::open_existing(curated).await? {
            let rejects = open_rejects(curated, &ledger, filter).await?;
            let rejected: BTreeSet<(String, String)> = rejects
                .into_iter()
                .map(|reject| (reject.table, reject.path))
                .collect();
            for contract in self.contracts().values() {
                let claimed = claimed(&ledger, contract, &rejected).await?;
                replay.add(self, contract, claimed).await?;
            }
        }
        run(self, &Selection::default(), Some(replay), observer).await
    }
}

/// The newest claims of the rejected objects of a table. A document of several parts is taken in as a whole.
async fn claimed(
    ledger: &Ledger,
    contract: &Contract,
    rejected: &BTreeSet<(String, String)>,
) -> Result<Vec<Claimed>> {
    let claims: Vec<LedgerRow> = ledger
        .rows(&contract.name)
        .await?
        .into_iter()
        .filter(|row| row.is_claim())
        .collect();
    let is_rejected = |row: &LedgerRow| rejected.contains(&(row.table.clone(), row.path.clone()));
    let document = |row: &LedgerRow| row.document.clone().map(|id| (id, row.account.clone()));
    let documents: BTreeSet<Document> = claims
        .iter()
        .filter(|row| is_rejected(row))
        .filter_map(document)
        .collect();
    let mut newest: BTreeMap<String, Claimed> = BTreeMap::new();
    for row in claims {
        let document = document(&row);
        if !is_rejected(&row) && !document.as_ref().is_some_and(|one| documents.contains(one)) {
            continue;
        }
        let Some(object) = row.raw_object() else { continue };
        let batch = row.batch;
        if newest.get(&object.path).is_none_or(|known| batch > known.batch) {
            let claimed = Claimed {
                batch,
                object,
                document,
            };
            newest.insert(row.path, claimed);
        }
    }
    Ok(newest.into_values().collect())
}

impl Replay {
    /// Adds objects of a table that are as they were claimed; of a document only all parts.
    async fn add(&mut self, lake: &Lake, contract: &Contract, claimed: Vec<Claimed>) -> Result<()> {
        let zone = lake.raw_zone();
        let (mut there, mut incomplete, mut gone) = (Vec::new(), BTreeSet::new(), Vec::new());
        for mut claimed in claimed {
            zone.relocate(contract, [&mut claimed.object]);
            // What cannot be read is no reason to leave it alone: its batch says why.
            if is_as_claimed(&claimed.object, lake.stores())
                .await
                .unwrap_or(true)
            {
                there.push(claimed);
                continue;
            }
            gone.push(claimed.object.uri);
            incomplete.extend(claimed.document);
        }
        if !gone.is_empty() {
            let message = format!(
                "{} objects are gone or were changed since; they are not taken in again, and their rejects stay: {}{}",
                gone.len(),
                gone[..gone.len().min(SHOWN)].join(", "),
                if gone.len() > SHOWN { " and more" } else { "" }
            );
            self.left_alone.push((contract.name.clone(), message));
        }
        there.retain(|claimed| {
            claimed
                .document
                .as_ref()
                .is_none_or(|one| !incomplete.contains(one))
        });
        if !there.is_empty() {
            let objects = there.into_iter().map(|claimed| claimed.object).collect();
            self.objects.insert(contract.name.clone(), objects);
        }
        Ok(())
    }
}
