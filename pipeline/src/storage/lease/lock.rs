//! Leases on a disk: locks of files.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::contract::TableName;
use crate::error::{Context, Error, Kind, Result};
use crate::storage::Place;

/// A runner that held locks for so long lets others in before it goes on.
const LONG: Duration = Duration::from_secs(2);

/// Held while this value lives.
pub(super) struct Locks {
    files: Vec<(PathBuf, File)>,
    since: Instant,
}

impl Locks {
    /// The locks of all these tables; none when somebody else has one of them.
    pub(super) fn try_take(place: &Place, tables: &[TableName]) -> Result<Option<Self>> {
        let folder = place
            .file()
            .ok_or_else(|| Error::internal("a bucket has no file locks").with("address", place.address()))?;
        std::fs::create_dir_all(&folder).context(Kind::Io, "lock folder could not be created")?;
        let mut files = Vec::new();
        for table in tables {
            let path = folder.join(format!("{table}.lock"));
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .context(Kind::Io, "lock file could not be opened")?;
            match file.try_lock() {
                Ok(()) => files.push((path, file)),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    return Err(error).context(Kind::Io, "lock could not be taken");
                }
            }
        }
        Ok(Some(Self {
            files,
            since: Instant::now(),
        }))
    }

    /// Removes their files. Who opened one before may lock it beside somebody with a new one.
    pub(super) fn remove(&self) {
        for (path, _) in &self.files {
            // What is left is a file without a byte.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Whether they were held for so long that others get their turn.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() >= LONG
    }
}
