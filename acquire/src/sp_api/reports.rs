//! Reports API, 2021-06-30, as a source of reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::finished::Finished;
use super::types::ReportType;
use super::{Operation, SpApi, documents};
use crate::book::Book;
use crate::deliver::lay;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::place::Place;
use crate::rate::Rate;
use crate::requests::{Created, Delivery, Document, Ended, Located, Polled, Reports, Request, State, Want};
use crate::transport::{Answer, Call, Downloaded, Spool};

pub(super) const CREATE: Operation = Operation {
    name: "createReport",
    rate: Rate {
        per_second: 0.0167,
        burst: 15,
    },
};
pub(super) const GET: Operation = Operation {
    name: "getReport",
    rate: Rate {
        per_second: 2.0,
        burst: 15,
    },
};
pub(super) const LIST: Operation = Operation {
    name: "getReports",
    rate: Rate {
        per_second: 0.0222,
        burst: 10,
    },
};

/// The path of reports.
pub(super) const REPORTS: [&str; 3] = ["reports", "2021-06-30", "reports"];
/// Marketplaces that a list is asked for at most.
const LISTED_MARKETPLACES: usize = 10;
/// A report that is not found so shortly after it was asked for may be there all the same.
const SEEN: TimeDelta = TimeDelta::minutes(5);
/// A younger one is not gone: what is said of it is an error, and it is asked for again.
const KEPT: TimeDelta = TimeDelta::days(1);

/// Reports of an account.
pub struct ReportsApi {
    api: Arc<SpApi>,
    /// What was asked for until now.
    book: Arc<Book<Request>>,
    /// Folder of the account in the raw zone.
    raw: Place,
    /// Folder for documents about reports that went wrong, outside of the raw zone.
    failures: Place,
    spool: Spool,
    finished: Arc<Finished>,
    /// When reports of types that cool down were asked for by this process.
    asked: Mutex<BTreeMap<String, DateTime<Utc>>>,
}

/// A report, as the API states it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stated {
    pub(super) report_id: String,
    report_type: String,
    processing_status: String,
    created_time: DateTime<Utc>,
    #[serde(default)]
    pub(super) marketplace_ids: Vec<String>,
    data_start_time: Option<DateTime<Utc>>,
    data_end_time: Option<DateTime<Utc>>,
    report_schedule_id: Option<String>,
    processing_end_time: Option<DateTime<Utc>>,
    report_document_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) reports: Vec<Stated>,
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    report_id: String,
}

impl Stated {
    /// The document, where the report is made.
    pub(super) fn document(&self) -> Option<Document> {
        let id = self.report_document_id.clone()?;
        Some(Document {
            id: Some(id),
            generated_at: Some(self.processing_end_time.unwrap_or(self.created_time)),
        })
    }

    /// Whether it can be what was asked for with these days and marketplaces; it does not state its options.
    fn is_of(&self, want: &Want) -> bool {
        let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        let day = |at: Option<DateTime<Utc>>| at.map(|at| at.date_naive());
        let days = want.period.filter(|_| has_times(want)).is_none_or(|period| {
            (day(self.data_start_time), day(self.data_end_time)) == (Some(period.from), Some(period.to))
        });
        self.report_type == want.report
            && self.report_schedule_id.is_none()
            && days
            && (self.marketplace_ids.is_empty() || set(&self.marketplace_ids) == set(&want.marketplaces))
    }
}

impl ReportsApi {
    /// Reports that are laid down in the account's folder of the raw zone.
    pub fn new(
        api: Arc<SpApi>,
        book: Arc<Book<Request>>,
        raw: Place,
        failures: Place,
        spool: Spool,
        finished: Arc<Finished>,
    ) -> Self {
        Self {
            api,
            book,
            raw,
            failures,
            spool,
            finished,
            asked: Mutex::default(),
        }
    }

