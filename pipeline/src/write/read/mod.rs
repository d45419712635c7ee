//! What a file holds: its footer, the rows that are searched for in it, and the others in batches.

pub(crate) mod batches;
pub(crate) mod chunks;
pub(crate) mod find;
pub(crate) mod footer;
pub(crate) mod key_index;
pub(crate) mod open;
pub(crate) mod ranges;
