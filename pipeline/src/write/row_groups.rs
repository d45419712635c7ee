//! Which row groups a rewritten file has, and what each is made of.

use std::ops::Range;

use super::read::batches::within;
use super::{Edit, OpenFile, WriteOptions};

/// Rows of one old row group that stay, with what changes in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// Ordinal of the old row group.
    pub(super) group: usize,
    /// File row of its first row.
    pub(super) start: u64,
    /// Its rows before the edit.
    pub(super) old_rows: u64,
    pub(super) updates: &'a [(u64, u32)],
    pub(super) deletes: &'a [u64],
}

impl Part<'_> {
    fn rows(&self) -> u64 {
        self.old_rows - self.deletes.len() as u64
    }
}

/// What a new row group consists of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    Old(Part<'a>),
    New(&'a [u32]),
}

impl Piece<'_> {
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Old(part) => part.rows(),
            Self::New(rows) => rows.len() as u64,
        }
    }

    fn is_small(&self, options: &WriteOptions) -> bool {
        self.rows() < options.small_row_group_rows
    }
}

/// The row groups of the new file: old ones in their order, new rows last. Where too many would be small, those are
/// merged into few; the others stay as they are.
pub(super) fn plan<'a>(
    old: Option<&OpenFile>,
    edit: &'a Edit,
    options: &WriteOptions,
) -> Vec<Vec<Piece<'a>>> {
    let spans = old.map_or(Vec::new(), |file| {
        (0..file.groups()).map(|group| file.span(group)).collect()
    });
    let limit = options.row_group_rows.max(1);
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    for (group, span) in spans.iter().enumerate() {
        let part = part(group, span, edit);
        if part.rows() > 0 {
            pieces.push(Piece::Old(part));
        }
    }
    pieces.extend(edit.inserts.chunks(limit).map(Piece::New));
    let (small, large): (Vec<_>, Vec<_>) = pieces.iter().partition(|piece| piece.is_small(options));
    if small.len() <= options.small_row_groups.max(1) {
        return pieces.into_iter().map(|piece| vec![piece]).collect();
    }
    let mut groups: Vec<Vec<Piece<'a>>> = large.into_iter().map(|piece| vec![piece]).collect();
    let mut merged: Vec<Piece<'a>> = Vec::new();
    let mut rows = 0;
    for piece in small {
        if rows + piece.rows() > limit as u64 && !merged.is_empty() {
            groups.push(std::mem::take(&mut merged));
            rows = 0;
        }
        rows += piece.rows();
        merged.push(piece);
    }
    groups.push(merged);
    groups
}

fn part<'a>(group: usize, span: &Range<u64>, edit: &'a Edit) -> Part<'a> {
    Part {
        group,
        start: span.start,
        old_rows: span.end - span.start,
        updates: within(&edit.updates, span, |(row, _)| *row),
        deletes: within(&edit.deletes, span, |row| *row),
    }
}
