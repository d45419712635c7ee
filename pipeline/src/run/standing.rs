//! What the ledger says of all tables. It is read once, and goes on with what this run does: in a bucket a run that finds
//! nothing asks it once and no table.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use crate::commit::mark;
use crate::contract::{Contract, Feed, TableName};
use crate::error::Result;
use crate::ingest::{Given, Group};
use crate::lake::Lake;
use crate::request::Selection;
use crate::system::ledger::Ledger;

use super::levels;

/// Groups that are listed side by side.
const LISTED_AT_ONCE: usize = 16;

/// The ledger as it was read last; none where there is none, or it cannot be read, which every table's work says.
pub(super) struct Standing {
    ledger: Option<Ledger>,
    /// Whether it is taken at its word: in a bucket. On a disk a look at a table costs next to nothing, and finds at once what
    /// somebody else did to it.
    counts: bool,
    /// Whether something was done since. What others do meanwhile is news to the next run.
    pub(super) is_old: bool,
}

impl Standing {
    pub(super) async fn of(lake: &Lake) -> Self {
        let counts = !lake.curated().is_local();
        let mut standing = Self {
            ledger: None,
            counts,
            is_old: true,
        };
        if counts && let Err(error) = standing.now(lake).await {
            tracing::debug!(%error, "ledger is not known ahead");
        }
        standing
    }

    /// The ledger, where it is taken at its word.
    pub(super) fn ledger(&self) -> Option<Ledger> {
        self.ledger.clone().filter(|_| self.counts)
    }

    async fn now(&mut self, lake: &Lake) -> Result<Option<&Ledger>> {
        if std::mem::take(&mut self.is_old) {
            match &mut self.ledger {
                Some(ledger) => ledger.follow().await?,
                None => self.ledger = Ledger::open_existing(lake.curated()).await?,
            }
        }
        Ok(self.ledger.as_ref())
    }

    /// What is pending for groups whose tables rest.
    pub(super) async fn ahead(&self, lake: &Lake, groups: &[Group<'_>], selection: &Selection) -> Vec<Given> {
        let looks = groups.iter().map(|group| async {
            match &self.ledger {
                Some(ledger) => Given::by_looking(lake, ledger, group, selection).await,
                None => Given::Nothing,
            }
        });
        stream::iter(looks).buffered(LISTED_AT_ONCE).collect().await
    }

    /// Begins to load what the work on these groups, and on the tables computed from theirs, begins with.
    pub(super) fn load_ahead<'a>(
        &self,
        lake: &Lake,
        contracts: &[&Contract],
        groups: impl Iterator<Item = (&'a Group<'a>, &'a Given)>,
    ) -> Result<()> {
        let busy = groups.filter(|(_, given)| !given.is_quiet());
        if !self.counts {
            Ledger::log(lake.curated())?.load_ahead();
        }
        let mut tables: BTreeSet<&TableName> = busy
            .flat_map(|(group, _)| group.contracts.iter().map(|contract| &contract.name))
            .collect();
        for contract in levels(contracts).into_iter().flatten() {
            if let Feed::Inputs(feed) = &contract.feed
                && (feed.inputs.iter().any(|input| tables.contains(input)) || !self.rests(lake, contract))
            {
                tables.insert(&contract.name);
                tables.extend(&feed.inputs);
            }
        }
        for table in tables {
            lake.table_log(table)?.load_ahead();
        }
        Ok(())
    }

    /// Those of some computed tables that may lack something of their inputs, or have something to say.
    pub(super) async fn busy<'a>(
        &mut self,
        lake: &Lake,
        contracts: Vec<&'a Contract>,
        selection: &Selection,
    ) -> Vec<&'a Contract> {
        if !self.counts {
            return contracts;
        }
        if let Err(error) = self.now(lake).await {
            tracing::debug!(%error, "ledger is not known ahead");
            return contracts;
        }
        // Who asks for one that has nothing yet is told why.
        let is_asked_for = |name: &TableName| {
            let claimed = self.ledger.as_ref().map(|ledger| ledger.progress(name).claimed);
            selection.tables.contains(name) && claimed.unwrap_or(0) == 0
        };
        let is_busy = |contract: &&Contract| {
            let name = &contract.name;
            selection.release.contains(name) || is_asked_for(name) || !self.rests(lake, contract)
        };
        contracts.into_iter().filter(is_busy).collect()
    }

    fn rests(&self, lake: &Lake, contract: &Contract) -> bool {
        let (Some(ledger), Feed::Inputs(feed)) = (&self.ledger, &contract.feed) else {
            return false;
        };
        let mark = mark(lake, contract);
        mark.is_ok_and(|mark| ledger.rests(&contract.name, mark))
            && ledger.has_seen(&contract.name, &feed.inputs)
    }

    /// Tables with an open claim for which there is no contract any more.
    pub(super) async fn forsaken(&mut self, lake: &Lake, selection: &Selection) -> Result<Vec<TableName>> {
        if !selection.tables.is_empty() {
            return Ok(Vec::new());
        }
        let Some(ledger) = self.now(lake).await? else {
            return Ok(Vec::new());
        };
        let is_forsaken = |name: &TableName| {
            let progress = ledger.progress(name);
            !lake.contracts().contains_key(name) && progress.claimed > progress.recorded
        };
        Ok(ledger.tables().into_iter().filter(is_forsaken).collect())
    }
}
