//! How much of the rows that wait is in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::query::Room;
use crate::storage::Spill;

/// Bytes of rows that may wait in memory, and files for the others; shared by the tables that take the same objects in.
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
    spill: Spill,
}

impl Budget {
    pub(crate) fn new(room: &Room) -> Arc<Self> {
        Arc::new(Self {
            limit: room.memory,
            used: AtomicUsize::new(0),
            spill: room.spill.clone(),
        })
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Files for what does not fit.
    pub(super) fn spill(&self) -> &Spill {
        &self.spill
    }

    /// Reserves so many bytes, if they are left.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        let reserved = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        reserved.is_ok().then(|| Reserved {
            budget: self.clone(),
            bytes,
        })
    }
}

/// Bytes of a budget, which has them back when this is dropped.
pub(super) struct Reserved {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
