//! Who may come in: tokens, restricted ones, headers, and how often.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{Refusal, errors, invalid, refused};
use crate::http::{Answer, Request};
use crate::lwa::{Lwa, NoGood, Subject};

const TOKEN: &str = "x-amz-access-token";
/// What the path of a document begins with.
const DOCUMENTS: &str = "/reports/2021-06-30/documents/";

/// Rates, what is left of them, and restricted tokens.
#[derive(Default)]
pub(super) struct Gate {
    rates: BTreeMap<&'static str, (f64, u32)>,
    left: BTreeMap<(&'static str, String), (f64, DateTime<Utc>)>,
    restricted: BTreeMap<String, Restricted>,
}

struct Restricted {
    account: String,
    paths: Vec<String>,
    until: DateTime<Utc>,
}

impl Gate {
    pub(super) fn rate(&mut self, operation: &'static str, per_second: f64, burst: u32) {
        self.rates.insert(operation, (per_second, burst));
    }

    /// The account that asks.
    pub(super) fn enter(
        &mut self,
        lwa: &Lwa,
        operation: &'static str,
        request: &Request,
    ) -> Result<String, Answer> {
        let denied = |details: &str| {
            let message = "Access to requested resource is denied.";
            refused((403, errors("Unauthorized", message, details)))
        };
        if request.header("user-agent").is_none_or(str::is_empty) || request.header("x-amz-date").is_none() {
            return Err(refused(invalid("user-agent or x-amz-date is missing")));
        }
        if request.header("authorization").is_some() {
            return Err(refused(invalid("requests are not signed")));
        }
        let Some(token) = request.header(TOKEN) else {
            return Err(denied("Access token is missing in the request header."));
        };
        let now = Utc::now();
        let over = "The access token you provided has expired.";
        let account = match self.restricted.get(token) {
            Some(restricted) if restricted.until <= now => return Err(denied(over)),
            Some(restricted) if operation == "getReportDocument" => restricted.account.clone(),
            Some(_) => return Err(denied("a restricted token is for restricted operations")),
            None => match lwa.who(token) {
                Ok(Subject::Account(account)) => account,
                Ok(Subject::Application(_)) => return Err(denied("the token is no account's")),
                Err(NoGood::Expired) => return Err(denied(over)),
                Err(NoGood::Unknown) => {
                    return Err(denied(
                        "The access token you provided is revoked, malformed or invalid.",
                    ));
                }
            },
        };
        match self.is_too_often(operation, &account, now) {
            true => {
                let said = "You exceeded your quota for the requested resource.";
                Err(refused((429, errors("QuotaExceeded", said, ""))))
            }
            false => Ok(account),
        }
    }

    fn is_too_often(&mut self, operation: &'static str, account: &str, now: DateTime<Utc>) -> bool {
        let Some((per_second, burst)) = self.rates.get(operation) else {
            return false;
        };
        let full = f64::from(*burst);
        let left = self
            .left
            .entry((operation, account.to_owned()))
            .or_insert((full, now));
        let passed = (now - left.1).as_seconds_f64().max(0.0);
        *left = ((left.0 + passed * per_second).min(full), now);
        if left.0 < 1.0 {
            return true;
        }
        left.0 -= 1.0;
        false
    }

    /// The answer with the rate, where it is one that may state it.
    pub(super) fn state_rate(&self, operation: &str, answer: Answer) -> Answer {
        match self.rates.get(operation) {
            Some((per_second, _)) if matches!(answer.status, 200..=299 | 400 | 404) => {
                answer.with("x-amzn-RateLimit-Limit", per_second.to_string())
            }
            _ => answer,
        }
    }

    /// `createRestrictedDataToken`.
    pub(super) fn restrict(
        &mut self,
        account: &str,
        request: &Request,
    ) -> Result<(u16, serde_json::Value), Refusal> {
        let body = request.json();
        let resources = body["restrictedResources"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if resources.is_empty() || resources.len() > 50 {
            return Err(invalid("restrictedResources"));
        }
        let mut paths = Vec::new();
        for resource in resources {
            let path = resource["path"].as_str().unwrap_or_default();
            if resource["method"] != "GET"
                || !path.starts_with(DOCUMENTS)
                || resource.get("dataElements").is_some()
            {
                return Err(invalid("a resource is none that needs such a token"));
            }
            paths.push(path.to_owned());
        }
        let token = format!("Atz.sprdt|{}", Uuid::new_v4().simple());
        let restricted = Restricted {
            account: account.to_owned(),
            paths,
            until: Utc::now() + TimeDelta::hours(1),
        };
        self.restricted.insert(token.clone(), restricted);
        Ok((200, json!({"restrictedDataToken": token, "expiresIn": 3600})))
    }

    /// Whether the token of a request is of the kind that its document needs.
    pub(super) fn may_read(&self, request: &Request, needs_restricted: bool) -> Result<(), Refusal> {
        let token = request.header(TOKEN).unwrap_or_default();
        let restricted = self.restricted.get(token);
        let is_good = match (needs_restricted, restricted) {
            (true, Some(restricted)) => restricted.paths.contains(&request.path),
            (true, None) => false,
            (false, restricted) => restricted.is_none(),
        };
        match is_good {
            true => Ok(()),
            false => Err((
                403,
                errors(
                    "Unauthorized",
                    "Access to requested resource is denied.",
                    "wrong kind of token",
                ),
            )),
        }
    }
}
