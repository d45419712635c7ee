//! What of the raw rows stays in a table.
//!
//! Each way to keep is a maximum in a total order, over the rows of a key or over the documents that speak about them:
//! commutative, associative and idempotent. So it does not matter whether rows meet in one batch, in the table, twice,
//! or in another order; and the rows of the table are observations like those of a batch.

mod cells;
mod every_row;
mod fold;
mod groups;
mod latest_document;
mod latest_row;
mod latest_value;
pub(crate) mod shrink;

pub(crate) use cells::{entries, numbers, take_rows, texts};
pub(crate) use fold::{Folded, Stays, deciding_columns, fold, stays};
pub(crate) use groups::{Groups, key_positions};
pub(crate) use latest_document::{
    Cell, Document, Documents, Memory, Replaced, Share, covered, insert_ascending,
};
