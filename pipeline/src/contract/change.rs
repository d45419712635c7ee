//! The rules of a contract that decide about rows, kept with the table that was written by them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::rules::sql::names;
use super::{Column, Contract, Feed, Format, Keep, Personal, Word, is_lineage};

/// Version of the form of [`StoredRules`], and of what the program does with rows under the same rules: since `v2` it
/// stores whole milliseconds, and the order of a document has its state.
const VERSION: &str = "v2";

/// What of a contract decides about rows: not docs, checks, paths, dialects or expectations. As JSON it goes into
/// the properties of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRules {
    /// Version of this form.
    pub version: String,
    /// Columns by name. Their order decides about no row.
    pub columns: BTreeMap<String, StoredColumn>,
    /// Columns that files are laid out by.
    pub partition: Vec<String>,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// `every_row` and so on; none for tables with inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// Order in which rows supersede each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub newest_by: Vec<String>,
    /// Columns by whose values documents supersede each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<String>,
    /// What a document covers: `rows`, `document` or a date column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
    /// Columns that say which days were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub period: Vec<String>,
    /// How far the partition of a key can move, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_window_days: Option<u32>,
    /// Fate of unknown raw fields; none for tables with inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Unknown raw fields whose values are kept where only names are.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub harmless: BTreeSet<String>,
    /// What rows and objects say of themselves, by raw field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, BTreeSet<String>>,
    /// Raw fields that sibling tables name; for tables with a map of all fields with the fate of personal ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<String, Option<String>>,
    /// The name of the format, of JSON documents with the array and the header fields that rows are made of; none
    /// for tables with inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The SELECT, in one spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Input tables.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inputs: BTreeSet<String>,
    /// Columns whose touched values are computed anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recompute: Vec<String>,
}

/// What of a column decides about its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredColumn {
    /// Type, as in a contract.
    #[serde(rename = "type")]
    pub ty: String,
    /// Fields that the value is taken from; empty for the field of the column's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Zone of times, where it is not UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Fate of personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<String>,
    /// Which value stays, where it is not the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<String>,
    /// What becomes of texts that are no value, where they do not reject their row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Whether rows without a value are quarantined, beside those without a key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// What became of the rules since a table was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// New columns for raw fields that no column named before, one sentence each: the table goes on.
    Additive(Vec<String>),
    /// Old and new rows would differ, one sentence for each reason: the table must be rebuilt.
    Breaking(Vec<String>),
}

impl Contract {
    /// The rules to keep with the table.
    pub fn rules(&self) -> StoredRules {
        let mut rules = StoredRules {
            version: VERSION.to_owned(),
            columns: self
                .columns
                .iter()
                .map(|column| (column.name.clone(), stored(column)))
                .collect(),
            partition: self.partition.clone(),
            key: self.key().to_vec(),
            keep: None,
            newest_by: Vec::new(),
            per: Vec::new(),
            covers: None,
            period: Vec::new(),
            key_window_days: None,
            unknown: None,
            harmless: BTreeSet::new(),
            only: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            format: None,
            sql: self.sql.as_deref().map(names::canonical),
            inputs: BTreeSet::new(),
            recompute: Vec::new(),
        };
        match &self.feed {
            Feed::Raw(raw) => {
                rules.keep = Some(raw.keep.name().to_owned());
                rules.newest_by = raw.keep.newest_by().to_vec();
                if let Keep::LatestDocument {
                    per, covers, period, ..
                } = &raw.keep
                {
                    rules.per = per.clone();
                    rules.period = period.clone();
                    rules.covers = Some(covers.to_string());
                }
                rules.key_window_days = raw.key_window_days;
                rules.unknown = Some(raw.unknown.word().to_owned());
                rules.harmless = raw.harmless.iter().cloned().collect();
                let said = |said: &Vec<String>| said.iter().cloned().collect();
                rules.only = raw
                    .only
                    .iter()
                    .map(|(field, texts)| (field.clone(), said(texts)))
                    .collect();
                let takes_all = self.columns.iter().any(|column| column.from == ["*"]);
                let fate = |personal: &Option<Personal>| {
                    personal
                        .filter(|_| takes_all)
                        .map(|personal| personal.word().to_owned())
                };
                let elsewhere = raw.elsewhere.iter();
                rules.elsewhere = elsewhere
                    .map(|(field, personal)| (field.clone(), fate(personal)))
                    .collect();
                rules.format = Some(format(&raw.format));
            }
            Feed::Inputs(feed) => {
                rules.inputs = feed.inputs.iter().map(|input| input.to_string()).collect();
                rules.recompute = feed.recompute.clone();
            }
        }
        rules
    }

