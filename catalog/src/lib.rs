//! Tells other engines that a table exists.
//!
//! A [`Catalog`] is a place where Athena, Spark, Trino, DuckDB or a person looks up which tables there are and where
//! they lie. [`LocalCatalog`] is a JSON file beside the tables, [`GlueCatalog`] the Data Catalog of AWS Glue.

mod difference;
mod entry;
mod error;
mod glue;
mod local;

use std::future::Future;

pub use difference::Difference;
pub use entry::{Column, Entry, Table, View};
pub use error::{Error, Result};
pub use glue::{Databases, GlueCatalog, Looked};
pub use local::LocalCatalog;

/// A place where tables are looked up by name.
pub trait Catalog: Sync {
    /// Makes the catalog say about an entry what the entry says; doing it twice changes nothing.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read or written, or has something else under that name.
    fn register(&self, entry: &Entry, moves: Moves) -> impl Future<Output = Result<Change>> + Send;

    /// Where the catalog says something else about an entry, or nothing; empty where it says the same.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    fn compare(&self, entry: &Entry) -> impl Future<Output = Result<Vec<Difference>>> + Send;

    /// Makes the place for the entries of a source where there is none, and gives its name; none where nothing was missing.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    fn make_room(&self, source: &str) -> impl Future<Output = Result<Option<String>>> + Send;

    /// The name under which SQL finds what the lake calls `source.table`.
    fn name_of(&self, name: &str) -> String;
}

/// What registering did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The catalog did not know the entry.
    Added,
    /// It said something else about it.
    Updated,
    /// It said the same; nothing was written.
    Unchanged,
}

/// What becomes of an entry of this program that says that the table is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// It may be that of another lake, whose readers would find this one's rows: an error.
    Refused,
    /// Somebody asked for it: the entry follows the table.
    Followed,
}
