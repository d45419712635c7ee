//! The Selling Partner API: calls on behalf of an account, each in its turn and with a token that holds.

mod acquisition;
mod arranged;
mod documents;
mod finished;
pub mod items;
pub mod notifications;
mod reports;
pub mod schedules;
mod settings;
mod settlements;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod tests;
pub mod types;

use std::sync::Arc;

use chrono::Utc;
use reqwest::StatusCode;
use reqwest::header::HeaderName;
use url::Url;

use crate::endpoints::{Endpoint, Service};
use crate::error::{Error, Refused, Result};
use crate::place::Place;
use crate::rate::{Bucket, Rate, Rates};
use crate::secret::AtAws;
use crate::settings::Settings;
use crate::token::{Grant, Login, Shared, Token, Tokens};
use crate::transport::{Answer, Call, Transport};

pub use acquisition::{Acquisition, Days, Wanted};
pub use arranged::{Arranged, Became};
pub use finished::{Finished, report_of};
pub use reports::ReportsApi;
pub use settings::{Account, Again, Entry, Texts};
pub use settlements::Listing;

/// In which header tokens go.
const TOKEN: HeaderName = HeaderName::from_static("x-amz-access-token");
/// In which header the time goes.
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// What stands for the account's alias in the name of a secret for tokens.
const ALIAS: &str = "{account}";
/// What the tokens of applications themselves are for.
const NOTIFICATIONS: &str = "sellingpartnerapi::notifications";

/// An operation of the API with its documented rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// Its rate.
    pub rate: Rate,
}

/// The API for one account.
pub struct SpApi {
    /// Alias of the account.
    pub account: String,
    transport: Arc<Transport>,
    rates: Arc<Rates>,
    endpoint: Endpoint,
    tokens: Tokens,
    own: Option<Tokens>,
}

impl SpApi {
    /// The API of that address for the account that `tokens` speak for; `own` are the tokens of the application itself.
    pub fn new(
        account: impl Into<String>,
        transport: Arc<Transport>,
        rates: Arc<Rates>,
        endpoint: Endpoint,
        tokens: Tokens,
        own: Option<Tokens>,
    ) -> Self {
        Self {
            account: account.into(),
            transport,
            rates,
            endpoint,
            tokens,
            own,
        }
    }

    /// The API for an account, as the configuration says. Secrets are asked for where they are kept; `remembered` is the folder of
    /// the lake in which stands how often was asked.
    ///
    /// # Errors
    ///
    /// When a secret is not where it should be, and for what is wrong in the configuration.
    pub async fn open(
        settings: &Settings,
        account: &Account,
        transport: Arc<Transport>,
        remembered: &Place,
        at: Arc<dyn AtAws>,
    ) -> Result<Self> {
        let application = settings.application(&account.application)?;
        let login = Login {
            client_id: application.client_id.text(&*at).await?,
            client_secret: application.client_secret.text(&*at).await?,
        };
        let refresh_token = account.refresh_token.text(&*at).await?;
        let rates = Arc::new(Rates::open(remembered).await?);
        let lwa = settings.endpoints.of(Service::Lwa, account.region)?;
        let tokens = |grant| {
            Tokens::new(
                transport.clone(),
                rates.clone(),
                lwa.clone(),
                login.clone(),
                grant,
            )
        };
        let cache = application.token_cache.as_ref().map(|kept| {
            let named = kept.secret_name().ok_or_else(|| {
                Error::mistake(format!(
                    "token_cache of application {:?} is to be secret:NAME, without a key",
                    account.application
                ))
            });
            named.map(|name| Shared {
                name: name.replace(ALIAS, &account.account),
                at: at.clone(),
            })
        });
        let own = Grant::Client {
            scope: NOTIFICATIONS.to_owned(),
        };
        Ok(Self::new(
            account.account.clone(),
            transport.clone(),
            rates.clone(),
            settings.endpoints.of(Service::SpApi, account.region)?,
            tokens(Grant::Refresh { refresh_token }).shared(cache.transpose()?),
            Some(tokens(own)),
        ))
    }

    /// The address of a path, whose parts are escaped.
    ///
    /// # Errors
    ///
    /// When the endpoint can have no path.
    pub fn url(&self, path: &[&str]) -> Result<Url> {
        let mut url = self.endpoint.at("")?;
        url.path_segments_mut()
            .map_err(|()| Error::mistake("the endpoint of the Selling Partner API can have no path"))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// Whether it is somebody else's address than Amazon's.
    pub fn is_overridden(&self) -> bool {
        self.endpoint.is_overridden
    }

    /// Who sends what is asked.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The bucket of an operation.
    pub async fn bucket(&self, operation: &Operation) -> Arc<Bucket> {
        self.rates.bucket(operation.name, operation.rate).await
    }

    /// Asks for the account. A token that is refused as over is replaced once.
    ///
    /// # Errors
    ///
    /// When there is no answer. Answers that say no are given back.
    pub async fn call(&self, operation: &Operation, call: Call) -> Result<Answer> {
        self.with(&self.tokens, operation, call).await
    }

    /// Asks for the application itself, without an account.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn grantless(&self, operation: &Operation, call: Call) -> Result<Answer> {
        let own = self.own.as_ref().ok_or_else(|| {
            Error::mistake(format!(
                "account {:?} has no application to ask for",
                self.account
            ))
        })?;
        self.with(own, operation, call).await
    }

    /// Asks with a token that is good for this alone.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn with_token(&self, operation: &Operation, call: Call, token: &str) -> Result<Answer> {
        let bucket = self.bucket(operation).await;
        let date = Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
        let call = call.header(TOKEN, token).header(DATE, &date);
        self.transport.call(&call, &self.rates, &bucket).await
    }

    /// An answer as a refusal.
    pub fn refused(&self, answer: &Answer, what: &str) -> Refused {
        self.transport.refused(answer, what)
    }

    async fn with(&self, tokens: &Tokens, operation: &Operation, call: Call) -> Result<Answer> {
        let token: Token = tokens.token().await?;
        let answer = self
            .with_token(operation, call.clone(), &token.access_token)
            .await?;
        if !is_over(&answer) {
            return Ok(answer);
        }
        // A request that was refused so was not carried out, and may be made again whatever it is.
        let token = tokens.instead_of(&token).await?;
        self.with_token(operation, call, &token.access_token).await
    }
}

/// Whether an answer says that the token is none any more, and not that the account may not do this.
fn is_over(answer: &Answer) -> bool {
    let said = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match answer.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => says(&["expired", "revoked, malformed or invalid"]),
        _ => false,
    }
}
