//! Reports of one profile: asked for, looked at, found where they lie, and laid down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::definition::Definition;
use super::profiles::Profile;
use super::{Api, CREATE, LOOK};
use crate::book::Book;
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Period};
use crate::place::Place;
use crate::requests::{
    Calendar, Created, Delivery, Document, Drive, Ended, Located, Polled, Reports, Request, State, Want,
};
use crate::told::{Outcome, Told as Said};
use crate::transport::{Answer, Call, Downloaded, Repeat};

const PATH: &str = "/reporting/reports";
const ASKED_AS: &str = "application/vnd.createasyncreportrequest.v3+json";
const CREATED_AS: &str = "application/vnd.createasyncreportresponse.v3+json";
const TOLD_AS: &str = "application/vnd.getasyncreportresponse.v3+json";
/// What stands before the id of the report that is being made already.
const DUPLICATE: &str = "duplicate of";
/// A URL with less left than this is asked for anew.
const LEFT: TimeDelta = TimeDelta::seconds(20);

/// The reports of a profile.
pub struct ProfileReports {
    api: Arc<Api>,
    account: String,
    profile: Profile,
    definitions: Vec<Definition>,
    folder: Place,
    pending_most: TimeDelta,
    links: Mutex<Links>,
}

/// What would be asked for.
pub struct Would {
    /// Each report.
    pub requests: Vec<Said>,
    /// Requests over HTTP at least.
    pub calls: u64,
    /// How long they take at the rates that are known.
    pub takes: Duration,
}

/// What this process was told and nobody may write down.
#[derive(Default)]
struct Links {
    /// Reports that were looked at when they were adopted: nobody looks twice.
    seen: BTreeMap<String, Told>,
    /// URLs of documents, by report, that nobody used yet.
    fresh: BTreeMap<String, (Url, Option<DateTime<Utc>>)>,
    /// The URL that was used last.
    used: BTreeMap<String, Url>,
}

/// What Amazon says of a report.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    report_id: String,
    status: String,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    generated_at: Option<DateTime<Utc>>,
    url: Option<Url>,
    url_expires_at: Option<DateTime<Utc>>,
    failure_reason: Option<String>,
    #[serde(flatten)]
    rest: Value,
}

impl ProfileReports {
    /// Reports that are laid down in the folder of the account.
    pub fn new(
        api: Arc<Api>,
        account: impl Into<String>,
        profile: Profile,
        definitions: Vec<Definition>,
        folder: Place,
    ) -> Self {
        Self {
            api,
            account: account.into(),
            profile,
            definitions,
            folder,
            pending_most: TimeDelta::hours(6),
            links: Mutex::default(),
        }
    }

    /// The same, where what was not begun after so long is given up.
    #[must_use]
    pub fn pending_most(self, so_long: Duration) -> Self {
        let pending_most = TimeDelta::from_std(so_long).unwrap_or(TimeDelta::MAX);
        Self { pending_most, ..self }
    }

    /// What is wanted of these days, or what is due, of all that is asked for of the profile.
    pub async fn wants(&self, days: Option<Period>, calendar: &Calendar, book: &Book<Request>) -> Vec<Want> {
        let known: Vec<Request> = book
            .entries()
            .await
            .into_iter()
            .map(|(_, request)| request)
            .collect();
        let plans = self.definitions.iter().map(Definition::plan);
        plans
            .flat_map(|plan| match days {
                Some(days) => plan.of_days(days, calendar, &known),
                None => plan.due(calendar, &known),
            })
            .collect()
    }

    /// What would be asked for of what is wanted.
    pub async fn would(&self, drive: &Drive<'_>, wants: Vec<Want>) -> Would {
        let mut requests = Vec::new();
        for want in wants {
            let known = drive.book.get(&want.key()).await;
            if known.is_none_or(|known| drive.is_due(&known)) {
                let wanted = Request::intended(want, Utc::now()).told(&self.account);
                requests.push(Said {
                    outcome: Outcome::Wanted,
                    ..wanted
                });
            }
        }
        let number = requests.len() as u64;
        let (create, look) = (self.api.bucket(&CREATE).await, self.api.bucket(&LOOK).await);
        Would {
            // Each is asked for, looked at and downloaded.
            calls: 3 * number,
            takes: create.takes(number).max(look.takes(number)),
            requests,
        }
    }

    fn definition(&self, want: &Want) -> Result<Definition> {
        let known = self
            .definitions
            .iter()
            .find(|definition| definition.is_of(want))
            .cloned();
        known.or_else(|| Definition::of_want(want)).ok_or_else(|| {
            Error::mistake(format!(
                "the report {} that is under way is no longer in acquire.ads.reports, which says its folder: put it back \
                 until it has landed",
                want.report
            ))
        })
    }

