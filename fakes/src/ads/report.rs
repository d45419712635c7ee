//! A report that was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::request::Asked;
use super::{DOCUMENTS, Known, Row, instant, unique};

/// A report: what was asked for, and how far it is.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its id.
    pub id: String,
    /// The profile that it is about.
    pub profile: String,
    /// What was asked for.
    pub asked: Asked,
    /// How often it was looked at.
    pub looks: usize,
    /// How often it was looked at after its end was told and while its URL was good.
    pub wasted: usize,
    /// What its URLs were signed with, in their order.
    pub signatures: Vec<String>,
    pub(super) document: String,
    status: Status,
    pending: usize,
    working: usize,
    fails: bool,
    url: Option<(String, DateTime<Utc>)>,
    created_at: DateTime<Utc>,
    generated_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

impl Report {
    pub(super) fn new(profile: &str, asked: Asked, known: &mut Known) -> Self {
        let is_stuck = take(&mut known.stuck);
        Self {
            id: unique(),
            profile: profile.to_owned(),
            asked,
            looks: 0,
            wasted: 0,
            signatures: Vec::new(),
            document: String::new(),
            status: Status::Pending,
            pending: if is_stuck { usize::MAX } else { known.pending },
            working: known.working,
            fails: !is_stuck && take(&mut known.failing),
            url: None,
            created_at: Utc::now(),
            generated_at: None,
        }
    }

    /// Whether the same cannot be asked for beside it.
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Processing)
    }

    /// Whether it was taken back.
    pub fn is_cancelled(&self) -> bool {
        self.status == Status::Cancelled
    }

    /// When it was made.
    pub fn generated_at(&self) -> Option<DateTime<Utc>> {
        self.generated_at
    }

    /// Somebody looks at it, which is what makes it go on.
    pub(super) fn look(&mut self, truth: &BTreeMap<(String, String), Vec<Row>>, life: Duration, url: &str) {
        self.looks += 1;
        let is_good = self.url.as_ref().is_some_and(|(_, over)| *over > Utc::now());
        match self.status {
            Status::Pending | Status::Processing => {
                let spent = self.looks.saturating_sub(1);
                self.status = match spent {
                    spent if spent < self.pending => Status::Pending,
                    spent if spent < self.pending.saturating_add(self.working) => Status::Processing,
                    _ if self.fails => Status::Failed,
                    _ => Status::Completed,
                };
                if self.status == Status::Completed {
                    self.generated_at = Some(Utc::now());
                    self.document = self.rows(truth);
                }
            }
            Status::Completed if !is_good => {}
            _ => self.wasted += 1,
        }
        if self.status == Status::Completed && !is_good {
            let signature = unique();
            let over = Utc::now() + life;
            self.url = Some((
                format!("{url}{DOCUMENTS}{}?X-Amz-Signature={signature}", self.id),
                over,
            ));
            self.signatures.push(signature);
        }
    }

    pub(super) fn cancel(&mut self) -> bool {
        let is_pending = self.status == Status::Pending;
        if is_pending {
            self.status = Status::Cancelled;
        }
        is_pending
    }

    /// Whether this is what the URL that holds now is signed with.
    pub(super) fn is_signed(&self, signature: &str) -> bool {
        let is_newest = self.signatures.last().is_some_and(|newest| newest == signature);
        is_newest && self.url.as_ref().is_some_and(|(_, over)| *over > Utc::now())
    }

    /// What the API says of it.
    pub(super) fn told(&self) -> Value {
        let status = match self.status {
            Status::Pending => "PENDING",
            Status::Processing => "PROCESSING",
            Status::Completed => "COMPLETED",
            Status::Failed => "FAILED",
            Status::Cancelled => "CANCELLED",
        };
        let url = self.url.as_ref().filter(|_| self.status == Status::Completed);
        json!({
            "reportId": self.id,
            "name": self.asked.name,
            "status": status,
            "startDate": self.asked.from,
            "endDate": self.asked.to,
            "configuration": self.asked.configuration,
            "createdAt": instant(self.created_at),
            "updatedAt": instant(self.generated_at.unwrap_or(self.created_at)),
            "generatedAt": self.generated_at.map(instant),
            "fileSize": self.generated_at.map(|_| self.document.len()),
            "url": url.map(|(url, _)| url),
            "urlExpiresAt": url.map(|(_, over)| instant(*over)),
            "failureReason": (self.status == Status::Failed).then_some("Internal error, please try again"),
        })
    }

    /// The document: what happened on its days, with the columns that were asked for.
    fn rows(&self, truth: &BTreeMap<(String, String), Vec<Row>>) -> String {
        let of_it = truth.get(&(self.profile.clone(), self.asked.report.clone()));
        let rows = of_it
            .into_iter()
            .flatten()
            .filter(|row| (self.asked.from..=self.asked.to).contains(&row.date));
        let rows = rows.map(|row| {
            let columns = self.asked.columns.iter().map(|column| {
                let value = match column.as_str() {
                    "date" => json!(row.date),
                    "startDate" => json!(self.asked.from),
                    "endDate" => json!(self.asked.to),
                    column => row.fields.get(column).cloned().unwrap_or_default(),
                };
                (column.clone(), value)
            });
            Value::Object(columns.collect::<Map<_, _>>())
        });
        Value::Array(rows.collect()).to_string()
    }
}

fn take(left: &mut usize) -> bool {
    let is_left = *left > 0;
    *left = left.saturating_sub(1);
    is_left
}
