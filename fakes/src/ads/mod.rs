//! The Amazon Ads API: profiles, and reports of version 3, for one application.

mod documented;
mod report;
mod request;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::http::{Answer, Request, Server, held};
use crate::lwa::{self, Lwa, NoGood};

pub use documented::documented_columns;
pub use report::Report;

/// Where reports are asked for, and where documents lie.
pub const REPORTS: &str = "/reporting/reports";
/// Where documents lie; they are somebody else's, and no header of the API may go there.
pub const DOCUMENTS: &str = "/documents/";
const ASKED_AS: &str = "application/vnd.createasyncreportrequest.v3+json";

/// The API, Login with Amazon and the documents, on one port.
pub struct Ads {
    /// The server, for what it was asked and what is to go wrong.
    pub server: Server,
    state: Arc<State>,
}

struct State {
    lwa: Lwa,
    client_id: String,
    url: OnceLock<String>,
    known: Mutex<Known>,
}

/// What the API knows, and how it behaves.
pub struct Known {
    /// Profiles of this region, as the API lists them.
    pub profiles: Vec<Value>,
    /// What happened, by profile and report type, in the order in which reports list it.
    pub truth: BTreeMap<(String, String), Vec<Row>>,
    /// Looks at a report that find it pending, and after those that find it in work.
    pub pending: usize,
    /// See `pending`.
    pub working: usize,
    /// So many of the next reports are never begun.
    pub stuck: usize,
    /// So many of the next reports fail.
    pub failing: usize,
    /// Columns that are not accepted although they are documented.
    pub dropped: Vec<String>,
    /// How long a URL is good.
    pub url_life: Duration,
    /// What was asked for, in its order.
    pub reports: Vec<Report>,
}

/// What happened on a day: the fields that a report may have of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The day, in the zone of the profile.
    pub date: NaiveDate,
    /// Values by column.
    pub fields: Map<String, Value>,
}

/// A profile as the API lists it.
pub fn profile(id: u64, kind: &str, country: &str, currency: &str, zone: &str) -> Value {
    json!({
        "profileId": id,
        "countryCode": country,
        "currencyCode": currency,
        "dailyBudget": 999_999_999,
        "timezone": zone,
        "accountInfo": {
            "marketplaceStringId": format!("M{country}"),
            "id": format!("ENTITY{id}"),
            "type": kind,
            "name": format!("Advertiser {id}"),
            "validPaymentMethod": true,
        },
    })
}

impl Ads {
    /// Starts the API for an application and whom that login knows.
    pub fn start(lwa: Lwa, client_id: &str, profiles: Vec<Value>) -> Self {
        let state = Arc::new(State {
            lwa,
            client_id: client_id.to_owned(),
            url: OnceLock::new(),
            known: Mutex::new(Known {
                profiles,
                truth: BTreeMap::new(),
                pending: 1,
                working: 1,
                stuck: 0,
                failing: 0,
                dropped: Vec::new(),
                url_life: Duration::from_secs(3600),
                reports: Vec::new(),
            }),
        });
        let serving = Arc::clone(&state);
        let server = Server::start(move |request| serving.answer(request));
        let _ = state.url.set(server.url());
        Self { server, state }
    }

    /// What the API knows.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        held(&self.state.known)
    }

    /// Login with Amazon.
    pub fn lwa(&self) -> &Lwa {
        &self.state.lwa
    }

    /// Requests for reports that were carried out.
    pub fn created(&self) -> usize {
        self.known().reports.len()
    }

    /// What nobody may read anywhere: tokens that were given out, and what URLs are signed with.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.state.lwa.given();
        secrets.extend(
            self.known()
                .reports
                .iter()
                .flat_map(|report| report.signatures.clone()),
        );
        secrets
    }
}

impl Known {
    /// What happened on these days, instead of what was said about them before.
    pub fn happened(&mut self, profile: &str, report: &str, rows: Vec<Row>) {
        let truth = self
            .truth
            .entry((profile.to_owned(), report.to_owned()))
            .or_default();
        truth.retain(|known| !rows.iter().any(|row| row.date == known.date));
        truth.extend(rows);
    }

    fn zone(&self, profile: &str) -> Option<chrono_tz::Tz> {
        let id: u64 = profile.parse().ok()?;
        let is_it = |known: &&Value| known["profileId"] == id;
        self.profiles.iter().find(is_it)?["timezone"]
            .as_str()?
            .parse()
            .ok()
    }
}

impl State {
    fn answer(&self, request: &Request) -> Answer {
        if request.path == lwa::PATH {
            return self.lwa.answer(request);
        }
        if let Some(id) = request.path.strip_prefix(DOCUMENTS) {
            return self.document(request, id);
        }
        if let Err(refused) = self.may(request) {
            return refused;
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v2/profiles") => self.profiles(request),
            ("POST", REPORTS) => self.create(request),
            (method, path) => match path.strip_prefix("/reporting/reports/") {
                Some(id) if method == "GET" => self.look(request, id),
                Some(id) if method == "DELETE" => self.cancel(request, id),
                _ => refused(404, "Could not find resource"),
            },
        }
    }

