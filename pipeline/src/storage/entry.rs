//! What a listing shows, of folders and of buckets alike.

use futures::stream::BoxStream;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::error::Result;

/// What is the matter with names that no path of a store can be.
pub(super) const NAMELESS: &str = "has a name that no address can have";

/// Something in a folder or below a prefix.
pub(crate) enum Entry {
    /// A file, through whatever links.
    File(ObjectMeta),
    /// A folder, through whatever links.
    Folder(Path),
    /// What cannot be an object or hold some, and what is the matter with it.
    Odd(String),
}

/// Entries as they are found. An error: something cannot be looked at, so that objects may be missed.
pub(crate) type Entries = BoxStream<'static, Result<Entry>>;
