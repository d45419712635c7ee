//! Raw objects to curated Delta tables, exactly once.
//!
//! ```text
//!  list -> claim -> decode -> shape (SQL) -> check -> keep -> commit -> record
//!  raw     ledger   raw rows   typed rows    good |   touched  rows +    runs,
//!  objects          as text                  quarantine files  progress  outcome
//! ```

// What derives schemas names this crate from inside and outside.
extern crate self as pipeline;

pub mod account;
mod backoff;
mod batch;
pub mod cast;
pub mod contract;
mod curated;
pub mod decode;
mod delta;
mod describe;
pub mod error;
pub mod failpoint;
mod keep;
pub mod lake;
mod layout;
mod ledger;
#[cfg(test)]
mod lies;
mod list;
mod maintain;
mod manifest;
mod personal;
mod query;
mod rebuild;
mod record;
pub mod report;
mod run;
mod shape;
mod sorted;
pub mod trial;
mod views;
pub mod write;

pub use error::{Error, Kind, Result};
