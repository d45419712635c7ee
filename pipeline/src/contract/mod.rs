//! What a table is: everything that `sql/<source>/<table>.toml` says about it.
//!
//! A contract is plain data. [`load()`] makes contracts of files and refuses those that could break a promise;
//! [`Contract::fingerprint`] tells whether one has changed since a table was written.

mod accounts;
mod budget;
mod change;
mod column;
mod diagnostic;
mod fields;
mod files;
mod format;
mod keep;
mod lineage;
mod load;
mod name;
mod path;
mod privacy;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod types;
mod view;
mod word;

pub use accounts::{AccountChanges, Noticed, StoredAccount, StoredAccounts, StoredDialect, account_changes};
pub use budget::Budget;
pub use change::{Change, StoredColumn, StoredRules, change};
pub use column::{Column, Personal, Pick, Unreadable, Zone};
pub use diagnostic::{Code, Diagnostic};
pub use files::SourceFile;
pub use files::builtin::builtin;
pub use files::folder::read_dir;
pub(crate) use format::alike;
pub use format::{Charset, CsvFormat, Format, Header, JsonDocument, JsonFormat, TsvFormat};
pub use keep::{Covers, Keep, Shrink};
pub use lineage::{LINEAGE, OPTION, is_lineage};
pub use load::{load, load_planned};
pub use name::{TableName, is_name};
pub use path::{PathMatch, PathPattern};
pub use privacy::{ANYWHERE, Anywhere, Privacy, Shown, hides};
pub(crate) use privacy::{letters, mask};
pub use types::ColumnType;
pub use view::View;
pub use word::Word;

use std::collections::{BTreeMap, btree_map};
use std::ops::Deref;

/// About how large files get where a contract says nothing, in bytes.
pub const FILE_SIZE: u64 = 128 << 20;

/// Name of the map column of tables that keep unknown raw fields.
pub const EXTRA: &str = "extra";

/// All contracts in force, by name: those of tables, and beside them the views over their tables.
#[derive(Debug, Clone, Default)]
pub struct Contracts {
    tables: BTreeMap<TableName, Contract>,
    views: BTreeMap<TableName, View>,
}

impl Contracts {
    /// Of tables and views.
    pub(crate) fn new(tables: BTreeMap<TableName, Contract>, views: BTreeMap<TableName, View>) -> Self {
        Self { tables, views }
    }

    /// The views.
    pub fn views(&self) -> &BTreeMap<TableName, View> {
        &self.views
    }
}

impl Deref for Contracts {
    type Target = BTreeMap<TableName, Contract>;

    fn deref(&self) -> &Self::Target {
        &self.tables
    }
}

impl FromIterator<(TableName, Contract)> for Contracts {
    fn from_iter<T: IntoIterator<Item = (TableName, Contract)>>(tables: T) -> Self {
        Self::new(tables.into_iter().collect(), BTreeMap::new())
    }
}

impl<'a> IntoIterator for &'a Contracts {
    type Item = (&'a TableName, &'a Contract);
    type IntoIter = btree_map::Iter<'a, TableName, Contract>;

    fn into_iter(self) -> Self::IntoIter {
        self.tables.iter()
    }
}

/// One table.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Name of the table.
    pub name: TableName,
    /// One sentence: what one row is.
    pub description: String,
    /// Columns in table order, bookkeeping columns not included.
    pub columns: Vec<Column>,
    /// Columns by whose values files are laid out; at most one is a date.
    pub partition: Vec<String>,
    /// Columns by which `maintain` and `rebuild` sort the rows of a partition; the key where nothing is said.
    pub sort: Vec<String>,
    /// About how large files should get, in bytes.
    pub file_size: u64,
    /// Where rows come from.
    pub feed: Feed,
    /// The shaping SELECT: over `raw` or over the input tables.
    pub sql: Option<String>,
    /// Assertions over typed rows.
    pub checks: Vec<Check>,
    /// How much of a batch may go to quarantine before a person is asked.
    pub quarantine: Budget,
}

/// Where the rows of a table come from.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are a few dozen contracts at most"
)]
pub enum Feed {
    /// Raw objects.
    Raw(RawFeed),
    /// Other curated tables.
    Inputs(InputFeed),
}

