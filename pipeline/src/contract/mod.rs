//! What a table is: everything that `sql/<source>/<table>.toml` says about it.
//!
//! A contract is plain data. [`load`] makes contracts of files and refuses those that could break a promise;
//! [`Contract::fingerprint`] tells whether one has changed since a table was written.

mod accounts;
mod budget;
mod builtin;
mod columns;
mod diagnostic;
mod document;
mod documents;
mod draft;
mod feed;
mod fields;
mod fingerprint;
mod folder;
mod format;
mod inputs;
mod layers;
mod load;
mod name;
mod path;
mod privacy;
mod rules;
mod section;
mod sql;
#[cfg(test)]
mod tests;
mod types;
mod word;

pub use accounts::{AccountChanges, Noticed, StoredAccount, StoredAccounts, StoredDialect, account_changes};
pub use budget::Budget;
pub use builtin::builtin;
pub use diagnostic::{Code, Diagnostic};
pub use fingerprint::{Change, StoredColumn, StoredRules, change};
pub use folder::read_dir;
pub(crate) use format::alike;
pub use format::{Charset, CsvFormat, Format, Header, JsonDocument, JsonFormat, TsvFormat};
pub use load::{SourceFile, load, load_planned};
pub use name::TableName;
pub use path::{PathMatch, PathPattern};
pub use privacy::{ANYWHERE, Anywhere, Privacy, Shown, hides};
pub(crate) use privacy::{letters, mask};
pub use types::ColumnType;
pub use word::Word;

use std::collections::BTreeMap;
use std::fmt;

/// What a raw row knows of where it comes from, beside the fields of the source; `from` can name these.
///
/// `_object` is the URI of the raw object, `_path` its path below the raw root (the same wherever a raw zone is
/// copied to, and whether or not its account has a root of its own), `_row` the ordinal of the row in it, `_modified` the object's last
/// modification, `_generated_at` and `_period` the time and the day of its path, `_part` the part of its path,
/// `_account` the alias of the account, `_hash` the hash of the raw fields as delivered. A field that the source has
/// called so itself is `raw._row` and so on.
///
/// A manifest beside the object says more, and of `_generated_at` and `_part` it knows best: `_document` is the id of the
/// document, `_report_type` its kind, `_marketplaces` those that were asked for (with commas between them),
/// `_requested_at` the time of the request, `_requested_from` and `_requested_to` its days. `_option.<name>` is an
/// option of the request.
pub const LINEAGE: [&str; 15] = [
    "_object",
    "_path",
    "_row",
    "_modified",
    "_generated_at",
    "_period",
    "_part",
    "_account",
    "_hash",
    "_document",
    "_report_type",
    "_marketplaces",
    "_requested_at",
    "_requested_from",
    "_requested_to",
];

/// About how large files get where a contract says nothing, in bytes.
pub const FILE_SIZE: u64 = 128 << 20;

/// What lineage fields with the options of a request start with.
pub const OPTION: &str = "_option.";

/// Whether a field says where a row comes from: one of [`LINEAGE`] or an option.
pub fn is_lineage(field: &str) -> bool {
    LINEAGE.contains(&field) || field.strip_prefix(OPTION).is_some_and(|name| !name.is_empty())
}

/// Name of the map column of tables that keep unknown raw fields.
pub const EXTRA: &str = "extra";

/// All contracts in force, by name.
pub type Contracts = BTreeMap<TableName, Contract>;

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

/// One column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Fields to take the value from, the first that is not null; `["*"]` takes all of them into a map.
    /// Where there is SQL over `raw`, the columns of its SELECT are the fields, and lineage stays beside them.
    /// For tables with inputs the column of the SELECT with the column's own name.
    pub from: Vec<String>,
    /// Type in the table.
    pub ty: ColumnType,
    /// Meaning, unit, source.
    pub doc: Option<String>,
    /// Time zone in which texts without an offset are read, and in which a date is taken from an instant.
    pub zone: Zone,
    /// What happens to personal data.
    pub personal: Option<Personal>,
    /// Rows without a value are quarantined. Key columns are always required.
    pub required: bool,
    /// Which value a `latest_value` table keeps.
    pub pick: Pick,
    /// What becomes of a text that is no value of the type.
    pub unreadable: Unreadable,
}

/// What becomes of a text that is no value of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Its row is quarantined.
    Reject,
    /// It is null, and counted: for what a document says once for all of its rows.
    Null,
}

/// Which of several observed values stays in a column of a `latest_value` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The newest that is not null.
    Newest,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
}

/// Time zone of a `timestamp` or `date` column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// UTC.
    Utc,
    /// The account's zone.
    Account,
    /// For dates: the day as the text has it, whatever its offset.
    AsWritten,
}

/// What is stored of a personal value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    /// Nothing: the column stays null.
    Drop,
    /// A keyed hash (HMAC-SHA-256, hex); nothing when no key is configured.
    Hash,
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

impl Column {
    /// A column of a lineage field, as `newest_by` can name one without the table having it.
    pub(crate) fn lineage(name: &str, ty: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            from: vec![name.to_owned()],
            ty,
            doc: None,
            zone: Zone::Utc,
            personal: None,
            required: false,
            pick: Pick::Newest,
            unreadable: Unreadable::Reject,
        }
    }
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
}
