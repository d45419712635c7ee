//! Drives the requests of an account from the wish to the raw zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, StreamExt};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use url::Url;

use super::{Request, State, Want};
use crate::book::Book;
use crate::deliver::deliver;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::place::Place;
use crate::settings::Settings;
use crate::told::Told;
use crate::transport::{Downloaded, Spool, Transport};

/// How often a request of which the answer was lost is made in one call.
const ASKED: u32 = 3;
/// How often a URL that was over is asked for anew.
const URLS: u32 = 4;
/// What was asked for is looked for no sooner than this after it was: it may be under way still.
const SETTLES: Duration = Duration::from_secs(5);
/// The longest wait before something that failed again and again is asked for.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// A source of reports, for one account.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Asks for a report, which nobody else asks for at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] where it may have been carried out.
    async fn create(&self, want: &Want) -> Result<Created>;

    /// The report that a request may have made whose answer was lost, among those created since then, none of which is `known`;
    /// none where it made none. A source where a second request is answered with the id of the first says none.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    async fn find(
        &self,
        want: &Want,
        since: DateTime<Utc>,
        known: &BTreeSet<String>,
    ) -> Result<Option<String>>;

    /// How far the report is.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    async fn poll(&self, request: &Request, id: &str) -> Result<Polled>;

    /// A URL of the document, good from now on. The end of the request instead where the source has no document any more.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    async fn locate(&self, request: &Request, document: &Document) -> Result<Result<Located, Ended>>;

    /// The objects that the document can be, where an earlier process laid it down and could not write so any more.
    ///
    /// # Errors
    ///
    /// When they have no name.
    fn objects(&self, request: &Request) -> Result<Vec<Place>> {
        let _ = request;
        Ok(Vec::new())
    }

    /// Where the document is laid down under which name, and what is said about it. The end of the request instead where the
    /// document says that it is none.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    async fn delivery(
        &self,
        request: &Request,
        downloaded: &mut Downloaded,
    ) -> Result<Result<Delivery, Ended>>;

    /// Waits so long before the next look at a report; shorter where its end is told otherwise.
    async fn wait(&self, id: &str, so_long: Duration) {
        let _ = id;
        sleep(so_long).await;
    }
}

/// What became of asking.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// The source makes the report of this id.
    Id(String),
    /// It does not.
    Ended(Ended),
}

/// How far a report is.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// It is being made.
    Working,
    /// It is made.
    Ready(Document),
    /// There will be none.
    Ended(Ended),
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// `NoData`, `CoolDown`, `NotYet`, `Refused`, `Gone` or `Failed`.
    pub state: State,
    /// What the source said, without secrets.
    pub said: Option<String>,
    /// Not before this it makes sense to ask again, where the source says so.
    pub again_at: Option<DateTime<Utc>>,
}

/// What is known of a document that can be downloaded. URLs are no part of it: they are secrets, and are over soon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The source's id of it, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When the source made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<DateTime<Utc>>,
}

/// Where a document is for a while.
#[derive(Debug, Clone)]
pub struct Located {
    /// Its URL.
    pub url: Url,
    /// Whether it may be http.
    pub plain: bool,
}

/// Where a document belongs.
#[derive(Debug)]
pub struct Delivery {
    /// The folder in the raw zone.
    pub folder: Place,
    /// Name of the object in it.
    pub name: String,
    /// What is said about it.
    pub manifest: Manifest,
}

/// The requests of an account.
pub struct Drive<'a> {
    /// Alias of the account.
    pub account: &'a str,
    /// What was asked for until now.
    pub book: &'a Book<Request>,
    /// Who is asked.
    pub reports: &'a dyn Reports,
    /// Who downloads.
    pub transport: &'a Transport,
    /// Where documents lie meanwhile.
    pub spool: &'a Spool,
    /// How fast and how long.
    pub settings: &'a Settings,
    /// Whether what failed, was not there or was refused is asked for now, however short ago that was.
    pub again: bool,
}

