//! Which objects a table has not taken in yet, and the next claim of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::future::try_join_all;

use crate::contract::{Contract, Keep, RawFeed, TableName};
use crate::error::Result;
use crate::lake::Lake;
use crate::raw::{Identity, Listing, RawObject};
use crate::report::Outcome;
use crate::request::Selection;
use crate::system::ledger::{Draft, Ledger};

use super::parts::Known;
use super::waiting::readable;
use crate::commit::tally::{Tallies, Waiting};

/// New objects of the tables of a group.
pub(crate) struct Pending {
    tables: BTreeMap<TableName, Vec<RawObject>>,
    /// Paths below the tables' roots that fit no pattern.
    pub(crate) unmatched: Vec<String>,
    /// Objects and folders that no table of the source reads.
    pub(crate) unread: Vec<String>,
    /// What lies there and cannot be an object, and why.
    pub(crate) odd: Vec<String>,
    /// What could not be listed, and why: objects may be missed there.
    pub(crate) refused: Vec<String>,
    /// Per table what is said of objects that cannot be read.
    pub(crate) unreadable: BTreeMap<TableName, Vec<String>>,
    /// Whether the listing found nothing at all, taken in or not.
    pub(crate) found_nothing: bool,
    /// Per table the documents of which parts have not arrived.
    pub(crate) waiting: BTreeMap<TableName, u64>,
}

impl Pending {
    /// Lists the raw zone once for tables that read the same objects, and leaves out what the ledger knows. What waited
    /// until it could be read, by table, is pending when it can.
    pub(crate) async fn of(
        lake: &Lake,
        ledger: Option<&Ledger>,
        contracts: &[&Contract],
        selection: &Selection,
        waiting_to_be_read: &BTreeMap<TableName, Waiting>,
    ) -> Result<Self> {
        let zone = lake.raw_zone();
        let listing = listed(lake, contracts, selection).await?;
        let (mut tables, mut waiting, mut unreadable) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut parts = Known::new(lake.stores());
        let known = contracts.iter().map(|contract| async {
            match ledger {
                Some(ledger) => ledger.known(&contract.name, &listing.objects).await,
                None => Ok(HashSet::new()),
            }
        });
        let known: Vec<HashSet<Identity>> = try_join_all(known).await?;
        for (contract, known) in contracts.iter().zip(known) {
            let mut new: Vec<RawObject> = listing
                .objects
                .iter()
                .filter(|object| !known.contains(&object.identity()))
                .cloned()
                .collect();
            let mut refused = Vec::new();
            if let Some(ledger) = ledger
                && let Some(waiting) = waiting_to_be_read.get(&contract.name)
            {
                let readable = readable(&zone, ledger, contract, waiting).await?;
                refused = readable.refused;
                new.extend(readable.objects);
                new.sort_by(|a, b| (a.period, &a.uri).cmp(&(b.period, &b.uri)));
            }
            if keeps_documents(contract) {
                let ready = parts.ready(&listing.objects, new).await?;
                new = ready.objects;
                refused.extend(ready.refused);
                if ready.waiting > 0 {
                    waiting.insert(contract.name.clone(), ready.waiting);
                }
            }
            unreadable.insert(contract.name.clone(), refused);
            tables.insert(contract.name.clone(), new);
        }
        Ok(Self {
            tables,
            found_nothing: listing.objects.is_empty(),
            unmatched: listing.unmatched,
            unread: listing.unread,
            odd: listing.odd,
            refused: listing.refused.into_iter().map(|refused| refused.why).collect(),
            unreadable,
            waiting,
        })
    }

    /// Exactly these objects, whether or not they have been taken in before.
    pub(crate) fn exactly(tables: BTreeMap<TableName, Vec<RawObject>>) -> Self {
        Self {
            tables,
            unmatched: Vec::new(),
            unread: Vec::new(),
            odd: Vec::new(),
            refused: Vec::new(),
            unreadable: BTreeMap::new(),
            found_nothing: false,
            waiting: BTreeMap::new(),
        }
    }

