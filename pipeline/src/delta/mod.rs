//! Delta tables as this program needs them: a guarded snapshot, and a commit that is a compare-and-swap.
//!
//! The log is read here ([`replay`]); `deltalake` serialises actions and writes checkpoints. Its own commit loop is not
//! used: it re-bases a commit on versions that it never looked at, and its conflict check lets a removal pass beside a
//! compaction of the same rows. Here a commit lands at exactly the version after the one it was planned from, or is lost.

mod bounds;
mod changed_part;
mod changes;
mod file;
mod guard;
mod history;
mod landing;
mod log;
pub(crate) mod partition;
mod replay;
mod rows;
mod snapshot;

/// Property that names the columns of which a table's log holds bounds, with commas between them.
const INDEXED: &str = "delta.dataSkippingStatsColumns";

/// The property for these columns. Some readers leave out files that have no bounds of a column that it names, or of any
/// where it is missing.
pub(crate) fn indexed(columns: &[impl AsRef<str>]) -> (String, String) {
    let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    (INDEXED.to_owned(), names.join(","))
}

pub(crate) use bounds::{End, bound};
pub(crate) use changed_part::{ChangedPart, ChangedRows};
pub(crate) use changes::{Change, changes};
pub(crate) use file::DataFile;
pub(crate) use history::{Kept, LogFile};
pub(crate) use landing::Patience;
pub(crate) use log::{Addition, Append, Appended, Commit, DeltaLog, Landed, Trusted, Which};
pub(crate) use replay::Work;
pub(crate) use rows::{read_files, write_partitioned};
pub(crate) use snapshot::Snapshot;
