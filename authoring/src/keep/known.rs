//! What samples and contracts tell of a table: its days, what identifies its rows, and what was asked for.

use std::collections::BTreeSet;

use pipeline::contract::ColumnType;

use super::super::column::Proposed;
use super::super::name;
use super::super::observe::{self, Observed};

/// Names of fields that identify a message.
const MESSAGE_IDS: [&str; 6] = [
    "idempotency_id",
    "event_id",
    "message_id",
    "notification_id",
    "uuid",
    "id",
];

/// Last words of column names that identify something.
const IDENTIFIERS: [&str; 16] = [
    "id", "sku", "msku", "fnsku", "asin", "ean", "upc", "gtin", "isbn", "code", "number", "no", "nr", "line",
    "ordinal", "uuid",
];

/// Words of column names that describe and do not identify.
const DESCRIPTIONS: [&str; 9] = [
    "name",
    "title",
    "description",
    "url",
    "link",
    "image",
    "note",
    "comment",
    "status",
];

/// Words of names of days that change with a row.
const CHANGES: [&str; 6] = [
    "updated",
    "modified",
    "changed",
    "update",
    "snapshot",
    "generated",
];

/// What is known about the table.
pub(crate) struct Known<'a> {
    /// The rows.
    pub(crate) observed: &'a Observed,
    /// The columns of fields.
    pub(crate) columns: &'a [Proposed],
    /// Columns that say to whom a row belongs and what was asked for: the same in all of a document.
    pub(crate) scope: &'a [String],
    /// Whether rows are messages, one object each.
    pub(crate) messages: bool,
    /// Whether an object is a report that a newer one takes the place of.
    pub(crate) documents: bool,
    /// Whether a manifest says which days a document is about.
    pub(crate) manifest: bool,
    /// Name of the table without its source.
    pub(crate) table: &'a str,
}

