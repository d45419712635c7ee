//! The values of a raw row: its own fields, those of its account, and where it comes from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, StringBuilder, new_null_array};
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::{ColumnType, Privacy, Shown};
use crate::decode::shown;
use crate::error::Result;
use crate::layout::{HASH, ROW, map_builder};

use super::delivered::Delivered;
use super::source::Source;

/// Which cells of fields that SQL handed on unchanged have no value but the account's, by field.
pub(crate) type Filled = HashMap<String, Vec<bool>>;

/// Values of a column, one per row.
pub(crate) struct Values {
    pub(crate) texts: StringArray,
    /// Rows whose value only the account states; empty where no row has such a value.
    pub(crate) stated: Vec<bool>,
}

/// Raw rows of one batch with everything that a column's `from` can name.
pub(crate) struct Fields<'a> {
    /// The fields of the rows themselves, by their names.
    own: BTreeMap<&'a str, Delivered<'a>>,
    rows: &'a [i64],
    source: &'a Source,
    privacy: &'a Privacy,
    /// What of each may be written down.
    shown: BTreeMap<&'a str, Shown>,
    /// Where SQL made the fields: what it handed on of the account's values, which are no longer added then.
    filled: Option<&'a Filled>,
}

impl<'a> Fields<'a> {
    /// Fields as they were delivered.
    pub(crate) fn new(
        raw: &'a RecordBatch,
        rows: &'a [i64],
        source: &'a Source,
        privacy: &'a Privacy,
    ) -> Self {
        let fields = raw.schema_ref().fields().iter();
        let names = fields.map(|field| field.name().as_str());
        Self {
            shown: names.clone().map(|name| (name, privacy.shown(name))).collect(),
            own: names.zip(raw.columns().iter().map(Delivered::new)).collect(),
            rows,
            source,
            privacy,
            filled: None,
        }
    }

