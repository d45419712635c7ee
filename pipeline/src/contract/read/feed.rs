//! Where rows come from: the keys of a contract for raw objects, and those for input tables.

use std::collections::BTreeMap;

use super::keep::{days, minutes};
use super::section::{Section, owned};
use super::{format, keep};
use crate::contract::diagnostic::{Code, Findings, Position};
use crate::contract::{Expect, InputFeed, PathPattern, RawFeed, TableName, Unknown};

/// Keys of tables that are fed by raw objects alone.
pub(crate) const RAW_KEYS: [&str; 15] = [
    "path",
    "format",
    "charset",
    "csv",
    "tsv",
    "json",
    "keep",
    "newest_by",
    "key_window",
    "identity",
    "unknown",
    "harmless",
    "only",
    "siblings",
    "expect",
];

/// Reads the keys for raw objects.
pub(crate) fn raw(section: &Section<'_>, start: &Position, found: &mut Findings) -> RawFeed {
    refuse(section, &["recompute"], "needs inputs", found);
    for key in ["path", "keep", "format"]
        .into_iter()
        .filter(|key| !section.has(key))
    {
        found.add_with_help(
            Code::MissingKey,
            start,
            format!("{key} is missing"),
            "or name inputs",
        );
    }
    RawFeed {
        paths: paths(section, found),
        format: format::read(section, found),
        keep: keep::read(section, found),
        unknown: section.word("unknown", found).unwrap_or(Unknown::Keep),
        harmless: owned(section.list("harmless", found)),
        only: only(section, found),
        elsewhere: BTreeMap::new(),
        key_window_days: key_window(section, found),
        identity: owned(section.list("identity", found)),
        expect: expect(section, found),
    }
}

/// Reads the keys for input tables.
pub(crate) fn inputs(section: &Section<'_>, found: &mut Findings) -> InputFeed {
    let why = "is for raw objects, but the rows come from inputs";
    refuse(section, &RAW_KEYS, why, found);
    refuse(section, &keep::DOCUMENT_KEYS, why, found);
    InputFeed {
        inputs: tables(section, "inputs", found),
        key: owned(section.list("key", found)),
        recompute: owned(section.list("recompute", found)),
    }
}

/// Reads a list of tables; names without a dot are reported.
pub(crate) fn tables(section: &Section<'_>, key: &str, found: &mut Findings) -> Vec<TableName> {
    let mut names: Vec<TableName> = Vec::new();
    for item in section.list(key, found).unwrap_or_default() {
        match item.text.parse() {
            Ok(name) if names.contains(&name) => {
                found.add(Code::Duplicate, item.at, format!("{name} is in {key} twice"));
            }
            Ok(name) => names.push(name),
            Err(message) => found.add(Code::BadValue, item.at, message),
        }
    }
    if names.is_empty() && key == "inputs" {
        section.with_position(key, |at| found.add(Code::BadValue, at, "inputs names no table"));
    }
    names
}

fn refuse(section: &Section<'_>, keys: &[&str], why: &str, found: &mut Findings) {
    for key in keys {
        section.with_position(key, |at| found.add(Code::WrongFeed, at, format!("{key} {why}")));
    }
}

fn paths(section: &Section<'_>, found: &mut Findings) -> Vec<PathPattern> {
    let mut paths = Vec::new();
    for path in section.text_or_list("path", found).unwrap_or_default() {
        match PathPattern::parse(path.text) {
            Ok(pattern) => paths.push(pattern),
            Err(message) => found.add(Code::BadPath, path.at, message),
        }
    }
    paths
}

fn only(section: &Section<'_>, found: &mut Findings) -> BTreeMap<String, Vec<String>> {
    let mut only = BTreeMap::new();
    let Some(table) = section.table("only", found) else {
        return only;
    };
    let fields = Section::new(table);
    for entry in &table.entries {
        let Some(said) = fields.text_or_list(&entry.key, found) else {
            continue;
        };
        let said = owned(Some(said));
        if said.is_empty() || said.iter().any(String::is_empty) {
            let message = format!("only says nothing that {} may say", entry.key);
            let help = "write only = { dataset_id = \"sp-traffic\" }, or a list of such texts";
            found.add_with_help(Code::BadValue, &entry.node.at, message, help);
        }
        only.insert(entry.key.clone(), said);
    }
    only
}

fn key_window(section: &Section<'_>, found: &mut Findings) -> Option<u32> {
    days("key_window", &section.text("key_window", found)?, found)
}

fn expect(section: &Section<'_>, found: &mut Findings) -> Option<Expect> {
    let expect = Section::new(section.table("expect", found)?);
    expect.only(&["every", "within"], "expect", found);
    let mut duration = |key: &str| {
        let Some(text) = expect.text(key, found) else {
            if !expect.has(key) {
                section.with_position("expect", |at| {
                    found.add(Code::MissingKey, at, format!("expect has no {key}"))
                });
            }
            return None;
        };
        let value = minutes(text.text);
        if value.is_none() {
            let message = format!("{key} {:?} is not a duration", text.text);
            found.add_with_help(
                Code::BadValue,
                text.at,
                message,
                "write \"15m\", \"1h\" or \"1d\"",
            );
        }
        value
    };
    let (every, within) = (duration("every"), duration("within"));
    Some(Expect {
        every_minutes: every?,
        within_minutes: within?,
    })
}
