//! The keys of `json`.

use super::section::{Located, Section};
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::files::toml::Table;
use crate::contract::format::{JsonDocument, JsonFormat};

/// Reads the options for objects one after another.
pub(crate) fn objects(json: &Section<'_>, found: &mut Findings) -> JsonFormat {
    JsonFormat {
        sns_envelope: json.flag("sns_envelope", found).unwrap_or(false),
    }
}

/// Reads where a document has its rows.
pub(crate) fn document(section: &Section<'_>, table: &Table, found: &mut Findings) -> JsonDocument {
    let json = Section::new(table);
    let mut document = JsonDocument::default();
    let Some(rows) = json.text("rows", found) else {
        if !json.has("rows") {
            missing_rows(section, found);
        }
        return document;
    };
    let Some((array, inner)) = parse_rows(rows.text) else {
        let message = format!("rows {:?} is not the path of an array", rows.text);
        let help =
            "write \"salesByAsin\", \"data.rows\", \"orders[].items\", or \"$\" for the document itself";
        found.add_with_help(Code::BadJson, rows.at, message, help);
        return document;
    };
    (document.array, document.inner) = (array, inner);
    for header in json.list("header", found).unwrap_or_default() {
        match fault_of(&header, &document) {
            None => document.header.push(header.text.to_owned()),
            Some(fault) => {
                let message = format!("header {:?} {fault}", header.text);
                found.add(Code::BadJson, header.at, message);
            }
        }
    }
    document
}

/// That `rows` is missing, said where the options or else the format stand.
pub(crate) fn missing_rows(section: &Section<'_>, found: &mut Findings) {
    let key = if section.has("json") { "json" } else { "format" };
    section.with_position(key, |at| {
        let help = "name the array whose elements are rows, such as json = { rows = \"salesByAsin\" }";
        found.add_with_help(Code::MissingKey, at, "json has no rows", help);
    });
}

/// The keys of the array, and the path of the array within its objects. The last `[]` may be left away.
fn parse_rows(text: &str) -> Option<(Vec<String>, Option<String>)> {
    if text == "$" {
        return Some((Vec::new(), None));
    }
    let (array, inner) = match text.strip_suffix("[]").unwrap_or(text).split_once("[].") {
        Some((array, inner)) => (array, Some(inner)),
        None => (text.strip_suffix("[]").unwrap_or(text), None),
    };
    let is_plain = |path: &str| {
        path.split('.')
            .all(|key| !key.is_empty() && !key.contains(['[', ']', '$']))
    };
    if !is_plain(array) || !inner.is_none_or(is_plain) {
        return None;
    }
    Some((
        array.split('.').map(str::to_owned).collect(),
        inner.map(str::to_owned),
    ))
}

/// Why a header path cannot be.
fn fault_of(header: &Located<'_>, document: &JsonDocument) -> Option<String> {
    let is_around = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let overlap = |other: &str| is_around(header.text, other) || is_around(other, header.text);
    if header.text.split('.').any(str::is_empty) || header.text.contains(['[', ']', '$']) {
        return Some("is not a path of keys".to_owned());
    }
    if document.array.is_empty() {
        return Some("is nowhere: the document is the array of the rows".to_owned());
    }
    if overlap(&document.array.join(".")) {
        return Some("overlaps the rows".to_owned());
    }
    let other = document.header.iter().find(|other| overlap(other))?;
    Some(format!("overlaps {other:?}"))
}
