//! What of the rows stays: proposals for `keep`, `key`, `per`, `newest_by` and `partition`.

use std::collections::BTreeSet;

use pipeline::contract::{ColumnType, Contract, Feed, Keep};

use super::column::Proposed;
use super::observe::Observed;

/// Name of a column for the day of an object's path.
pub(super) const REPORT_DAY: &str = "report_day";

/// Name of a column for the path of an object.
pub(super) const RAW_FILE: &str = "raw_file";

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

/// How rows are kept, in the words of a contract.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Keeping {
    /// `every_row`, `latest_row` or `latest_document`.
    pub(super) keep: &'static str,
    /// Columns that identify a row; may be empty where documents are kept.
    pub(super) key: Vec<String>,
    /// Columns by whose values documents supersede each other.
    pub(super) per: Vec<String>,
    /// What a document covers; none where rows are kept.
    pub(super) covers: Option<String>,
    /// Columns of the first and the last day that a document was asked for; may be empty.
    pub(super) period: Vec<String>,
    /// The order in which rows or documents supersede each other.
    pub(super) newest_by: Vec<String>,
    /// By what files are laid out.
    pub(super) partition: Vec<String>,
    /// How far a partition can move, in days.
    pub(super) key_window: Option<u32>,
    /// Why, and what else could be, for a comment.
    pub(super) why: String,
}

impl Keeping {
    /// Whether a column decides about what stays, or where it lies.
    pub(super) fn names(&self, column: &str) -> bool {
        let all = [
            &self.key,
            &self.per,
            &self.period,
            &self.newest_by,
            &self.partition,
        ];
        all.into_iter().flatten().any(|name| name == column)
    }
}

/// What is known about the table.
pub(super) struct Known<'a> {
    /// The rows.
    pub(super) observed: &'a Observed,
    /// The columns of fields.
    pub(super) columns: &'a [Proposed],
    /// Columns that say to whom a row belongs and what was asked for: the same in all of a document.
    pub(super) scope: &'a [String],
    /// Whether rows are messages, one object each.
    pub(super) messages: bool,
    /// Whether an object is a report that a newer one takes the place of.
    pub(super) documents: bool,
    /// Whether a manifest says which days a document is about.
    pub(super) manifest: bool,
    /// Name of the table without its source.
    pub(super) table: &'a str,
}

/// Proposes how rows are kept. [`REPORT_DAY`] or [`RAW_FILE`] may be named in `per`, which are no fields.
pub(super) fn propose(known: &Known<'_>) -> Keeping {
    if known.messages {
        if let Some(id) = known.message_id() {
            return every_message(known, id);
        }
        if let Some(keeping) = known.versions() {
            return keeping;
        }
    }
    if known.documents {
        return documents(known);
    }
    match known.key() {
        Some(key) => latest_row(known, key),
        None => files(),
    }
}

/// The way in which another table of the source keeps its rows, if that fits the columns and rows of the samples.
pub(super) fn like(other: &Contract, known: &Known<'_>, all: &[String]) -> Option<Keeping> {
    let Feed::Raw(raw) = &other.feed else { return None };
    let lineage = |name: &String| name.starts_with('_');
    let keep = &raw.keep;
    let needed = [keep.key(), keep.scope(), &other.partition];
    let mut named = needed.iter().flat_map(|names| names.iter());
    let there = named.all(|name| all.contains(name))
        && keep
            .newest_by()
            .iter()
            .all(|name| lineage(name) || all.contains(name));
    let full = keep
        .scope()
        .iter()
        .all(|name| known.scope.contains(name) || known.is_full(name));
    if !there || !full {
        return None;
    }
    let mut keeping = Keeping {
        keep: keep.name(),
        newest_by: keep.newest_by().to_vec(),
        partition: other.partition.clone(),
        key_window: raw.key_window_days,
        why: format!("As {}, which reads the same fields.", other.name),
        ..Keeping::default()
    };
    match keep {
        Keep::LatestDocument {
            per,
            covers,
            period,
            key,
            ..
        } => {
            if period.iter().all(|name| all.contains(name)) {
                keeping.period = period.clone();
            }
            keeping.per = per.clone();
            keeping.covers = Some(covers.to_string());
            let fits = key.iter().all(|name| all.contains(name)) && known.is_unique(key);
            keeping.key = if fits {
                key.clone()
            } else {
                known.key().unwrap_or_default()
            };
        }
        Keep::EveryRow { key } | Keep::LatestRow { key, .. } if known.is_unique(key) => {
            keeping.key = key.clone()
        }
        _ => return None,
    }
    Some(keeping)
}

fn every_message(known: &Known<'_>, id: &Proposed) -> Keeping {
    let mut key: Vec<String> = known
        .column("dataset_id")
        .map(|_| "dataset_id".to_owned())
        .into_iter()
        .collect();
    key.push(id.name().to_owned());
    Keeping {
        keep: "every_row",
        key,
        why: format!(
            "{} tells the messages apart: each is kept once, a second copy is dropped. If newer messages state a thing anew, \
             keep = \"latest_row\" with the key of the thing and newest_by keeps the newest of each.",
            id.name()
        ),
        ..Keeping::default()
    }
}

