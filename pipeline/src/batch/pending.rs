//! Which objects a table has not taken in yet, and the next claim of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::contract::{Contract, Feed, TableName};
use crate::error::Result;
use crate::lake::{Lake, Selection};
use crate::ledger::{Draft, Ledger, months};
use crate::list::{Identity, Listing, RawObject, RawZone};

/// New objects of the tables of a group.
pub(crate) struct Pending {
    tables: BTreeMap<TableName, Vec<RawObject>>,
    /// Paths below the tables' roots that fit no pattern.
    pub(crate) unmatched: Vec<String>,
}

impl Pending {
    /// Lists the raw zone once for tables that read the same objects, and leaves out what the ledger knows.
    pub(crate) async fn of(
        lake: &Lake,
        ledger: Option<&Ledger>,
        contracts: &[&Contract],
        selection: &Selection,
    ) -> Result<Self> {
        let zone = RawZone::new(&lake.settings().raw, lake.accounts());
        let mut listing = Listing::default();
        if let Some(first) = contracts.first()
            && let Feed::Raw(feed) = &first.feed
        {
            listing = zone.list(first, feed, selection).await?;
        }
        let months = months(&listing.objects);
        let mut tables = BTreeMap::new();
        for contract in contracts {
            let known: HashSet<Identity> = match ledger {
                Some(ledger) => ledger.known(&contract.name, &months).await?,
                None => HashSet::new(),
            };
            let new = listing
                .objects
                .iter()
                .filter(|object| !known.contains(&object.identity()))
                .cloned()
                .collect();
            tables.insert(contract.name.clone(), new);
        }
        Ok(Self {
            tables,
            unmatched: listing.unmatched,
        })
    }

    /// Exactly these objects, whether or not they have been taken in before.
    pub(crate) fn exactly(tables: BTreeMap<TableName, Vec<RawObject>>) -> Self {
        Self {
            tables,
            unmatched: Vec::new(),
        }
    }

    /// What is pending for a table.
    pub(crate) fn objects(&self, table: &TableName) -> &[RawObject] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// The first objects that fit into one batch, by period and address over all of `tables`, so that tables that
    /// are equally far take in the same ones.
    pub(crate) fn next(&self, lake: &Lake, tables: &[TableName]) -> BTreeMap<TableName, Vec<RawObject>> {
        let candidates: BTreeSet<(chrono::NaiveDateTime, &str, u64, i64)> = tables
            .iter()
            .flat_map(|table| self.objects(table))
            .map(|object| {
                (
                    object.period,
                    object.uri.as_str(),
                    object.size,
                    object.modified.timestamp_micros(),
                )
            })
            .collect();
        let (mut chosen, mut bytes) = (HashSet::new(), 0);
        for (_, uri, size, modified) in candidates {
            let full =
                chosen.len() >= lake.settings().batch_objects || bytes + size > lake.settings().batch_bytes;
            if full && !chosen.is_empty() {
                break;
            }
            bytes += size;
            chosen.insert((uri.to_owned(), size, modified));
        }
        let part = |table: &TableName| {
            self.objects(table)
                .iter()
                .filter(|object| chosen.contains(&object.identity()))
                .cloned()
                .collect::<Vec<_>>()
        };
        tables
            .iter()
            .map(|table| (table.clone(), part(table)))
            .filter(|(_, objects)| !objects.is_empty())
            .collect()
    }

    /// Takes out what has been claimed.
    pub(crate) fn remove(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            let claimed: HashSet<Identity> = draft.objects.iter().map(RawObject::identity).collect();
            if let Some(objects) = self.tables.get_mut(&draft.table) {
                objects.retain(|object| !claimed.contains(&object.identity()));
            }
        }
    }
}
