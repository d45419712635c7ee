//! What is remembered of a log between two looks at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use super::super::snapshot::Snapshot;

/// Since when what is remembered counts: since the job began, and no longer than an hour.
#[derive(Clone)]
pub(crate) struct Trusted(Arc<Mutex<Instant>>);

/// Far below the time for which entries of a log stay.
const LONGEST: Duration = Duration::from_secs(3600);

impl Default for Trusted {
    /// From now on.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Trusted {
    /// From now on: another job begins.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn covers(&self, at: Instant) -> bool {
        let begun = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at >= begun && at.elapsed() < LONGEST
    }
}

/// A version that is remembered, and what its entry was written as.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) snapshot: Snapshot,
    pub(super) entry: Written,
    /// The newest entries.
    pub(super) texts: Texts,
    /// When it was the newest.
    pub(super) at: Instant,
}

/// What tells an entry from another one of its version.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) size: u64,
    pub(super) e_tag: Option<String>,
    pub(super) modified: Option<DateTime<Utc>>,
}

impl Written {
    pub(super) fn as_listed(file: ObjectMeta) -> Self {
        Self {
            size: file.size,
            e_tag: file.e_tag,
            modified: Some(file.last_modified),
        }
    }

    /// By the tag where both have one: some stores list more of an instant than they say of one object.
    pub(super) fn is(&self, other: &Self) -> bool {
        let is_same = match (&self.e_tag, &other.e_tag) {
            (Some(one), Some(other)) => one == other,
            _ => self.modified.is_some() && self.modified == other.modified,
        };
        is_same && self.size == other.size
    }
}

/// Bytes of entries that are kept: mostly those that were read or written last are asked for next.
const KEPT: usize = 1 << 20;

/// Entries by version, as they stand in the log.
#[derive(Clone, Default)]
pub(super) struct Texts(Arc<BTreeMap<u64, Bytes>>);

impl Texts {
    /// With later ones; of all the newest are kept.
    pub(super) fn followed_by(mut self, later: impl IntoIterator<Item = (u64, Bytes)>) -> Self {
        let texts = Arc::make_mut(&mut self.0);
        texts.extend(later);
        let mut bytes: usize = texts.values().map(Bytes::len).sum();
        while bytes > KEPT {
            bytes -= texts.pop_first().map_or(bytes, |(_, text)| text.len());
        }
        self
    }

    pub(super) fn of(&self, version: u64) -> Option<Bytes> {
        self.0.get(&version).cloned()
    }
}
