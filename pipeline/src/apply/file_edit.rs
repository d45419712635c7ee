//! What happens to one file of a table.

use crate::delta::DataFile;

/// What happens to one file.
#[derive(Debug, Default)]
pub(crate) struct FileEdit {
    /// The file; none: a new one.
    pub(crate) old: Option<DataFile>,
    /// Rows of the file replaced in place by rows of the plan.
    pub(crate) updates: Vec<(u64, u32)>,
    /// Rows of the file that go away.
    pub(crate) deletes: Vec<u64>,
    /// Rows of the plan that are new in the file.
    pub(crate) inserts: Vec<u32>,
    /// The whole file goes away; nothing else may happen to it.
    pub(crate) dropped: bool,
}

impl FileEdit {
    /// No change of a file yet.
    pub(crate) fn of(file: &DataFile) -> Self {
        Self {
            old: Some(file.clone()),
            ..Self::default()
        }
    }
}
