//! The keys `format`, `charset`, `csv`, `tsv` and `json`.

use std::collections::{BTreeMap, BTreeSet};

use super::json;
use super::section::{Section, mistyped, owned};
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::files::toml::{Table, Value};
use crate::contract::format::{Charset, CsvFormat, Format, Header, JsonFormat, TsvFormat};

/// Reads the encoding. Options of another encoding are refused, unless they are a folder's defaults.
pub(crate) fn read(section: &Section<'_>, found: &mut Findings) -> Format {
    let csv = csv(section, found);
    let tsv = tsv(section, found);
    let options = section.table("json", found);
    if let Some(options) = options {
        Section::new(options).only(&["sns_envelope", "rows", "header"], "json", found);
    }
    let word = section.text("format", found).map(|format| format.text);
    let format = match word {
        Some("csv") | None => Format::Csv(csv),
        Some("tsv") => Format::Tsv(tsv),
        Some("json_rows") => Format::JsonRows(match options {
            Some(options) => json::objects(&Section::new(options), found),
            None => JsonFormat::default(),
        }),
        Some("json") => match options {
            Some(options) => Format::Json(json::document(section, options, found)),
            None => {
                json::missing_rows(section, found);
                Format::Json(crate::contract::format::JsonDocument::default())
            }
        },
        Some("parquet") => Format::Parquet,
        Some(unknown) => {
            section.with_position("format", |at| {
                let message = format!("{unknown:?} is not a format");
                let help = "use csv, tsv, json, json_rows or parquet";
                found.add_with_help(Code::BadValue, at, message, help);
            });
            return Format::Csv(csv);
        }
    };
    if word.is_some() {
        refuse_others(section, options, &format, found);
    }
    format
}

/// Reports options that the format does not have.
fn refuse_others(section: &Section<'_>, json: Option<&Table>, format: &Format, found: &mut Findings) {
    let has: &[&str] = match format {
        Format::Csv(_) => &["csv", "charset"],
        Format::Tsv(_) => &["tsv", "charset"],
        Format::JsonRows(_) => &["json", "sns_envelope"],
        Format::Json(_) => &["json", "rows", "header"],
        Format::Parquet => &[],
    };
    let mut refuse = |section: &Section<'_>, keys: &[&str]| {
        for key in keys.iter().filter(|key| !has.contains(key)) {
            section.with_position(key, |at| {
                if !at.is_shared() {
                    let message = format!("{key} has no meaning for the format {}", format.name());
                    found.add(Code::WrongFeed, at, message);
                }
            });
        }
    };
    refuse(section, &["csv", "tsv", "json", "charset"]);
    if let Some(json) = json.filter(|_| has.contains(&"json")) {
        refuse(&Section::new(json), &["sns_envelope", "rows", "header"]);
    }
}

fn charset(section: &Section<'_>, found: &mut Findings) -> Charset {
    section.word("charset", found).unwrap_or_default()
}

fn tsv(section: &Section<'_>, found: &mut Findings) -> TsvFormat {
    let mut format = TsvFormat {
        charset: charset(section, found),
        ..TsvFormat::default()
    };
    let Some(table) = section.table("tsv", found) else {
        return format;
    };
    let tsv = Section::new(table);
    tsv.only(&["null", "rename"], "tsv", found);
    if tsv.has("null") {
        format.null = owned(tsv.list("null", found));
    }
    format.rename = rename(&tsv, found);
    format
}

fn csv(section: &Section<'_>, found: &mut Findings) -> CsvFormat {
    let mut format = CsvFormat {
        charset: charset(section, found),
        ..CsvFormat::default()
    };
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
    section.with_position("csv", |at| {
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
