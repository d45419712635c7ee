//! Who hears how a run goes on.

use super::TableReport;

/// Hears about progress while a run goes on.
pub trait Observer: Send + Sync {
    /// A table's batch begins with that many objects and bytes.
    fn batch_started(&self, _tables: &[String], _objects: u64, _bytes: u64) {}
    /// One raw object was decoded.
    fn object_done(&self, _uri: &str, _bytes: u64) {}
    /// A table is finished.
    fn table_finished(&self, _report: &TableReport) {}
}

/// Hears nothing.
pub struct Silent;

impl Observer for Silent {}
