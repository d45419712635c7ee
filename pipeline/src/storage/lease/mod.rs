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

use crate::contract::TableName;
use crate::error::Result;

use super::place::Place;

pub(crate) use beat::Carried;
use beat::{Beats, Kept, Tried};
use lock::Locks;

/// How often who waits for a lease on a disk tries to take it. In a bucket it is asked five times in a beat.
const POLL: Duration = Duration::from_millis(50);
const POLLS: u32 = 5;
/// How often a holder in a bucket shows that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// Where the leases of tables are.
#[derive(Clone)]
pub(crate) struct Leases {
    place: Place,
    beat: Duration,
}

impl Leases {
    /// Those in a folder.
    pub(crate) fn at(place: Place) -> Self {
        Self { place, beat: BEAT }
    }

    /// The same, whose holders show so often that they live.
    #[cfg(test)]
    pub(crate) fn beating(self, beat: Duration) -> Self {
        Self { beat, ..self }
    }
}

/// The leases of some tables, which are taken together.
pub(crate) struct Lease {
    leases: Leases,
    tables: Vec<TableName>,
    /// How long to wait for somebody else.
    patience: Duration,
    held: Held,
}

enum Held {
    Folder {
        /// None: somebody else has them.
        locks: Option<Locks>,
    },
    Bucket {
        kept: Vec<Arc<Kept>>,
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
    pub(crate) async fn ask(
        leases: &Leases,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<Option<Self>> {
        let mut tables = tables.to_vec();
        // In one order everywhere, so that two runners cannot each hold what the other one wants.
        tables.sort();
        let is_local = leases.place.is_local();
        let held = match is_local {
            true => Held::Folder { locks: None },
            false => {
                let kept = |table: &TableName| Arc::new(Kept::new(leases, table));
                Held::Bucket {
                    kept: tables.iter().map(kept).collect(),
                    beats: None,
                }
            }
        };
        let mut lease = Self {
            leases: leases.clone(),
            tables,
            patience,
            held,
        };
        match is_local && lease.hold().await? == Turn::Theirs {
            true => Ok(None),
            false => Ok(Some(lease)),
        }
    }

    /// As [`Self::ask`], and takes it; none when somebody else keeps one of them.
    pub(crate) async fn take(
        leases: &Leases,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<Option<Self>> {
        let Some(mut lease) = Self::ask(leases, tables, patience).await? else {
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
            Held::Bucket { kept, beats } => {
                if beats.is_none() || !kept.iter().any(|lease| lease.is_wanted()) {
                    return Ok(Turn::Ours);
                }
                if let Some(beats) = beats.take() {
                    beats.stop().await;
                }
                join_all(kept.iter().map(|lease| lease.give_back())).await;
            }
        }
        tokio::time::sleep(self.poll() * 2).await;
        self.hold().await
    }

    /// Gives it back. What is not given back counts as dead after a while.
    pub(crate) async fn release(self) {
        if let Held::Bucket { kept, beats } = self.held
            && let Some(beats) = beats
        {
            beats.stop().await;
            join_all(kept.iter().map(|lease| lease.give_back())).await;
        }
    }

    /// Gives it back, and nobody will want it again.
    pub(crate) async fn end(self) {
        if let Held::Folder { locks: Some(locks) } = &self.held {
            locks.remove();
        }
        self.release().await;
    }

    /// Where attempts at a batch of the table leave their notes, of which the ledger of this id numbers the batches; none on
    /// a disk, which has files for that, and where nothing is held.
    pub(crate) fn carried(&self, ledger: &str, table: &TableName, batch: i64) -> Option<Carried> {
        let Held::Bucket { kept, beats: Some(_) } = &self.held else {
            return None;
        };
        let position = self.tables.iter().position(|known| known == table)?;
        Some(kept[position].carried(format!("{ledger}-{batch}")))
    }

    fn poll(&self) -> Duration {
        match self.held {
            Held::Folder { .. } => POLL,
            Held::Bucket { .. } => self.leases.beat / POLLS,
        }
    }

    async fn try_hold(&mut self) -> Result<bool> {
        match &mut self.held {
            Held::Folder { locks: Some(_), .. } | Held::Bucket { beats: Some(_), .. } => Ok(true),
            Held::Folder { locks } => {
                *locks = Locks::try_take(&self.leases.place, &self.tables)?;
                Ok(locks.is_some())
            }
            Held::Bucket { kept, beats } => {
                let tried = try_join_all(kept.iter().map(|lease| lease.try_take())).await?;
                if tried.iter().all(|tried| *tried == Tried::Taken) {
                    *beats = Some(Beats::start(kept.clone(), self.leases.beat));
                    return Ok(true);
                }
                // All or none: others may want those that were free.
                let taken = kept.iter().zip(&tried);
                let taken = taken.filter(|(_, tried)| **tried == Tried::Taken);
                join_all(taken.map(|(lease, _)| lease.give_back())).await;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
