//! A lease: the wish to work on a table alone.
//!
//! It only saves work. Two runners that both believe to hold it are still kept apart by the compare-and-swap of
//! every commit and by the batch number in it. On a local lake it is an operating system's file lock ([`lock`]), so that a
//! process that was killed gives it back at once. In a bucket it is an object that is kept alive ([`beat`]); it is taken only
//! when there is something to do, and carries what attempts at a batch leave for those that come after them.

mod beat;
mod lock;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use uuid::Uuid;

use crate::contract::TableName;
use crate::error::Result;

use super::place::Place;

pub(crate) use beat::Carried;
use beat::{Beats, Kept, Tried};
use lock::Locks;

/// How often who waits for a lease tries to take it: on a disk, and in a bucket.
const POLL: Duration = Duration::from_millis(50);
const POLL_BUCKET: Duration = if cfg!(test) {
    Duration::from_millis(10)
} else {
    Duration::from_secs(1)
};

/// The leases of some tables, which are taken together.
pub(crate) struct Lease {
    tables: Vec<TableName>,
    /// How long to wait for somebody else.
    patience: Duration,
    held: Held,
}

enum Held {
    Folder {
        place: Place,
        /// None: somebody else has them.
        locks: Option<Locks>,
    },
    Bucket {
        leases: Vec<Arc<Kept>>,
        /// None before they are taken.
        beats: Option<Beats>,
    },
}

/// Whether one may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nobody was before us.
    Ours,
    /// Now one may; somebody else may have worked until then.
    AfterAnother,
    /// Somebody else works on.
    Theirs,
}

impl Lease {
    /// What has to be held to work on these tables, which wait up to `patience` for others. On a disk it is held from here
    /// on: none when somebody else keeps it. In a bucket nothing is asked before [`Self::hold`].
    pub(crate) async fn ask(place: &Place, tables: &[TableName], patience: Duration) -> Result<Option<Self>> {
        let mut tables = tables.to_vec();
        // In one order everywhere, so that two runners cannot each hold what the other one wants.
        tables.sort();
        let held = match place.is_local() {
            true => Held::Folder {
                place: place.clone(),
                locks: None,
            },
            false => {
                let holder = Uuid::new_v4().to_string();
                let kept = |table: &TableName| Arc::new(Kept::new(place.clone(), table, &holder));
                Held::Bucket {
                    leases: tables.iter().map(kept).collect(),
                    beats: None,
                }
            }
        };
        let mut lease = Self {
            tables,
            patience,
            held,
        };
        match place.is_local() && lease.hold().await? == Turn::Theirs {
            true => Ok(None),
            false => Ok(Some(lease)),
        }
    }

    /// As [`Self::ask`], and takes it; none when somebody else keeps one of them.
    pub(crate) async fn take(
        place: &Place,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<Option<Self>> {
        let Some(mut lease) = Self::ask(place, tables, patience).await? else {
            return Ok(None);
        };
        Ok((lease.hold().await? != Turn::Theirs).then_some(lease))
    }

    /// Makes sure that it is held, waiting for others.
    pub(crate) async fn hold(&mut self) -> Result<Turn> {
        let deadline = Instant::now() + self.patience;
        let mut turn = Turn::Ours;
        loop {
            if self.try_hold().await? {
                return Ok(turn);
            }
            if Instant::now() >= deadline {
                return Ok(Turn::Theirs);
            }
            turn = Turn::AfterAnother;
            tokio::time::sleep(self.poll()).await;
        }
    }

    /// Lets waiting runners in, where there may be some, and takes it again as [`Self::hold`] does.
    pub(crate) async fn give_way(&mut self) -> Result<Turn> {
        match &mut self.held {
            Held::Folder { locks, .. } => {
                if locks.as_ref().is_some_and(|locks| !locks.is_old()) {
                    return Ok(Turn::Ours);
                }
                *locks = None;
            }
            Held::Bucket { leases, beats } => {
                if beats.is_none() || !leases.iter().any(|lease| lease.is_wanted()) {
                    return Ok(Turn::Ours);
                }
                if let Some(beats) = beats.take() {
                    beats.stop().await;
                }
                join_all(leases.iter().map(|lease| lease.give_back())).await;
            }
        }
        tokio::time::sleep(self.poll() * 2).await;
        self.hold().await
    }

    /// Gives it back. What is not given back counts as dead after a while.
    pub(crate) async fn release(self) {
        if let Held::Bucket { leases, beats } = self.held
            && let Some(beats) = beats
        {
            beats.stop().await;
            join_all(leases.iter().map(|lease| lease.give_back())).await;
        }
    }

    /// Where attempts at a batch of the table leave their notes, of which the ledger of this id numbers the batches; none on
    /// a disk, which has files for that, and where nothing is held.
    pub(crate) fn carried(&self, ledger: &str, table: &TableName, batch: i64) -> Option<Carried> {
        let Held::Bucket {
            leases,
            beats: Some(_),
        } = &self.held
        else {
            return None;
        };
        let position = self.tables.iter().position(|known| known == table)?;
        Some(leases[position].carried(format!("{ledger}-{batch}")))
    }

    fn poll(&self) -> Duration {
        match self.held {
            Held::Folder { .. } => POLL,
            Held::Bucket { .. } => POLL_BUCKET,
        }
    }

    async fn try_hold(&mut self) -> Result<bool> {
        match &mut self.held {
            Held::Folder { locks: Some(_), .. } | Held::Bucket { beats: Some(_), .. } => Ok(true),
            Held::Folder { place, locks } => {
                *locks = Locks::try_take(place, &self.tables)?;
                Ok(locks.is_some())
            }
            Held::Bucket { leases, beats } => {
                let tried = try_join_all(leases.iter().map(|lease| lease.try_take())).await?;
                if tried.iter().all(|tried| *tried == Tried::Taken) {
                    *beats = Some(Beats::start(leases.clone()));
                    return Ok(true);
                }
                // All or none: others may want those that were free.
                let taken = leases.iter().zip(&tried);
                let taken = taken.filter(|(_, tried)| **tried == Tried::Taken);
                join_all(taken.map(|(lease, _)| lease.give_back())).await;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