/// What one call shares among its requests.
struct Call {
    /// Nothing new is begun after this.
    deadline: Instant,
    /// By what a lost answer cannot be told apart: whoever asks holds it until the id is known.
    asking: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Drive<'_> {
    /// Goes on with what is open, and asks for what is wanted and was not. What is told is told of all that is open or wanted
    /// but what landed before.
    ///
    /// # Errors
    ///
    /// When the book cannot be written. What becomes of single requests is told.
    pub async fn run(&self, wants: Vec<Want>) -> Result<Vec<Told>> {
        let call = Call {
            deadline: Instant::now() + self.settings.wait.0,
            asking: Mutex::default(),
        };
        self.transport.ends_at(call.deadline);
        let known = self.book.entries().await;
        let (lost, mut to_do): (Vec<Request>, Vec<Request>) = known
            .iter()
            .map(|(_, request)| request.clone())
            .filter(|request| request.state.is_open())
            .partition(|request| request.state == State::Intended);
        let known: BTreeMap<String, Request> = known.into_iter().collect();
        let mut told = Vec::new();
        for want in wants {
            match known.get(&want.key()) {
                None => to_do.push(Request::intended(want, Utc::now())),
                Some(request) if request.state.is_open() => {}
                Some(request) if self.is_due(request) => {
                    let again = Request {
                        tries: request.tries,
                        ..Request::intended(want, Utc::now())
                    };
                    to_do.push(again);
                }
                Some(request) if request.state.covers() => {}
                Some(request) => told.push(request.told(self.account)),
            }
        }
        // What may have been asked for is settled before anything is asked for that could be taken for it.
        for requests in [lost, to_do] {
            let mut requests = stream::iter(requests)
                .map(|request| self.one(&call, request))
                .buffer_unordered(self.settings.parallel);
            while let Some(one) = requests.next().await {
                told.push(one?);
            }
        }
        Ok(told)
    }

    /// Whether a request that came to an end is made again now.
    pub fn is_due(&self, request: &Request) -> bool {
        match request.state {
            state if state.is_again() => self.again || request.again_at.is_none_or(|at| at <= Utc::now()),
            State::Refused | State::Gone => self.again,
            _ => false,
        }
    }

    /// One request to its end, or as far as it comes in this call.
    async fn one(&self, call: &Call, mut request: Request) -> Result<Told> {
        loop {
            let next = match request.state {
                State::Intended => self.ask(call, &request).await,
                State::Asked => self.look(call, &request).await,
                State::Ready => self.land(&request).await,
                _ => return Ok(request.told(self.account)),
            };
            match next {
                Ok(Some(next)) => {
                    self.book.put(&next.want.key(), next.clone()).await?;
                    request = next;
                }
                Ok(None) | Err(Error::NoTime { .. }) => {
                    let said = Some("not there yet: the next call goes on".to_owned());
                    return Ok(Request { said, ..request }.told(self.account));
                }
                Err(error @ (Error::Raced { .. } | Error::Mistake(_))) => return Err(error),
                // Nobody is asked for anything with credentials that are refused.
                Err(error @ Error::Refused(_)) if request.state == State::Intended => return Err(error),
                Err(error) => {
                    let said = Some(self.transport.hide(&error.to_string()));
                    tracing::warn!(
                        account = self.account,
                        report = request.want.report,
                        error = said,
                        "request failed"
                    );
                    // Its state stays, and the next call goes on from there.
                    let failed = Request { said, ..request };
                    return Ok(failed.now(State::Failed).told(self.account));
                }
            }
        }
    }

