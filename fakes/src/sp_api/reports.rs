//! Reports API, 2021-06-30: reports and their documents.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Refusal, errors, invalid};
use crate::http::{Answer, Request};

/// Fields of a specification.
const FIELDS: [&str; 5] = [
    "reportType",
    "marketplaceIds",
    "dataStartTime",
    "dataEndTime",
    "reportOptions",
];
/// Parameters of a list.
const PARAMETERS: [&str; 7] = [
    "reportTypes",
    "processingStatuses",
    "marketplaceIds",
    "pageSize",
    "createdSince",
    "createdUntil",
    "nextToken",
];
/// How far back a list reaches.
const REACH: TimeDelta = TimeDelta::days(90);
/// What types have documents with personal details begin or end with.
const RESTRICTED: [&str; 8] = [
    "GET_FLAT_FILE_ORDER_REPORT_DATA_",
    "GET_ORDER_REPORT_DATA_",
    "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_",
    "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING",
    "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_INVOICING",
    "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_TAX",
    "GET_VAT_TRANSACTION_DATA",
    "GET_GST_MTR_B2B_CUSTOM",
];

/// What a report is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The account that asks.
    pub account: String,
    /// Type.
    pub kind: String,
    /// Marketplaces.
    pub marketplaces: Vec<String>,
    /// The first instant.
    pub from: Option<DateTime<Utc>>,
    /// The last instant.
    pub to: Option<DateTime<Utc>>,
    /// Options.
    pub options: BTreeMap<String, String>,
}

/// What a report becomes.
#[derive(Debug, Clone)]
pub enum Made {
    /// A document.
    Document {
        /// What it says.
        body: Vec<u8>,
        /// As what it is served.
        content_type: String,
        /// Whether it is compressed.
        gzip: bool,
    },
    /// `CANCELLED`.
    Cancelled,
    /// `FATAL`, with a document about the reason or without.
    Fatal(Option<String>),
}

type Source = Box<dyn Fn(&Wanted) -> Made + Send>;

/// Reports of all accounts.
pub(super) struct Reports {
    pub(super) looks: u32,
    pub(super) url_life: Duration,
    pub(super) cool_downs: BTreeMap<String, Duration>,
    sources: BTreeMap<String, Source>,
    all: Vec<Report>,
    /// Documents by the token of their URL.
    urls: BTreeMap<String, (usize, DateTime<Utc>)>,
    pages: BTreeMap<String, Vec<Value>>,
}

struct Report {
    id: String,
    wanted: Wanted,
    created: DateTime<Utc>,
    made: Made,
    looks: u32,
    needs: u32,
    /// Whether it is only listed any more.
    gone: bool,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            looks: 2,
            url_life: Duration::from_secs(300),
            cool_downs: BTreeMap::new(),
            sources: BTreeMap::new(),
            all: Vec::new(),
            urls: BTreeMap::new(),
            pages: BTreeMap::new(),
        }
    }
}

impl Made {
    /// A plain document in JSON.
    pub fn json(body: &Value) -> Self {
        Self::Document {
            body: body.to_string().into_bytes(),
            content_type: "application/json".to_owned(),
            gzip: true,
        }
    }

    /// A flat file.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self::Document {
            body: body.into(),
            content_type: "text/plain; charset=UTF-8".to_owned(),
            gzip: false,
        }
    }
}

impl Reports {
    pub(super) fn source(&mut self, kind: &str, source: impl Fn(&Wanted) -> Made + Send + 'static) {
        self.sources.insert(kind.to_owned(), Box::new(source));
    }

    pub(super) fn settled(
        &mut self,
        account: &str,
        kind: &str,
        marketplace: &str,
        ago: Duration,
        made: Option<Made>,
    ) -> String {
        let id = self.id();
        let wanted = Wanted {
            account: account.to_owned(),
            kind: kind.to_owned(),
            marketplaces: vec![marketplace.to_owned()],
            from: None,
            to: None,
            options: BTreeMap::new(),
        };
        self.all.push(Report {
            id: id.clone(),
            wanted,
            created: Utc::now() - ago,
            gone: made.is_none(),
            made: made.unwrap_or_else(|| Made::text("")),
            looks: 0,
            needs: 0,
        });
        id
    }

    pub(super) fn stated(&self) -> Vec<Value> {
        self.all.iter().map(Report::stated).collect()
    }

    pub(super) fn cancel(&mut self, id: &str) {
        for report in self.all.iter_mut().filter(|report| report.id == id) {
            report.made = Made::Cancelled;
        }
    }

