//! What stays, put into the files of a table; nothing of it is visible before the commit that names them.
//!
//! ```text
//!  folded rows ------> merge: against copies of their keys --.
//!  documents --------> supersede: against the table's cells ---> Plan -> files -> workers: a job a file
//!  computed rows ----> replace: of whole values -------------'            |
//!  copies of a key --> merge_copies -------------------------'        WorkingSet: the files between two portions
//!  rows of a query --> sorted: new files alone                            |
//!                                                               Applied: actions, counts, parts that changed
//! ```

mod changed;
mod copies;
mod file_edit;
mod files;
mod keys_by_partition;
mod merge;
mod merge_copies;
mod open_files;
mod plan;
mod replace;
pub(crate) mod sorted;
mod supersede;
#[cfg(test)]
mod tests;
mod workers;
mod working_set;

pub(crate) use changed::replaced_partitions;
pub(crate) use files::options;
pub(crate) use merge::merge;
pub(crate) use merge_copies::merge_copies;
pub(crate) use open_files::OpenFiles;
pub(crate) use plan::{Applied, Plan};
pub(crate) use replace::{of_new, replace, whole_files};
pub(crate) use supersede::{Superseded, supersede};
pub(crate) use working_set::{Changes, WorkingSet, apply};
