//! What a lake says about itself: its state, where objects went, why rows are as they are, what waits.
//!
//! Nothing here writes; a lake that does not exist yet stays so.

mod quarantine;
mod reason;
mod status;
mod text;
mod why;

pub(crate) use quarantine::{list as quarantine_list, show as quarantine_show};
pub(crate) use status::status;
pub(crate) use why::{why_object, why_rows};

#[cfg(test)]
mod testing;
