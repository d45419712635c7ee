//! Raw objects to curated Delta tables, exactly once.
//!
//! ```text
//!  list -> claim -> decode -> shape (SQL) -> check -> keep -> commit -> record
//!  raw     ledger   raw rows   typed rows    good |   touched  rows +    runs,
//!  objects          as text                  quarantine files  progress  outcome
//! ```

pub mod account;
pub mod cast;
pub mod contract;
pub mod decode;
mod delta;
pub mod error;
pub mod failpoint;
pub mod lake;
pub mod report;
pub mod write;

pub use error::{Error, Kind, Result};