    pub(super) fn create(&mut self, account: &str, request: &Request) -> Result<(u16, Value), Refusal> {
        let wanted = wanted(account, request)?;
        if wanted.kind.contains("SETTLEMENT") {
            return Err(invalid(
                "Request for report type 1118 is not allowed at this time",
            ));
        }
        let Some(source) = self.sources.get(&wanted.kind) else {
            return Err(invalid(&format!("report type {} is not there", wanted.kind)));
        };
        let now = Utc::now();
        let is_hot = self.cool_downs.get(&wanted.kind).is_some_and(|cool_down| {
            let mut alike = self
                .all
                .iter()
                .filter(|known| known.wanted.kind == wanted.kind && known.wanted.account == account);
            alike.any(|known| now - known.created < TimeDelta::from_std(*cool_down).unwrap_or(TimeDelta::MAX))
        });
        let made = if is_hot { Made::Cancelled } else { source(&wanted) };
        let id = self.id();
        self.all.push(Report {
            id: id.clone(),
            wanted,
            created: now,
            made,
            looks: 0,
            needs: self.looks,
            gone: false,
        });
        Ok((202, json!({"reportId": id})))
    }

    pub(super) fn get(&mut self, account: &str, id: &str) -> Result<(u16, Value), Refusal> {
        let report = self
            .all
            .iter_mut()
            .find(|report| report.id == id && report.wanted.account == account);
        let report = report.ok_or_else(|| (404, errors("NotFound", "there is no such report", id)))?;
        report.looks += 1;
        Ok((200, report.stated()))
    }

    pub(super) fn list(&mut self, account: &str, request: &Request) -> Result<(u16, Value), Refusal> {
        if request
            .query
            .iter()
            .any(|(name, value)| !PARAMETERS.contains(&name.as_str()) || value.is_empty())
        {
            return Err(invalid("a parameter is unknown or empty"));
        }
        if let Some(token) = request.parameter("nextToken") {
            if request.query.len() > 1 {
                return Err(invalid("nextToken stands alone"));
            }
            let rest = self.pages.remove(token).ok_or_else(|| invalid("nextToken"))?;
            return Ok((200, self.page(rest, 1)));
        }
        let texts = |name: &str| -> Vec<&str> {
            let value = request.parameter(name).unwrap_or_default();
            value.split(',').filter(|text| !text.is_empty()).collect()
        };
        let (kinds, marketplaces, statuses) = (
            texts("reportTypes"),
            texts("marketplaceIds"),
            texts("processingStatuses"),
        );
        if !(1..=10).contains(&kinds.len()) || marketplaces.len() > 10 {
            return Err(invalid("reportTypes or marketplaceIds"));
        }
        let size: usize = request.parameter("pageSize").unwrap_or("10").parse().unwrap_or(0);
        if !(1..=100).contains(&size) {
            return Err(invalid("pageSize"));
        }
        let now = Utc::now();
        let since = instant(request.parameter("createdSince"))?
            .unwrap_or(now - REACH)
            .max(now - REACH);
        let until = instant(request.parameter("createdUntil"))?.unwrap_or(now);
        let found = self.all.iter().rev().filter(|report| {
            let of = &report.wanted;
            of.account == account
                && kinds.contains(&of.kind.as_str())
                && (since..=until).contains(&report.created)
                && (marketplaces.is_empty()
                    || of.kind.contains("SETTLEMENT")
                    || of
                        .marketplaces
                        .iter()
                        .any(|one| marketplaces.contains(&one.as_str())))
                && (statuses.is_empty() || statuses.contains(&report.status()))
        });
        let found: Vec<Value> = found.map(Report::stated).collect();
        Ok((200, self.page(found, size)))
    }

    /// The first so many, and a token for the rest.
    fn page(&mut self, mut found: Vec<Value>, size: usize) -> Value {
        let rest = found.split_off(size.min(found.len()));
        let mut page = json!({"reports": found});
        if !rest.is_empty() {
            let token = Uuid::new_v4().simple().to_string();
            page["nextToken"] = json!(token);
            self.pages.insert(token, rest);
        }
        page
    }

    pub(super) fn is_restricted(&self, account: &str, document: &str) -> bool {
        let found = self
            .of_document(account, document)
            .map(|at| &self.all[at].wanted.kind);
        found.is_some_and(|kind| RESTRICTED.iter().any(|begin| kind.starts_with(begin)))
    }

    pub(super) fn locate(
        &mut self,
        account: &str,
        document: &str,
        request: &Request,
    ) -> Result<(u16, Value), Refusal> {
        let missing = || (404, errors("NotFound", "there is no such document", document));
        let at = self.of_document(account, document).ok_or_else(missing)?;
        let report = &self.all[at];
        if report.gone {
            return Err(missing());
        }
        let token = Uuid::new_v4().simple().to_string();
        let host = request.header("host").unwrap_or_default();
        let url = format!("http://{host}/document/{token}?X-Amz-Signature={token}&X-Amz-Expires=300");
        let mut body = json!({"reportDocumentId": document, "url": url});
        if report.is_compressed() {
            body["compressionAlgorithm"] = json!("GZIP");
        }
        let until = Utc::now() + self.url_life;
        self.urls.insert(token, (at, until));
        Ok((200, body))
    }

