//! Requests over HTTP: each takes its turn, has a time-out, and is made again only where that is safe.

mod answer;
mod download;
mod hidden;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, StatusCode};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::error::{Error, Refused, Result};
use crate::rate::{Bucket, Rates};

pub use answer::Answer;
pub use download::{Downloaded, Spool};
use hidden::Hidden;

/// How the program calls itself, as the services ask for.
const AGENT: &str = concat!("marketlake/", env!("CARGO_PKG_VERSION"), " (Language=Rust)");
/// How long a connection may take to come about, an answer to a request, and a pause within an answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(60);
/// Tries of a request that may be repeated, and the waits between them.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often in a row a service may say that it is asked too often.
const REFUSALS: u32 = 20;
/// An answer that is no document is at most so large.
const LARGEST_ANSWER: usize = 64 << 20;

/// Whether a request may be made again although it may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or the same again.
    Safe,
    /// Carried out twice it would do something twice.
    Never,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is asked for, in words for people: the operation and what it is about. No secret.
    pub what: String,
    /// GET, POST, …
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Headers beside those that every request has.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Bytes,
    /// Whether it may be made again when its answer was lost.
    pub repeat: Repeat,
}

impl Call {
    /// A question that changes nothing.
    pub fn get(what: impl Into<String>, url: Url) -> Self {
        Self {
            what: what.into(),
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            repeat: Repeat::Safe,
        }
    }

    /// A request that makes something, of which nobody says that it may be made twice.
    pub fn post(
        what: impl Into<String>,
        url: Url,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            repeat: Repeat::Never,
            ..Self::get(what, url)
        }
        .header(reqwest::header::CONTENT_TYPE, content_type)
    }

    /// The same, to be repeated or not.
    #[must_use]
    pub fn repeated(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    /// The same with a header. A value that cannot be one is left out, and the service says what is missing.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }
}

/// What was asked of services until now.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
}

/// The client of all services.
pub struct Transport {
    client: Client,
    counts: Counts,
    hidden: Hidden,
    first_wait: Duration,
    until: Mutex<Option<Instant>>,
}

impl Transport {
    /// A client that has asked nothing yet.
    ///
    /// # Errors
    ///
    /// When the machine has no certificates to verify others by.
    pub fn new() -> Result<Self> {
        let client = Client::builder()
            .user_agent(AGENT)
            .connect_timeout(CONNECT)
            .read_timeout(PAUSE)
            // A redirect would take tokens to where nobody sent them.
            .redirect(Policy::none())
            .build();
        let client = client.map_err(|error| Error::store("client of HTTP", error))?;
        Ok(Self {
            client,
            counts: Counts::default(),
            hidden: Hidden::default(),
            first_wait: FIRST_WAIT,
            until: Mutex::default(),
        })
    }

    /// The same with shorter waits between tries, for tests.
    #[must_use]
    pub fn impatient(self) -> Self {
        let first_wait = Duration::from_millis(5);
        Self { first_wait, ..self }
    }

    /// No request waits for its turn beyond this, nor beyond what was said before, whichever is later.
    pub fn ends_at(&self, until: Instant) {
        let mut known = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(Some(until));
    }

    /// Whatever is said from here on shows `****` in the place of this text.
    pub fn keep(&self, secret: &str) {
        self.hidden.keep(secret);
    }

    /// The text with `****` in the place of secrets.
    pub fn hide(&self, text: &str) -> String {
        self.hidden.hide(text)
    }

    /// An answer as a refusal, without secrets.
    pub fn refused(&self, answer: &Answer, what: &str) -> Refused {
        answer.refused(what, &self.hidden)
    }

