//! The write primitive: one Parquet file, the rows that change in it, and the file that comes out.
//!
//! ```text
//!  open     footer and page index of the old file
//!  find     rows of the file whose key is among the keys of the batch
//!  rewrite  unchanged column chunks copied as bytes, those with dictionaries edited by their keys, the others
//!           decoded, patched, encoded
//!  stats    what the Delta log says about the new file
//! ```
//!
//! Nothing here knows of tables or logs: the unit is a file, and files are independent of each other. Everything
//! but [`OpenFile::open`] is synchronous and busy: call it on a blocking thread (`tokio::task::spawn_blocking`)
//! of the runtime in which the file was opened, never on a thread that drives futures.

mod chunks;
mod dictionary;
mod edit;
mod encode;
mod find;
mod footer;
mod fresh;
mod hash;
mod hybrid;
mod keyed;
mod keys;
mod literal;
mod open;
mod options;
mod patch;
mod plain;
mod plan;
mod ranges;
mod read;
mod ready;
mod rewrite;
mod source;
mod stats;
mod stored;
#[cfg(test)]
mod tests;

pub use edit::Edit;
pub use find::{Found, find};
pub use fresh::FileWriter;
pub(crate) use hash::{blend, hash_rows};
pub use keys::KeyIndex;
pub use open::OpenFile;
pub use options::{WriteOptions, Written};
pub use read::Batches;
pub use rewrite::rewrite;
pub use stats::{ColumnStats, FileStats};
