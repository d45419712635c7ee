//! The rejects of an object: in memory, or in a temporary file where all objects together have many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Context, Kind, Result};
use crate::shape::Reject;
use crate::storage::{Spill, SpillFile};

/// Bytes of rejects in memory, of all objects at work, from which on they go to the file: where an object has fewer than that
/// many, not before there are [`MOST`].
const IN_MEMORY: usize = 16 << 20;
const PIECE: usize = 256 << 10;
const MOST: usize = 4 * IN_MEMORY;

/// What a reject takes beside its texts.
const OVERHEAD: usize = 128;

/// Bytes of rejects in memory now.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The rejects of one object in one table.
#[derive(Default)]
pub(crate) struct Rejects {
    count: u64,
    first: Option<Reject>,
    waiting: Vec<Reject>,
    /// Bytes of what waits in memory.
    bytes: usize,
    /// The file, and where in it there are others.
    file: Option<Arc<Mutex<SpillFile>>>,
    pieces: Vec<(u64, usize)>,
    spill: Spill,
}

impl Rejects {
    /// None yet; those that are too many will lie there.
    pub(crate) fn within(spill: &Spill) -> Self {
        let mut rejects = Self::default();
        rejects.spill = spill.clone();
        rejects
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The one that speaks for all.
    pub(crate) fn first(&self) -> Option<&Reject> {
        self.first.as_ref()
    }

    /// Adds one.
    ///
    /// # Errors
    /// When there is no room for it, neither in memory nor in a temporary file.
    pub(crate) fn push(&mut self, reject: Reject) -> Result<()> {
        let bytes = OVERHEAD + reject.reason.len() + reject.text.len();
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(reject.clone());
        }
        self.waiting.push(reject);
        self.bytes += bytes;
        let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > MOST || held > IN_MEMORY && self.bytes >= PIECE {
            self.spill()?;
        }
        Ok(())
    }

    /// Adds several.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn extend(&mut self, rejects: impl IntoIterator<Item = Reject>) -> Result<()> {
        rejects.into_iter().try_for_each(|reject| self.push(reject))
    }

    /// Adds one that speaks for the object as a whole. It is held in memory.
    pub(crate) fn lead(&mut self, reject: Reject) {
        self.count += 1;
        self.first = Some(reject.clone());
        self.waiting.push(reject);
    }

    /// All of them, so many at a time as were written together.
    pub(crate) fn portions(&self) -> impl Iterator<Item = Result<Vec<Reject>>> + '_ {
        let spilled = self.pieces.iter().map(|piece| self.read(*piece));
        let waiting = (!self.waiting.is_empty()).then(|| Ok(self.waiting.clone()));
        spilled.chain(waiting)
    }

    fn spill(&mut self) -> Result<()> {
        const NO_ROOM: &str = "rejects could not be kept in a temporary file";
        let bytes = serde_json::to_vec(&self.waiting).context(Kind::Internal, "rejects have no JSON form")?;
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.spill.shared().context(Kind::Io, NO_ROOM)?,
        };
        let end = file.lock().unwrap_or_else(PoisonError::into_inner);
        let at = end.len();
        end.append(&bytes).context(Kind::Io, NO_ROOM)?;
        drop(end);
        self.pieces.push((at, bytes.len()));
        self.file = Some(file);
        self.waiting.clear();
        HELD.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        Ok(())
    }

    fn read(&self, (at, length): (u64, usize)) -> Result<Vec<Reject>> {
        const LOST: &str = "rejects could not be read again from their temporary file";
        let mut bytes = Vec::new();
        if let Some(file) = &self.file {
            let file = file.lock().unwrap_or_else(PoisonError::into_inner);
            bytes = file.read_at(at, length).context(Kind::Io, LOST)?;
        }
        serde_json::from_slice(&bytes).context(Kind::Internal, LOST)
    }
}

#[cfg(test)]
impl From<Vec<Reject>> for Rejects {
    fn from(all: Vec<Reject>) -> Self {
        let mut rejects = Self::default();
        rejects.extend(all).unwrap();
        rejects
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        HELD.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(row: i64) -> Reject {
        Reject {
            row: Some(row),
            reason: format!("{row} is wrong"),
            text: "x".repeat(200 << 10),
        }
    }

    #[test]
    fn many_rejects_are_those_that_were_added_and_few_are_in_memory() {
        let (mut one, mut other) = (Rejects::default(), Rejects::default());
        for row in 0..200 {
            one.push(reject(row)).unwrap();
            other.push(reject(-row)).unwrap();
        }
        assert!(one.bytes <= IN_MEMORY && other.bytes <= IN_MEMORY);
        assert!(!one.pieces.is_empty());
        for (rejects, sign) in [(one, 1), (other, -1)] {
            assert_eq!(rejects.len(), 200);
            let all: Vec<Reject> = rejects.portions().flat_map(Result::unwrap).collect();
            assert_eq!(all, (0..200).map(|row| reject(sign * row)).collect::<Vec<_>>());
        }
    }
}
