//! The text values of a raw row: its own fields, those of its account, and where it comes from.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
};
use chrono::{DateTime, SecondsFormat, Utc};
use xxhash_rust::xxh3::xxh3_128;

use crate::account::Account;
use crate::contract::{OPTION, Personal};
use crate::list::RawObject;
use crate::manifest::Manifest;

/// Personal raw fields and what may be stored of them.
pub(crate) type PersonalFields = BTreeMap<String, Personal>;

/// What every row of an object has in common.
pub(crate) struct Origin<'a> {
    /// The object.
    pub(crate) object: &'a RawObject,
    /// The account that delivered it.
    pub(crate) account: &'a Account,
    /// What was delivered beside it.
    pub(crate) manifest: Option<&'a Manifest>,
}

impl Origin<'_> {
    /// The value of a field that is the same for all rows, whatever the object has in it; none when `name` is no such
    /// field, or nothing is said about it.
    pub(crate) fn constant(&self, name: &str) -> Option<String> {
        let own = self.account.fields.get(name).cloned();
        own.or_else(|| (name == "currency_code").then(|| self.account.currency.clone())?)
            .or_else(|| self.lineage(name))
    }

    fn lineage(&self, name: &str) -> Option<String> {
        let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        if let Some(manifest) = self.manifest
            && let Some(said) = said(manifest, name)
        {
            return Some(said);
        }
        Some(match name {
            "_object" => self.object.uri.clone(),
            "_path" => self.object.path.clone(),
            "_modified" => instant(self.object.modified),
            "_generated_at" => instant(self.object.period.and_utc()),
            "_period" => self.object.period.date().to_string(),
            "_part" => self.object.part.to_string(),
            "_account" => self.account.alias.clone(),
            _ => return None,
        })
    }
}

/// The lineage that a manifest gives; none where it does not say.
fn said(manifest: &Manifest, name: &str) -> Option<String> {
    let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
    match name {
        "_generated_at" => manifest.generated_at.map(instant),
        "_requested_at" => manifest.requested_at.map(instant),
        "_requested_from" => manifest.period.map(|period| period.from.to_string()),
        "_requested_to" => manifest.period.map(|period| period.to.to_string()),
        "_part" if manifest.parts.of > 1 => Some(manifest.parts.number.to_string()),
        "_document" => Some(manifest.document_id.clone()),
        "_report_type" => manifest.report_type.clone(),
        "_marketplaces" => Some(manifest.marketplace_ids.join(",")).filter(|ids| !ids.is_empty()),
        name => manifest.options.get(name.strip_prefix(OPTION)?).cloned(),
    }
}

