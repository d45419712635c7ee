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
    #[error("catalog {path} is not a catalog of this program; move it away to have it made anew")]
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
}
