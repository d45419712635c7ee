//! Raw objects to curated Delta tables, exactly once.
//!
//! ```text
//!  list -> claim -> decode -> shape (SQL) -> check -> keep -> commit -> record
//!  raw     ledger   raw rows   typed rows    good |   touched  rows +    runs,
//!  objects          as text                  quarantine files  progress  outcome
//! ```

// What derives schemas names this crate from inside and outside.
extern crate self as pipeline;

mod alone;
mod apply;
mod backoff;
mod beside;
mod blocking;
mod commit;
pub mod contract;
#[cfg(test)]
mod counted;
mod curated;
pub mod decode;
mod delta;
mod derive;
pub mod error;
pub mod failpoint;
mod ingest;
mod inspect;
pub mod isolated;
mod keep;
pub mod lake;
mod layout;
#[cfg(test)]
mod lies;
mod maintain;
mod query;
pub(crate) mod raw;
mod rebuild;
pub mod report;
pub mod request;
mod row_hash;
mod run;
pub mod secret;
mod shape;
pub mod stop;
mod storage;
mod system;
#[cfg(test)]
mod wire;
pub mod write;

pub use alone::{Alone, Folder};
pub use inspect::{DueLook, Lacking};
pub use raw::{NamedObject, RawPlaces, account};
pub use storage::{Page, Paged, Stores};
pub use system::done;

pub use error::{Error, Kind, Result};
pub use shape::cast;