    /// What lies in the raw zone and nothing reads, one sentence each, once.
    pub(crate) fn left_alone(&mut self) -> Vec<String> {
        let strangers = self.unmatched.drain(..);
        let strangers = strangers.map(|path| format!("{path} fits no path pattern and is left alone"));
        let unread = self.unread.drain(..);
        let unread = unread.map(|folder| format!("no table reads {folder}"));
        let odd = self.odd.drain(..).map(|what| format!("{what} and is left alone"));
        strangers.chain(unread).chain(odd).collect()
    }

    /// Says, once, what may be missed because it cannot be listed or read. Whether everything was listed.
    pub(crate) fn tell_of_missed(&mut self, idle: &[(&Contract, i64)], tallies: &mut Tallies) -> bool {
        let is_whole = self.refused.is_empty();
        for message in self.refused.drain(..) {
            for (contract, _) in idle {
                tallies.of(&contract.name).lack(Outcome::Failed, message.clone());
            }
        }
        for (table, messages) in std::mem::take(&mut self.unreadable) {
            for message in messages {
                tallies.of(&table).lack(Outcome::Held, message);
            }
        }
        is_whole
    }

    /// Whether nothing is pending.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many objects are pending, over all tables.
    pub(super) fn len(&self) -> usize {
        self.tables.values().map(Vec::len).sum()
    }

    /// What is pending for a table.
    pub(crate) fn objects(&self, table: &TableName) -> &[RawObject] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// The first objects that fit into one batch, by period and address over all of `tables`, so that tables that
    /// are equally far take in the same ones. The parts of a document stay together, even in a batch too large.
    pub(crate) fn next(&self, lake: &Lake, tables: &[TableName]) -> BTreeMap<TableName, Vec<RawObject>> {
        let candidates: BTreeMap<(chrono::NaiveDateTime, Identity), &RawObject> = tables
            .iter()
            .flat_map(|table| self.objects(table))
            .map(|object| ((object.period, object.identity()), object))
            .collect();
        let mut parts: HashMap<(&str, Option<&str>), BTreeSet<Identity>> = HashMap::new();
        for object in tables.iter().flat_map(|table| self.objects(table)) {
            if let Some(document) = document_of(object) {
                parts.entry(document).or_default().insert(object.identity());
            }
        }
        let (mut chosen, mut bytes): (HashSet<Identity>, u64) = (HashSet::new(), 0);
        for ((_, identity), object) in candidates {
            let alone = BTreeSet::from([identity]);
            let unit = document_of(object)
                .and_then(|document| parts.get(&document))
                .unwrap_or(&alone);
            let new: Vec<&Identity> = unit.iter().filter(|part| !chosen.contains(*part)).collect();
            let size: u64 = new.iter().map(|part| part.content.size()).sum();
            let full =
                chosen.len() >= lake.settings().batch_objects || bytes + size > lake.settings().batch_bytes;
            if full && !chosen.is_empty() && !new.is_empty() {
                break;
            }
            bytes += size;
            chosen.extend(new.into_iter().cloned().collect::<Vec<_>>());
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

/// What lies in the raw zone for tables that read the same objects.
pub(crate) async fn listed(lake: &Lake, contracts: &[&Contract], selection: &Selection) -> Result<Listing> {
    let Some((first, feed)) = contracts
        .first()
        .and_then(|first| Some((*first, first.raw_feed()?)))
    else {
        return Ok(Listing::default());
    };
    let of_source = |contract: &&Contract| contract.name.source == first.name.source;
    let feeds: Vec<&RawFeed> = lake
        .contracts()
        .values()
        .filter(of_source)
        .filter_map(Contract::raw_feed)
        .collect();
    lake.raw_zone().list(first, feed, &feeds, selection).await
}

/// Whether a table takes documents in as a whole.
pub(crate) fn keeps_documents(contract: &Contract) -> bool {
    let keep = contract.raw_feed().map(|feed| &feed.keep);
    matches!(keep, Some(Keep::LatestDocument { .. }))
}

/// The document of which the object is one of several parts.
fn document_of(object: &RawObject) -> Option<(&str, Option<&str>)> {
    Some((object.document.as_deref()?, object.account.as_deref()))
}
