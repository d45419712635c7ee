//! Tables that are fed by raw objects: what is new is claimed, read once for all tables of a group, and taken in batch by
//! batch.
//!
//! ```text
//!  pending -> group: claim -> open, read: decode, shape -> row_buffer -> batch: documents, portions -> commit
//!  lookback                   poison: what kills its readers    rejects
//! ```

mod batch;
mod documents;
pub(crate) mod group;
mod lookback;
mod notebook;
pub(crate) mod object_rows;
mod observe;
mod one_object;
mod open;
mod parts;
mod pending;
pub(crate) mod poison;
mod portions;
mod read;
mod rejects;
mod row_buffer;
mod waiting;
mod watch;

pub(crate) use group::{Given, Group, run_group};
pub(crate) use observe::observe;
pub(crate) use parts::name_documents;
pub(crate) use pending::{Pending, listed};
pub(crate) use waiting::is_as_claimed;
