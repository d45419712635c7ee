//! Tells other engines that a table exists.
//!
//! A [`Catalog`] is a place where Athena, Spark, DuckDB or a person looks up which tables there are and where
//! they lie. [`LocalCatalog`] is a JSON file beside the tables.

mod error;
mod local;
mod table;

use std::future::Future;

pub use error::{Error, Result};
pub use local::LocalCatalog;
pub use table::{Column, Table};

/// A place where tables are looked up by name.
pub trait Catalog {
    /// Makes the catalog say about `table.name` exactly what `table` says; doing it twice changes nothing.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read or written.
    fn register(&self, table: &Table) -> impl Future<Output = Result<Change>> + Send;

    /// Every registered table, by name.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    fn list(&self) -> impl Future<Output = Result<Vec<Table>>> + Send;
}

/// What registering a table did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The catalog did not know the table.
    Added,
    /// It said something else about it.
    Updated,
    /// It said the same; nothing was written.
    Unchanged,
}
