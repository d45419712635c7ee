//! What of the raw rows stays in a table.
//!
//! Each way to keep is a maximum in a total order, over the rows of a key or over the documents that speak about them:
//! commutative, associative and idempotent. So it does not matter whether rows meet in one batch, in the table, twice,
//! or in another order; and the rows of the table are observations like those of a batch.

mod cells;
mod coverage;
mod every_row;
mod fold;
mod latest_document;
mod latest_row;
mod latest_value;
mod rows_by_key;
pub(crate) mod shrink;

pub(crate) use cells::{entries, numbers, take_rows, texts};
pub(crate) use coverage::{Cell, Coverage, Memory, Recorded, covered};
pub(crate) use fold::{Folded, Stays, deciding_columns, fold, stays};
pub(crate) use latest_document::{Document, Documents, Replaced, Share, insert_ascending};
pub(crate) use rows_by_key::{RowsByKey, key_positions};
