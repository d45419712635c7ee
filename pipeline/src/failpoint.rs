//! Places at which a test can make the process die, to prove that nothing is lost there.
//!
//! `MARKETLAKE_FAILPOINT=after_claim` aborts the process at the first passage of that point,
//! `after_claim@3` at the third, `reading=b.csv` wherever an object of that name is read. Unset, a passage costs one
//! atomic load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every failpoint, in the order in which a batch passes them; those between the commit and the record in any.
pub const ALL: &[&str] = &[
    "before_claim",
    "after_claim",
    "after_decode",
    "after_files",
    "before_commit",
    "after_commit",
    "after_quarantine",
    "after_changes",
    "after_run_record",
    "after_record",
    "before_runs",
];

/// Those of making a table anew, in its order; the staged batches pass [`ALL`], too.
pub const REBUILD: &[&str] = &[
    "after_staging",
    "after_rebuild_files",
    "after_rebuild_claim",
    "before_rebuild_commit",
    "after_rebuild_commit",
    "after_rebuild_record",
];

/// Those of maintenance.
pub const MAINTAIN: &[&str] = &[
    "before_compaction",
    "after_compaction_files",
    "after_compaction",
    "after_checkpoint",
    "after_vacuum",
];

/// Between the notices of a run and the note that they were told.
pub const TOLD: &str = "after_notices";

/// Between the commit that merges copies of a key, where there are some, and its record.
pub const MERGE: &str = "after_merge";

struct Armed {
    point: String,
    remaining: AtomicU64,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let value = std::env::var("MARKETLAKE_FAILPOINT").ok()?;
            let (point, nth) = match value.split_once('@') {
                Some((point, nth)) => (point.to_owned(), nth.parse().ok()?),
                None => (value, 1),
            };
            Some(Armed {
                point,
                remaining: AtomicU64::new(nth),
            })
        })
        .as_ref()
}

/// Dies here when this point is armed.
pub fn pass(point: &str) {
    if let Some(armed) = armed()
        && armed.point == point
        && armed.remaining.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

/// Dies here when the object of this address, or the computed table of this name, is armed as the one that kills its readers.
pub fn reading(object: &str) {
    if let Some(armed) = armed()
        && let Some(name) = armed.point.strip_prefix("reading=")
        && object.ends_with(name)
    {
        std::process::abort();
    }
}
