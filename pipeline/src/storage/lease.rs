//! A lease: the wish to work on a table alone.
//!
//! It only saves work. Two runners that both believe to hold it are still kept apart by the compare-and-swap of
//! every commit and by the batch number in it. On a local lake the lease is an operating system's file lock,
//! so that a process that was killed gives it back at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::{Duration, Instant};

use crate::contract::TableName;
use crate::error::{Context, Kind, Result};

use super::place::Place;

/// Held while this value lives.
#[derive(Debug)]
pub(crate) struct Lease {
    /// None in a bucket.
    locked: Vec<File>,
    since: Instant,
}

/// A runner that held a lease for so long lets others in before it goes on.
const LONG: Duration = Duration::from_secs(2);
/// How often who waits for a lease tries to take it.
const POLL: Duration = Duration::from_millis(50);

impl Lease {
    /// Takes the leases of all tables, waiting up to `patience`; none when somebody else keeps one of them.
    pub(crate) async fn take(
        place: &Place,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<Option<Self>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(lease) = Self::try_take(place, tables)? {
                return Ok(Some(lease));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets waiting runners in, where the lease has been held for long, and takes it again as [`Self::take`] does.
    pub(crate) async fn give_way(
        self,
        place: &Place,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<Option<Self>> {
        if self.since.elapsed() < LONG {
            return Ok(Some(self));
        }
        drop(self.locked);
        tokio::time::sleep(POLL * 2).await;
        Self::take(place, tables, patience).await
    }

    fn try_take(place: &Place, tables: &[TableName]) -> Result<Option<Self>> {
        let Some(folder) = place.file() else {
            return Ok(Some(Self {
                locked: Vec::new(),
                since: Instant::now(),
            }));
        };
        std::fs::create_dir_all(&folder).context(Kind::Io, "lock folder could not be created")?;
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
        Ok(Some(Self {
            locked,
            since: Instant::now(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_runner_waits_for_the_first_and_then_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of_folder(folder.path());
        let orders: TableName = "jwo.orders".parse().unwrap();
        let lines: TableName = "jwo.order_lines".parse().unwrap();
        let both = [orders.clone(), lines];
        let first = Lease::take(&place, &both, Duration::ZERO).await.unwrap();
        assert!(first.is_some());
        assert!(
            Lease::take(&place, std::slice::from_ref(&orders), Duration::from_millis(60))
                .await
                .unwrap()
                .is_none()
        );
        drop(first);
        assert!(
            Lease::take(&place, &[orders], Duration::ZERO)
                .await
                .unwrap()
                .is_some()
        );
    }
}
