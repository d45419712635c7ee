//! Login with Amazon: `POST /auth/o2/token`, with refresh tokens of accounts and for applications themselves.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use url::form_urlencoded;
use uuid::Uuid;

use crate::http::{Answer, Request, held};

/// Where tokens are asked for.
pub const PATH: &str = "/auth/o2/token";

/// On whose behalf a token was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An account, by the name that the test gave it.
    Account(String),
    /// The application itself, with these scopes.
    Application(String),
}

/// Why a token is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoGood {
    /// It was never given out.
    Unknown,
    /// Its time is over.
    Expired,
}

/// Applications, accounts, and the tokens that were given out.
pub struct Lwa(Mutex<State>);

struct State {
    life: Duration,
    /// Secrets of applications by their id.
    applications: BTreeMap<String, String>,
    /// Applications and accounts by refresh token.
    refresh: BTreeMap<String, (String, String)>,
    /// Whom tokens speak for, and until when.
    given: BTreeMap<String, (Subject, DateTime<Utc>)>,
    /// Tokens in their order.
    order: Vec<String>,
}

impl Default for Lwa {
    fn default() -> Self {
        Self::new()
    }
}

impl Lwa {
    /// Nobody is known, and a token lives for an hour.
    pub fn new() -> Self {
        Self(Mutex::new(State {
            life: Duration::from_secs(3600),
            applications: BTreeMap::new(),
            refresh: BTreeMap::new(),
            given: BTreeMap::new(),
            order: Vec::new(),
        }))
    }

    /// Makes an application known.
    #[must_use]
    pub fn application(self, id: &str, secret: &str) -> Self {
        held(&self.0)
            .applications
            .insert(id.to_owned(), secret.to_owned());
        self
    }

    /// Makes an account known that has authorised the application.
    #[must_use]
    pub fn account(self, application: &str, refresh_token: &str, account: &str) -> Self {
        let of = (application.to_owned(), account.to_owned());
        held(&self.0).refresh.insert(refresh_token.to_owned(), of);
        self
    }

    /// Tokens live so long from here on.
    pub fn live(&self, life: Duration) {
        held(&self.0).life = life;
    }

    /// Ends all tokens before their time.
    pub fn end_all(&self) {
        let now = Utc::now();
        for (_, until) in held(&self.0).given.values_mut() {
            *until = (*until).min(now);
        }
    }

    /// Tokens that were given out, in their order.
    pub fn given(&self) -> Vec<String> {
        held(&self.0).order.clone()
    }

    /// Whom a token speaks for.
    ///
    /// # Errors
    ///
    /// When it speaks for nobody, or does no longer.
    pub fn who(&self, token: &str) -> Result<Subject, NoGood> {
        match held(&self.0).given.get(token) {
            None => Err(NoGood::Unknown),
            Some((_, until)) if *until <= Utc::now() => Err(NoGood::Expired),
            Some((subject, _)) => Ok(subject.clone()),
        }
    }

    /// Answers a request for a token.
    pub fn answer(&self, request: &Request) -> Answer {
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if request.method != "POST" || request.path != PATH || !is_form || !request.query.is_empty() {
            return refused(400, "invalid_request", "The request is malformed");
        }
        let mut form = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(&request.body).into_owned() {
            if form.insert(name, value).is_some() {
                return refused(400, "invalid_request", "A parameter is there twice");
            }
        }
        self.give(&form)
    }

    fn give(&self, form: &BTreeMap<String, String>) -> Answer {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let mut state = held(&self.0);
        let application = field("client_id");
        let known = state.applications.get(application);
        if known.is_none_or(|secret| secret != field("client_secret")) {
            return refused(401, "invalid_client", "Client authentication failed");
        }
        let refresh = field("refresh_token");
        let subject = match field("grant_type") {
            "refresh_token" => match state.refresh.get(refresh) {
                Some((of, account)) if of == application => Subject::Account(account.clone()),
                _ => {
                    let said = "The request has an invalid grant parameter : refresh_token";
                    return refused(400, "invalid_grant", said);
                }
            },
            "client_credentials" if field("scope").is_empty() => {
                return refused(400, "invalid_scope", "The request has an invalid scope");
            }
            "client_credentials" => Subject::Application(field("scope").to_owned()),
            _ => {
                let said = "The authorization grant type is not supported by the authorization server";
                return refused(400, "unsupported_grant_type", said);
            }
        };
        let token = format!("Atza|{}", Uuid::new_v4().simple());
        let until = Utc::now() + state.life;
        let mut body = json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": state.life.as_secs(),
        });
        if !refresh.is_empty() {
            body["refresh_token"] = json!(refresh);
        }
        state.given.insert(token.clone(), (subject, until));
        state.order.push(token);
        Answer::json(200, &body)
    }
}

fn refused(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": error, "error_description": description}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lwa: &Lwa, form: &str) -> (u16, serde_json::Value) {
        let answer = lwa.answer(&Request {
            method: "POST".to_owned(),
            path: PATH.to_owned(),
            query: Vec::new(),
            headers: vec![(
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            )],
            body: form.as_bytes().to_vec(),
            at: Utc::now(),
        });
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    #[test]
    fn only_who_is_known_has_a_token_and_only_for_its_life() {
        let lwa = Lwa::new()
            .application("app", "pepper")
            .account("app", "Atzr|1", "corner");
        let good = "grant_type=refresh_token&refresh_token=Atzr%7C1&client_id=app&client_secret=pepper";
        let (status, body) = ask(&lwa, good);
        assert_eq!((status, body["expires_in"].as_u64()), (200, Some(3600)));
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(lwa.who(token), Ok(Subject::Account("corner".to_owned())));
        lwa.end_all();
        assert_eq!(lwa.who(token), Err(NoGood::Expired));
        assert_eq!(lwa.who("Atza|other"), Err(NoGood::Unknown));
        for (form, error) in [
            (good.replace("pepper", "salt"), "invalid_client"),
            (good.replace("C1", "C2"), "invalid_grant"),
            (
                good.replace("=refresh_token&", "=password&"),
                "unsupported_grant_type",
            ),
            (format!("{good}&client_id=app"), "invalid_request"),
        ] {
            assert_eq!(ask(&lwa, &form).1["error"], error, "{form}");
        }
        let own = "grant_type=client_credentials&scope=sellingpartnerapi%3A%3Anotifications&client_id=app&client_secret=pepper";
        let token = ask(&lwa, own).1["access_token"].as_str().unwrap().to_owned();
        let subject = Subject::Application("sellingpartnerapi::notifications".to_owned());
        assert_eq!(lwa.who(&token), Ok(subject));
        assert_eq!(lwa.given().len(), 2);
    }
}
