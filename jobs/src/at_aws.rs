//! Who the program is at AWS: found out once, when something of AWS is needed first, and the same for everything.

use anyhow::Result;
use async_trait::async_trait;
use aws::{Aws, Requests};
use tokio::sync::OnceCell;

use crate::exit::usage;

/// Credentials, region and endpoints, once they are known. Who needs nothing of AWS never asks.
#[derive(Debug, Default)]
pub(crate) struct AtAws {
    region: Option<String>,
    known: OnceCell<Aws>,
}

impl AtAws {
    /// Nothing is asked yet; in this region, where somebody named one.
    pub(crate) fn new(region: Option<String>) -> Self {
        let known = OnceCell::new();
        Self { region, known }
    }

    /// Who the program is.
    ///
    /// # Errors
    ///
    /// Usage errors for what cannot be as it is configured.
    pub(crate) async fn get(&self) -> Result<&Aws> {
        self.load().await.map_err(mistake)
    }

    async fn load(&self) -> aws::Result<&Aws> {
        let load = || Aws::load(self.region.as_deref());
        self.known.get_or_try_init(load).await
    }

    /// What buckets were asked until now.
    pub(crate) fn requests(&self) -> Requests {
        self.known.get().map(Aws::requests).unwrap_or_default()
    }
}

#[async_trait]
impl acquire::AtAws for AtAws {
    async fn aws(&self) -> acquire::Result<&Aws> {
        Ok(self.load().await?)
    }
}

/// What is wrong with the environment or the configuration is a usage error.
pub(crate) fn mistake(error: aws::Error) -> anyhow::Error {
    match error.is_mistake() {
        true => usage(error.to_string()),
        false => error.into(),
    }
}
