//! One raw object, and what tells it from others.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

/// One raw object as a listing shows it. Path, size and time of change, its own and its manifest's, are its identity: a
/// touched or rewritten file is another object, and so is one whose manifest came or changed; a raw zone that was moved,
/// or is reached by another way, has the same objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawObject {
    /// Address of the object when it was listed.
    pub(crate) uri: String,
    /// Where it lies by now, where the raw zone was moved since.
    pub(crate) moved_to: Option<String>,
    /// Path below the raw root, as if the account had no root of its own: the same wherever a raw zone is copied to,
    /// and another one for each account.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Time of the last change, in microseconds.
    pub(crate) modified: DateTime<Utc>,
    /// Alias of the account, from the path or from the account's own root.
    pub(crate) account: Option<String>,
    /// What the path says the object is about.
    pub(crate) period: NaiveDateTime,
    /// Part of a report that came in several files.
    pub(crate) part: u32,
    /// The manifest beside it.
    pub(crate) manifest: Option<Beside>,
    /// Id of the document of which it is one of several parts, which are only taken in together.
    pub(crate) document: Option<String>,
}

/// A file beside an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// Time of the last change, in microseconds.
    pub(crate) modified: DateTime<Utc>,
    /// Bytes.
    pub(crate) size: u64,
}

/// What tells objects apart: path, size, time of change in microseconds, and the manifest's.
pub(crate) type Identity = (String, u64, i64, Option<(u64, i64)>);

impl RawObject {
    /// What tells it apart from others.
    pub(crate) fn identity(&self) -> Identity {
        let manifest = self
            .manifest
            .map(|manifest| (manifest.size, manifest.modified.timestamp_micros()));
        (
            self.path.clone(),
            self.size,
            self.modified.timestamp_micros(),
            manifest,
        )
    }

    /// Where it is read.
    pub(crate) fn address(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.uri)
    }

    /// What is greater in the newer one of two states of an object.
    pub(crate) fn state(&self) -> (DateTime<Utc>, Option<Beside>) {
        (self.modified, self.manifest)
    }
}

/// Microseconds are what the ledger keeps of an instant.
pub(super) fn micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(instant.timestamp_micros()).unwrap_or(instant)
}
