//! Places at which a test can make the process die or wait, to prove that nothing is lost there.
//!
//! `MARKETLAKE_FAILPOINT=after_claim` aborts the process at the first passage of that point,
//! `after_claim@3` at the third, `reading=b.csv` wherever an object of that name is read. `after_claim!/tmp/gate` makes it
//! wait there, after it wrote that to the file, until the file is gone. Unset, a passage costs one atomic load.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a process that waits looks whether it may go on.
const POLL: Duration = Duration::from_millis(5);

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
    /// The file whose end is waited for.
    gate: Option<PathBuf>,
    remaining: AtomicU64,
}

impl Armed {
    fn act(&self) {
        let Some(gate) = &self.gate else {
            std::process::abort()
        };
        // Tells whoever watches the file.
        if std::fs::write(gate, "here").is_ok() {
            while gate.exists() {
                std::thread::sleep(POLL);
            }
        }
    }
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let value = std::env::var("MARKETLAKE_FAILPOINT").ok()?;
            let (value, gate) = match value.split_once('!') {
                Some((value, gate)) => (value.to_owned(), Some(PathBuf::from(gate))),
                None => (value, None),
            };
            let (point, nth) = match value.split_once('@') {
                Some((point, nth)) => (point.to_owned(), nth.parse().ok()?),
                None => (value, 1),
            };
            Some(Armed {
                point,
                gate,
                remaining: AtomicU64::new(nth),
            })
        })
        .as_ref()
}

/// Dies or waits here when this point is armed.
pub fn pass(point: &str) {
    if let Some(armed) = armed()
        && armed.point == point
        && armed.remaining.fetch_sub(1, Ordering::Relaxed) == 1
    {
        armed.act();
    }
}

/// Dies or waits here when the object of this address, or the computed table of this name, is armed as the one that kills its readers.
pub fn reading(object: &str) {
    if let Some(armed) = armed()
        && let Some(name) = armed.point.strip_prefix("reading=")
        && object.ends_with(name)
    {
        armed.act();
    }
}