    /// Requests until now, those that came too early, and bytes that were received.
    pub fn counts(&self) -> (u64, u64, u64) {
        let Counts {
            requests,
            refused,
            received,
        } = &self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(requests), read(refused), read(received))
    }

    /// Makes a request in its turn. Every answer but those that ask for patience is given back, errors of the caller too.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] where it may have been carried out and must not be made again, [`Error::Unanswered`] where there was
    /// no answer after several tries, [`Error::NoTime`] where its turn, or its next one, comes after [`Self::ends_at`].
    pub async fn call(&self, call: &Call, rates: &Rates, bucket: &Bucket) -> Result<Answer> {
        let (mut tries, mut refusals) = (0, 0);
        loop {
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            rates.turn(bucket, until).await?;
            let why = match self.send(call).await {
                Ok(answer) => {
                    if let Some(rate) = answer.rate() {
                        bucket.learn(rate);
                    }
                    if answer.status == StatusCode::TOO_MANY_REQUESTS {
                        refusals += 1;
                        self.counts.refused.fetch_add(1, Ordering::Relaxed);
                        // It was not carried out, so that it may be made again whatever it is.
                        let said = answer.refused(&call.what, &self.hidden);
                        if refusals >= REFUSALS {
                            return Err(Error::Unanswered {
                                what: call.what.clone(),
                                why: format!(
                                    "the service says it is asked too often, {refusals} times in a row: {said}"
                                ),
                            });
                        }
                        let wait = answer.retry_after().unwrap_or_else(|| self.wait(refusals));
                        tracing::debug!(what = call.what, wait = wait.as_secs_f64(), "asked too often");
                        bucket.pause(wait);
                        continue;
                    }
                    if !answer.status.is_server_error() {
                        return Ok(answer);
                    }
                    let wait = answer.retry_after();
                    let why = answer.refused(&call.what, &self.hidden).said_with_status();
                    if call.repeat == Repeat::Safe
                        && let Some(wait) = wait
                    {
                        sleep(wait.min(LONGEST_WAIT)).await;
                    }
                    why
                }
                Err(NotSent::Before(why)) => {
                    // Nobody heard it: it may be sent again whatever it is.
                    tries += 1;
                    if tries >= TRIES {
                        let what = call.what.clone();
                        return Err(Error::Unanswered { what, why });
                    }
                    sleep(self.wait(tries)).await;
                    continue;
                }
                Err(NotSent::Midway(why)) => why,
            };
            tries += 1;
            let what = call.what.clone();
            if call.repeat == Repeat::Never {
                return Err(Error::Lost { what, why });
            }
            if tries >= TRIES {
                return Err(Error::Unanswered { what, why });
            }
            tracing::debug!(what = call.what, tries, why, "asked again");
            sleep(self.wait(tries)).await;
        }
    }

    /// Sends a request once, whatever its answer is.
    async fn send(&self, call: &Call) -> Result<Answer, NotSent> {
        let mut request = Request::new(call.method.clone(), call.url.clone());
        *request.headers_mut() = call.headers.clone();
        if !call.body.is_empty() || call.method == Method::POST {
            *request.body_mut() = Some(call.body.clone().into());
        }
        *request.timeout_mut() = Some(ANSWER);
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(|error| self.not_sent(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.midway(&error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(NotSent::Midway(format!(
                    "its answer is larger than {LARGEST_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        self.counts
            .received
            .fetch_add(body.len() as u64, Ordering::Relaxed);
        Ok(Answer {
            status,
            headers,
            body: body.into(),
        })
    }

    fn not_sent(&self, error: &reqwest::Error) -> NotSent {
        match error.is_connect() || error.is_builder() {
            true => NotSent::Before(self.said(error)),
            false => self.midway(error),
        }
    }

    fn midway(&self, error: &reqwest::Error) -> NotSent {
        NotSent::Midway(self.said(error))
    }

    /// What went wrong on the wire. The URL is left out, as it may be signed.
    fn said(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return "no answer in time".to_owned();
        }
        let mut said = match error {
            error if error.is_connect() => "no connection".to_owned(),
            error if error.is_body() || error.is_decode() => "the answer broke off".to_owned(),
            _ => "the connection broke off".to_owned(),
        };
        // The innermost cause says what the machine said; those above repeat the URL.
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause.and_then(std::error::Error::source) {
            cause = Some(inner);
        }
        if let Some(cause) = cause {
            said = format!("{said}: {cause}");
        }
        self.hidden.hide(&said)
    }

    /// How long to wait after so many tries: longer each time, and never as long as others who failed at the same moment.
    fn wait(&self, tries: u32) -> Duration {
        let longest = self
            .first_wait
            .saturating_mul(1 << tries.min(16))
            .min(LONGEST_WAIT);
        longest.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

/// Why there is no answer.
enum NotSent {
    /// The request did not reach anybody.
    Before(String),
    /// It may have.
    Midway(String),
}
