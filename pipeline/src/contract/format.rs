//! How raw objects are encoded: the keys `format`, `csv` and `json`.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Code, Findings};
use super::document::Value;
use super::section::{Section, mistyped, owned};
use super::{CsvFormat, Format, Header, JsonFormat};

/// Reads the encoding. Options of the other encoding are refused, unless they are a folder's defaults.
pub(super) fn read(section: &Section<'_>, found: &mut Findings) -> Format {
    let csv = csv(section, found);
    let json = json(section, found);
    let format = section.text("format", found);
    let (format, other) = match format.as_ref().map(|format| format.text) {
        Some("json_rows") => (Format::JsonRows(json), "csv"),
        Some("csv") | None => (Format::Csv(csv), "json"),
        Some(unknown) => {
            section.with_place("format", |at| {
                let message = format!("{unknown:?} is not a format");
                found.add_with_help(Code::BadValue, at, message, "use csv or json_rows");
            });
            return Format::Csv(csv);
        }
    };
    section.with_place(other, |at| {
        if !at.file.ends_with("/_defaults.toml") && section.has("format") {
            found.add(
                Code::WrongFeed,
                at,
                format!("{other} options, but the format is another one"),
            );
        }
    });
    format
}

fn json(section: &Section<'_>, found: &mut Findings) -> JsonFormat {
    let Some(table) = section.table("json", found) else {
        return JsonFormat::default();
    };
    let json = Section::new(table);
    json.only(&["sns_envelope"], "json", found);
    JsonFormat {
        sns_envelope: json.flag("sns_envelope", found).unwrap_or(false),
    }
}

fn csv(section: &Section<'_>, found: &mut Findings) -> CsvFormat {
    let mut format = CsvFormat::default();
    let Some(table) = section.table("csv", found) else {
        return format;
    };
    let csv = Section::new(table);
    csv.only(
        &["delimiter", "header", "columns", "null", "rename"],
        "csv",
        found,
    );
    if let Some(text) = csv.text("delimiter", found) {
        match text.text.as_bytes() {
            [byte] if !matches!(byte, b'"' | b'\n' | b'\r') => format.delimiter = *byte,
            _ => {
                let message = format!("delimiter {:?} is not one ASCII character", text.text);
                found.add_with_help(Code::BadCsv, text.at, message, r#"use ",", "|", ";" or "\t""#);
            }
        }
    }
    format.header = csv.word("header", found).unwrap_or(format.header);
    format.columns = owned(csv.list("columns", found));
    if csv.has("null") {
        format.null = owned(csv.list("null", found));
    }
    format.rename = rename(&csv, found);
    let distinct: BTreeSet<_> = format.columns.iter().collect();
    section.with_place("csv", |at| {
        if distinct.len() < format.columns.len() {
            found.add(Code::BadCsv, at, "csv columns name a column twice");
        }
        if format.header == Header::Absent && !csv.has("columns") {
            let help = "name the columns in the order of the file";
            found.add_with_help(Code::BadCsv, at, "csv has no header and no columns", help);
        }
        if format.header == Header::Present && !format.columns.is_empty() {
            let help = "leave columns away, or say header = \"detect\"";
            found.add_with_help(
                Code::BadCsv,
                at,
                "csv columns have no effect where there is always a header",
                help,
            );
        }
    });
    format
}

fn rename(csv: &Section<'_>, found: &mut Findings) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for entry in csv.table("rename", found).iter().flat_map(|table| &table.entries) {
        match &entry.node.value {
            Value::Text(name) => {
                names.insert(entry.key.clone(), name.clone());
            }
            _ => {
                mistyped::<()>(&entry.key, &entry.node, "a string", found);
            }
        }
    }
    names
}
