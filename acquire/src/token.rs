//! Access tokens of Login with Amazon: fetched when there is none with life left, kept, and shared where that is configured.

use std::sync::Arc;

use aws::Aws;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use url::form_urlencoded::Serializer;

use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::rate::{Rate, Rates};
use crate::secret::{AtAws, Kept};
use crate::transport::{Call, Repeat, Transport};

/// Where tokens are fetched, below the endpoint.
const PATH: &str = "/auth/o2/token";
/// Nothing is documented about how often tokens may be fetched; one account fetches one an hour.
const RATE: Rate = Rate {
    per_second: 1.0,
    burst: 10,
};
/// A token is not used so shortly before its end, nor in the last third of its life, whichever is shorter.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// What a token is asked for with.
#[derive(Clone)]
pub enum Grant {
    /// By the token that a seller, a vendor or an advertiser gave the application.
    Refresh {
        /// That token.
        refresh_token: String,
    },
    /// For what an application does for itself.
    Client {
        /// Scope, such as `sellingpartnerapi::notifications`.
        scope: String,
    },
}

/// The application that asks.
#[derive(Clone)]
pub struct Login {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// An access token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its text.
    pub access_token: String,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// The access tokens of one grant.
pub struct Tokens {
    transport: Arc<Transport>,
    rates: Arc<Rates>,
    endpoint: Endpoint,
    login: Login,
    grant: Grant,
    shared: Option<Shared>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Text of the newest token that a service refused.
    refused: Option<String>,
}

/// A secret of Secrets Manager in which tasks leave tokens for one another.
pub struct Shared {
    /// Its name.
    pub name: String,
    /// Who we are there.
    pub at: Arc<dyn AtAws>,
}

/// A token as it is left for others.
#[derive(Serialize, Deserialize)]
struct Left {
    /// Whose it is: two accounts that leave their tokens in one secret never take each other's.
    of: String,
    token: Token,
}

#[derive(Deserialize)]
struct Fetched {
    access_token: String,
    /// Seconds.
    expires_in: f64,
}

impl Token {
    fn is_good(&self, now: DateTime<Utc>) -> bool {
        let life = self.expires_at - self.issued_at;
        now < self.expires_at - MARGIN.min(life / 3)
    }
}

impl Tokens {
    /// Tokens of which none was fetched yet.
    pub fn new(
        transport: Arc<Transport>,
        rates: Arc<Rates>,
        endpoint: Endpoint,
        login: Login,
        grant: Grant,
    ) -> Self {
        transport.keep(&login.client_secret);
        if let Grant::Refresh { refresh_token } = &grant {
            transport.keep(refresh_token);
        }
        Self {
            transport,
            rates,
            endpoint,
            login,
            grant,
            shared: None,
            state: Mutex::default(),
        }
    }

    /// The same, shared with other tasks.
    #[must_use]
    pub fn shared(self, shared: Option<Shared>) -> Self {
        Self { shared, ..self }
    }

    /// A token with life left.
    ///
    /// # Errors
    ///
    /// When none is given: credentials that are wrong, or no answer.
    pub async fn token(&self) -> Result<Token> {
        self.newest(&mut *self.state.lock().await).await
    }

    /// Another token than the one that a service just refused as over.
    ///
    /// # Errors
    ///
    /// As [`Self::token`].
    pub async fn instead_of(&self, refused: &Token) -> Result<Token> {
        let mut state = self.state.lock().await;
        state.refused = Some(refused.access_token.clone());
        self.newest(&mut state).await
    }

    async fn newest(&self, state: &mut State) -> Result<Token> {
        // Whoever holds the state fetches for all that wait for it.
        let is_good = |token: &Token, refused: &Option<String>| {
            token.is_good(Utc::now()) && refused.as_ref() != Some(&token.access_token)
        };
        if let Some(token) = state.token.clone().filter(|token| is_good(token, &state.refused)) {
            return Ok(token);
        }
        if let Some(token) = self
            .left_by_others()
            .await?
            .filter(|token| is_good(token, &state.refused))
        {
            self.transport.keep(&token.access_token);
            state.token = Some(token.clone());
            return Ok(token);
        }
        let token = self.fetch().await?;
        self.transport.keep(&token.access_token);
        if let Some(shared) = &self.shared {
            self.leave(shared, &token).await;
        }
        state.token = Some(token.clone());
        Ok(token)
    }

