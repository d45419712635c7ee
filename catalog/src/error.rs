//! What can go wrong with a catalog.

use std::path::PathBuf;

/// Result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A catalog that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("catalog {path} could not be {action}")]
    Io {
        /// The catalog's file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not what this program writes.
    #[error(
        "catalog {path} is not a catalog of this program; move it away and let `marketlake catalog sync` make it anew"
    )]
    Malformed {
        /// The catalog's file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file was written by a newer program.
    #[error("catalog {path} has schema {found}, this program knows {known}; use the newer program")]
    Newer {
        /// The catalog's file.
        path: PathBuf,
        /// Schema in the file.
        found: u32,
        /// Newest schema that this program knows.
        known: u32,
    },
    /// A pattern of databases that cannot be.
    #[error("glue_database {pattern:?} {why}")]
    Pattern {
        /// What somebody wrote.
        pattern: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Glue has no place for the tables of a source.
    #[error(
        "Glue has no database {database}: make it, by the templates or by `marketlake catalog sync --create-databases`, or \
         set glue_database"
    )]
    NoDatabase {
        /// Its name.
        database: String,
    },
    /// Glue has the name for something that this program did not make.
    #[error(
        "Glue has {name} for {there}, which this program did not register: drop it there, or set glue_database to a pattern of \
         other databases"
    )]
    Foreign {
        /// `database.table`.
        name: String,
        /// Where that is, or what it is.
        there: String,
    },
    /// Glue has the table of another lake, or where this lake was before.
    #[error(
        "Glue has {name} at {there}, and here it is at {here}: if the lake has moved let `marketlake catalog sync` follow it, \
         else set another glue_database for one of the two lakes"
    )]
    Elsewhere {
        /// `database.table`.
        name: String,
        /// Where Glue says that it is.
        there: String,
        /// Where it is.
        here: String,
    },
    /// Glue did not do what it was asked for.
    #[error("{action} on {on}: {why}")]
    Refused {
        /// The action, as policies name it.
        action: &'static str,
        /// Database, or database and table.
        on: String,
        /// What Glue said, and what can be done about it.
        why: String,
    },
    /// Something that Glue would not take.
    #[error("{name} has no entry in Glue: {why}")]
    Unfit {
        /// `source.table`.
        name: String,
        /// Why.
        why: String,
    },
}
