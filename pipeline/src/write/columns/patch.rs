//! The values of one column of an old row group, with an edit applied.

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;

use crate::error::Result;
use crate::write::read::batches::{GroupReader, within};
use crate::write::row_groups::Part;

/// Batches of an old row group's only column in which updated rows have their new value and deleted rows are gone.
pub(crate) struct Patched<'a> {
    old: GroupReader,
    part: Part<'a>,
    new: &'a ArrayRef,
    /// File row of the next batch's first row.
    next: u64,
}

impl<'a> Patched<'a> {
    pub(crate) fn new(old: GroupReader, part: Part<'a>, new: &'a ArrayRef) -> Self {
        Self {
            old,
            part,
            new,
            next: part.start,
        }
    }

    fn patch(&mut self, old: &ArrayRef) -> Result<ArrayRef> {
        let span = self.next..self.next + old.len() as u64;
        self.next = span.end;
        let mut updates = within(self.part.updates, &span, |(row, _)| *row);
        let mut deletes = within(self.part.deletes, &span, |row| *row);
        if updates.is_empty() && deletes.is_empty() {
            return Ok(old.clone());
        }
        let mut rows = Vec::with_capacity(old.len() - deletes.len());
        for row in span.clone() {
            if let [(update, new), later @ ..] = updates
                && *update == row
            {
                rows.push((1, *new as usize));
                updates = later;
            } else if let [delete, later @ ..] = deletes
                && *delete == row
            {
                deletes = later;
            } else {
                rows.push((0, (row - span.start) as usize));
            }
        }
        Ok(interleave(&[old.as_ref(), self.new.as_ref()], &rows)?)
    }
}

impl Iterator for Patched<'_> {
    type Item = Result<ArrayRef>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.old.next()?;
        Some(batch.and_then(|batch| self.patch(batch.column(0))))
    }
}