    /// Until when the type cools down after another report of the account, where it does; of reports that were asked for before
    /// that one, where one is named.
    async fn cools_until(&self, want: &Want, before: Option<&Request>) -> Option<DateTime<Utc>> {
        let cool_down = ReportType::of(&want.report).ok()?.cool_down?;
        let cool_down = TimeDelta::from_std(cool_down.0).ok()?;
        let entries = self.book.entries().await;
        let asked = entries.iter().filter(|(_, known)| {
            let is_before = before.is_none_or(|own| known.id != own.id && known.asked_at <= own.asked_at);
            known.want.report == want.report && known.state != State::CoolDown && is_before
        });
        let in_book = asked
            .filter(|(_, known)| known.id.is_some())
            .filter_map(|(_, known)| known.asked_at);
        let last = in_book.max()?;
        Some(last + cool_down).filter(|until| *until > Utc::now())
    }

    /// What a report that was cancelled means: nothing in it says so, but what was asked for before does.
    async fn cancelled(&self, request: &Request) -> Ended {
        let cools_until = self.cools_until(&request.want, Some(request)).await;
        let (state, said) = match cools_until {
            Some(_) => (
                State::CoolDown,
                "it was cancelled: another report of the type was asked for a short time before",
            ),
            None => (State::NoData, "it was cancelled: Amazon has nothing for it"),
        };
        Ended {
            state,
            said: Some(said.to_owned()),
            again_at: cools_until,
        }
    }

    /// What a report that went wrong means. What it says is kept outside of the raw zone.
    async fn fatal(&self, request: &Request, stated: &Stated) -> Result<Ended> {
        let Some(document) = &stated.report_document_id else {
            let said = "Amazon could not make it, and does not say why";
            return Ok(Ended::failed(Some(said.to_owned())));
        };
        let kind = &request.want.report;
        let mut downloaded = match self.api.read_failure(kind, document, &self.spool).await {
            Ok(downloaded) => downloaded,
            Err(error @ (Error::Refused(_) | Error::Expired { .. })) => {
                let said = format!("Amazon could not make it, and its reason cannot be read: {error}");
                return Ok(Ended::failed(Some(self.api.transport().hide(&said))));
            }
            Err(error) => return Err(error),
        };
        let mut ended = documents::failure(&mut downloaded)?;
        ended.said = ended.said.map(|said| self.api.transport().hide(&said));
        let end = if downloaded.is_gzip { ".gz" } else { "" };
        let name = format!("{}.txt{end}", file_name(&stated.report_id));
        lay(&self.failures.below(&name), downloaded).await?;
        Ok(ended)
    }

    /// A page of reports.
    pub(super) async fn page(&self, query: &[(&str, String)]) -> Result<Page> {
        let mut url = self.api.url(&REPORTS)?;
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.api.call(&LIST, Call::get("getReports", url)).await?;
        if !answer.status.is_success() {
            return Err(Error::Refused(self.api.refused(&answer, "getReports")));
        }
        answer.json("getReports")
    }

    /// All pages of reports of a type that were created since then.
    pub(super) async fn pages(&self, first: Vec<(&str, String)>) -> Result<Vec<Stated>> {
        let mut page = self.page(&first).await?;
        let mut reports = page.reports;
        while let Some(token) = page.next_token {
            // It stands alone.
            page = self.page(&[("nextToken", token)]).await?;
            reports.append(&mut page.reports);
        }
        Ok(reports)
    }

    /// Writes down requests that nobody knew.
    pub(super) async fn note(&self, requests: Vec<Request>) -> Result<()> {
        let of = |request: Request| (request.want.key(), request);
        let requests: Vec<(String, Request)> = requests.into_iter().map(of).collect();
        self.book
            .change(|known| {
                for (key, request) in requests {
                    known.entry(key).or_insert(request);
                }
            })
            .await
    }

    /// The folder of a document: its day is that on which it was made.
    fn folder(&self, request: &Request) -> Place {
        let day: NaiveDate = made_at(request).unwrap_or(request.since).date_naive();
        self.raw.below(&request.want.report).below(&day.to_string())
    }

