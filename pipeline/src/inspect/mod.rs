//! What a lake says about itself: its state, where objects went, why rows are as they are, what waits.
//!
//! Nothing here writes; a lake that does not exist yet stays so.

mod describe;
mod lacking;
mod quarantine;
mod reason;
mod status;
mod text;
mod why;

#[cfg(test)]
mod testing;

pub use lacking::Lacking;
pub use status::DueLook;
