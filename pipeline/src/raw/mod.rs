//! The raw zone: which objects there are, what their paths and manifests say, and who delivers them.

pub mod account;
pub(crate) mod manifest;
mod object;
mod zone;

pub(crate) use object::{Beside, Content, Identity, RawObject};
pub(crate) use zone::{Deliveries, Listing, RawZone, check_roots};
pub use zone::{NamedObject, RawPlaces};