    /// Makes the request.
    async fn ask(&self, want: &Want) -> Result<Created> {
        let what = format!("createReport of {}", want.report);
        let url = self.api.url(&REPORTS)?;
        let body = Value::Object(specification(want, Utc::now())?).to_string();
        let call = Call::post(&what, url, "application/json", body);
        let answer = self.api.call(&CREATE, call).await?;
        if !answer.status.is_success() {
            return Ok(Created::Ended(self.refusal(&answer, &what)));
        }
        // It was carried out, whatever the rest of the answer says.
        let made: Made = answer.json(&what).map_err(|error| Error::Lost {
            what: what.clone(),
            why: error.to_string(),
        })?;
        Ok(Created::Id(made.report_id))
    }

    fn refusal(&self, answer: &Answer, what: &str) -> Ended {
        let refused = self.api.refused(answer, what);
        let is_ours = matches!(
            answer.status,
            StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        Ended {
            state: if is_ours { State::Refused } else { State::Failed },
            said: Some(refused.to_string()),
            again_at: None,
        }
    }
}

#[async_trait]
impl Reports for ReportsApi {
    async fn create(&self, want: &Want) -> Result<Created> {
        let Some(cool_down) = ReportType::of(&want.report)?.cool_down else {
            return self.ask(want).await;
        };
        // One after another: what was just asked for may not stand in the book yet.
        let mut asked = self.asked.lock().await;
        let just = asked.get(&want.report).map(|at| *at + cool_down.0);
        let until = self.cools_until(want, None).await.max(just);
        if let Some(until) = until.filter(|until| *until > Utc::now()) {
            let said = "it was not asked for: Amazon makes no report of the type so soon after the last";
            return Ok(Created::Ended(Ended {
                state: State::CoolDown,
                said: Some(said.to_owned()),
                again_at: Some(until),
            }));
        }
        let created = self.ask(want).await;
        if matches!(created, Ok(Created::Id(_))) {
            asked.insert(want.report.clone(), Utc::now());
        }
        created
    }

    async fn find(
        &self,
        want: &Want,
        since: DateTime<Utc>,
        known: &BTreeSet<String>,
    ) -> Result<Option<String>> {
        let mut query = vec![
            ("reportTypes", want.report.clone()),
            ("createdSince", instant(since)),
            ("pageSize", "100".to_owned()),
        ];
        if (1..=LISTED_MARKETPLACES).contains(&want.marketplaces.len()) {
            query.push(("marketplaceIds", want.marketplaces.join(",")));
        }
        let reports = self.pages(query).await?;
        let new = reports.iter().filter(|stated| {
            stated.is_of(want) && !known.contains(&stated.report_id) && stated.created_time >= since
        });
        Ok(new
            .min_by_key(|stated| stated.created_time)
            .map(|stated| stated.report_id.clone()))
    }

    async fn poll(&self, request: &Request, id: &str) -> Result<Polled> {
        let what = format!("getReport of {id}");
        let url = self.api.url(&[&REPORTS[..], &[id]].concat())?;
        let answer = self.api.call(&GET, Call::get(&what, url)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(match age(request) {
                // It may not be seen everywhere yet.
                age if age < SEEN => Polled::Working,
                _ => Polled::Ended(gone(request, self.api.refused(&answer, &what).to_string())),
            });
        }
        if !answer.status.is_success() {
            return Err(Error::Refused(self.api.refused(&answer, &what)));
        }
        let stated: Stated = answer.json(&what)?;
        match stated.processing_status.as_str() {
            "IN_QUEUE" | "IN_PROGRESS" => Ok(Polled::Working),
            "DONE" => match stated.document() {
                Some(document) => Ok(Polled::Ready(document)),
                None => Err(Error::odd(what, "it is DONE and has no reportDocumentId")),
            },
            "CANCELLED" => Ok(Polled::Ended(self.cancelled(request).await)),
            "FATAL" => Ok(Polled::Ended(self.fatal(request, &stated).await?)),
            other => Err(Error::odd(
                what,
                format!("processingStatus {other:?} is not documented"),
            )),
        }
    }

    async fn locate(&self, request: &Request, document: &Document) -> Result<Result<Located, Ended>> {
        let id = document.id.as_deref().unwrap_or_default();
        match self.api.locate_document(&request.want.report, id).await {
            Err(Error::Refused(refused)) if matches!(refused.status, 404 | 410) => {
                Ok(Err(gone(request, refused.to_string())))
            }
            located => located.map(Ok),
        }
    }

