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
pub use profiles::{Profile, Seen, Unseen, profiles};
pub use reports::ProfileReports;
pub use settings::{Access, Wanted};
pub use types::{Kind, TimeUnit};

use crate::endpoints::Endpoint;
use crate::error::Result;
use crate::rate::{Rate, Rates};
use crate::token::Tokens;
use crate::transport::{Answer, Call, Transport};

const CLIENT: HeaderName = HeaderName::from_static("amazon-advertising-api-clientid");
const SCOPE: HeaderName = HeaderName::from_static("amazon-advertising-api-scope");

/// Limits are not published, and move with Amazon's queues; its advice is to ask little, spread over time.
const CREATE: Rate = Rate {
    per_second: 1.0,
    burst: 5,
};
const LOOK: Rate = Rate {
    per_second: 2.0,
    burst: 10,
};

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
    /// Makes a call, about a profile where one is named. A token that is refused is replaced, once.
    async fn call(
        &self,
        operation: &'static str,
        rate: Rate,
        profile: Option<&str>,
        call: Call,
    ) -> Result<Answer> {
        let bucket = self.rates.bucket(operation, rate).await;
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
