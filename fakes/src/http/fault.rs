//! What goes wrong by plan.

use std::time::Duration;

use serde_json::json;

use super::{Answer, Request};

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// It is answered so, and not carried out.
    Answer(Answer),
    /// It is carried out, and the connection ends without an answer.
    Lost,
    /// It is carried out, and the connection ends in the middle of the answer's body.
    Cut,
    /// It is carried out, and the answer comes so much later.
    Delay(Duration),
}

/// Something that goes wrong with the next requests of a kind.
#[derive(Debug, Clone)]
pub struct Fault {
    method: Option<String>,
    path: String,
    after: usize,
    times: usize,
    wrong: Wrong,
}

impl Fault {
    /// The next request goes so wrong.
    pub fn new(wrong: Wrong) -> Self {
        Self {
            method: None,
            path: "/".to_owned(),
            after: 0,
            times: 1,
            wrong,
        }
    }

    /// So many requests are answered with that status, in the words of the Selling Partner API.
    pub fn status(status: u16, times: usize) -> Self {
        let code = match status {
            429 => "QuotaExceeded",
            403 => "Unauthorized",
            500..=599 => "InternalFailure",
            _ => "InvalidInput",
        };
        let body = json!({"errors": [{"code": code, "message": "planned", "details": ""}]});
        Self::new(Wrong::Answer(Answer::json(status, &body))).times(times)
    }

    /// A request is carried out, and its answer is lost.
    pub fn lost() -> Self {
        Self::new(Wrong::Lost)
    }

    /// An answer breaks off in its middle.
    pub fn cut() -> Self {
        Self::new(Wrong::Cut)
    }

    /// Only requests with that method whose path begins so.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = path.to_owned();
        self
    }

    /// So many requests of the kind pass first.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.after = requests;
        self
    }

    /// So many requests of the kind.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn is_about(&self, request: &Request) -> bool {
        let method = self
            .method
            .as_ref()
            .is_none_or(|method| *method == request.method);
        method && self.times > 0 && request.path.starts_with(&self.path)
    }
}

/// What goes wrong with this request.
pub(super) fn take(faults: &mut Vec<Fault>, request: &Request) -> Option<Wrong> {
    let fault = faults.iter_mut().find(|fault| fault.is_about(request))?;
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    fault.times -= 1;
    let wrong = fault.wrong.clone();
    faults.retain(|fault| fault.times > 0);
    Some(wrong)
}
