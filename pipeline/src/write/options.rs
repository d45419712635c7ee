//! How files are written, and what is known of one that was.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;
use parquet::file::metadata::ParquetMetaData;

use super::FileStats;
use crate::error::Result;

/// How files are written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Most rows of a row group.
    pub row_group_rows: usize,
    /// A row group of fewer rows is small.
    pub small_row_group_rows: u64,
    /// A file that would get more small row groups than this has them merged.
    pub small_row_groups: usize,
    /// Text columns that get a Bloom filter: those by which rows are looked up.
    pub bloom_filters: BTreeSet<String>,
    /// Threads that encode the columns of a row group that is not small.
    pub threads: usize,
    /// Columns whose minimum and maximum stay out of the file's statistics: personal ones.
    pub no_stats: BTreeSet<String>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            row_group_rows: 1 << 20,
            small_row_group_rows: 1 << 16,
            small_row_groups: 8,
            bloom_filters: BTreeSet::new(),
            threads: 1,
            no_stats: BTreeSet::new(),
        }
    }
}

/// A file that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Rows in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// What its footer says about its columns.
    pub stats: FileStats,
}

impl Written {
    pub(super) fn new(
        metadata: &ParquetMetaData,
        bytes: usize,
        schema: &Schema,
        options: &WriteOptions,
    ) -> Result<Self> {
        let stats = FileStats::new(metadata, schema, &options.no_stats)?;
        Ok(Self {
            rows: stats.rows,
            bytes: bytes as u64,
            stats,
        })
    }
}
