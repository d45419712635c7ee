//! What a service answers.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::hidden::Hidden;
use crate::error::{Error, Refused, Result, first_line};

/// In which header the Selling Partner API states requests a second.
const RATE: HeaderName = HeaderName::from_static("x-amzn-ratelimit-limit");
/// A service that asks for more patience than this is asked again after it.
const LONGEST_PATIENCE: Duration = Duration::from_secs(900);

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// What it says.
    pub body: Bytes,
}

impl Answer {
    /// The value of a header, where it is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Requests a second that the service allows; none where it does not say.
    pub(super) fn rate(&self) -> Option<f64> {
        self.header(&RATE)?.trim().parse().ok()
    }

    /// How long the service wants not to be asked; none where it does not say. A date is not read: the services state seconds.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds: f64 = self.header(&RETRY_AFTER)?.trim().parse().ok()?;
        let wait = Duration::try_from_secs_f64(seconds).ok()?;
        Some(wait.min(LONGEST_PATIENCE))
    }

    /// The service's word for what is wrong, and what it says about it: in any of the forms that Amazon's services have.
    pub fn reason(&self) -> (Option<String>, String) {
        let Ok(body) = serde_json::from_slice::<Value>(&self.body) else {
            // Pages of proxies and load balancers are no words of the service.
            let text = std::str::from_utf8(&self.body).unwrap_or_default();
            let is_page = text.trim_start().starts_with('<');
            return (None, if is_page { String::new() } else { first_line(text) });
        };
        let error = body.pointer("/errors/0").unwrap_or(&body);
        let text = |names: &[&str]| {
            let value = names.iter().find_map(|name| error.get(name)?.as_str());
            value.map(first_line).filter(|text| !text.is_empty())
        };
        let code = text(&["code", "error", "errorCode", "errorType", "__type"]);
        let said = text(&[
            "message",
            "error_description",
            "details",
            "detail",
            "errorDetails",
            "Message",
        ]);
        (code, said.unwrap_or_default())
    }

    /// The answer as a refusal, without secrets.
    pub(crate) fn refused(&self, what: &str, hidden: &Hidden) -> Refused {
        let (code, said) = self.reason();
        Refused {
            what: what.to_owned(),
            status: self.status.as_u16(),
            code: code.map(|code| hidden.hide(&code)),
            said: hidden.hide(&said),
        }
    }

    /// Its body as JSON of that shape.
    ///
    /// # Errors
    ///
    /// When it is none, without what it is instead.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let why = format!("the answer is not what is documented, at line {line}, column {column}");
            Error::odd(what, why)
        })
    }
}

impl Refused {
    /// Status, code and words, without what was asked for.
    pub(super) fn said_with_status(&self) -> String {
        let bare = Self {
            what: String::new(),
            ..self.clone()
        };
        bare.to_string().trim_start_matches([':', ' ']).to_owned()
    }
}
