//! One file to be written: all that has to be known of it, and what comes out.

use arrow::datatypes::SchemaRef;
use object_store::path::Path;

use super::{Edit, OpenFile, WriteOptions, Written, rewrite};
use crate::error::Result;
use crate::storage::{Place, Sent, Sink};

/// A file of a table to be written, new or in the place of another.
///
/// A value that depends on nothing but the store: whoever reaches that can do it, and jobs are independent of each other.
pub(crate) struct FileJob {
    /// Where the new file goes, below the table.
    pub(crate) target: Path,
    /// The file whose place it takes, and its size in bytes; none: a new one.
    pub(crate) old: Option<(Path, u64)>,
    /// What happens to the old rows, and the new ones.
    pub(crate) edit: Edit,
    /// Columns of the new file.
    pub(crate) schema: SchemaRef,
    pub(crate) options: WriteOptions,
}

/// The file that a job wrote.
pub(crate) struct FileResult {
    /// Where it is, below the table.
    pub(crate) path: Path,
    pub(crate) written: Written,
}

impl FileJob {
    /// Writes the file into the table at `place`, in the place of `old`, which is the old file; none, and nothing written,
    /// when no row is left. It is there once what is sent has arrived.
    ///
    /// Blocks; see [`OpenFile`].
    ///
    /// # Errors
    /// As [`rewrite()`]; storage errors of the new file (`Io`).
    pub(crate) fn write(self, place: &Place, old: Option<&OpenFile>) -> Result<Option<(FileResult, Sent)>> {
        let mut sink = Sink::new(place, &self.target)?;
        let Some(written) = rewrite(old, &self.schema, &self.edit, &self.options, &mut sink)? else {
            return Ok(None);
        };
        let result = FileResult {
            path: self.target,
            written,
        };
        Ok(Some((result, sink.finish()?)))
    }
}
