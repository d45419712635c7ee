//! Whether an object kills its readers: somebody else reads it and dies, or does not.

use url::Url;

use crate::contract::TableName;
use crate::error::Result;

/// Has objects read by a process that may die of them. That process calls [`crate::lake::Lake::read_alone`].
pub trait IsolatedReader: Send + Sync {
    /// Has the object read for the open batches of these tables in that curated zone, or the open batch of a table with
    /// inputs computed, which then is both; blocks until this is over.
    ///
    /// # Errors
    /// When nothing was found out: the process could not be started, failed before it read, or somebody stopped it.
    fn read(&self, curated: &Url, tables: &[TableName], object: &str) -> Result<Ending>;
}

/// How a process that read an object ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It read the object to its end, whatever is wrong with it.
    Returned,
    /// It was ended; this is how.
    Died(String),
}
