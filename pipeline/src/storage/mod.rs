//! The one door to storage: which store serves an address, what lies where, files that survive, and who works on a table.

pub(crate) mod address;
mod bucket;
#[cfg(test)]
pub(crate) mod counting;
pub(crate) mod durable;
mod entry;
mod failure;
mod folder;
mod lease;
mod paged;
mod place;
mod sending;
mod shelf;
mod sink;
mod spill;
mod stores;
mod upload;
mod uploads;

pub(crate) use entry::Entry;
pub(crate) use failure::StoreFailure;
pub(crate) use lease::{Carried, Lease, Leases, Turn};
pub use paged::{Page, Paged};
pub(crate) use place::{Place, remove};
pub(crate) use sending::Sending;
pub(crate) use sink::{Sent, Sink};
pub(crate) use spill::{NoRoom, Spill, SpillFile};
pub use stores::Stores;