    async fn fetch(&self) -> Result<Token> {
        let form = self.form();
        let what = "access token of Login with Amazon";
        let content_type = "application/x-www-form-urlencoded;charset=UTF-8";
        let call = Call::post(what, self.endpoint.at(PATH)?, content_type, form);
        let bucket = self.rates.bucket("token", RATE).await;
        let asked_at = Utc::now();
        // A second token makes the first one no worse.
        let answer = self
            .transport
            .call(&call.repeated(Repeat::Safe), &self.rates, &bucket)
            .await?;
        if !answer.status.is_success() {
            return Err(Error::Refused(self.transport.refused(&answer, what)));
        }
        let fetched: Fetched = answer.json(what)?;
        let life = TimeDelta::try_milliseconds((fetched.expires_in * 1000.0) as i64);
        let life = life.filter(|life| *life > TimeDelta::zero());
        let life = life.ok_or_else(|| Error::odd(what, "expires_in is no number of seconds"))?;
        Ok(Token {
            access_token: fetched.access_token,
            issued_at: asked_at,
            expires_at: asked_at + life,
        })
    }

    /// What a token is asked for with, as the body of a request.
    fn form(&self) -> String {
        let mut form = Serializer::new(String::new());
        match &self.grant {
            Grant::Refresh { refresh_token } => form
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", refresh_token),
            Grant::Client { scope } => form
                .append_pair("grant_type", "client_credentials")
                .append_pair("scope", scope),
        };
        form.append_pair("client_id", &self.login.client_id)
            .append_pair("client_secret", &self.login.client_secret);
        form.finish()
    }

    /// The token that another task left; none where there is none that can be read.
    async fn left_by_others(&self) -> Result<Option<Token>> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        let kept = Kept::new(format!("secret:{}", shared.name));
        // A secret that nobody wrote yet has no value.
        let text = kept.text(&*shared.at).await.unwrap_or_default();
        let left: Option<Left> = serde_json::from_str(&text).ok();
        Ok(left.filter(|left| left.of == self.whose()).map(|left| left.token))
    }

    /// What tells the tokens of this grant from those of others, and says nothing about it.
    fn whose(&self) -> String {
        let grant = match &self.grant {
            Grant::Refresh { refresh_token } => refresh_token,
            Grant::Client { scope } => scope,
        };
        let text = format!("{}\n{grant}", self.login.client_id);
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Leaves a token for others. Without it they fetch their own.
    async fn leave(&self, shared: &Shared, token: &Token) {
        let put = async {
            let aws: &Aws = shared.at.aws().await?;
            let left = Left {
                of: self.whose(),
                token: token.clone(),
            };
            let text = serde_json::to_string(&left).map_err(|error| Error::odd("access token", error))?;
            aws.put_secret(&shared.name, &text).await.map_err(Error::from)
        };
        if let Err(error) = put.await {
            let error = self.transport.hide(&error.to_string());
            tracing::warn!(
                secret = shared.name,
                error,
                "access token is not shared with other tasks"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_at_least_two_thirds_of_its_life() {
        let issued_at = Utc::now();
        for (life, good_until) in [(3600, 3540), (90, 60), (3, 2)] {
            let token = Token {
                access_token: "x".to_owned(),
                issued_at,
                expires_at: issued_at + TimeDelta::seconds(life),
            };
            let at = |seconds: i64| issued_at + TimeDelta::milliseconds(seconds * 1000 - 1);
            assert!(
                token.is_good(at(good_until)) && !token.is_good(at(good_until + 1)),
                "{life}"
            );
        }
    }
}
