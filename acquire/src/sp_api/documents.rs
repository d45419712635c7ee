//! Documents of reports: where they are, and what those of reports say that went wrong.

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::types::ReportType;
use super::{Operation, SpApi};
use crate::error::{Error, Result};
use crate::rate::Rate;
use crate::requests::{Ended, Located, State};
use crate::transport::{Answer, Call, Downloaded, Repeat, Spool};

pub(super) const GET_DOCUMENT: Operation = Operation {
    name: "getReportDocument",
    rate: Rate {
        per_second: 0.0167,
        burst: 15,
    },
};
const CREATE_TOKEN: Operation = Operation {
    name: "createRestrictedDataToken",
    rate: Rate {
        per_second: 1.0,
        burst: 10,
    },
};

/// The path of documents.
const DOCUMENTS: [&str; 3] = ["reports", "2021-06-30", "documents"];
/// How much of a document about an error is read.
const READ: u64 = 64 << 10;
/// Words with which Amazon says that it has the days later.
const LATER: [&str; 6] = [
    "not yet available",
    "not available yet",
    "not yet been",
    "try again later",
    "retry later",
    "is not ready",
];
/// Words with which it says that it never makes such a report.
const NEVER: [&str; 12] = [
    "invalid",
    "requires",
    "must ",
    "not supported",
    "unsupported",
    "not allowed",
    "not a valid",
    "please review",
    "missing",
    "exceed",
    "beyond",
    "does not correspond",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stated {
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    restricted_data_token: String,
}

impl SpApi {
    /// Where a document is from now on, for a few minutes.
    pub(super) async fn locate_document(&self, kind: &str, document: &str) -> Result<Located> {
        let what = format!("getReportDocument of {document}");
        let url = self.url(&[&DOCUMENTS[..], &[document]].concat())?;
        let answer = match ReportType::of(kind).is_ok_and(|kind| kind.restricted) {
            true => self.read_restricted(&what, &url).await?,
            false => self.call(&GET_DOCUMENT, Call::get(&what, url)).await?,
        };
        if !answer.status.is_success() {
            return Err(Error::Refused(self.refused(&answer, &what)));
        }
        let stated: Stated = answer.json(&what)?;
        let url = Url::parse(&stated.url).map_err(|_| Error::odd(&what, "its URL is none"))?;
        Ok(Located {
            url,
            plain: self.is_overridden(),
        })
    }

    /// Reads with a token that is good for this document alone; another one where it is over before it is used.
    async fn read_restricted(&self, what: &str, url: &Url) -> Result<Answer> {
        let mut answer = None;
        for _ in 0..2 {
            let token = self.restricted_token(url).await?;
            let call = Call::get(what, url.clone());
            let read = self.with_token(&GET_DOCUMENT, call, &token).await?;
            if !super::is_over(&read) {
                return Ok(read);
            }
            answer = Some(read);
        }
        answer.ok_or_else(|| Error::odd(what, "no answer"))
    }

    async fn restricted_token(&self, url: &Url) -> Result<String> {
        let what = "createRestrictedDataToken";
        let at = self.url(&["tokens", "2021-03-01", "restrictedDataToken"])?;
        // The path as the API has it, whatever the endpoint has before it.
        let path = url.path();
        let path = path.find("/reports/").map_or(path, |begin| &path[begin..]);
        let body = json!({"restrictedResources": [{"method": "GET", "path": path}]}).to_string();
        let call = Call::post(what, at, "application/json", body).repeated(Repeat::Safe);
        let answer = self.call(&CREATE_TOKEN, call).await?;
        if answer.status == StatusCode::FORBIDDEN {
            let refused = self.refused(&answer, what);
            return Err(Error::odd(
                refused.to_string(),
                "the application needs a role for restricted reports, and the account's consent to it",
            ));
        }
        if !answer.status.is_success() {
            return Err(Error::Refused(self.refused(&answer, what)));
        }
        let given: Given = answer.json(what)?;
        self.transport().keep(&given.restricted_data_token);
        Ok(given.restricted_data_token)
    }

    /// Downloads the document of a report that went wrong.
    pub(super) async fn read_failure(&self, kind: &str, document: &str, spool: &Spool) -> Result<Downloaded> {
        let located = self.locate_document(kind, document).await?;
        let what = format!("document {document} about a report that went wrong");
        self.transport()
            .download(&what, &located.url, located.plain, spool)
            .await
    }
}

/// What the document of a report that went wrong means.
pub(super) fn failure(document: &mut Downloaded) -> Result<Ended> {
    let text = document.beginning(READ)?;
    let text = String::from_utf8_lossy(&text);
    let stated: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let stated = stated
        .as_ref()
        .and_then(|stated| stated.get("errorDetails")?.as_str());
    Ok(classified(stated.unwrap_or(&text)))
}

fn classified(said: &str) -> Ended {
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let state = match () {
        () if says(&LATER) => State::NotYet,
        () if says(&NEVER) => State::Refused,
        () => State::Failed,
    };
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let again_at: Option<DateTime<Utc>> = None;
    Ended {
        state,
        said: Some(said.chars().take(300).collect()),
        again_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_apart_by_what_amazon_says() {
        for (said, state) in [
            (
                "The report data for the requested date range is not yet available",
                State::NotYet,
            ),
            (
                "Data is not available yet. Please try again later.",
                State::NotYet,
            ),
            (
                "Error in report request: This report type requires the reportPeriod reportOption to be specified. \
                 Please review the document for this report type on GitHub, and try again.",
                State::Refused,
            ),
            ("dataStartTime must be a Sunday", State::Refused),
            ("Internal error", State::Failed),
            ("", State::Failed),
        ] {
            assert_eq!(classified(said).state, state, "{said}");
        }
    }
}