fn documents(known: &Known<'_>) -> Keeping {
    let own = known.day().or_else(|| known.first_day_asked_for());
    let day = own.map_or(REPORT_DAY, Proposed::name).to_owned();
    let mut per = known.scope.to_vec();
    per.push(day.clone());
    let period = known.days_asked_for().unwrap_or_default();
    let covers = match known.day() {
        Some(_) if known.manifest || !period.is_empty() => day.clone(),
        Some(_) => "rows".to_owned(),
        None => "document".to_owned(),
    };
    let said = match covers.as_str() {
        "rows" => " Without a manifest a report covers the days of its rows; with manifests beside the objects say covers = \
                 the day, so that a report without rows empties its days."
            .to_owned(),
        "document" => " The rows do not say their day, so one of the whole report stands for it.".to_owned(),
        _ if !period.is_empty() => {
            " It says itself which days it was asked for (period), the last one included: rows of other days are rejected, and \
                 days without rows are emptied."
                .to_owned()
        }
        _ => String::new(),
    };
    Keeping {
        keep: "latest_document",
        key: known.key().unwrap_or_default(),
        partition: vec![day],
        per,
        covers: Some(covers),
        period,
        newest_by: vec!["_generated_at".to_owned()],
        why: format!(
            "A newer report takes the place of older ones, for each value of per: those columns say what a report is about \
             as a whole.{said}"
        ),
        ..Keeping::default()
    }
}

fn latest_row(known: &Known<'_>, key: Vec<String>) -> Keeping {
    let mut newest_by: Vec<String> = known
        .changed()
        .map(|column| column.name().to_owned())
        .into_iter()
        .collect();
    newest_by.extend(["_generated_at", "_part", "_modified", "_row"].map(str::to_owned));
    let partition = known
        .day()
        .map(|day| day.name().to_owned())
        .filter(|day| key.contains(day));
    Keeping {
        keep: "latest_row",
        key,
        newest_by,
        partition: partition.into_iter().collect(),
        why: "Of each key the newest row stays, and rows that a newer file does not have stay, too. If a file states a day as \
              a whole, keep = \"latest_document\" with per = [account, day] is right."
            .to_owned(),
        ..Keeping::default()
    }
}

fn files() -> Keeping {
    Keeping {
        keep: "latest_document",
        per: vec![RAW_FILE.to_owned()],
        covers: Some("document".to_owned()),
        newest_by: vec!["_modified".to_owned()],
        why: "No columns identify a row of the samples. So each file stays as it is, and one that is written anew takes the \
              place of itself. If files can speak about the same things, find a key, or say what a file is about with per."
            .to_owned(),
        ..Keeping::default()
    }
}

impl Known<'_> {
    fn column(&self, name: &str) -> Option<&Proposed> {
        self.columns.iter().find(|column| column.name() == name)
    }

    /// Whether a column has a value in every row.
    fn is_full(&self, name: &str) -> bool {
        let field = self
            .column(name)
            .and_then(|column| self.observed.field(column.field.as_deref()?));
        field.is_some_and(super::observe::Field::is_full)
    }

    /// Whether no two rows of a sample that differ have the same values in these columns.
    fn is_unique(&self, names: &[String]) -> bool {
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

    fn message_id(&self) -> Option<&Proposed> {
        let is_id = |column: &&Proposed| {
            let own = column.field.as_deref().and_then(|field| field.rsplit('.').next());
            let own = own.and_then(super::name::snake);
            own.is_some_and(|own| MESSAGE_IDS.contains(&own.as_str())) && self.is_full(column.name())
        };
        let mut found: Vec<&Proposed> = self.columns.iter().filter(is_id).collect();
        let rank = |column: &Proposed| MESSAGE_IDS.iter().position(|id| column.name().ends_with(id));
        found.sort_by_key(|column| (column.name().matches('_').count() > 1, rank(column)));
        found
            .into_iter()
            .find(|column| self.is_unique(&[column.name().to_owned()]))
    }

    /// Things that say their own version.
    fn versions(&self) -> Option<Keeping> {
        let version = self
            .column("version")
            .filter(|column| column.column.ty == ColumnType::Int)?;
        let key = self.identifiers();
        if key.is_empty() || !self.is_full("version") {
            return None;
        }
        let mut newest_by = vec![version.name().to_owned()];
        newest_by.extend(["_generated_at", "_modified", "_row"].map(str::to_owned));
        Some(Keeping {
            keep: "latest_row",
            key: self.with_account(key),
            newest_by,
            why: "Of each key the row with the greatest version stays.".to_owned(),
            ..Keeping::default()
        })
    }

    /// The day that a row is about.
    fn day(&self) -> Option<&Proposed> {
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
    fn first_day_asked_for(&self) -> Option<&Proposed> {
        self.header_day(["start", "from"])
    }

    /// Columns of the first and the last day that a report is about, where it says so and all days of the sample lie
    /// between them.
    fn days_asked_for(&self) -> Option<Vec<String>> {
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
    fn changed(&self) -> Option<&Proposed> {
        self.columns.iter().find(|column| {
            column.column.ty == ColumnType::Timestamp
                && column.name().split('_').any(|word| CHANGES.contains(&word))
                && self.is_full(column.name())
        })
    }

    fn with_account(&self, key: Vec<String>) -> Vec<String> {
        let own: Vec<String> = self
            .scope
            .iter()
            .filter(|name| !key.contains(name))
            .cloned()
            .collect();
        [own, key].concat()
    }

    /// Columns that look as if they identified something, in their order.
    fn identifiers(&self) -> Vec<String> {
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
    fn key(&self) -> Option<Vec<String>> {
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

#[cfg(test)]
mod tests;
