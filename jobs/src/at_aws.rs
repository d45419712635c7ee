//! Who the program is at AWS: found out once, when something of AWS is needed first, and the same for everything.

use anyhow::Result;
use aws::{Aws, Requests};
use tokio::sync::OnceCell;

use crate::config::Config;
use crate::exit::usage;

/// Credentials, region and endpoints, once they are known. Who needs nothing of AWS never asks.
#[derive(Debug, Default)]
pub(crate) struct AtAws(OnceCell<Aws>);

impl AtAws {
    /// Who the program is under this configuration; the first one that asks decides.
    ///
    /// # Errors
    ///
    /// Usage errors for what cannot be as it is configured.
    pub(crate) async fn get(&self, config: &Config) -> Result<&Aws> {
        let load = async || Aws::load(config.region.as_deref()).await.map_err(mistake);
        self.0.get_or_try_init(load).await
    }

    /// What buckets were asked until now.
    pub(crate) fn requests(&self) -> Requests {
        self.0.get().map(Aws::requests).unwrap_or_default()
    }
}

/// What is wrong with the environment or the configuration is a usage error.
pub(crate) fn mistake(error: aws::Error) -> anyhow::Error {
    match error.is_mistake() {
        true => usage(error.to_string()),
        false => error.into(),
    }
}
