//! The write primitive: one Parquet file, the rows that change in it, and the file that comes out.
//!
//! ```text
//!  open     the end of the old file: filters, page index, footer
//!  find     rows of the file whose key is among the keys of the batch
//!  rewrite  unchanged column chunks copied as bytes, those with dictionaries edited by their indices, the others
//!           decoded, patched, encoded
//!  stats    what the Delta log says about the new file
//!  job      all of this for one file, as a value: whoever reaches the store can do it
//! ```
//!
//! Nothing here knows of tables or logs: the unit is a file, and files are independent of each other. Everything
//! but [`OpenFile::open`] is synchronous and busy: call it on a blocking thread (`tokio::task::spawn_blocking`)
//! of the runtime in which the file was opened, never on a thread that drives futures.

mod columns;
mod edit;
mod fresh;
mod job;
mod options;
mod read;
mod rewrite;
mod row_groups;
mod stats;
#[cfg(test)]
mod tests;

pub use edit::Edit;
pub use fresh::FileWriter;
pub(crate) use job::{FileJob, FileResult};
pub use options::{WriteOptions, Written};
pub use read::batches::Batches;
pub use read::find::{Found, find};
pub(crate) use read::key_index::Bounds;
pub use read::key_index::KeyIndex;
pub use read::open::OpenFile;
pub use rewrite::rewrite;
pub use stats::{ColumnStats, FileStats};
