//! What the Selling Partner API keeps for an account: schedules, destinations, subscriptions. They are declared, made where
//! they are missing, listed and deleted.

use std::collections::BTreeMap;

use reqwest::Method;
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::transport::Call;

/// What is told of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Arranged {
    /// Alias of the account.
    pub account: String,
    /// What it is: `schedule`, `destination` or `subscription`.
    pub kind: &'static str,
    /// The API's id of it; none where it never got one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Report type, name of the destination, or type of the notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What else is known of it, in the API's words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
    /// What became of it.
    pub outcome: Became,
    /// Why, where it is not what was wanted; without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It is there; nothing was changed.
    There,
    /// It was made.
    Created,
    /// It was made in the place of another one.
    Replaced,
    /// It was deleted.
    Deleted,
    /// It was not there to be deleted.
    Gone,
    /// The API said no.
    Refused,
    /// It went wrong; a later call tries again.
    Failed,
    /// It would be made or deleted: nothing is, with `--dry-run`.
    Wanted,
}

/// The request that deletes what is at that address. It may be made again: what was deleted stays so.
pub(super) fn deletion(what: &'static str, url: Url) -> Call {
    Call {
        method: Method::DELETE,
        ..Call::get(what, url)
    }
}

impl Became {
    /// Whether somebody has to look at it.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Refused | Self::Failed)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Deleted => "deleted",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Wanted => "wanted",
        }
    }
}
