//! A TOML text as a tree whose every node knows its line.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::contract::diagnostic::{Code, Findings, Position};

/// Keys and values in the order of the text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// One key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) node: Node,
}

/// A value; `at` is the line of its key, or its own line in a list.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Position,
}

/// The values that contracts use.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Flag(bool),
    List(Vec<Node>),
    Table(Table),
    Number(f64),
    /// A date or a number that is none, by the name of its TOML type.
    Other(&'static str),
}

impl Value {
    /// The name of its TOML type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Flag(_) => "boolean",
            Self::List(_) => "list",
            Self::Table(_) => "table",
            Self::Number(_) => "number",
            Self::Other(kind) => kind,
        }
    }
}

impl Table {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// The table without a key.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.entries.retain(|entry| entry.key != key);
        self
    }

    /// This table over another one: its keys win. Tables below the top level are merged key by key, what is below
    /// those is replaced as a whole. Keys of the lower table come first, in its order.
    pub(crate) fn over(self, lower: Self) -> Self {
        self.merge(lower, true)
    }

    fn merge(self, mut lower: Self, deeper: bool) -> Self {
        for Entry { key, node } in self.entries {
            match lower.entries.iter_mut().find(|entry| entry.key == key) {
                None => lower.entries.push(Entry { key, node }),
                Some(entry) => {
                    entry.node = match (node.value, &mut entry.node.value) {
                        (Value::Table(own), Value::Table(base)) if deeper => Node {
                            value: Value::Table(own.merge(std::mem::take(base), false)),
                            at: node.at,
                        },
                        (value, _) => Node { value, at: node.at },
                    }
                }
            }
        }
        lower
    }

    /// The position of every key and list item, by its path: `csv.header`, `key.0`.
    pub(crate) fn positions(&self) -> BTreeMap<String, Position> {
        let mut positions = BTreeMap::new();
        for entry in &self.entries {
            entry.node.note(entry.key.clone(), &mut positions);
        }
        positions
    }
}

impl Node {
    fn note(&self, path: String, positions: &mut BTreeMap<String, Position>) {
        match &self.value {
            Value::Table(table) => {
                for entry in &table.entries {
                    entry.node.note(format!("{path}.{}", entry.key), positions);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.note(format!("{path}.{index}"), positions);
                }
            }
            _ => {}
        }
        positions.insert(path, self.at.clone());
    }
}

/// Reads a TOML text; none when it is not TOML, which is then reported.
pub(crate) fn parse(file: &Arc<str>, text: &str, found: &mut Findings) -> Option<Table> {
    let lines = Lines::of(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let position = lines.position(error.span().map_or(0, |span| span.start));
        let message = error.message().trim();
        if message.starts_with("duplicate key") {
            found.add(
                Code::Duplicate,
                &position,
                format!("{} is written twice", lines.word(error.span())),
            );
        } else {
            found.add(
                Code::Syntax,
                &position,
                format!("not TOML: {}", message.replace('\n', " ")),
            );
        }
    }
    errors.is_empty().then(|| lines.table(table.get_ref()))
}

/// Turns byte offsets into lines.
struct Lines<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    /// Where lines end.
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(file: &'a Arc<str>, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self { file, text, ends }
    }

    fn position(&self, offset: usize) -> Position {
        Position {
            file: self.file.clone(),
            line: 1 + self.ends.partition_point(|end| *end < offset),
        }
    }

    fn word(&self, span: Option<std::ops::Range<usize>>) -> &str {
        span.and_then(|span| self.text.get(span)).unwrap_or("a key")
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| Entry {
            key: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
            node: Node {
                value: self.value(value.get_ref()),
                at: self.position(key.span().start),
            },
        };
        Table {
            entries: entries.into_iter().map(entry).collect(),
        }
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Array(items) => {
                let node = |item: &toml::Spanned<DeValue<'_>>| Node {
                    value: self.value(item.get_ref()),
                    at: self.position(item.span().start),
                };
                Value::List(items.iter().map(node).collect())
            }
            DeValue::Integer(_) | DeValue::Float(_) => number(value),
            other => Value::Other(other.type_str()),
        }
    }
}

fn number(value: &DeValue<'_>) -> Value {
    let text = match value {
        DeValue::Integer(integer) => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => "",
    };
    match text.replace('_', "").parse() {
        Ok(number) => Value::Number(number),
        Err(_) => Value::Other(value.type_str()),
    }
}
