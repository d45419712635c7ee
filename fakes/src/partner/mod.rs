//! The parts of the Selling Partner API that are about products, schedules and notifications, for one account.

mod catalog;
mod items;
mod listings;
mod notifications;
mod schedules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use chrono::Utc;
use serde_json::{Value, json};

use crate::http::{Answer, Request, Server, held};
use crate::lwa::{self, Lwa, NoGood, Subject};
use items::Refusal;

pub use catalog::{Catalog, product};
pub use listings::{Listings, listing};
pub use notifications::Notifications;
pub use schedules::Schedules;

/// Documented rates: operations, requests a second, requests at once.
const RATES: [(&str, f64, f64); 12] = [
    ("searchCatalogItems", 2.0, 2.0),
    ("searchListingsItems", 5.0, 5.0),
    ("getListingsItem", 5.0, 10.0),
    ("getReportSchedules", 0.0222, 10.0),
    ("createReportSchedule", 0.0222, 10.0),
    ("cancelReportSchedule", 0.0222, 10.0),
    ("getDestinations", 1.0, 5.0),
    ("createDestination", 1.0, 5.0),
    ("deleteDestination", 1.0, 5.0),
    ("getSubscription", 1.0, 5.0),
    ("createSubscription", 1.0, 5.0),
    ("deleteSubscriptionById", 1.0, 5.0),
];
/// The scope of tokens that are asked for without an account.
const SCOPE: &str = "sellingpartnerapi::notifications";

/// The API, and Login with Amazon, on one port.
pub struct Partner {
    /// The server, for what it was asked and what is to go wrong.
    pub server: Server,
    state: Arc<State>,
}

struct State {
    lwa: Lwa,
    known: Mutex<Known>,
    buckets: Mutex<BTreeMap<&'static str, (f64, Instant)>>,
    /// The account's rates are so many times the documented ones, and are stated.
    times: f64,
}

/// What the API knows.
#[derive(Debug, Default)]
pub struct Known {
    /// The catalog.
    pub catalog: Catalog,
    /// What sellers list.
    pub listings: Listings,
    /// Destinations and subscriptions.
    pub notifications: Notifications,
    /// Schedules of reports.
    pub schedules: Schedules,
}

impl Partner {
    /// Starts the API for whom that login knows, with so many times the documented rates.
    pub fn start(lwa: Lwa, times: f64) -> Self {
        let state = Arc::new(State {
            lwa,
            known: Mutex::default(),
            buckets: Mutex::default(),
            times,
        });
        let serving = Arc::clone(&state);
        let server = Server::start(move |request| serving.answer(request));
        Self { server, state }
    }

    /// What it knows, to be looked at and changed.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        held(&self.state.known)
    }

    /// The tokens that were given out.
    pub fn lwa(&self) -> &Lwa {
        &self.state.lwa
    }
}

impl State {
    fn answer(&self, request: &Request) -> Answer {
        if request.path == lwa::PATH {
            return self.lwa.answer(request);
        }
        let parts = request.parts();
        let path: Vec<&str> = parts.iter().map(String::as_str).collect();
        let Some(operation) = operation(&request.method, &path) else {
            return refusal(&items::refuse(404, "no such operation", &request.path));
        };
        if let Err(denied) = self.may(request, &path) {
            return refusal(&denied);
        }
        if !self.has_token(operation) {
            let body = json!({"errors": [{"code": "QuotaExceeded", "message": "You exceeded your quota for the requested \
                resource.", "details": ""}]});
            return Answer::json(429, &body);
        }
        let went = self.carry_out(request, &path);
        let answer = match &went {
            Ok((status, Value::Null)) => Answer::empty(*status),
            Ok((status, body)) => Answer::json(*status, body),
            Err(refused) => refusal(refused),
        };
        let answer = answer.with("date", Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        match RATES.iter().find(|(name, ..)| *name == operation) {
            Some((_, rate, _)) => answer.with("x-amzn-ratelimit-limit", format!("{}", rate * self.times)),
            None => answer,
        }
    }

    /// Whether the token speaks for whom the operation is for.
    fn may(&self, request: &Request, path: &[&str]) -> Result<(), Refusal> {
        let deny = |details: &str| {
            Err(items::refuse(
                403,
                "Access to requested resource is denied.",
                details,
            ))
        };
        let token = request.header("x-amz-access-token").unwrap_or_default();
        let is_grantless =
            path[0] == "notifications" && Notifications::is_grantless(&request.method, &path[2..]);
        match self.lwa.who(token) {
            Err(NoGood::Unknown) => deny("The access token you provided is revoked, malformed or invalid."),
            Err(NoGood::Expired) => deny("The access token you provided has expired."),
            Ok(Subject::Application(scope)) if is_grantless && scope == SCOPE => Ok(()),
            Ok(Subject::Account(_)) if !is_grantless => Ok(()),
            Ok(_) => deny("The token is of another grant."),
        }
    }

    fn has_token(&self, operation: &'static str) -> bool {
        let Some((_, rate, burst)) = RATES.iter().find(|(name, ..)| *name == operation) else {
            return true;
        };
        let mut buckets = held(&self.buckets);
        let (left, since) = buckets.entry(operation).or_insert((*burst, Instant::now()));
        *left = (*left + since.elapsed().as_secs_f64() * rate * self.times).min(*burst);
        *since = Instant::now();
        let has_one = *left >= 1.0;
        if has_one {
            *left -= 1.0;
        }
        has_one
    }

    fn carry_out(&self, request: &Request, path: &[&str]) -> Result<(u16, Value), Refusal> {
        let (query, body) = (&request.query, &request.body);
        let mut known = held(&self.known);
        let answer = match path {
            ["catalog", ..] => known.catalog.search(query),
            ["listings", _, _, seller] => known.listings.search(seller, query),
            ["listings", _, _, seller, sku] => known.listings.get(seller, sku, query),
            ["notifications", _, rest @ ..] => known.notifications.answer(&request.method, rest, query, body),
            [_, _, _, rest @ ..] => return known.schedules.answer(&request.method, rest, query, body),
            _ => Err(items::refuse(404, "no such operation", "")),
        };
        Ok((200, answer?))
    }
}

/// The operation that a request asks for.
fn operation(method: &str, path: &[&str]) -> Option<&'static str> {
    Some(match (method, path) {
        ("GET", ["catalog", "2022-04-01", "items"]) => "searchCatalogItems",
        ("GET", ["listings", "2021-08-01", "items", _]) => "searchListingsItems",
        ("GET", ["listings", "2021-08-01", "items", _, _]) => "getListingsItem",
        ("GET", ["reports", "2021-06-30", "schedules"]) => "getReportSchedules",
        ("POST", ["reports", "2021-06-30", "schedules"]) => "createReportSchedule",
        ("DELETE", ["reports", "2021-06-30", "schedules", _]) => "cancelReportSchedule",
        ("GET", ["notifications", "v1", "destinations"]) => "getDestinations",
        ("POST", ["notifications", "v1", "destinations"]) => "createDestination",
        ("DELETE", ["notifications", "v1", "destinations", _]) => "deleteDestination",
        ("GET", ["notifications", "v1", "subscriptions", _]) => "getSubscription",
        ("POST", ["notifications", "v1", "subscriptions", _]) => "createSubscription",
        ("DELETE", ["notifications", "v1", "subscriptions", _, _]) => "deleteSubscriptionById",
        _ => return None,
    })
}

fn refusal((status, body): &Refusal) -> Answer {
    Answer::json(*status, body)
}
