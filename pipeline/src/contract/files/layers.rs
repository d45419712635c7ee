//! Which files make up a table: built-in and user's files, `extends`, and the defaults of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::toml::{self, Table, Value};
use crate::contract::diagnostic::{Code, Findings, Position};
use crate::contract::name::is_name;
use crate::contract::{SourceFile, TableName};

/// Name of the file with what the raw-fed tables of a folder share, as a table name.
const DEFAULTS: &str = "_defaults";

/// Sources of tables that are not made by contracts.
const RESERVED: [&str; 2] = ["marketlake", "information_schema"];

/// A shaping SELECT and its file.
#[derive(Debug, Clone)]
pub(crate) struct SqlText {
    pub(crate) file: Arc<str>,
    pub(crate) text: String,
}

/// All files, the built-in ones below the user's.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    layers: Vec<Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    /// None for a file that is not TOML.
    documents: BTreeMap<TableName, (Arc<str>, Option<Table>)>,
    sql: BTreeMap<TableName, SqlText>,
}

/// The merged document of a table.
pub(crate) struct Resolved {
    pub(crate) file: Arc<str>,
    pub(crate) table: Table,
    pub(crate) sql: Option<SqlText>,
}

impl Layers {
    /// Adds files over those that are there.
    pub(crate) fn push(&mut self, files: &[SourceFile], found: &mut Findings) {
        let mut layer = Layer::default();
        for source in files {
            let file: Arc<str> = source.path.as_str().into();
            match parts(&source.path) {
                Some((name, _)) if RESERVED.contains(&name.source.as_str()) => {
                    let message = format!("a folder cannot be called {}", name.source);
                    let help = "so are tables called that this program or SQL keeps for itself";
                    found.add_with_help(Code::BadName, &Position { file, line: 1 }, message, help);
                }
                Some((name, "toml")) => {
                    let table = toml::parse(&file, &source.text, found);
                    layer.documents.insert(name, (file, table));
                }
                Some((name, _)) if name.table != DEFAULTS => {
                    layer.sql.insert(
                        name,
                        SqlText {
                            file,
                            text: source.text.clone(),
                        },
                    );
                }
                _ => found.add_with_help(
                    Code::StrayFile,
                    &Position { file, line: 1 },
                    "not a contract: the path does not fit <source>/<table>.toml or <source>/<table>.sql",
                    "names are [a-z][a-z0-9_]*",
                ),
            }
        }
        self.layers.push(layer);
        self.refuse_sql_without_contract(found);
    }

    fn refuse_sql_without_contract(&self, found: &mut Findings) {
        let known = self.names();
        for (name, sql) in self.layers.last().iter().flat_map(|layer| &layer.sql) {
            if !known.contains(name) {
                let position = Position {
                    file: sql.file.clone(),
                    line: 1,
                };
                found.add(
                    Code::StrayFile,
                    &position,
                    format!("there is no {}/{}.toml beside it", name.source, name.table),
                );
            }
        }
    }

    /// Every table that has a contract file, also one that cannot be read.
    pub(crate) fn names(&self) -> BTreeSet<TableName> {
        let names = self.layers.iter().flat_map(|layer| layer.documents.keys());
        names.filter(|name| name.table != DEFAULTS).cloned().collect()
    }

    /// The document of a table with all that is below it; none when it cannot be read, which has been reported.
    pub(crate) fn resolve(&self, name: &TableName, found: &mut Findings) -> Option<Resolved> {
        let mut chain = Chain::default();
        self.follow(name, self.layers.len(), &mut chain, found)?;
        let file = chain.documents.first()?.0.clone();
        let fed_by_tables = chain
            .documents
            .iter()
            .any(|(_, table)| table.get("inputs").is_some());
        if !fed_by_tables {
            for source in chain.folders.clone() {
                self.append_defaults(source, &mut chain, found)?;
            }
        }
        let below = |lower: Table, (_, own): (Arc<str>, Table)| own.without("extends").over(lower);
        let table = chain.documents.into_iter().rev().fold(Table::default(), below);
        Some(Resolved {
            file,
            table,
            sql: chain.sql,
        })
    }

    fn append_defaults(&self, source: String, chain: &mut Chain, found: &mut Findings) -> Option<()> {
        let name = TableName {
            source,
            table: DEFAULTS.to_owned(),
        };
        match self.top(&name, self.layers.len()) {
            Some(_) => self.follow(&name, self.layers.len(), chain, found),
            None => Some(()),
        }
    }

    /// Appends the document of `name` in the layers below `limit`, and what it extends.
    fn follow(&self, name: &TableName, limit: usize, chain: &mut Chain, found: &mut Findings) -> Option<()> {
        let level = self.top(name, limit)?;
        let (file, table) = self.layers[level].documents.get(name)?;
        let table = table.clone()?;
        chain.visited.push((name.clone(), level));
        if !chain.folders.contains(&name.source) {
            chain.folders.push(name.source.clone());
        }
        let mut own_sql = self.layers[level..limit]
            .iter()
            .rev()
            .filter_map(|layer| layer.sql.get(name));
        chain.sql = chain.sql.take().or_else(|| own_sql.next().cloned());
        let base = table.get("extends").cloned();
        chain.documents.push((file.clone(), table));
        let Some(base) = base else { return Some(()) };
        let Value::Text(text) = &base.value else {
            found.add(Code::WrongType, &base.at, "extends takes a string");
            return None;
        };
        let other: TableName = match text.parse() {
            Ok(other) => other,
            Err(message) => {
                found.add(Code::BadValue, &base.at, message);
                return None;
            }
        };
        // A table that extends its own name means the one that it takes the place of.
        let limit = if other == *name { level } else { self.layers.len() };
        match self.top(&other, limit) {
            None => {
                found.add(
                    Code::UnknownTable,
                    &base.at,
                    format!("there is no table {other} to extend"),
                );
                None
            }
            Some(level) if chain.visited.contains(&(other.clone(), level)) => {
                found.add(
                    Code::Cycle,
                    &base.at,
                    format!("{other} extends itself by way of {name}"),
                );
                None
            }
            Some(_) => self.follow(&other, limit, chain, found),
        }
    }

    /// The highest layer below `limit` that has a document of that name.
    fn top(&self, name: &TableName, limit: usize) -> Option<usize> {
        (0..limit)
            .rev()
            .find(|level| self.layers[*level].documents.contains_key(name))
    }
}

/// Documents from the topmost down to the one that extends nothing, then defaults.
#[derive(Default)]
struct Chain {
    documents: Vec<(Arc<str>, Table)>,
    folders: Vec<String>,
    visited: Vec<(TableName, usize)>,
    sql: Option<SqlText>,
}

/// `jwo/orders.toml` as (`jwo.orders`, `toml`).
fn parts(path: &str) -> Option<(TableName, &str)> {
    let (source, file) = path.split_once('/')?;
    let (table, extension) = file.rsplit_once('.')?;
    let fits =
        is_name(source) && (is_name(table) || table == DEFAULTS) && matches!(extension, "toml" | "sql");
    fits.then(|| {
        (
            TableName {
                source: source.to_owned(),
                table: table.to_owned(),
            },
            extension,
        )
    })
}
