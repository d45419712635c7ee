//! What is told of each thing that was asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::Period;

/// What became of one thing that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Told {
    /// Alias of the account.
    pub account: String,
    /// What was asked for: a report type, or a kind of page or message.
    #[serde(rename = "type")]
    pub kind: String,
    /// The source's id of it; none where it never got one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The days that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The options that were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Marketplaces that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marketplaces: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it is not `landed`; without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Path of the object in the raw zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Not before this it is asked for again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_at: Option<DateTime<Utc>>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It lies in the raw zone.
    Landed,
    /// The source has nothing for it.
    NoData,
    /// It was asked for too soon after the last time.
    CoolDown,
    /// It is being made, or is not there yet: a later call asks for it.
    NotYet,
    /// It cannot be had as it was asked for.
    Refused,
    /// The source no longer has it.
    Gone,
    /// It went wrong; a later call tries again.
    Failed,
    /// It would be asked for: nothing is, with `--dry-run`.
    Wanted,
}

impl Told {
    /// What was not asked for at all, as it cannot be had.
    pub fn refused(account: &str, kind: &str, said: String) -> Self {
        Self {
            account: account.to_owned(),
            kind: kind.to_owned(),
            id: None,
            period: None,
            options: BTreeMap::new(),
            marketplaces: Vec::new(),
            outcome: Outcome::Refused,
            said: Some(said),
            object: None,
            again_at: None,
        }
    }
}

impl Outcome {
    /// Whether a later call has something left to do.
    pub fn waits(self) -> bool {
        matches!(self, Self::CoolDown | Self::NotYet)
    }

    /// Whether somebody has to look at it.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Refused | Self::Failed)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Landed => "landed",
            Self::NoData => "no data",
            Self::CoolDown => "cool-down",
            Self::NotYet => "not yet",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Failed => "failed",
            Self::Wanted => "wanted",
        }
    }
}
