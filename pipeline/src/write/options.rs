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
    /// Columns of integers most of which are one more than the one before: a few bits a row, where their differences
    /// are stored.
    pub counting: BTreeSet<String>,
    /// Columns of numbers without order or likeness, such as hashes: compressing them costs time and saves nothing.
    pub random: BTreeSet<String>,
    /// Columns that updates leave as they are: those by which rows are found.
    pub key: BTreeSet<String>,
    /// Threads that encode the columns of a row group that is not small.
    pub threads: usize,
    /// Columns that the file's statistics leave out: those by which nobody skips files, and personal ones.
    pub unindexed: BTreeSet<String>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            row_group_rows: 1 << 18,
            small_row_group_rows: 1 << 16,
            small_row_groups: 8,
            bloom_filters: BTreeSet::new(),
            counting: BTreeSet::new(),
            random: BTreeSet::new(),
            key: BTreeSet::new(),
            threads: 1,
            unindexed: BTreeSet::new(),
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
        let stats = FileStats::new(metadata, schema, &options.unindexed)?;
        Ok(Self {
            rows: stats.rows,
            bytes: bytes as u64,
            stats,
        })
    }
}