    /// Fields as SQL made them of delivered ones.
    pub(crate) fn made(
        raw: &'a RecordBatch,
        rows: &'a [i64],
        delivered: &Fields<'a>,
        filled: &'a Filled,
    ) -> Self {
        Self {
            filled: Some(filled),
            ..Self::new(raw, rows, delivered.source, delivered.privacy)
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

    /// The first of the named fields that has a value, row by row: a field is what the row has, else what its account
    /// states. A blank is a value of a text only.
    pub(crate) fn first_of(&self, names: &[String], ty: &ColumnType) -> Result<Values> {
        let found = self.sources(names);
        let texts = found.iter().map(|source| self.texts_of(source));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        if let ([ValueSource::Own(_, None) | ValueSource::Row | ValueSource::Hash], [Some(texts)]) =
            (found.as_slice(), texts.as_slice())
        {
            return Ok(Values {
                texts: texts.clone(),
                stated: Vec::new(),
            });
        }
        let counts = |value: &str| *ty == ColumnType::Text || !value.trim_ascii().is_empty();
        let mut values = StringBuilder::with_capacity(self.len(), self.len() * 8);
        let mut stated = vec![false; self.len()];
        for (row, stated) in stated.iter_mut().enumerate() {
            let value = found.iter().zip(&texts).find_map(|(source, texts)| {
                let value = match texts {
                    Some(texts) => texts.is_valid(row).then(|| texts.value(row)),
                    None => source.of_all(),
                };
                let value = value.filter(|value| counts(value))?;
                *stated = source.is_stated(row);
                Some(value)
            });
            values.append_option(value);
        }
        if !stated.contains(&true) {
            stated.clear();
        }
        Ok(Values {
            texts: values.finish(),
            stated,
        })
    }

    /// The values of the one delivered field that the first of the named fields can only be, as they were delivered.
    pub(crate) fn only_of(&self, names: &[String]) -> Option<&'a ArrayRef> {
        match self.sources(names).as_slice() {
            [ValueSource::Own(own, None)] => Some(own.values()),
            _ => None,
        }
    }

    /// Where the values of the fields come from, the first that has one row by row; none where there are no fields of
    /// these names.
    fn sources(&self, names: &[String]) -> Vec<ValueSource<'_, 'a>> {
        let mut sources = Vec::new();
        for name in names {
            let own = self.own.get(name.as_str());
            if name == ROW && own.is_none() {
                sources.push(ValueSource::Row);
                continue;
            }
            if name == HASH && own.is_none() {
                sources.push(ValueSource::Hash);
                continue;
            }
            if let Some(value) = self.source.lineage(name) {
                sources.push(ValueSource::Object(value));
                continue;
            }
            if let Some(own) = own {
                let filled = self.filled.and_then(|filled| filled.get(name));
                sources.push(ValueSource::Own(own, filled.map(Vec::as_slice)));
            }
            let adds = self.filled.is_none() || own.is_none();
            let stated = self.source.stated_as(name).filter(|_| adds);
            sources.extend(stated.map(ValueSource::Account));
        }
        sources
    }

    /// The texts of a source, row by row; none where it has one for all of them.
    fn texts_of(&self, source: &ValueSource<'_, '_>) -> Result<Option<StringArray>> {
        Ok(match source {
            ValueSource::Own(own, _) => Some(own.texts()?.clone()),
            ValueSource::Row => Some(StringArray::from_iter_values(
                self.rows.iter().map(i64::to_string),
            )),
            ValueSource::Hash => Some(self.hash_texts()?),
            ValueSource::Object(_) | ValueSource::Account(_) => None,
        })
    }

    /// Which of the rows have no value of their own in a field.
    pub(super) fn lacks(&self, name: &str, rows: &[u32]) -> Vec<bool> {
        let own = self.own.get(name);
        let lacks = |row: &u32| own.is_none_or(|own| !own.is_valid(*row as usize));
        rows.iter().map(lacks).collect()
    }

    /// Hash of the fields of each row as they were delivered: names and values of those that are not null, in
    /// the order of their names, personal ones left out. Of fields whose values may be personal only the names count.
    pub(crate) fn hashes(&self) -> Result<Int64Array> {
        let mut hashes = vec![0; self.len()];
        for (name, column, shown) in self.delivered() {
            let field = xxh3_64(name.as_bytes());
            match shown {
                Shown::Value => column.mix_into(&mut hashes, field)?,
                _ => column.mix_presence_into(&mut hashes, field),
            }
        }
        let hashes = hashes.into_iter().map(|hash| hash as i64);
        Ok(Int64Array::from_iter_values(hashes))
    }

    /// The hashes as fields that columns can pick.
    pub(crate) fn hash_texts(&self) -> Result<StringArray> {
        let hashes = self.hashes()?;
        let texts = hashes.values().iter().map(|hash| format!("{hash:016x}"));
        Ok(StringArray::from_iter_values(texts))
    }

    /// The fields that the contract does not name as one map a row; null where there is none.
    pub(crate) fn unknown(&self) -> Result<ArrayRef> {
        self.map(|name| !self.privacy.is_known(name))
    }

    /// All fields but personal ones as one map a row.
    pub(crate) fn all(&self) -> Result<ArrayRef> {
        self.map(|_| true)
    }

    /// The fields that the contract does not name and that have a value in some row, for a message: their names, but for
    /// those within personal ones.
    pub(crate) fn unknown_in(&self, row: usize) -> Vec<&str> {
        let unknown = self
            .own
            .iter()
            .filter(|(name, column)| !self.privacy.is_known(name) && column.is_valid(row));
        let named = unknown.map(|(name, _)| match self.shown.get(name) {
            Some(Shown::Nothing) => "within a personal one",
            _ => name,
        });
        named.collect()
    }

    /// A row as a JSON object of its fields, personal ones left out: what quarantine shows.
    pub(crate) fn text(&self, row: usize) -> Result<String> {
        let fields = self.delivered().filter(|(_, column, _)| column.is_valid(row));
        let fields = fields.map(|(name, column, shown)| {
            let text = match shown {
                Shown::Value => column.texts()?.value(row),
                _ => "",
            };
            Ok((name, text))
        });
        let fields: BTreeMap<&str, &str> = fields.collect::<Result<_>>()?;
        Ok(shown(serde_json::to_string(&fields).unwrap_or_default()))
    }

    fn map(&self, wanted: impl Fn(&str) -> bool) -> Result<ArrayRef> {
        let columns = self.delivered().filter(|(name, ..)| wanted(name));
        let columns = columns.map(|(name, column, shown)| {
            let texts = (shown == Shown::Value).then(|| column.texts()).transpose()?;
            Ok((name, column, texts))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut maps = map_builder();
        if columns.is_empty() {
            return Ok(new_null_array(maps.finish().data_type(), self.len()));
        }
        for row in 0..self.len() {
            let mut any = false;
            for (name, _, texts) in columns.iter().filter(|(_, column, _)| column.is_valid(row)) {
                maps.keys().append_value(name);
                // Null would not do: it is no value that `latest_value` could keep.
                maps.values()
                    .append_value(texts.map_or("", |texts| texts.value(row)));
                any = true;
            }
            // Appending to a builder of equal numbers of keys and values cannot fail.
            let _ = maps.append(any);
        }
        Ok(Arc::new(maps.finish()))
    }

    /// The rows' own fields of which something may be written down, in the order of their names.
    fn delivered(&self) -> impl Iterator<Item = (&str, &Delivered<'a>, Shown)> {
        let shown = |name: &str| self.shown.get(name).copied().unwrap_or(Shown::Nothing);
        let own = self
            .own
            .iter()
            .map(move |(name, column)| (*name, column, shown(name)));
        own.filter(|(_, _, shown)| *shown != Shown::Nothing)
    }
}

/// Where a field's values come from.
enum ValueSource<'a, 'b> {
    /// The rows, and which of their cells only the account states.
    Own(&'a Delivered<'b>, Option<&'a [bool]>),
    /// The ordinals of the rows.
    Row,
    /// The hashes of the rows.
    Hash,
    /// The object that all rows are of.
    Object(String),
    /// The account that all rows are of.
    Account(&'a str),
}

impl ValueSource<'_, '_> {
    /// The value that all rows have.
    fn of_all(&self) -> Option<&str> {
        match self {
            Self::Object(value) => Some(value),
            Self::Account(value) => Some(value),
            Self::Own(..) | Self::Row | Self::Hash => None,
        }
    }

    fn is_stated(&self, row: usize) -> bool {
        match self {
            Self::Own(_, filled) => filled.is_some_and(|filled| filled[row]),
            Self::Row | Self::Hash | Self::Object(_) => false,
            Self::Account(_) => true,
        }
    }
}
