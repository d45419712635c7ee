//! Leases on a disk: locks of files.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::{Duration, Instant};

use crate::contract::TableName;
use crate::error::{Context, Error, Kind, Result};
use crate::storage::Place;

/// A runner that held locks for so long lets others in before it goes on.
const LONG: Duration = Duration::from_secs(2);

/// Held while this value lives.
pub(super) struct Locks {
    _files: Vec<File>,
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
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(format!("{table}.lock")))
                .context(Kind::Io, "lock file could not be opened")?;
            match file.try_lock() {
                Ok(()) => files.push(file),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    return Err(error).context(Kind::Io, "lock could not be taken");
                }
            }
        }
        Ok(Some(Self {
            _files: files,
            since: Instant::now(),
        }))
    }

    /// Whether they were held for so long that others get their turn.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() >= LONG
    }
}
