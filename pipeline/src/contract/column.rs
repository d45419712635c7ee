//! One column of a table.

use super::ColumnType;

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

impl Column {
    /// A column of which nothing is said but its name and its type.
    pub fn plain(name: &str, ty: ColumnType) -> Self {
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

    /// A field of [`LINEAGE`](super::LINEAGE) that rows can be ordered by, as a column: `newest_by` can name it without the
    /// table having it.
    pub(crate) fn ordering_lineage(name: &str) -> Option<Self> {
        let ty = match name {
            "_modified" | "_generated_at" | "_requested_at" => ColumnType::Timestamp,
            "_row" | "_part" => ColumnType::Int,
            _ => return None,
        };
        Some(Self::plain(name, ty))
    }
}