/// Raw objects, how to read them and what to keep of them.
#[derive(Debug, Clone)]
pub struct RawFeed {
    /// Which objects of the raw zone are meant; `{account}`, `{date}` and so on become columns.
    pub paths: Vec<PathPattern>,
    /// How to read them.
    pub format: Format,
    /// What of the rows stays.
    pub keep: Keep,
    /// What happens to raw fields that no column names.
    pub unknown: Unknown,
    /// Raw fields whose values may be written down although the table has personal fields; `*` is all of them.
    pub harmless: Vec<String>,
    /// What rows and their objects say of themselves, by raw field: one that says anything else is of another data set.
    pub only: BTreeMap<String, Vec<String>>,
    /// Raw fields that the sibling tables name, with what becomes of the personal ones: not unknown here, though no
    /// column takes them.
    pub elsewhere: BTreeMap<String, Option<Personal>>,
    /// How far the partition of a key can move, in days (see the protocol's rule on partition and key).
    pub key_window_days: Option<u32>,
    /// Columns of the key from which the rest of it is assumed to follow; empty where nothing is assumed.
    pub identity: Vec<String>,
    /// How often something should arrive.
    pub expect: Option<Expect>,
}

/// Other tables, and what is computed anew when they change.
#[derive(Debug, Clone)]
pub struct InputFeed {
    /// Tables that the SQL reads.
    pub inputs: Vec<TableName>,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// Columns whose touched values are computed anew as a unit; they exist in every input.
    pub recompute: Vec<String>,
}

/// Fate of raw fields that no column names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Into the map column `extra`.
    Keep,
    /// Only their names into `extra`, each with an empty text, but for those that are harmless: their values may be
    /// personal.
    Names,
    /// Dropped.
    Ignore,
    /// The row is quarantined.
    Refuse,
}

impl Unknown {
    /// Whether the table has the column `extra`.
    pub fn has_extra(self) -> bool {
        matches!(self, Self::Keep | Self::Names)
    }
}

/// How often the source should deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// Length of one period in minutes: 15 for a quarter of an hour, 1440 for a day.
    pub every_minutes: u32,
    /// How long after the end of a period it may still arrive, in minutes.
    pub within_minutes: u32,
}

/// An assertion over one typed row.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Name in reports.
    pub name: String,
    /// SQL boolean expression over the table's columns; false fails, null passes.
    pub sql: String,
    /// What a failure does.
    pub otherwise: Otherwise,
}

/// Consequence of a failed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Counted and reported; the row goes in.
    Warn,
    /// The row goes to quarantine.
    Quarantine,
    /// The batch is not committed until a person releases it.
    Hold,
}

impl Contract {
    /// How the table is fed from raw objects; none where it is computed from others.
    pub fn raw_feed(&self) -> Option<&RawFeed> {
        match &self.feed {
            Feed::Raw(feed) => Some(feed),
            Feed::Inputs(_) => None,
        }
    }

    /// Whether the key says in which partition its row is, so that a row never moves to another one.
    pub(crate) fn keys_stay(&self) -> bool {
        self.partition.iter().all(|name| self.key().contains(name))
    }

    /// Columns that identify a row.
    pub fn key(&self) -> &[String] {
        match &self.feed {
            Feed::Raw(raw) => raw.keep.key(),
            Feed::Inputs(inputs) => &inputs.key,
        }
    }

    /// Columns by which the rows of a partition are sorted: where nothing is said the key, of documents their cells.
    pub fn sort(&self) -> &[String] {
        if self.sort.is_empty() {
            self.scope()
        } else {
            &self.sort
        }
    }

    /// Columns that no two rows of a document should have alike; none where rows are kept.
    pub fn document_key(&self) -> &[String] {
        match &self.feed {
            Feed::Raw(raw) => raw.keep.document_key(),
            Feed::Inputs(_) => &[],
        }
    }

    /// Columns without which a row cannot be kept.
    pub fn scope(&self) -> &[String] {
        match &self.feed {
            Feed::Raw(raw) => raw.keep.scope(),
            Feed::Inputs(inputs) => &inputs.key,
        }
    }

    /// The declared column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The date column among the partition columns: what a key window is about.
    pub(crate) fn window_column(&self) -> Option<&str> {
        let is_date = |name: &&String| {
            self.column(name)
                .is_some_and(|column| column.ty == ColumnType::Date)
        };
        self.partition.iter().find(is_date).map(String::as_str)
    }
}
