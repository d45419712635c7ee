//! Where a catalog says something else than it should.

use std::collections::BTreeMap;

use serde::Serialize;

/// Bytes of a value that are shown; nobody reads a whole schema.
const SHOWN: usize = 120;

/// What a difference is about where the whole of an entry is missing.
const ENTRY: &str = "entry";

/// A fact about an entry that the catalog has another way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about: `location`, `column price`, `parameter table_type`; `entry` where the whole of it is missing.
    pub what: String,
    /// What the catalog says; null where it says nothing.
    pub found: Option<String>,
    /// What it should say; null where it should say nothing.
    pub wanted: Option<String>,
}

/// What there is to say about an entry, by what it is about.
pub(crate) type Facts = BTreeMap<String, String>;

impl Difference {
    /// Whether the catalog does not know the entry at all.
    pub fn is_of_all(&self) -> bool {
        self.what == ENTRY
    }

    /// The catalog does not know the entry.
    pub(crate) fn missing(wanted: impl Into<String>) -> Self {
        Self {
            what: ENTRY.to_owned(),
            found: None,
            wanted: Some(wanted.into()),
        }
    }

    /// All between two lists of facts.
    pub(crate) fn between(found: &Facts, wanted: &Facts) -> Vec<Self> {
        let mut differences = Vec::new();
        let others = found.keys().filter(|what| !wanted.contains_key(*what));
        for what in wanted.keys().chain(others) {
            let (found, wanted) = (found.get(what), wanted.get(what));
            if found != wanted {
                differences.push(Self {
                    what: what.clone(),
                    found: found.map(|text| shown(text)),
                    wanted: wanted.map(|text| shown(text)),
                });
            }
        }
        differences
    }
}

fn shown(text: &str) -> String {
    match cut(text, SHOWN) {
        part if part.len() < text.len() => format!("{part}…"),
        _ => text.to_owned(),
    }
}

/// The beginning of a text, of at most so many bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
