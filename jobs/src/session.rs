//! What a command works with: the settings, the contracts, the lake and the bars.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use indicatif::MultiProgress;
use pipeline::contract::{Contract, Contracts, TableName};
use pipeline::lake::Lake;
use pipeline::stop::Stop;

use crate::at_aws::AtAws;
use crate::buckets;
use crate::cli::Start;
use crate::config::Config;
use crate::contracts;
use crate::exit::usage;
use crate::isolated::Reader;
use crate::memory;
use crate::output::Output;
use crate::progress::Progress;

/// One call of the program, after the command line was read.
pub(crate) struct Session {
    /// What is in force.
    pub(crate) config: Config,
    /// Reads objects that are suspected to kill whoever reads them.
    pub(crate) reader: Arc<Reader>,
    /// Whether a signal asked for the end.
    pub(crate) stop: Stop,
    /// Where messages to people go.
    pub(crate) output: Output,
    /// Progress bars, above which logs are written.
    pub(crate) bars: MultiProgress,
    /// Who the program is at AWS, once something of AWS is needed.
    pub(crate) at_aws: Arc<AtAws>,
}

impl Session {
    /// The contracts in force, built in and the user's own.
    pub(crate) fn contracts(&self) -> Result<Contracts> {
        contracts::load(self.config.contracts.as_deref())
    }

    /// The lake with its contracts and accounts.
    pub(crate) async fn lake(&self) -> Result<Lake> {
        let folder = self.config.contracts.as_deref();
        let contracts = match self.config.settings.curated.to_file_path() {
            Ok(curated) => {
                contracts::load_remembering(folder, &curated.join("marketlake/remembered/contracts"))?
            }
            Err(()) => contracts::load(folder)?,
        };
        self.lake_with(contracts).await
    }

    /// The lake with the id that the job was given.
    pub(crate) async fn lake_for(&self, start: &Start) -> Result<Lake> {
        let lake = self.lake().await?;
        Ok(match &start.id {
            Some(id) => lake.with_job(id.clone()),
            None => lake,
        })
    }

    /// The lake under contracts that were read already.
    pub(crate) async fn lake_with(&self, contracts: Contracts) -> Result<Lake> {
        memory::keep_within(self.config.settings.memory_limit);
        let accounts = self.config.accounts.clone();
        let settings = self.config.settings.clone();
        let stores = buckets::stores(&self.config, &self.at_aws).await?;
        let lake = Lake::open(settings, stores, contracts, accounts).await?;
        let lake = lake.with_isolated_reader(self.reader.clone());
        Ok(lake.with_stop(self.stop.clone()))
    }

    /// Warns of accounts of a source that has no table: a slip, whose objects are read as those of an account that
    /// nobody configured.
    pub(crate) fn warn_of_lost_accounts(&self, lake: &Lake) {
        let sources: BTreeSet<&str> = lake.contracts().keys().map(|name| name.source.as_str()).collect();
        let known = sources.iter().copied().collect::<Vec<_>>().join(", ");
        for account in lake.accounts() {
            if !sources.contains(account.source.as_str()) {
                self.output.warning(&format!(
                    "account {} is of the source {:?}, which has no tables; there is {known}",
                    account.alias, account.source
                ));
            }
        }
    }

    /// Shows a run while it goes on.
    pub(crate) fn progress(&self) -> Progress {
        Progress::new(&self.bars)
    }
}

/// The contract of that name, or a usage error that lists what there is.
pub(crate) fn find<'a>(contracts: &'a Contracts, name: &TableName) -> Result<&'a Contract> {
    contracts.get(name).ok_or_else(|| {
        let of_source = contracts.keys().filter(|known| known.source == name.source);
        let mut near: Vec<String> = of_source.map(ToString::to_string).collect();
        if near.is_empty() {
            near = contracts.keys().map(ToString::to_string).collect();
        }
        usage(format!("there is no table {name}; there is {}", near.join(", ")))
    })
}
