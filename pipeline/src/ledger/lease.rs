//! A lease: the wish to work on a table alone.
//!
//! It only saves work. Two runners that both believe to hold it are still kept apart by the compare-and-swap of
//! every commit and by the batch number in it. On a local lake the lease is an operating system's file lock,
//! so that a process that was killed gives it back at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::contract::TableName;
use crate::error::{Context, Kind, Result};

/// Held while this value lives.
#[derive(Debug)]
pub(crate) struct Lease {
    _locked: Vec<File>,
}

impl Lease {
    /// Takes the leases of all tables, waiting up to `patience`; none when somebody else keeps one of them.
    pub(crate) async fn take(
        folder: &Path,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<Option<Self>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(lease) = Self::try_take(folder, tables)? {
                return Ok(Some(lease));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn try_take(folder: &Path, tables: &[TableName]) -> Result<Option<Self>> {
        std::fs::create_dir_all(folder).context(Kind::Io, "lock folder could not be created")?;
        // In one order everywhere, so that two runners cannot each hold what the other one wants.
        let mut names: Vec<String> = tables.iter().map(|table| format!("{table}.lock")).collect();
        names.sort();
        let mut locked = Vec::new();
        for name in names {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(&name))
                .context(Kind::Io, "lock file could not be opened")?;
            match file.try_lock() {
                Ok(()) => locked.push(file),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    return Err(error).context(Kind::Io, "lock could not be taken");
                }
            }
        }
        Ok(Some(Self { _locked: locked }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_runner_waits_for_the_first_and_then_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let orders: TableName = "jwo.orders".parse().unwrap();
        let lines: TableName = "jwo.order_lines".parse().unwrap();
        let both = [orders.clone(), lines];
        let first = Lease::take(folder.path(), &both, Duration::ZERO).await.unwrap();
        assert!(first.is_some());
        assert!(
            Lease::take(
                folder.path(),
                std::slice::from_ref(&orders),
                Duration::from_millis(60)
            )
            .await
            .unwrap()
            .is_none()
        );
        drop(first);
        assert!(
            Lease::take(folder.path(), &[orders], Duration::ZERO)
                .await
                .unwrap()
                .is_some()
        );
    }
}
