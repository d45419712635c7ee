//! What one object gave one table.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Kind, Result};
use crate::shape::{Declared, Reject, Shaped};

use super::rejects::Rejects;

/// What is said of an object that lies there in another state than the one that was claimed.
pub(crate) const CHANGED: &str = "changed after it was claimed";

/// What one object gave one table, its good rows aside: those are in the table's buffer.
#[derive(Default)]
pub(crate) struct ObjectRows {
    /// Ordinal of the object in the batch.
    pub(crate) ordinal: usize,
    /// Rejected rows, or one reject for the whole object.
    pub(crate) rejects: Rejects,
    /// Why the object was rejected whole.
    pub(crate) rejected: Option<String>,
    /// Whether it was rejected for the one reason that storage does not let it be read: it waits until that does.
    pub(crate) waits: bool,
    pub(crate) rows_read: u64,
    pub(crate) filtered: u64,
    pub(crate) warned: BTreeMap<String, u64>,
    pub(crate) held: BTreeMap<String, u64>,
    /// Alias of the account whose rows these are; empty where nothing says one.
    pub(crate) account: String,
    /// What it says as a document, where the table keeps documents.
    pub(crate) declared: Option<Declared>,
    /// Hash of all its raw rows, where the content of documents decides between them.
    pub(crate) content: Xxh3,
}

impl ObjectRows {
    /// An object that gives nothing but a reason.
    pub(crate) fn rejected(ordinal: usize, reason: String) -> Self {
        let mut rejects = Rejects::default();
        rejects.lead(whole(reason.clone()));
        Self {
            ordinal,
            rejects,
            rejected: Some(reason),
            ..Self::default()
        }
    }

    /// Rejects the object, for what its rows are like.
    pub(crate) fn reject(&mut self, reason: String) {
        let mut rejects = std::mem::take(&mut self.rejects);
        rejects.lead(whole(reason.clone()));
        *self = Self {
            ordinal: self.ordinal,
            rejects,
            rejected: Some(reason),
            rows_read: self.rows_read,
            ..Self::default()
        };
    }

    /// Whether something of it goes into the table.
    pub(crate) fn gives(&self) -> bool {
        let has_rows = self.rows_read > self.rejects.len();
        self.rejected.is_none() && (has_rows || self.declared.is_some())
    }

    /// Whether the object was rejected for another state of it, which is taken in as another object.
    pub(crate) fn comes_again(&self) -> bool {
        self.rejected
            .as_ref()
            .is_some_and(|reason| reason.contains(CHANGED))
    }

    /// Whether there were rows and none was good, not even for the SQL to leave it out.
    pub(crate) fn is_all_bad(objects: &[&Self]) -> bool {
        let rejected: u64 = objects.iter().map(|gave| gave.rejects.len()).sum();
        let others: u64 = objects
            .iter()
            .map(|gave| gave.rows_read.saturating_sub(gave.filtered))
            .sum();
        rejected > 0 && rejected >= others
    }

    /// Adds shaped rows. What cannot be shaped rejects the object for this table alone: other tables read it with
    /// rules of their own.
    pub(crate) fn take(&mut self, shaped: Result<Shaped>) -> Result<()> {
        match shaped {
            Ok(shaped) => self.add(shaped)?,
            Err(error) if [Kind::Usage, Kind::Internal].contains(&error.kind()) => {
                *self = Self::rejected(self.ordinal, error.reason());
            }
            Err(error) => *self = Self::rejected(self.ordinal, reason_to_reject(error)?),
        }
        Ok(())
    }

    fn add(&mut self, shaped: Shaped) -> Result<()> {
        for hash in shaped.content.iter().flat_map(|hashes| hashes.values()) {
            self.content.update(&hash.to_le_bytes());
        }
        self.rejects.extend(shaped.rejects)?;
        self.filtered += shaped.filtered;
        for (check, rows) in shaped.warned {
            *self.warned.entry(check).or_default() += rows;
        }
        for (check, rows) in shaped.held {
            *self.held.entry(check).or_default() += rows;
        }
        Ok(())
    }
}

/// The reject of an object as a whole.
fn whole(reason: String) -> Reject {
    Reject {
        row: None,
        reason,
        text: String::new(),
    }
}

/// The chain of an error as the reason to reject an object; an error of storage is none, it fails the batch.
pub(super) fn reason_to_reject(error: Error) -> Result<String> {
    match error.kind() {
        Kind::Data | Kind::NotFound | Kind::Conflict => Ok(error.reason()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave(rows_read: u64, filtered: u64, rejected: usize) -> ObjectRows {
        let reject = Reject {
            row: Some(1),
            reason: String::new(),
            text: String::new(),
        };
        ObjectRows {
            rows_read,
            filtered,
            rejects: vec![reject; rejected].into(),
            ..ObjectRows::default()
        }
    }

    #[test]
    fn rows_that_are_left_out_make_a_document_no_better() {
        for (parts, bad) in [
            (vec![gave(3, 1, 2)], true),
            (vec![gave(3, 0, 2)], false),
            (vec![gave(2, 0, 2), gave(1, 1, 0)], true),
            (vec![gave(2, 0, 2), gave(1, 0, 0)], false),
            // A report of nothing, or of nothing but what is left out, is one.
            (vec![gave(0, 0, 0)], false),
            (vec![gave(2, 2, 0)], false),
        ] {
            assert_eq!(ObjectRows::is_all_bad(&parts.iter().collect::<Vec<_>>()), bad);
        }
    }
}