impl Known<'_> {
    pub(super) fn column(&self, name: &str) -> Option<&Proposed> {
        self.columns.iter().find(|column| column.name() == name)
    }

    /// Whether a column has a value in every row.
    pub(super) fn is_full(&self, name: &str) -> bool {
        let field = self
            .column(name)
            .and_then(|column| self.observed.field(column.field.as_deref()?));
        field.is_some_and(observe::Field::is_full)
    }

    /// Whether no two rows of a sample that differ have the same values in these columns.
    pub(super) fn is_unique(&self, names: &[String]) -> bool {
        let key = self.distinct(
            names
                .iter()
                .filter_map(|name| self.column(name)?.field.as_deref()),
        );
        key == self.distinct(self.observed.fields.iter().map(|field| field.name.as_str()))
    }

    fn distinct<'f>(&self, fields: impl Iterator<Item = &'f str>) -> usize {
        let fields: Vec<_> = fields.filter_map(|name| self.observed.field(name)).collect();
        let row = |(row, sample): (usize, &usize)| {
            let cells: Vec<Option<&str>> = fields.iter().map(|field| field.value(row)).collect();
            (*sample, cells)
        };
        self.observed
            .sample
            .iter()
            .enumerate()
            .map(row)
            .collect::<BTreeSet<_>>()
            .len()
    }

    pub(super) fn message_id(&self) -> Option<&Proposed> {
        let is_id = |column: &&Proposed| {
            let own = column.field.as_deref().and_then(|field| field.rsplit('.').next());
            let own = own.and_then(name::snake);
            own.is_some_and(|own| MESSAGE_IDS.contains(&own.as_str())) && self.is_full(column.name())
        };
        let mut found: Vec<&Proposed> = self.columns.iter().filter(is_id).collect();
        let rank = |column: &Proposed| MESSAGE_IDS.iter().position(|id| column.name().ends_with(id));
        found.sort_by_key(|column| (column.name().matches('_').count() > 1, rank(column)));
        found
            .into_iter()
            .find(|column| self.is_unique(&[column.name().to_owned()]))
    }

    /// The day that a row is about.
    pub(super) fn day(&self) -> Option<&Proposed> {
        let is_day = |column: &&Proposed| {
            column.column.ty == ColumnType::Date
                && !column.is_personal()
                && self.is_full(column.name())
                && !column.name().split('_').any(|word| CHANGES.contains(&word))
                && !self.is_header(column)
        };
        let mut days = self.columns.iter().filter(is_day);
        let first = days.next()?;
        let plain = |column: &&Proposed| ["date", "day", "activity_date"].contains(&column.name());
        Some(std::iter::once(first).chain(days).find(plain).unwrap_or(first))
    }

    /// The first day that a report is about, where it says so beside its rows.
    pub(super) fn first_day_asked_for(&self) -> Option<&Proposed> {
        self.header_day(["start", "from"])
    }

    /// Columns of the first and the last day that a report is about, where it says so and all days of the sample lie
    /// between them.
    pub(super) fn days_asked_for(&self) -> Option<Vec<String>> {
        let columns = [
            self.first_day_asked_for()?,
            self.day()?,
            self.header_day(["end", "to"])?,
        ];
        let [first, day, last] = columns.map(|column| self.observed.field(column.field.as_deref()?));
        let (first, day, last) = (first?, day?, last?);
        let as_stated = columns.iter().all(|column| column.written.is_none());
        let within = |row| {
            let cells = [first, day, last].map(|field| field.value(row).unwrap_or_default());
            cells.is_sorted() && cells.iter().all(|cell| cell.len() == cells[0].len())
        };
        let fits = as_stated && (0..self.observed.sample.len()).all(within);
        fits.then(|| vec![columns[0].name().to_owned(), columns[2].name().to_owned()])
    }

    fn header_day(&self, words: [&str; 2]) -> Option<&Proposed> {
        self.columns.iter().find(|column| {
            column.column.ty == ColumnType::Date
                && self.is_header(column)
                && self.is_full(column.name())
                && column.name().split('_').any(|word| words.contains(&word))
        })
    }

    fn is_header(&self, column: &Proposed) -> bool {
        let field = column
            .field
            .as_deref()
            .and_then(|field| self.observed.field(field));
        field.is_some_and(|field| field.header)
    }

    /// When a row last changed.
    pub(super) fn changed(&self) -> Option<&Proposed> {
        self.columns.iter().find(|column| {
            column.column.ty == ColumnType::Timestamp
                && column.name().split('_').any(|word| CHANGES.contains(&word))
                && self.is_full(column.name())
        })
    }

    pub(super) fn with_account(&self, key: Vec<String>) -> Vec<String> {
        let own: Vec<String> = self
            .scope
            .iter()
            .filter(|name| !key.contains(name))
            .cloned()
            .collect();
        [own, key].concat()
    }

    /// Columns that look as if they identified something, in their order.
    pub(super) fn identifiers(&self) -> Vec<String> {
        let is_identifier = |column: &&Proposed| {
            column
                .name()
                .split('_')
                .next_back()
                .is_some_and(|word| IDENTIFIERS.contains(&word))
                && !column.name().ends_with("currency_code")
        };
        self.candidates()
            .filter(is_identifier)
            .map(|column| column.name().to_owned())
            .collect()
    }

    /// Columns that can be in a key: never empty, not personal, with an exact equality.
    fn candidates(&self) -> impl Iterator<Item = &Proposed> {
        self.columns.iter().filter(|column| {
            !column.is_personal()
                && matches!(
                    column.column.ty,
                    ColumnType::Text
                        | ColumnType::Int
                        | ColumnType::Date
                        | ColumnType::Timestamp
                        | ColumnType::Bool
                )
                && !self.is_header(column)
                && self.is_full(column.name())
        })
    }

    /// The day, and what identifies a row of it. One column that alone tells rows apart and is called like the table is
    /// enough; else all that look as if they identified something, and as many others as it takes.
    pub(super) fn key(&self) -> Option<Vec<String>> {
        let day = self.day().map(|day| day.name().to_owned());
        let identifiers = self.identifiers();
        let own = |name: &&String| {
            let thing = name.trim_end_matches("_id");
            *name == "id"
                || (name.ends_with("_id") && (self.table == thing || self.table == format!("{thing}s")))
        };
        let single = identifiers
            .iter()
            .find(own)
            .filter(|name| self.is_unique(&[(*name).clone()]));
        let mut key: Vec<String> = day.iter().cloned().collect();
        match single {
            Some(name) => key.push(name.clone()),
            None => key.extend(identifiers.into_iter().filter(|name| Some(name) != day.as_ref())),
        }
        self.until_unique(key).map(|key| self.with_account(key))
    }

    /// The key with further columns until it is unique; none where no columns make it so.
    fn until_unique(&self, mut key: Vec<String>) -> Option<Vec<String>> {
        let describes = |name: &str| name.split('_').any(|word| DESCRIPTIONS.contains(&word));
        let texts = |column: &&Proposed| {
            matches!(
                column.column.ty,
                ColumnType::Text | ColumnType::Date | ColumnType::Timestamp
            )
        };
        let mut others: Vec<&Proposed> = self.candidates().filter(texts).collect();
        others.sort_by_key(|column| describes(column.name()));
        for column in others {
            if !key.is_empty() && self.is_unique(&key) {
                return Some(key);
            }
            if !key.iter().any(|name| name == column.name()) {
                let with: Vec<String> = key.iter().cloned().chain([column.name().to_owned()]).collect();
                let grows = self.count(&with) > self.count(&key);
                if grows || key.is_empty() {
                    key = with;
                }
            }
        }
        (!key.is_empty() && self.is_unique(&key)).then_some(key)
    }

    fn count(&self, names: &[String]) -> usize {
        self.distinct(
            names
                .iter()
                .filter_map(|name| self.column(name)?.field.as_deref()),
        )
    }
}