    /// What a URL names: no part of the API, which nobody shows a token.
    pub(super) fn download(&self, request: &Request, token: &str) -> Answer {
        let is_of_api = |(name, _): &(String, String)| name.starts_with("x-amz-") || name == "authorization";
        if request.method != "GET" || request.headers.iter().any(is_of_api) {
            return Answer::empty(400);
        }
        let is_signed = request.parameter("X-Amz-Signature") == Some(token);
        match self.urls.get(token) {
            Some((at, until)) if is_signed && *until > Utc::now() => self.all[*at].document(),
            _ => Answer::empty(403).with("content-type", "application/xml"),
        }
    }

    fn of_document(&self, account: &str, document: &str) -> Option<usize> {
        let is_it = |report: &Report| {
            report.wanted.account == account && report.document_id().as_deref() == Some(document)
        };
        self.all.iter().position(is_it)
    }

    fn id(&self) -> String {
        format!("{}", 50_001_018_706u64 + self.all.len() as u64)
    }
}

impl Report {
    fn status(&self) -> &'static str {
        match (&self.made, self.looks) {
            (_, looks) if looks < self.needs && looks < 2 => "IN_QUEUE",
            (_, looks) if looks < self.needs => "IN_PROGRESS",
            (Made::Document { .. }, _) => "DONE",
            (Made::Cancelled, _) => "CANCELLED",
            (Made::Fatal(_), _) => "FATAL",
        }
    }

    fn document_id(&self) -> Option<String> {
        let has_one = matches!(self.made, Made::Document { .. } | Made::Fatal(Some(_)));
        (has_one && matches!(self.status(), "DONE" | "FATAL")).then(|| format!("amzn1.spdoc.1.4.{}", self.id))
    }

    fn is_compressed(&self) -> bool {
        !matches!(self.made, Made::Document { gzip: false, .. })
    }

    /// When it was made.
    fn ended(&self) -> DateTime<Utc> {
        self.created + TimeDelta::seconds(1)
    }

    fn stated(&self) -> Value {
        let mut stated = json!({
            "reportId": self.id,
            "reportType": self.wanted.kind,
            "createdTime": text(self.created),
            "processingStatus": self.status(),
            "marketplaceIds": self.wanted.marketplaces,
        });
        for (name, at) in [
            ("dataStartTime", self.wanted.from),
            ("dataEndTime", self.wanted.to),
        ] {
            if let Some(at) = at {
                stated[name] = json!(text(at));
            }
        }
        if matches!(self.status(), "DONE" | "FATAL") {
            stated["processingStartTime"] = json!(text(self.created));
            stated["processingEndTime"] = json!(text(self.ended()));
        }
        if let Some(id) = self.document_id() {
            stated["reportDocumentId"] = json!(id);
        }
        stated
    }

    fn document(&self) -> Answer {
        let (body, content_type) = match &self.made {
            Made::Document {
                body, content_type, ..
            } => (body.clone(), content_type.as_str()),
            Made::Fatal(Some(said)) => (
                json!({"errorDetails": said}).to_string().into_bytes(),
                "application/json",
            ),
            _ => return Answer::empty(403),
        };
        let mut answer = Answer::empty(200).with("content-type", content_type);
        answer.body = if self.is_compressed() {
            compressed(&body)
        } else {
            body
        };
        answer
    }
}

/// What a specification says, where it is one.
fn wanted(account: &str, request: &Request) -> Result<Wanted, Refusal> {
    let is_json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    let body = request.json();
    let fields = body
        .as_object()
        .filter(|_| is_json)
        .ok_or_else(|| invalid("the body is no JSON object"))?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(invalid(unknown));
    }
    let strings = |value: &Value| -> Option<Vec<String>> {
        value
            .as_array()?
            .iter()
            .map(|text| Some(text.as_str()?.to_owned()))
            .collect()
    };
    let marketplaces = strings(&body["marketplaceIds"]).unwrap_or_default();
    if !(1..=25).contains(&marketplaces.len()) {
        return Err(invalid("marketplaceIds"));
    }
    let kind = body["reportType"].as_str().ok_or_else(|| invalid("reportType"))?;
    let mut options = BTreeMap::new();
    if let Some(said) = fields.get("reportOptions") {
        for (name, value) in said.as_object().ok_or_else(|| invalid("reportOptions"))? {
            let value = value.as_str().ok_or_else(|| invalid("reportOptions"))?;
            options.insert(name.clone(), value.to_owned());
        }
    }
    let (from, to) = (
        instant(body["dataStartTime"].as_str())?,
        instant(body["dataEndTime"].as_str())?,
    );
    let now = Utc::now();
    let is_late = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at > now);
    if is_late(from) || is_late(to) || from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(invalid("dataStartTime and dataEndTime"));
    }
    Ok(Wanted {
        account: account.to_owned(),
        kind: kind.to_owned(),
        marketplaces,
        from,
        to,
        options,
    })
}

fn instant(text: Option<&str>) -> Result<Option<DateTime<Utc>>, Refusal> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    text.map(read)
        .transpose()
        .map_err(|_| invalid("a time is none of ISO 8601"))
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, false)
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}