    /// The folder of a report that is made: that of the day of it, in UTC.
    fn place(&self, request: &Request) -> Result<Place> {
        let generated_at = request
            .document
            .as_ref()
            .and_then(|document| document.generated_at);
        let day = generated_at.unwrap_or(request.since).date_naive();
        let definition = self.definition(&request.want)?;
        Ok(self.folder.below(&format!("{}/{day}", definition.folder())))
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn what(&self, id: &str) -> String {
        format!("report {id} of profile {}", self.profile.id)
    }

    /// Looks at a report; none where Amazon does not know it.
    async fn look(&self, id: &str) -> Result<Option<Told>> {
        let what = self.what(id);
        let url = self.api.endpoint.at(&format!("{PATH}/{id}"))?;
        let call = Call::get(&what, url).header(ACCEPT, TOLD_AS);
        let answer = self.api.call(&LOOK, Some(&self.profile.id), call).await?;
        match answer.status {
            status if status.is_success() => Ok(Some(answer.json(&what)?)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Error::Refused(self.api.transport.refused(&answer, &what))),
        }
    }

    /// The report that is being made already, if it is the one that is wanted.
    async fn adopt(&self, want: &Want, definition: &Definition, id: String) -> Result<Created> {
        let Some(told) = self.look(&id).await? else {
            return Ok(Created::Ended(not_yet(format!(
                "report {id}, of which it is said to be a duplicate, is not known"
            ))));
        };
        let is_it = want
            .period
            .is_some_and(|period| definition.is_what(period, &told.rest));
        if !is_it {
            // Amazon takes a summary and days of one type for the same while one of them is made.
            return Ok(Created::Ended(not_yet(format!(
                "report {id} is made first, which Amazon takes for the same"
            ))));
        }
        self.links().seen.insert(id.clone(), told);
        Ok(Created::Id(id))
    }

    /// What a refused request comes to.
    fn refused(&self, answer: &Answer, want: &Want, definition: &Definition) -> Ended {
        let what = format!("report {} of profile {}", want.report, self.profile.id);
        let mut said = self.api.transport.refused(answer, &what).to_string();
        if let Some(columns) = definition.about_columns(&String::from_utf8_lossy(&answer.body)) {
            said = format!("{said}; {columns}");
        }
        match answer.status.as_u16() {
            400 | 406 | 415 | 422 => Ended {
                state: State::Refused,
                said: Some(said),
                again_at: None,
            },
            // About who asks: another day the answer may be another one.
            _ => Ended::failed(Some(said)),
        }
    }

    /// Takes back a report that was not begun, so that it can be asked for again.
    async fn give_up(&self, id: &str) -> Result<Ended> {
        let what = format!("cancelling {}", self.what(id));
        let url = self.api.endpoint.at(&format!("{PATH}/{id}"))?;
        let call = Call {
            method: Method::DELETE,
            repeat: Repeat::Safe,
            ..Call::get(&what, url)
        };
        // Where that fails, whoever asks again is told of this report, and takes it up.
        if let Err(error) = self.api.call(&LOOK, Some(&self.profile.id), call).await {
            tracing::debug!(error = error.to_string(), "report was not cancelled");
        }
        let hours = self.pending_most.as_seconds_f64() / 3600.0;
        Ok(Ended::failed(Some(format!(
            "not begun {hours:.1} hours after it was asked for: it is given up"
        ))))
    }

    fn polled(&self, id: &str, told: Told) -> Result<Polled> {
        match told.status.as_str() {
            "PENDING" | "PROCESSING" => Ok(Polled::Working),
            "COMPLETED" => {
                let generated_at = told.generated_at.or(told.updated_at).or(told.created_at);
                if let Some(url) = told.url {
                    self.links()
                        .fresh
                        .insert(id.to_owned(), (url, told.url_expires_at));
                }
                Ok(Polled::Ready(Document {
                    id: None,
                    generated_at,
                }))
            }
            "FAILED" | "CANCELLED" => {
                let reason = told.failure_reason.map(|reason| self.api.transport.hide(&reason));
                let said = reason.unwrap_or_else(|| "Amazon says no reason".to_owned());
                Ok(Polled::Ended(Ended::failed(Some(said))))
            }
            status => Err(Error::odd(self.what(id), format!("its status is {status:?}"))),
        }
    }
}

#[async_trait]
impl Reports for ProfileReports {
    async fn create(&self, want: &Want) -> Result<Created> {
        let definition = self.definition(want)?;
        let Some(period) = want.period else {
            return Err(Error::mistake(format!("the report {} needs days", want.report)));
        };
        let what = format!("report {} of profile {}, {period}", want.report, self.profile.id);
        let body = definition.body(period).to_string();
        let call = Call::post(&what, self.api.endpoint.at(PATH)?, ASKED_AS, body).header(ACCEPT, CREATED_AS);
        let answer = self.api.call(&CREATE, Some(&self.profile.id), call).await?;
        if answer.status.is_success() {
            return match answer.json::<Told>(&what) {
                Ok(told) => Ok(Created::Id(told.report_id)),
                // It was carried out: asked again, Amazon says which report it is.
                Err(error) => Err(Error::Lost {
                    what,
                    why: error.to_string(),
                }),
            };
        }
        if answer.status == StatusCode::TOO_EARLY {
            return match duplicate(&answer) {
                Some(id) => self.adopt(want, &definition, id).await,
                None => Ok(Created::Ended(not_yet(
                    "the same report is being made, and its id is not said".to_owned(),
                ))),
            };
        }
        Ok(Created::Ended(self.refused(&answer, want, &definition)))
    }

