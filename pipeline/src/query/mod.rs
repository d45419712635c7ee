//! Reading the curated tables with SQL, and showing as SQL what fills them.

mod generated;
mod provider;
mod pruning;
mod room;
mod session;
mod small_files;
mod statement;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use provider::SnapshotTable;
pub(crate) use room::Room;
pub(crate) use session::{register, session};
pub use statement::Rows;
