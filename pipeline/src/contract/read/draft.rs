//! A merged document read into a contract, as far as it can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::feed::RAW_KEYS;
use super::keep::DOCUMENT_KEYS;
use super::section::{Section, owned};
use super::{columns, feed};
use crate::contract::diagnostic::{Code, Findings, Position};
use crate::contract::files::layers::{Resolved, SqlText};
use crate::contract::{Budget, Check, Contract, FILE_SIZE, Feed, InputFeed, Otherwise, TableName, View};

/// Keys of every contract beside its description; those of tables that are fed by raw objects, and of documents, stand
/// where they are read.
const KEYS: [&str; 11] = [
    "key",
    "partition",
    "sort",
    "file_size",
    "inputs",
    "view",
    "recompute",
    "extends",
    "columns",
    "checks",
    "quarantine",
];

/// All keys that a contract can have.
pub(crate) fn keys() -> Vec<&'static str> {
    [&["description"][..], &RAW_KEYS, &KEYS, &DOCUMENT_KEYS].concat()
}

/// A contract that may still be wrong, and where its parts stand.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) contract: Contract,
    pub(crate) sql: Option<SqlText>,
    pub(crate) siblings: Vec<TableName>,
    /// Whether it is a query that is kept nowhere.
    pub(crate) is_view: bool,
    file: Arc<str>,
    positions: BTreeMap<String, Position>,
}

impl Draft {
    /// Reads what can be read and reports the rest.
    pub(crate) fn read(name: &TableName, resolved: Resolved, found: &mut Findings) -> Self {
        let Resolved { file, table, sql } = resolved;
        let section = Section::new(&table);
        let start = Position {
            file: file.clone(),
            line: 1,
        };
        section.only(&keys(), "a contract", found);
        let description = section
            .text("description", found)
            .map(|text| text.text.to_owned());
        if description.is_none() {
            found.add_with_help(
                Code::MissingKey,
                &start,
                "description is missing",
                "say what one row is",
            );
        }
        let is_view = section.flag("view", found).unwrap_or(false);
        let has_inputs = section.has("inputs") || is_view;
        if is_view && !section.has("inputs") {
            found.add(
                Code::MissingKey,
                &start,
                "a view needs inputs: the tables that it reads",
            );
        }
        let mut siblings = Vec::new();
        let feed = if has_inputs {
            Feed::Inputs(feed::inputs(&section, found))
        } else {
            siblings = feed::tables(&section, "siblings", found);
            Feed::Raw(feed::raw(&section, &start, found))
        };
        let contract = Contract {
            name: name.clone(),
            description: description.unwrap_or_default(),
            columns: columns::read(&section, &start, has_inputs, found),
            partition: owned(section.list("partition", found)),
            sort: owned(section.list("sort", found)),
            file_size: file_size(&section, found),
            feed,
            sql: sql.as_ref().map(|sql| sql.text.clone()),
            checks: checks(&section, found),
            quarantine: Budget::read(&section, found),
        };
        Self {
            contract,
            sql,
            siblings,
            is_view,
            file,
            positions: table.positions(),
        }
    }

    /// The view that it is.
    pub(crate) fn into_view(self) -> View {
        let Contract {
            name,
            description,
            columns,
            feed,
            sql,
            ..
        } = self.contract;
        View {
            name,
            description,
            columns,
            inputs: match feed {
                Feed::Inputs(feed) => feed.inputs,
                Feed::Raw(_) => Vec::new(),
            },
            sql: sql.unwrap_or_default(),
        }
    }

    /// Where a key stands, by its path such as `columns.order_id` or `key.0`; else where what is around it does.
    pub(crate) fn at(&self, path: &str) -> Position {
        let mut path = path;
        loop {
            match (self.positions.get(path), path.rsplit_once('.')) {
                (Some(position), _) => return position.clone(),
                (None, Some((around, _))) => path = around,
                (None, None) => {
                    return Position {
                        file: self.file.clone(),
                        line: 1,
                    };
                }
            }
        }
    }

    /// Whether a key is written down, be it rightly or wrongly.
    pub(crate) fn says(&self, path: &str) -> bool {
        self.positions.contains_key(path)
    }

    /// A line of the SQL file.
    pub(crate) fn at_sql(&self, line: usize) -> Position {
        let file = self.sql.as_ref().map_or(&self.file, |sql| &sql.file);
        Position {
            file: file.clone(),
            line: line.max(1),
        }
    }
}

/// `64MiB` or `1GiB` in bytes.
fn file_size(section: &Section<'_>, found: &mut Findings) -> u64 {
    let Some(text) = section.text("file_size", found) else {
        return FILE_SIZE;
    };
    let units = [("MiB", 1 << 20), ("GiB", 1 << 30)];
    let bytes = units.iter().find_map(|(unit, scale)| {
        let number: u64 = text.text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(*scale).filter(|bytes| *bytes > 0)
    });
    bytes.unwrap_or_else(|| {
        let message = format!("file_size {:?} is not a size", text.text);
        found.add_with_help(Code::BadValue, text.at, message, "write \"64MiB\" or \"1GiB\"");
        FILE_SIZE
    })
}

fn checks(section: &Section<'_>, found: &mut Findings) -> Vec<Check> {
    let Some(table) = section.table("checks", found) else {
        return Vec::new();
    };
    let checks = Section::new(table);
    let mut list = Vec::new();
    for entry in &table.entries {
        let Some(table) = checks.table(&entry.key, found) else {
            continue;
        };
        let check = Section::new(table);
        check.only(&["sql", "else"], "a check", found);
        let sql = check.text("sql", found).map(|sql| sql.text.to_owned());
        if sql.is_none() && !check.has("sql") {
            found.add(
                Code::MissingKey,
                &entry.node.at,
                format!("check {:?} has no sql", entry.key),
            );
        }
        let otherwise = check.word("else", found).unwrap_or(Otherwise::Warn);
        list.push(Check {
            name: entry.key.clone(),
            sql: sql.unwrap_or_default(),
            otherwise,
        });
    }
    list
}

/// Drafts by table.
pub(crate) type Drafts = BTreeMap<TableName, Draft>;

/// The input tables of a contract that exist.
pub(crate) fn existing<'a>(feed: &InputFeed, drafts: &'a Drafts) -> Vec<&'a Contract> {
    feed.inputs
        .iter()
        .filter_map(|input| drafts.get(input))
        .map(|draft| &draft.contract)
        .collect()
}