    /// Whether the application may ask at all.
    fn may(&self, request: &Request) -> Result<(), Answer> {
        if request.header("amazon-advertising-api-clientid") != Some(&self.client_id) {
            return Err(refused(401, "Missing or unknown client id"));
        }
        let token = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        match token.map(|token| self.lwa.who(token)) {
            Some(Ok(_)) => Ok(()),
            Some(Err(NoGood::Expired)) => Err(refused(401, "Access token is expired")),
            _ => Err(refused(401, "Not authorized to access this advertiser")),
        }
    }

    fn profiles(&self, request: &Request) -> Answer {
        for (name, _) in &request.query {
            if ![
                "accessLevel",
                "profileTypeFilter",
                "apiProgram",
                "validPaymentMethodFilter",
            ]
            .contains(&name.as_str())
            {
                return refused(400, "Unknown parameter");
            }
        }
        // Those that may only be looked at are left out unless they are asked for.
        let views = request.parameter("accessLevel") == Some("view");
        let kinds = request.parameter("profileTypeFilter");
        let is_listed = |profile: &&Value| {
            let kind = profile["accountInfo"]["type"].as_str().unwrap_or_default();
            (views || kind != "vendor")
                && kinds.is_none_or(|kinds| kinds.split(',').any(|known| known == kind))
        };
        let known = held(&self.known);
        let listed: Vec<&Value> = known.profiles.iter().filter(is_listed).collect();
        Answer::json(200, &json!(listed))
    }

    /// The profile that a request is about.
    fn scope(known: &Known, request: &Request) -> Result<String, Answer> {
        let scope = request.header("amazon-advertising-api-scope").unwrap_or_default();
        match known.zone(scope) {
            Some(_) => Ok(scope.to_owned()),
            None => Err(refused(401, "Not authorized to access scope")),
        }
    }

    fn create(&self, request: &Request) -> Answer {
        if request.header("content-type") != Some(ASKED_AS) {
            return refused(415, "Unsupported media type");
        }
        let mut known = held(&self.known);
        let created = Self::scope(&known, request).and_then(|profile| {
            let today = known
                .zone(&profile)
                .map(|zone| Utc::now().with_timezone(&zone).date_naive());
            let asked = request::read(&request.json(), today.unwrap_or_default(), &known.dropped)
                .map_err(|why| refused(400, &why))?;
            let is_same =
                |report: &&Report| report.is_running() && report.profile == profile && report.asked == asked;
            if let Some(running) = known.reports.iter().find(is_same) {
                return Err(refused(
                    425,
                    &format!("The Request is a duplicate of : {}", running.id),
                ));
            }
            Ok(Report::new(&profile, asked, &mut known))
        });
        match created {
            Ok(report) => {
                let answer = Answer::json(200, &report.told());
                known.reports.push(report);
                answer
            }
            Err(refused) => refused,
        }
    }

    fn look(&self, request: &Request, id: &str) -> Answer {
        let mut known = held(&self.known);
        let profile = match Self::scope(&known, request) {
            Ok(profile) => profile,
            Err(refused) => return refused,
        };
        let truth = known.truth.clone();
        let life = known.url_life;
        let found = known
            .reports
            .iter_mut()
            .find(|report| report.id == id && report.profile == profile);
        let Some(report) = found else {
            return refused(404, "Report not found");
        };
        report.look(
            &truth,
            life,
            self.url.get().map(String::as_str).unwrap_or_default(),
        );
        Answer::json(200, &report.told())
    }

    fn cancel(&self, request: &Request, id: &str) -> Answer {
        let mut known = held(&self.known);
        let profile = match Self::scope(&known, request) {
            Ok(profile) => profile,
            Err(refused) => return refused,
        };
        let found = known
            .reports
            .iter_mut()
            .find(|report| report.id == id && report.profile == profile);
        let Some(report) = found else {
            return refused(404, "Report not found");
        };
        match report.cancel() {
            true => Answer::json(200, &report.told()),
            false => refused(400, "Only a pending report can be cancelled"),
        }
    }

    fn document(&self, request: &Request, id: &str) -> Answer {
        let is_of_api = |(name, _): &(String, String)| {
            name == "authorization" || name.starts_with("amazon-advertising") || name.starts_with("x-amz")
        };
        if request.method != "GET" || request.headers.iter().any(is_of_api) {
            return Answer::empty(400);
        }
        let known = held(&self.known);
        let report = known.reports.iter().find(|report| report.id == id);
        let signature = request.parameter("X-Amz-Signature").unwrap_or_default();
        match report.filter(|report| report.is_signed(signature)) {
            Some(report) => Answer {
                body: zipped(&report.document),
                ..Answer::empty(200)
            }
            .with("content-type", "application/octet-stream"),
            None => Answer::empty(403),
        }
    }
}

fn refused(status: u16, why: &str) -> Answer {
    Answer::json(status, &json!({"code": status.to_string(), "details": why}))
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn instant(at: DateTime<Utc>) -> Value {
    json!(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn unique() -> String {
    Uuid::new_v4().to_string()
}
