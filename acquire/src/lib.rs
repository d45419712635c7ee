//! Fills the raw zone: asks Amazon for what it keeps, and lays it down as it was delivered.
//!
//! What is asked for, how often and what became of it stands in books of the lake, one writer each, so that whoever comes
//! after a crash neither asks nor delivers twice. Nothing here knows tables: what is laid down is what `docs/raw-zone.md`
//! describes, and a run takes it in like everything else.

pub mod ads;
mod book;
mod deliver;
mod endpoints;
mod error;
pub mod intake;
pub mod jwo;
mod landing;
mod manifest;
mod place;
mod rate;
pub mod requests;
mod secret;
mod settings;
pub mod sns;
pub mod sp_api;
pub mod stream;
mod token;
mod told;
mod transport;
pub mod yojaka;

pub use book::Book;
pub use deliver::{Delivered, deliver, lay};
pub use endpoints::{Endpoint, Endpoints, Region, Service, VARIABLES};
pub use error::{Error, Refused, Result};
pub use manifest::{Manifest, Period, SUFFIX};
pub use place::Place;
pub use rate::{Bucket, Rate, Rates};
pub use secret::{AtAws, Kept};
pub use settings::{Application, Settings, Wait};
pub use token::{Grant, Login, Shared, Token, Tokens};
pub use told::{Outcome, Told};
pub use transport::{Answer, Call, Downloaded, Repeat, Spool, Transport};
