//! Raw-fed tables that read the same objects, batch after batch until nothing is left.

mod ahead;
mod rounds;
mod work;

pub(crate) use ahead::Given;

use crate::contract::{Contract, Contracts, CsvFormat, Format, RawFeed, TableName, TsvFormat};
use crate::derive::compute_alone;
use crate::error::Result;
use crate::lake::Lake;
use crate::report::{Observer, Silent};
use crate::request::Selection;
use crate::storage::{Lease, Turn};
use crate::system::ledger::Ledger;

use super::read::Pace;
use super::watch::Telling;
use crate::commit::tally::Tallies;

use rounds::Rounds;
use work::read;

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

    /// Its tables.
    fn names(&self) -> Vec<&'a TableName> {
        self.contracts.iter().map(|contract| &contract.name).collect()
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
    let given = match given {
        Given::Ahead(ahead) if ahead.pending.is_empty() => {
            ahead.end(group, selection, tallies).await;
            return Ok(());
        }
        Given::Ahead(ahead) if !ahead.is_fresh() => Given::Nothing,
        given => given,
    };
    let (leases, patience) = (lake.leases()?, lake.settings().busy_wait);
    let names: Vec<TableName> = group.names().into_iter().cloned().collect();
    let busy = |tallies: &mut Tallies| names.iter().for_each(|name| tallies.of(name).busy());
    let Some(mut lease) = lake.stop().unless(Lease::ask(&leases, &names, patience)).await? else {
        busy(tallies);
        return Ok(());
    };
    let rounds = async {
        let mut rounds = Rounds::new(lake, group, selection, given, observer, tallies).await?;
        rounds.all(&mut lease).await
    };
    let done = rounds.await;
    lake.give_back(lease).await;
    if done? == Turn::Theirs {
        busy(tallies);
    }
    Ok(())
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
