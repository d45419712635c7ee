//! What of the raw rows stays in a table.

use std::fmt;

use super::Otherwise;

/// What of the raw rows stays in the table. The invariant of each is in the module of its name.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// Per key one row; copies are dropped.
    EveryRow {
        /// Columns that identify a row.
        key: Vec<String>,
    },
    /// Per key the row that is newest by the named columns.
    LatestRow {
        /// Columns that identify a row.
        key: Vec<String>,
        /// Columns whose greatest values win, most significant first.
        newest_by: Vec<String>,
    },
    /// Per key and column the newest value that is not null.
    LatestValue {
        /// Columns that identify a row.
        key: Vec<String>,
        /// Columns whose greatest values win, most significant first.
        newest_by: Vec<String>,
    },
    /// Per value of some columns the rows of the newest document that covers it.
    LatestDocument {
        /// Columns by whose values documents supersede each other.
        per: Vec<String>,
        /// Columns whose greatest values win, most significant first; then the document's id and content.
        newest_by: Vec<String>,
        /// What a document covers.
        covers: Covers,
        /// Columns of the first and the last day that was asked for, or of the only one, where no manifest says so.
        period: Vec<String>,
        /// Columns that no two rows of a document should have alike; may be empty.
        key: Vec<String>,
        /// How far the rows of a value may shrink unnoticed.
        shrink: Option<Shrink>,
    },
}

/// Which values of `per` a document speaks about, whether or not it has rows of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covers {
    /// Those of its rows.
    Rows,
    /// One, which is the same for the whole document.
    Document,
    /// Every day, in this column, of the period that was asked for; the other columns are the same for the whole
    /// document.
    Days(String),
}

impl fmt::Display for Covers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Document => "document",
            Self::Days(column) => column,
        })
    }
}

/// When a newer document has suspiciously fewer rows than the one whose place it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrink {
    /// Share of the rows below which it is suspicious.
    pub below: f64,
    /// Days younger than this, when the batch is claimed, may change freely.
    pub older_than_days: u32,
    /// `warn` or `hold`.
    pub otherwise: Otherwise,
}

impl Keep {
    /// Columns that identify a row; none where documents are kept, whose rows may be alike.
    pub fn key(&self) -> &[String] {
        match self {
            Self::EveryRow { key } | Self::LatestRow { key, .. } | Self::LatestValue { key, .. } => key,
            Self::LatestDocument { .. } => &[],
        }
    }

    /// Columns that no two rows of a document should have alike; none where rows are kept.
    pub fn document_key(&self) -> &[String] {
        match self {
            Self::LatestDocument { key, .. } => key,
            _ => &[],
        }
    }

    /// Columns that decide which rows take the place of which: never null.
    pub fn scope(&self) -> &[String] {
        match self {
            Self::LatestDocument { per, .. } => per,
            keep => keep.key(),
        }
    }

    /// Columns of the order in which rows supersede each other; none for `every_row`.
    pub fn newest_by(&self) -> &[String] {
        match self {
            Self::EveryRow { .. } => &[],
            Self::LatestRow { newest_by, .. }
            | Self::LatestValue { newest_by, .. }
            | Self::LatestDocument { newest_by, .. } => newest_by,
        }
    }

    /// The name in a contract.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EveryRow { .. } => "every_row",
            Self::LatestRow { .. } => "latest_row",
            Self::LatestValue { .. } => "latest_value",
            Self::LatestDocument { .. } => "latest_document",
        }
    }
}
