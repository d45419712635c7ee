//! What a command works with: the settings, the contracts, the lake and the bars.

use anyhow::Result;
use indicatif::MultiProgress;
use pipeline::contract::{Contract, Contracts, TableName};
use pipeline::lake::Lake;

use crate::config::Config;
use crate::contracts;
use crate::exit::usage;
use crate::memory;
use crate::output::Output;
use crate::progress::Progress;

/// One call of the program, after the command line was read.
pub(crate) struct Session {
    /// What is in force.
    pub(crate) config: Config,
    /// Where messages to people go.
    pub(crate) output: Output,
    /// Progress bars, above which logs are written.
    pub(crate) bars: MultiProgress,
}

impl Session {
    /// The contracts in force, built in and the user's own.
    pub(crate) fn contracts(&self) -> Result<Contracts> {
        contracts::load(self.config.contracts.as_deref())
    }

    /// The lake with its contracts and accounts.
    pub(crate) async fn lake(&self) -> Result<Lake> {
        memory::keep_within(self.config.settings.memory_limit);
        let accounts = self.config.accounts.clone();
        Ok(Lake::open(self.config.settings.clone(), self.contracts()?, accounts).await?)
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
