//! One raw object, and what tells it from others.

use chrono::{DateTime, NaiveDateTime, Utc};
use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::storage::Place;

/// One raw object as a listing shows it. Path, size, time of change and tag, its own and its manifest's, are its identity: a
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
    /// Time of the last change: in microseconds in a folder, in whole seconds elsewhere.
    pub(crate) modified: DateTime<Utc>,
    /// What the store calls its content; none in a folder.
    pub(crate) tag: Option<String>,
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// Time of the last change: in microseconds in a folder, in whole seconds elsewhere.
    pub(crate) modified: DateTime<Utc>,
    /// Bytes.
    pub(crate) size: u64,
    /// What the store calls its content; none in a folder.
    #[serde(default)]
    pub(crate) tag: Option<String>,
}

impl Beside {
    fn content(&self) -> Content {
        Content::new(self.size, self.modified.timestamp_micros(), self.tag.as_deref())
    }

    /// Whether what lies there by now is what was listed.
    pub(crate) fn is(&self, place: &Place, meta: &ObjectMeta) -> bool {
        self.content() == Self::found(place, meta).content()
    }

    /// What a place says of a file.
    pub(crate) fn found(place: &Place, meta: &ObjectMeta) -> Self {
        Self {
            modified: place.changed(meta.last_modified),
            size: meta.size,
            tag: place.tag(meta),
        }
    }
}

/// What tells objects apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// Path of the object.
    pub(crate) path: String,
    /// What is there.
    pub(crate) content: Content,
    /// What is beside it.
    pub(crate) manifest: Option<Content>,
}

/// What tells the contents apart that a name has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Content {
    size: u64,
    /// Microseconds since the epoch.
    modified: i64,
    /// Hash of the tag; 0 where there is none.
    tag: u64,
}

impl Content {
    /// Bytes, time of change in microseconds since the epoch, and tag.
    pub(crate) fn new(size: u64, modified: i64, tag: Option<&str>) -> Self {
        // Some servers put the tag into quotes in one answer and not in another.
        let tag = tag.map_or(0, |tag| xxh3_64(tag.trim_matches('"').as_bytes()));
        Self { size, modified, tag }
    }

    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl RawObject {
    /// What tells it apart from others.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            path: self.path.clone(),
            content: self.content(),
            manifest: self.manifest.as_ref().map(Beside::content),
        }
    }

    fn content(&self) -> Content {
        Content::new(self.size, self.modified.timestamp_micros(), self.tag.as_deref())
    }

    /// Whether what lies at its address by now is what was listed.
    pub(crate) fn is(&self, place: &Place, meta: &ObjectMeta) -> bool {
        self.content() == Beside::found(place, meta).content()
    }

    /// Where it is read.
    pub(crate) fn address(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.uri)
    }

    /// What is greater in the newer one of two states of an object.
    pub(crate) fn state(&self) -> (DateTime<Utc>, &Option<String>, &Option<Beside>) {
        (self.modified, &self.tag, &self.manifest)
    }
}
