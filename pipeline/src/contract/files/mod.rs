//! Which texts make a table: built-in and a user's files, what they extend, and their TOML.

pub(crate) mod builtin;
pub(crate) mod folder;
pub(crate) mod layers;
pub(crate) mod toml;

/// One file of a folder of contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the folder, such as `jwo/orders.toml`.
    pub path: String,
    /// What is in it.
    pub text: String,
}