/// Raw rows of one batch with everything that a column's `from` can name.
pub(crate) struct Fields<'a> {
    raw: &'a RecordBatch,
    rows: &'a [i64],
    origin: &'a Origin<'a>,
    personal: &'a PersonalFields,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(
        raw: &'a RecordBatch,
        rows: &'a [i64],
        origin: &'a Origin<'a>,
        personal: &'a PersonalFields,
    ) -> Self {
        Self {
            raw,
            rows,
            origin,
            personal,
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Ordinals of the rows in their object.
    pub(crate) fn rows(&self) -> &[i64] {
        self.rows
    }

    /// The first of the named fields that is not null, row by row.
    pub(crate) fn first_of(&self, names: &[String]) -> StringArray {
        let mut found: Vec<Source> = names.iter().filter_map(|name| self.source(name)).collect();
        if found.len() == 1
            && let Some(Source::Column(column)) = found.pop()
        {
            return column;
        }
        let found: Vec<Source> = names.iter().filter_map(|name| self.source(name)).collect();
        let mut values = StringBuilder::with_capacity(self.len(), self.len() * 8);
        for row in 0..self.len() {
            values.append_option(found.iter().find_map(|source| source.value(row)));
        }
        values.finish()
    }

    /// One field; none when there is no field of that name.
    pub(crate) fn source(&self, name: &str) -> Option<Source> {
        if let Some(column) = self
            .raw
            .column_by_name(name)
            .and_then(|column| column.as_string_opt::<i32>())
        {
            return Some(Source::Column(column.clone()));
        }
        if name == "_row" {
            return Some(Source::Column(StringArray::from_iter_values(
                self.rows.iter().map(i64::to_string),
            )));
        }
        if name == "_hash" {
            return Some(Source::Column(self.hashes()));
        }
        self.origin.constant(name).map(Source::Constant)
    }

    /// Hash of the fields of each row as they were delivered: names and values of those that are not null, in
    /// the order of their names, personal ones left out.
    pub(crate) fn hashes(&self) -> StringArray {
        let columns = self.delivered(|name| !self.personal.contains_key(name));
        let mut content = Vec::new();
        let mut hashes = StringBuilder::with_capacity(self.len(), self.len() * 32);
        for row in 0..self.len() {
            content.clear();
            for (name, column) in &columns {
                if column.is_valid(row) {
                    // Lengths keep ("ab", "c") and ("a", "bc") apart.
                    content.extend_from_slice(&(name.len() as u32).to_le_bytes());
                    content.extend_from_slice(name.as_bytes());
                    content.extend_from_slice(&(column.value(row).len() as u32).to_le_bytes());
                    content.extend_from_slice(column.value(row).as_bytes());
                }
            }
            hashes.append_value(format!("{:032x}", xxh3_128(&content)));
        }
        hashes.finish()
    }

    /// The fields that `known` does not name as one map a row; null where there is none.
    pub(crate) fn unknown(&self, known: &HashSet<String>) -> ArrayRef {
        self.map(|name| !known.contains(name))
    }

    /// All fields but personal ones as one map a row.
    pub(crate) fn all(&self) -> ArrayRef {
        self.map(|_| true)
    }

    /// Names of the fields that `known` does not name and that have a value in some row.
    pub(crate) fn unknown_in(&self, row: usize, known: &HashSet<String>) -> Vec<String> {
        let columns = self.delivered(|name| !known.contains(name));
        columns
            .iter()
            .filter(|(_, column)| column.is_valid(row))
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }

    /// A row as a JSON object of its fields, personal ones left out: what quarantine shows.
    pub(crate) fn text(&self, row: usize) -> String {
        let fields: BTreeMap<&str, &str> = self
            .delivered(|name| !self.personal.contains_key(name))
            .into_iter()
            .filter(|(_, column)| column.is_valid(row))
            .map(|(name, column)| (name, column.value(row)))
            .collect();
        serde_json::to_string(&fields).unwrap_or_default()
    }

    fn map(&self, wanted: impl Fn(&str) -> bool) -> ArrayRef {
        let columns = self.delivered(|name| wanted(name) && !self.personal.contains_key(name));
        let mut maps = map_builder();
        for row in 0..self.len() {
            let mut any = false;
            for (name, column) in columns.iter().filter(|(_, column)| column.is_valid(row)) {
                maps.keys().append_value(name);
                maps.values().append_value(column.value(row));
                any = true;
            }
            // Appending to a builder of equal numbers of keys and values cannot fail.
            let _ = maps.append(any);
        }
        Arc::new(maps.finish())
    }

    /// Raw fields by name, in the order of their names.
    fn delivered(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<&str, &StringArray> {
        let fields = self
            .raw
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().as_str());
        fields
            .zip(self.raw.columns())
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, column)| Some((name, column.as_string_opt()?)))
            .collect()
    }
}

/// A builder of `map<text, text>` with the entry names that tables use.
pub(crate) fn map_builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames {
        entry: "key_value".into(),
        key: "key".into(),
        value: "value".into(),
    };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
}

/// Where a field's values come from.
pub(crate) enum Source {
    /// A column.
    Column(StringArray),
    /// The same for all rows.
    Constant(String),
}

impl Source {
    fn value(&self, row: usize) -> Option<&str> {
        match self {
            Self::Column(column) => column.is_valid(row).then(|| column.value(row)),
            Self::Constant(value) => Some(value),
        }
    }
}
