//! Bytes of new files that wait in memory until a store has them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Context, Kind, Result};

use super::upload::PART_BYTES;

/// The part of the memory limit that they may take.
const SHARE: usize = 16;
/// What they may take where nobody limits memory.
const USUAL: usize = 64 << 20;

/// How many bytes all uploads together may hold; its clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    room: Arc<Semaphore>,
    bytes: usize,
}

impl Default for Uploads {
    fn default() -> Self {
        Self::of(USUAL)
    }
}

impl Uploads {
    /// Within their part of a memory limit, but never less than one part of one upload.
    pub(super) fn within(memory_limit: usize) -> Self {
        Self::of(memory_limit / SHARE)
    }

    fn of(bytes: usize) -> Self {
        let bytes = bytes.clamp(PART_BYTES, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            room: Arc::new(Semaphore::new(bytes)),
            bytes,
        }
    }

    /// Waits until there is room for so many bytes; dropping what comes back gives it free. Who has some must not wait for
    /// more before these are on their way.
    pub(super) async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = bytes.min(self.bytes) as u32;
        let room = self.room.clone().acquire_many_owned(bytes).await;
        room.context(Kind::Internal, "nothing is uploaded any more")
    }
}