    async fn find(&self, _: &Want, _: DateTime<Utc>, _: &BTreeSet<String>) -> Result<Option<String>> {
        // Reports cannot be listed. Asked again, Amazon answers with the id of the one that it makes.
        Ok(None)
    }

    async fn poll(&self, request: &Request, id: &str) -> Result<Polled> {
        let seen = self.links().seen.remove(id);
        let told = match seen {
            Some(told) => Some(told),
            None => self.look(id).await?,
        };
        let Some(told) = told else {
            return Ok(Polled::Ended(Ended::failed(Some(
                "Amazon does not know the report any more".to_owned(),
            ))));
        };
        let asked_at = request.asked_at.unwrap_or(request.since);
        if told.status == "PENDING"
            && asked_at
                .checked_add_signed(self.pending_most)
                .is_some_and(|end| end < Utc::now())
        {
            return Ok(Polled::Ended(self.give_up(id).await?));
        }
        self.polled(id, told)
    }

    async fn locate(&self, request: &Request, _: &Document) -> Result<Result<Located, Ended>> {
        let id = request.id.as_deref().unwrap_or_default();
        let fresh = self.links().fresh.remove(id);
        let is_good =
            |(_, over): &(Url, Option<DateTime<Utc>>)| over.is_none_or(|over| Utc::now() + LEFT < over);
        let url = match fresh.filter(is_good) {
            Some((url, _)) => url,
            None => {
                let Some(told) = self.look(id).await? else {
                    return Ok(Err(Ended::failed(Some(
                        "Amazon does not know the report any more".to_owned(),
                    ))));
                };
                let Some(url) = told.url.filter(|_| told.status == "COMPLETED") else {
                    return Ok(Err(Ended::failed(Some(format!(
                        "it is {} now, without a URL",
                        told.status
                    )))));
                };
                if self.links().used.get(id) == Some(&url) {
                    let said = "its URL is over, and Amazon gives no other: the report is asked for again";
                    return Ok(Err(Ended::failed(Some(said.to_owned()))));
                }
                url
            }
        };
        self.links().used.insert(id.to_owned(), url.clone());
        Ok(Ok(Located {
            url,
            plain: self.api.endpoint.is_overridden,
        }))
    }

    fn objects(&self, request: &Request) -> Result<Vec<Place>> {
        let id = request.id.as_deref().unwrap_or_default();
        let folder = self.place(request)?;
        let names = [true, false].map(|is_gzip| object_name(id, is_gzip));
        Ok(names.iter().map(|name| folder.below(name)).collect())
    }

    async fn delivery(
        &self,
        request: &Request,
        downloaded: &mut Downloaded,
    ) -> Result<Result<Delivery, Ended>> {
        let id = request.id.clone().unwrap_or_default();
        let beginning = String::from_utf8_lossy(&downloaded.beginning(64)?).into_owned();
        if !beginning
            .trim_start_matches('\u{feff}')
            .trim_start()
            .starts_with('[')
        {
            return Ok(Err(Ended::failed(Some(
                "what was downloaded is no list of rows".to_owned(),
            ))));
        }
        let mut manifest = Manifest::new(&id, &self.account);
        manifest.report_type = Some(request.want.report.clone());
        manifest.marketplace_ids = self.profile.marketplace.iter().cloned().collect();
        manifest.options.clone_from(&request.want.options);
        manifest.period = request.want.period;
        manifest.generated_at = request
            .document
            .as_ref()
            .and_then(|document| document.generated_at);
        manifest.requested_at = request.asked_at;
        manifest.profile = Some(self.profile.id.clone());
        manifest.currency.clone_from(&self.profile.currency);
        manifest.zone = Some(self.profile.zone.clone());
        Ok(Ok(Delivery {
            folder: self.place(request)?,
            name: object_name(&id, downloaded.is_gzip),
            manifest,
        }))
    }
}

fn object_name(id: &str, is_gzip: bool) -> String {
    format!("{id}.json{}", if is_gzip { ".gz" } else { "" })
}

fn not_yet(said: String) -> Ended {
    Ended {
        state: State::NotYet,
        said: Some(said),
        again_at: None,
    }
}

/// The id of the report that is being made, out of the answer that says so.
fn duplicate(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let (_, after) = text.split_once(DUPLICATE)?;
    let after = after.trim_start_matches([' ', ':', '\\', '"', '\'']);
    let id: String = after
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
        .collect();
    (!id.is_empty()).then_some(id)
}