    /// Asks the source; none where there is no time for it.
    async fn ask(&self, call: &Call, request: &Request) -> Result<Option<Request>> {
        let alike = alike(&request.want);
        let turn = {
            let mut asking = call.asking.lock().unwrap_or_else(PoisonError::into_inner);
            asking.entry(alike.clone()).or_default().clone()
        };
        let _turn = turn.lock().await;
        let key = request.want.key();
        let entries = self.book.entries().await;
        let is_lost = entries
            .iter()
            .any(|(name, known)| *name == key && known.state == State::Intended);
        if !is_lost {
            if Instant::now() >= call.deadline {
                return Ok(None);
            }
            let is_other =
                |known: &Request| known.state == State::Intended && self::alike(&known.want) == alike;
            if entries.iter().any(|(_, known)| is_other(known)) {
                // Which of the two a report is could not be told.
                return Ok(None);
            }
            if let Some(cooling) = self.cooling(&request.want, &entries) {
                return Ok(Some(cooling));
            }
        }
        let ids: BTreeSet<String> = entries.iter().filter_map(|(_, known)| known.id.clone()).collect();
        let mut intended = request.clone();
        let mut may_be_there = is_lost;
        for _ in 0..ASKED {
            if may_be_there {
                let since = intended.since - TimeDelta::minutes(5);
                sleep(settles(intended.since, self.settings)).await;
                let found = self.reports.find(&intended.want, since, &ids).await;
                if let Some(id) = found.map_err(not_found_out)? {
                    return Ok(Some(intended.asked(id)));
                }
            }
            // A new intention, from which on the next report of this kind is ours.
            intended = intended.now(State::Intended);
            self.book.put(&key, intended.clone()).await?;
            match self.reports.create(&intended.want).await {
                Ok(Created::Id(id)) => return Ok(Some(intended.asked(id))),
                Ok(Created::Ended(ended)) => return Ok(Some(self.ended(intended, ended))),
                Err(Error::Lost { what, why }) => {
                    tracing::warn!(
                        account = self.account,
                        what,
                        why,
                        "it is looked for whether it was asked for"
                    );
                    may_be_there = true;
                }
                Err(error @ Error::Raced { .. }) => return Err(error),
                Err(error @ (Error::NoTime { .. } | Error::Refused(_))) => {
                    // Nothing was asked: it is as if it had never been intended.
                    self.withdraw(&key, &entries).await?;
                    return Err(error);
                }
                Err(error) => {
                    // It was not carried out.
                    let said = Some(self.transport.hide(&error.to_string()));
                    return Ok(Some(self.ended(intended, Ended::failed(said))));
                }
            }
        }
        Err(Error::Lost {
            what: format!("report {}", request.want.report),
            why: "no answer came; the next call looks for it".to_owned(),
        })
    }