    /// A short text that two contracts share exactly when they make the same rows of the same raw objects:
    /// the version of its form, a colon, and a SHA-256 in hex.
    pub fn fingerprint(&self) -> String {
        let rules = self.rules();
        format!("{}:{:x}", rules.version, Sha256::digest(rules.canonical()))
    }
}

impl StoredRules {
    /// The JSON of the rules, whose keys have one order.
    fn canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }
}

/// What of a format decides about rows. Which part of a document the rows are is no dialect.
fn format(format: &Format) -> String {
    match format {
        Format::Json(json) if json.header.is_empty() => format!("json {}", json.rows()),
        Format::Json(json) => format!("json {} with {}", json.rows(), json.header.join(", ")),
        other => other.name().to_owned(),
    }
}

fn stored(column: &Column) -> StoredColumn {
    let other = |word: &'static str, usual: &str| (word != usual).then(|| word.to_owned());
    StoredColumn {
        ty: column.ty.to_string(),
        from: if column.from == [column.name.as_str()] {
            Vec::new()
        } else {
            column.from.clone()
        },
        zone: other(column.zone.word(), "utc"),
        personal: column.personal.map(|personal| personal.word().to_owned()),
        pick: other(column.pick.word(), "newest"),
        unreadable: other(column.unreadable.word(), "reject"),
        required: column.required,
    }
}

/// Whether a table that was written by `old` rules can go on under a contract.
pub fn change(old: &StoredRules, new: &Contract) -> Change {
    let new = new.rules();
    if *old == new {
        return Change::Same;
    }
    if old.version != new.version {
        return Change::Breaking(vec![format!(
            "the table was written by another version of the program, which made rows in another way: {} became {}",
            old.version, new.version
        )]);
    }
    let mut comparison = Comparison {
        additions: Vec::new(),
        breaks: Vec::new(),
    };
    comparison.rules(old, &new);
    comparison.columns(old, &new);
    match comparison {
        Comparison { additions, breaks } if breaks.is_empty() => Change::Additive(additions),
        Comparison { breaks, .. } => Change::Breaking(breaks),
    }
}

struct Comparison {
    additions: Vec<String>,
    breaks: Vec<String>,
}

impl Comparison {
    fn rules(&mut self, old: &StoredRules, new: &StoredRules) {
        let days = |rules: &StoredRules| rules.key_window_days.map(|days| format!("{days}d"));
        let joined = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        self.word("keep", &old.keep, &new.keep);
        self.word("key_window", &days(old), &days(new));
        self.word("unknown", &old.unknown, &new.unknown);
        self.list("harmless", &joined(&old.harmless), &joined(&new.harmless));
        let said =
            |rules: &StoredRules, field: &String| rules.only.get(field).map(joined).unwrap_or_default();
        for field in old.only.keys().chain(new.only.keys()).collect::<BTreeSet<_>>() {
            self.list(&format!("only.{field}"), &said(old, field), &said(new, field));
        }
        self.word("format", &old.format, &new.format);
        self.list("key", &old.key.join(", "), &new.key.join(", "));
        self.list("partition", &old.partition.join(", "), &new.partition.join(", "));
        self.list("newest_by", &old.newest_by.join(", "), &new.newest_by.join(", "));
        self.list("per", &old.per.join(", "), &new.per.join(", "));
        self.word("covers", &old.covers, &new.covers);
        self.list("period", &old.period.join(", "), &new.period.join(", "));
        self.list("inputs", &joined(&old.inputs), &joined(&new.inputs));
        self.list("recompute", &old.recompute.join(", "), &new.recompute.join(", "));
        if old.sql != new.sql {
            self.breaks.push("the SQL changed".to_owned());
        }
        for (field, fate) in &old.elsewhere {
            match new.elsewhere.get(field) {
                Some(now) => self.word(&format!("raw field {field}: personal"), fate, now),
                None if named(new, field) => {}
                None => self
                    .breaks
                    .push(format!("raw field {field} is no longer known from a sibling")),
            }
        }
        let is_new = |field: &&String| !old.elsewhere.contains_key(*field) && !is_column(old, field);
        for field in new.elsewhere.keys().filter(is_new) {
            if takes_all(old) {
                // As long as nobody knew it the map had its name and not its value.
                self.breaks.push(format!(
                    "raw field {field} is known from a sibling, so a map of all fields has its value"
                ));
                continue;
            }
            self.additions
                .push(format!("raw field {field} is known from a sibling"));
        }
    }