    fn objects(&self, request: &Request) -> Result<Vec<Place>> {
        let folder = self.folder(request);
        let names = [true, false].map(|is_gzip| object_name(request, is_gzip));
        names.into_iter().map(|name| Ok(folder.below(&name?))).collect()
    }

    async fn delivery(
        &self,
        request: &Request,
        downloaded: &mut Downloaded,
    ) -> Result<Result<Delivery, Ended>> {
        let id = request.id.clone().unwrap_or_default();
        let want = &request.want;
        let mut manifest = Manifest::new(&id, &self.api.account);
        manifest.report_type = Some(want.report.clone());
        manifest.marketplace_ids.clone_from(&want.marketplaces);
        manifest.options = options(want);
        manifest.period = want.period;
        manifest.generated_at = made_at(request);
        manifest.requested_at = request.asked_at;
        Ok(Ok(Delivery {
            folder: self.folder(request),
            name: object_name(request, downloaded.is_gzip)?,
            manifest,
        }))
    }

    async fn wait(&self, id: &str, so_long: Duration) {
        self.finished.wait(id, so_long).await;
    }
}

/// How long ago it was asked for.
fn age(request: &Request) -> TimeDelta {
    request
        .asked_at
        .map_or(TimeDelta::MAX, |asked_at| Utc::now() - asked_at)
}

/// The end of a request whose report or document is not found.
fn gone(request: &Request, said: String) -> Ended {
    match age(request) < KEPT {
        true => Ended::failed(Some(said)),
        false => Ended {
            state: State::Gone,
            said: Some(said),
            again_at: None,
        },
    }
}

/// The body of a request.
fn specification(want: &Want, now: DateTime<Utc>) -> Result<Map<String, Value>> {
    let kind = ReportType::of(&want.report)?;
    let mut body = Map::new();
    body.insert("reportType".to_owned(), json!(want.report));
    body.insert("marketplaceIds".to_owned(), json!(want.marketplaces));
    let options = options(want);
    if !options.is_empty() {
        body.insert("reportOptions".to_owned(), json!(options));
    }
    if let Some((from, to)) = times(want).filter(|_| has_times(want)) {
        body.insert("dataStartTime".to_owned(), json!(from));
        body.insert("dataEndTime".to_owned(), json!(to));
    }
    if let Some(since) = kind.since.and_then(|since| TimeDelta::from_std(since.0).ok()) {
        body.insert("dataStartTime".to_owned(), json!(instant(now - since)));
    }
    Ok(body)
}

/// The options of a request: those that were asked for, and days where they are said so.
fn options(want: &Want) -> BTreeMap<String, String> {
    let mut options = want.options.clone();
    let days_as = ReportType::of(&want.report).map_or(&[][..], |kind| &kind.days_as);
    if let ([first, last], Some((from, to))) = (days_as, times(want)) {
        options.insert(first.clone(), from);
        options.insert(last.clone(), to);
    }
    options
}

/// Whether the days of a request are its times, which a report states, and not options.
fn has_times(want: &Want) -> bool {
    ReportType::of(&want.report).is_ok_and(|kind| kind.days_as.is_empty())
}

/// First and last second of the days, in UTC: times of several zones in one request are refused.
fn times(want: &Want) -> Option<(String, String)> {
    let period = want.period?;
    Some((
        format!("{}T00:00:00Z", period.from),
        format!("{}T23:59:59Z", period.to),
    ))
}

pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn made_at(request: &Request) -> Option<DateTime<Utc>> {
    let document = request.document.as_ref();
    document.and_then(|document| document.generated_at)
}

fn object_name(request: &Request, is_gzip: bool) -> Result<String> {
    let form = &ReportType::of(&request.want.report)?.form;
    let id = file_name(request.id.as_deref().unwrap_or_default());
    let end = if is_gzip { ".gz" } else { "" };
    Ok(format!("{id}.{form}{end}"))
}

/// An id as the name of a file.
fn file_name(id: &str) -> String {
    id.replace('/', "_")
}
