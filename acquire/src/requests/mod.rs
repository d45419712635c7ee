//! Requests for reports: asked for once, whatever happens to the process that asks.
//!
//! ```text
//!  wanted -> intended -> asked -> ready -> landed
//!            (written    (id      (document  (object lies
//!             before the  known)   known)     in the raw zone)
//!             call)
//!                             \-> no data, cool-down, failed, refused, gone
//! ```
//!
//! Each state is written to the lake before the next step begins. A request that was intended, and of which no id is known,
//! may have been carried out: the source is asked before it is made again.

mod drive;
mod plan;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::manifest::Period;
use crate::told::{Outcome, Told};

pub use drive::{Created, Delivery, Document, Drive, Ended, Located, Polled, Reports};
pub use plan::{Calendar, Every, Plan, Unit, Window};

/// A report that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Its type, in the source's words.
    pub report: String,
    /// Its options, in the source's words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Ids of marketplaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marketplaces: Vec<String>,
    /// The days that it is about, both included; none where it is about the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// Which time it is asked for again about the same days, such as the day of it; none: it is asked for once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<String>,
}

/// A report that was asked for, or is about to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What was wanted.
    pub want: Want,
    /// How far it is.
    pub state: State,
    /// When this state began.
    pub since: DateTime<Utc>,
    /// When the source was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<DateTime<Utc>>,
    /// The source's id of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Not before this it is asked for again, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<DateTime<Utc>>,
    /// How often it failed or was not there.
    #[serde(default)]
    pub tries: u32,
    /// What the source said, or what went wrong; without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Path of the object in the raw zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What is known of the document, from when it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The source is about to be asked, or was, and no answer is known.
    Intended,
    /// The source makes it.
    Asked,
    /// It can be downloaded.
    Ready,
    /// It lies in the raw zone.
    Landed,
    /// The source has nothing.
    NoData,
    /// It came too soon after the last one.
    CoolDown,
    /// The source does not have it yet.
    NotYet,
    /// It cannot be had so.
    Refused,
    /// The source no longer has it.
    Gone,
    /// It went wrong.
    Failed,
}

impl State {
    /// Whether a process that comes next has to go on with it before it does anything else.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Intended | Self::Asked | Self::Ready)
    }

    /// Whether it is asked for again after a while.
    pub fn is_again(self) -> bool {
        matches!(self, Self::CoolDown | Self::NotYet | Self::Failed)
    }

    /// Whether its days need not be asked for by another request.
    pub fn covers(self) -> bool {
        self.is_open() || matches!(self, Self::Landed | Self::NoData)
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Intended | Self::Asked | Self::Ready | Self::NotYet => Outcome::NotYet,
            Self::Landed => Outcome::Landed,
            Self::NoData => Outcome::NoData,
            Self::CoolDown => Outcome::CoolDown,
            Self::Refused => Outcome::Refused,
            Self::Gone => Outcome::Gone,
            Self::Failed => Outcome::Failed,
        }
    }
}

impl Want {
    /// Its name in the book: the same for whoever wants the same.
    pub fn key(&self) -> String {
        let options: Vec<String> = self
            .options
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let period = self
            .period
            .map(|period| format!("{}..{}", period.from, period.to));
        format!(
            "{} {} [{}] {{{}}} {}",
            self.report,
            period.unwrap_or_default(),
            self.marketplaces.join(","),
            options.join(","),
            self.round.as_deref().unwrap_or_default()
        )
    }

    /// Whether another one asks for the same but for days and round.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.report, &self.options, &self.marketplaces)
            == (&other.report, &other.options, &other.marketplaces)
    }
}

impl Request {
    /// One that is about to be made.
    pub fn intended(want: Want, now: DateTime<Utc>) -> Self {
        Self {
            want,
            state: State::Intended,
            since: now,
            asked_at: None,
            id: None,
            again_at: None,
            tries: 0,
            said: None,
            object: None,
            document: None,
        }
    }

    /// The same in another state, from now on.
    #[must_use]
    pub fn now(self, state: State) -> Self {
        Self {
            state,
            since: Utc::now(),
            ..self
        }
    }

    /// What is told of it.
    pub fn told(&self, account: &str) -> Told {
        Told {
            account: account.to_owned(),
            kind: self.want.report.clone(),
            id: self.id.clone(),
            period: self.want.period,
            options: self.want.options.clone(),
            marketplaces: self.want.marketplaces.clone(),
            outcome: self.state.outcome(),
            said: self.said.clone(),
            object: self.object.clone(),
            again_at: self.again_at,
        }
    }
}

#[cfg(test)]
mod tests;