    fn word(&mut self, what: &str, old: &Option<String>, new: &Option<String>) {
        self.list(
            what,
            old.as_deref().unwrap_or_default(),
            new.as_deref().unwrap_or_default(),
        );
    }

    fn list(&mut self, what: &str, old: &str, new: &str) {
        let said = |text: &str| {
            if text.is_empty() {
                "nothing".to_owned()
            } else {
                text.to_owned()
            }
        };
        if old != new {
            self.breaks
                .push(format!("{what} {} became {}", said(old), said(new)));
        }
    }

    fn columns(&mut self, old: &StoredRules, new: &StoredRules) {
        for (name, was) in &old.columns {
            match new.columns.get(name) {
                None => self.breaks.push(format!("column {name} is gone")),
                Some(is) => self.column(name, was, is),
            }
        }
        for (name, column) in new
            .columns
            .iter()
            .filter(|(name, _)| !old.columns.contains_key(*name))
        {
            match obstacle(old, name, column) {
                None => self
                    .additions
                    .push(format!("column {name} ({}) is new", column.ty)),
                Some(why) => self.breaks.push(format!("column {name} is new, and {why}")),
            }
        }
    }

    fn column(&mut self, name: &str, was: &StoredColumn, is: &StoredColumn) {
        if was.ty != is.ty {
            self.breaks
                .push(format!("column {name}: {} became {}", was.ty, is.ty));
        }
        let from = |column: &StoredColumn| {
            if column.from.is_empty() {
                name.to_owned()
            } else {
                column.from.join(", ")
            }
        };
        let required = |column: &StoredColumn| Some(column.required.to_string());
        self.list(&format!("column {name}: from"), &from(was), &from(is));
        self.word(&format!("column {name}: zone"), &was.zone, &is.zone);
        self.word(&format!("column {name}: personal"), &was.personal, &is.personal);
        self.word(&format!("column {name}: pick"), &was.pick, &is.pick);
        self.word(
            &format!("column {name}: unreadable"),
            &was.unreadable,
            &is.unreadable,
        );
        self.word(&format!("column {name}: required"), &required(was), &required(is));
    }
}

/// Why a new column cannot simply be added: null would be wrong for the rows that are there.
fn obstacle(old: &StoredRules, name: &str, column: &StoredColumn) -> Option<String> {
    if old.format.is_none() {
        return Some("it is computed from other tables".to_owned());
    }
    if column.required {
        return Some("it is required".to_owned());
    }
    let own = [name.to_owned()];
    let from = if column.from.is_empty() {
        own.as_slice()
    } else {
        column.from.as_slice()
    };
    for field in from {
        if field == "*" || is_lineage(field) {
            return Some(format!("every row has its source {field}"));
        }
        if named(old, field) || old.elsewhere.contains_key(field) {
            return Some(format!("raw field {field} was known before"));
        }
    }
    None
}

/// Whether a column of the rules takes the raw field.
fn named(rules: &StoredRules, field: &str) -> bool {
    takes_all(rules) || is_column(rules, field)
}

/// Whether a column of the rules takes that very field.
fn is_column(rules: &StoredRules, field: &str) -> bool {
    let takes = |(name, column): (&String, &StoredColumn)| match column.from.as_slice() {
        [] => name == field,
        from => from.iter().any(|known| known == field),
    };
    rules.columns.iter().any(takes)
}

/// Whether a column of the rules is a map of all fields.
fn takes_all(rules: &StoredRules) -> bool {
    rules.columns.values().any(|column| column.from == ["*"])
}
