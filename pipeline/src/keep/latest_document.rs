//! `latest_document`: per value of `per`, a *cell*, the rows of the newest document that covers it.
//!
//! Invariant: in every cell the table has exactly the rows of the document with the greatest (order, smallest object)
//! among all that cover it, where the order is that of `newest_by`, then the document's id, then its state: how many parts it
//! has, when they were changed, and hashes of their content.
//! A document covers cells of which it has no row; what it says about these is remembered in the ledger, so that an
//! older one that comes late does not bring rows back. So the newest of a cell is a maximum over the batch, the rows
//! that the table has in the cell, and the documents recorded before.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use roaring::RoaringBitmap;

use super::coverage::{Cell, Coverage, covered};

/// The documents of a batch with their rows.
pub(crate) struct Documents {
    /// Columns of a cell.
    pub(crate) per: Vec<String>,
    /// The one that takes the days of a period.
    pub(crate) days: Option<String>,
    /// How many rows the batch has.
    pub(crate) rows: u64,
    pub(crate) list: Vec<Document>,
}

/// One document, all parts of it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its object, of several the one with the smallest address.
    pub(crate) object: String,
    /// Its place among all documents, as sortable text.
    pub(crate) order: String,
    /// What it covers; none: the cells of its rows.
    pub(crate) covers: Option<Coverage>,
    /// The cells of its rows.
    pub(crate) cells: BTreeMap<Cell, Share>,
}

/// What a document has in one cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share {
    /// The document's place among those that cover the cell.
    pub(crate) order: String,
    /// The object of its rows, of several the one with the smallest address.
    pub(crate) object: String,
    /// Its rows, by their ordinals in the batch.
    pub(crate) rows: RoaringBitmap,
}

/// Rows of a cell before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) cell: Cell,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// A document of the batch that may be the newest of a cell.
pub(crate) struct Candidate<'a> {
    pub(crate) order: &'a str,
    pub(crate) object: &'a str,
    pub(crate) rows: Option<&'a RoaringBitmap>,
}

impl Documents {
    /// The greatest order below which nothing that was recorded can matter, and the days that the documents cover.
    pub(crate) fn reach(&self) -> (String, Option<(NaiveDate, NaiveDate)>) {
        let orders = self.list.iter().flat_map(|document| {
            let shares = document.cells.values().map(|share| &share.order);
            shares.chain([&document.order])
        });
        let order = orders.min().cloned().unwrap_or_default();
        (order, self.all_days())
    }

    fn all_days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let column = self.days.as_ref()?;
        let position = self.per.iter().position(|name| name == column)?;
        let stated = self
            .list
            .iter()
            .filter_map(|document| document.covers.as_ref()?.days);
        let stated = stated.flat_map(|(first, last)| [first, last]);
        let of_rows = self.list.iter().flat_map(|document| document.cells.keys());
        let days: Vec<NaiveDate> = stated
            .chain(of_rows.filter_map(|cell| cell[position].parse().ok()))
            .collect();
        days.iter().min().copied().zip(days.iter().max().copied())
    }

    /// The newest document of the batch in each cell that one covers.
    pub(crate) fn newest(&self) -> BTreeMap<Cell, Candidate<'_>> {
        let mut newest: BTreeMap<Cell, Candidate<'_>> = BTreeMap::new();
        for document in &self.list {
            for cell in self.cells_of(document) {
                let share = document.cells.get(&cell);
                let candidate = Candidate {
                    order: share.map_or(&document.order, |share| &share.order),
                    object: share.map_or(&document.object, |share| &share.object),
                    rows: share.map(|share| &share.rows),
                };
                let place = |one: &Candidate<'_>| (one.order.to_owned(), Reverse(one.object.to_owned()));
                match newest.get(&cell) {
                    Some(known) if place(known) >= place(&candidate) => {}
                    _ => {
                        newest.insert(cell, candidate);
                    }
                }
            }
        }
        newest
    }

    /// The cells that a document covers.
    fn cells_of(&self, document: &Document) -> Vec<Cell> {
        match &document.covers {
            None => document.cells.keys().cloned().collect(),
            Some(covers) => covered(&self.per, self.days.as_deref(), covers),
        }
    }
}

/// Adds rows to a set of them. Those of a document mostly follow each other.
pub(crate) fn insert_ascending(rows: &mut RoaringBitmap, ascending: impl Iterator<Item = u32>) {
    let mut ascending = ascending.peekable();
    while let Some(first) = ascending.next() {
        let mut last = first;
        while let Some(next) = ascending.next_if(|next| next - 1 == last) {
            last = next;
        }
        rows.insert_range(first..=last);
    }
}