    /// Takes an intention back: the entry is what it was before, where it was one.
    async fn withdraw(&self, key: &str, entries: &[(String, Request)]) -> Result<()> {
        let before = entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, known)| known.clone());
        let before = before.filter(|known| known.state != State::Intended);
        let change = |entries: &mut BTreeMap<String, Request>| match before {
            Some(before) => _ = entries.insert(key.to_owned(), before),
            None => _ = entries.remove(key),
        };
        self.book.change(change).await
    }

    /// The end of a request whose type cools down: whatever marketplace it is for, the source would not make it.
    fn cooling(&self, want: &Want, entries: &[(String, Request)]) -> Option<Request> {
        let now = Utc::now();
        let cooling = entries.iter().map(|(_, known)| known).filter(|known| {
            known.state == State::CoolDown
                && known.want.report == want.report
                && known.want.key() != want.key()
        });
        let until = cooling
            .filter_map(|known| known.again_at)
            .filter(|until| *until > now)
            .max()?;
        let ended = Request::intended(want.clone(), now).now(State::CoolDown);
        Some(Request {
            again_at: Some(until),
            said: Some("the type cools down after another request".to_owned()),
            ..ended
        })
    }

    /// Looks until the report is made; none where that takes longer than this call.
    async fn look(&self, call: &Call, request: &Request) -> Result<Option<Request>> {
        let id = request.id.as_deref().unwrap_or_default();
        let mut wait = self.settings.poll.0;
        // Right after it was asked for nobody has made it.
        let asked_ago = (Utc::now() - request.since).to_std().unwrap_or_default();
        let mut pause = wait.saturating_sub(asked_ago);
        loop {
            if Instant::now() + pause > call.deadline {
                return Ok(None);
            }
            if !pause.is_zero() {
                self.reports.wait(id, pause).await;
            }
            match self.reports.poll(request, id).await? {
                Polled::Ready(document) => {
                    let ready = Request {
                        document: Some(document),
                        ..request.clone()
                    };
                    return Ok(Some(ready.now(State::Ready)));
                }
                Polled::Ended(ended) => return Ok(Some(self.ended(request.clone(), ended))),
                Polled::Working => {}
            }
            pause = wait.mul_f64(rand::rng().random_range(0.9..1.1));
            wait = wait.mul_f64(1.5).min(self.settings.poll_most.0);
        }
    }

    /// Downloads the document and lays it down.
    async fn land(&self, request: &Request) -> Result<Option<Request>> {
        let landed = |object: String| {
            let landed = Request {
                object: Some(object),
                said: None,
                ..request.clone()
            };
            landed.now(State::Landed)
        };
        for object in self.reports.objects(request)? {
            if object.size().await?.is_some() {
                return Ok(Some(landed(object.to_string())));
            }
        }
        let document = request.document.clone().unwrap_or_default();
        let what = format!("document of report {}", request.id.as_deref().unwrap_or_default());
        let mut urls = 0;
        let mut downloaded = loop {
            let located = match self.reports.locate(request, &document).await? {
                Ok(located) => located,
                Err(ended) => return Ok(Some(self.ended(request.clone(), ended))),
            };
            match self
                .transport
                .download(&what, &located.url, located.plain, self.spool)
                .await
            {
                Ok(downloaded) => break downloaded,
                Err(Error::Expired { .. }) if urls < URLS => urls += 1,
                Err(error) => return Err(error),
            }
        };
        let delivery = match self.reports.delivery(request, &mut downloaded).await? {
            Ok(delivery) => delivery,
            Err(ended) => return Ok(Some(self.ended(request.clone(), ended))),
        };
        let Delivery {
            folder,
            name,
            manifest,
        } = delivery;
        let object = folder.below(&name).to_string();
        deliver(&folder, &name, manifest, downloaded).await?;
        Ok(Some(landed(object)))
    }

    /// A request that came to an end without a report.
    fn ended(&self, request: Request, ended: Ended) -> Request {
        let tries = request.tries + u32::from(ended.state.is_again());
        let again_at = ended.state.is_again().then(|| {
            let after = TimeDelta::from_std(self.settings.again_after.0).unwrap_or(LONGEST);
            let after = after * (1 << tries.saturating_sub(1).min(6));
            let earliest = Utc::now() + after.min(LONGEST.max(after / (1 << 6)));
            ended.again_at.map_or(earliest, |at| at.max(Utc::now()))
        });
        let ended = Request {
            tries,
            again_at,
            said: ended.said,
            ..request
        }
        .now(ended.state);
        Request {
            document: None,
            ..ended
        }
    }
}

impl Ended {
    /// It went wrong.
    pub fn failed(said: Option<String>) -> Self {
        Self {
            state: State::Failed,
            said,
            again_at: None,
        }
    }
}

impl Request {
    fn asked(self, id: String) -> Self {
        let asked_at = Some(self.since);
        let asked = Self {
            id: Some(id),
            asked_at,
            ..self
        };
        asked.now(State::Asked)
    }
}

/// Whether something was asked for is not known still.
fn not_found_out(error: Error) -> Error {
    match error {
        Error::Refused(refused) => Error::Lost {
            what: refused.what.clone(),
            why: refused.to_string(),
        },
        other => other,
    }
}

/// What a source can say of a report: requests that differ in options alone are alike.
fn alike(want: &Want) -> String {
    let period = want.period.map(|period| period.to_string()).unwrap_or_default();
    format!("{} {} {}", want.report, period, want.marketplaces.join(","))
}

/// How long to wait until what was intended then can be seen by whoever looks for it.
fn settles(since: DateTime<Utc>, settings: &Settings) -> Duration {
    let passed = (Utc::now() - since).to_std().unwrap_or_default();
    SETTLES.min(settings.poll.0).saturating_sub(passed)
}
