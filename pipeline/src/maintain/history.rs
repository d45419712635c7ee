//! Checkpoints, and logs without the entries that they made superfluous.

use crate::delta::{Kept, Snapshot};
use crate::error::Result;
use crate::failpoint;
use crate::report::MaintainedTable;

use super::Upkeep;
use super::subject::Subject;

/// Commits after which a checkpoint saves more than it costs.
const WORTH_A_CHECKPOINT: u64 = 10;

/// Writes a checkpoint where the log has grown, and removes what lies before one and is old enough. Every version from
/// `needed` on, and every version that was the newest one within the log's retention, can be read afterwards.
pub(super) async fn shorten(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    needed: u64,
    done: &mut MaintainedTable,
) -> Result<()> {
    let files = subject.log.log_files().await?;
    let newest = files
        .iter()
        .filter(|file| file.kept == Kept::Checkpoint && file.version <= snapshot.version)
        .map(|file| file.version)
        .max();
    if snapshot.version - newest.unwrap_or(0) >= WORTH_A_CHECKPOINT {
        if !upkeep.options.dry_run {
            subject.log.checkpoint(snapshot.version).await?;
        }
        done.checkpoint = Some(snapshot.version);
    }
    failpoint::pass("after_checkpoint");

    let cutoff = upkeep.log_cutoff();
    // The version before the first young entry was still the newest one at the cutoff.
    let young = files
        .iter()
        .filter(|file| file.kept == Kept::Entry && file.modified > cutoff)
        .map(|file| file.version.saturating_sub(1))
        .min();
    let wanted = needed
        .min(young.unwrap_or(snapshot.version))
        .min(snapshot.version);
    let checkpoint = files
        .iter()
        .filter(|file| file.kept == Kept::Checkpoint)
        .map(|file| file.version)
        .chain(done.checkpoint.filter(|_| !upkeep.options.dry_run))
        .filter(|version| *version <= wanted)
        .max();
    let Some(checkpoint) = checkpoint else {
        return Ok(());
    };
    let old = files
        .into_iter()
        .filter(|file| file.version < checkpoint && file.modified <= cutoff)
        .map(|file| file.path)
        .collect::<Vec<_>>();
    let removed = old.len() as u64;
    if !upkeep.options.dry_run {
        subject.log.remove(old).await?;
    }
    done.log_files_removed += removed;
    Ok(())
}
