//! Who the program is at AWS: found out once, when something of AWS is needed first, and the same for everything.

use anyhow::Result;
use aws::Aws;
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
}

/// What is wrong with the environment or the configuration is a usage error.
pub(crate) fn mistake(error: aws::Error) -> anyhow::Error {
    let message = error.to_string();
    match std::error::Error::source(&error) {
        Some(_) => error.into(),
        None => usage(message),
    }
}
