//! What the folder of a table's log holds: entries and checkpoints with their age.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;

use crate::error::Result;

use super::log::DeltaLog;

/// What a file of the log is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// One commit.
    Entry,
    /// Everything up to a version, in one file or in several.
    Checkpoint,
    /// Something that other programs keep about a version.
    Other,
}

/// A file of a table's log that belongs to a version.
#[derive(Debug, Clone)]
pub(crate) struct LogFile {
    /// The version.
    pub(crate) version: u64,
    /// What it is for.
    pub(crate) kept: Kept,
    /// Path relative to the table's root.
    pub(crate) path: Path,
    /// When it was written.
    pub(crate) modified: DateTime<Utc>,
}

impl DeltaLog {
    /// The files of the log, by version.
    pub(crate) async fn log_files(&self) -> Result<Vec<LogFile>> {
        let folder = Path::from("_delta_log");
        let listed: Vec<_> = self.store().list(Some(&folder)).try_collect().await?;
        let mut files: Vec<LogFile> = listed
            .into_iter()
            .filter_map(|meta| {
                let (version, kept) = named(name_in_log(&meta.location)?)?;
                Some(LogFile {
                    version,
                    kept,
                    modified: meta.last_modified,
                    path: meta.location,
                })
            })
            .collect();
        files.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
        Ok(files)
    }
}

/// The name of a file of the log itself, by the path from the table's root; none for what lies in folders of it, where
/// others keep what is none of its versions yet.
pub(super) fn name_in_log(path: &Path) -> Option<&str> {
    let name = path.filename()?;
    (path.parts_count() == 2).then_some(name)
}

/// Version and purpose by the name of a file; none for those that belong to no version.
pub(super) fn named(name: &str) -> Option<(u64, Kept)> {
    let (digits, rest) = name.split_once('.')?;
    let version = (digits.len() == 20).then(|| digits.parse().ok())??;
    let kept = match rest {
        "json" => Kept::Entry,
        _ if rest.starts_with("checkpoint.") && (rest.ends_with(".parquet") || rest.ends_with(".json")) => {
            Kept::Checkpoint
        }
        _ => Kept::Other,
    };
    Some((version, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_version_and_purpose() {
        let cases = [
            ("00000000000000000012.json", Some((12, Kept::Entry))),
            (
                "00000000000000000020.checkpoint.parquet",
                Some((20, Kept::Checkpoint)),
            ),
            (
                "00000000000000000020.checkpoint.0000000001.0000000002.parquet",
                Some((20, Kept::Checkpoint)),
            ),
            ("00000000000000000012.crc", Some((12, Kept::Other))),
            ("_last_checkpoint", None),
            ("12.json", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(named(name), wanted, "{name}");
        }
    }
}
