//! Reports of the Amazon Ads API, version 3: profiles are found, reports asked for, downloaded and laid down.
//!
//! A login sees profiles; each is an account of its own in the lake, counts days in its own zone, and is named in the header
//! of every call that is about it.

mod definition;
mod profiles;
mod reports;
mod settings;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderName};

pub use definition::Definition;
pub use profiles::{Chosen, Profile, Seen, Unseen, profiles};
pub use reports::{ProfileReports, Would};
pub use settings::{Access, Wanted};
pub use types::{Kind, TimeUnit};

use crate::endpoints::{Endpoint, Service};
use crate::error::{Error, Result};
use crate::place::Place;
use crate::rate::{Bucket, Rate, Rates};
use crate::secret::AtAws;
use crate::settings::Settings;
use crate::token::{Grant, Login, Shared, Tokens};
use crate::transport::{Answer, Call, Transport};

const CLIENT: HeaderName = HeaderName::from_static("amazon-advertising-api-clientid");
const SCOPE: HeaderName = HeaderName::from_static("amazon-advertising-api-scope");

/// What stands for the login in the name of a secret that tasks share tokens by.
const NAME: &str = "{account}";

/// Limits are not published, and move with Amazon's queues; its advice is to ask little, spread over time.
const CREATE: Operation = Operation {
    name: "create",
    rate: Rate {
        per_second: 0.2,
        burst: 20,
    },
};
const LOOK: Operation = Operation {
    name: "look",
    rate: Rate {
        per_second: 0.5,
        burst: 60,
    },
};

/// What is asked, with a bucket of its own.
struct Operation {
    name: &'static str,
    rate: Rate,
}

/// Calls that an application makes for whom its token stands.
#[derive(Clone)]
pub struct Api {
    /// Who sends.
    pub transport: Arc<Transport>,
    /// How often.
    pub rates: Arc<Rates>,
    /// With which tokens.
    pub tokens: Arc<Tokens>,
    /// Where to.
    pub endpoint: Endpoint,
    /// Id of the application.
    pub client_id: String,
}

impl Api {
    /// A login, as the configuration says; nothing is asked yet. `remembered` is its folder in the lake.
    ///
    /// # Errors
    ///
    /// When a secret is not where it should be kept, or the configuration is wrong.
    pub async fn open(
        settings: &Settings,
        access: &Access,
        transport: Arc<Transport>,
        remembered: &Place,
        at: Arc<dyn AtAws>,
    ) -> Result<Self> {
        let application = settings.application(&access.application)?;
        let login = Login {
            client_id: application.client_id.text(&*at).await?,
            client_secret: application.client_secret.text(&*at).await?,
        };
        let client_id = login.client_id.clone();
        let grant = Grant::Refresh {
            refresh_token: access.refresh_token.text(&*at).await?,
        };
        let cache = application.token_cache.as_ref().map(|kept| {
            let named = kept.secret_name().ok_or_else(|| {
                let name = &access.application;
                Error::mistake(format!(
                    "token_cache of application {name:?} is to be secret:NAME, without a key"
                ))
            });
            named.map(|name| Shared {
                name: name.replace(NAME, &access.name()),
                at: at.clone(),
            })
        });
        let rates = Arc::new(Rates::open(remembered).await?);
        let lwa = settings.endpoints.of(Service::Lwa, access.region)?;
        let tokens =
            Tokens::new(transport.clone(), rates.clone(), lwa, login, grant).shared(cache.transpose()?);
        Ok(Self {
            transport,
            rates,
            tokens: Arc::new(tokens),
            endpoint: settings.endpoints.of(Service::Ads, access.region)?,
            client_id,
        })
    }

    async fn bucket(&self, operation: &Operation) -> Arc<Bucket> {
        self.rates.bucket(operation.name, operation.rate).await
    }

    /// Makes a call, about a profile where one is named. A token that is refused is replaced, once.
    async fn call(&self, operation: &Operation, profile: Option<&str>, call: Call) -> Result<Answer> {
        let bucket = self.bucket(operation).await;
        let mut token = self.tokens.token().await?;
        let mut is_second = false;
        loop {
            let authorization = format!("Bearer {}", token.access_token);
            let mut call = call
                .clone()
                .header(AUTHORIZATION, &authorization)
                .header(CLIENT, &self.client_id);
            if let Some(profile) = profile {
                call = call.header(SCOPE, profile);
            }
            let answer = self.transport.call(&call, &self.rates, &bucket).await?;
            if answer.status != StatusCode::UNAUTHORIZED || is_second {
                return Ok(answer);
            }
            token = self.tokens.instead_of(&token).await?;
            is_second = true;
        }
    }
}
