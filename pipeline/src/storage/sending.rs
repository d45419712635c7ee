//! New files on their way.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use crate::error::{Context, Error, Kind, Result};

use super::sink::Sent;

/// Bytes of files on their way that are in memory.
const HELD_BYTES: usize = 32 << 20;

/// Files that are sent side by side, as far as there is room for them in memory. What is dropped before all arrived is
/// given up.
pub(crate) struct Sending {
    under_way: JoinSet<Result<()>>,
    room: Arc<Semaphore>,
}

impl Default for Sending {
    /// None yet.
    fn default() -> Self {
        Self {
            under_way: JoinSet::new(),
            room: Arc::new(Semaphore::new(HELD_BYTES)),
        }
    }
}

impl Sending {
    /// Sends one more, as soon as there is room for it.
    ///
    /// # Errors
    /// When one of those before did not arrive.
    pub(crate) async fn add(&mut self, file: Sent) -> Result<()> {
        let Some(held_bytes) = file.held_bytes() else {
            return Ok(());
        };
        let room = self
            .room
            .clone()
            .acquire_many_owned(held_bytes.min(HELD_BYTES) as u32);
        let room = room.await.context(Kind::Internal, "no file is sent any more")?;
        self.under_way.spawn(async move {
            let arrived = file.arrived().await;
            drop(room);
            arrived
        });
        while let Some(arrived) = self.under_way.try_join_next() {
            settled(arrived)?;
        }
        Ok(())
    }

    /// Waits until all have arrived.
    pub(crate) async fn all(mut self) -> Result<()> {
        while let Some(arrived) = self.under_way.join_next().await {
            settled(arrived)?;
        }
        Ok(())
    }
}

fn settled(arrived: std::result::Result<Result<()>, JoinError>) -> Result<()> {
    arrived.map_err(|error| Error::internal("sending a file panicked").because(error))?
}
