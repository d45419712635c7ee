//! Typed reading of one table of a document.

use crate::contract::diagnostic::{Code, Findings, Position};
use crate::contract::files::toml::{Node, Table, Value};

/// A table of a document whose keys are asked for by type; what has another type is reported and counts as absent.
pub(crate) struct Section<'a> {
    table: &'a Table,
}

/// A text and where it stands.
pub(crate) struct Located<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: &'a Position,
}

impl<'a> Section<'a> {
    pub(crate) fn new(table: &'a Table) -> Self {
        Self { table }
    }

    /// Reports every key that is not in `known`.
    pub(crate) fn only(&self, known: &[&str], what: &str, found: &mut Findings) {
        for entry in &self.table.entries {
            if !known.contains(&entry.key.as_str()) {
                let message = format!("{:?} is not a key of {what}", entry.key);
                found.add_with_help(
                    Code::UnknownKey,
                    &entry.node.at,
                    message,
                    format!("use {}", list(known)),
                );
            }
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Calls `say` with the place of a key that is there.
    pub(crate) fn with_position(&self, key: &str, say: impl FnOnce(&Position)) {
        if let Some(node) = self.table.get(key) {
            say(&node.at);
        }
    }

    pub(crate) fn text(&self, key: &str, found: &mut Findings) -> Option<Located<'a>> {
        let node = self.table.get(key)?;
        located(node).or_else(|| mistyped(key, node, "a string", found))
    }

    /// A string, or a list of strings.
    pub(crate) fn text_or_list(&self, key: &str, found: &mut Findings) -> Option<Vec<Located<'a>>> {
        let node = self.table.get(key)?;
        match located(node) {
            Some(text) => Some(vec![text]),
            None => strings(node).or_else(|| mistyped(key, node, "a string or a list of strings", found)),
        }
    }

    /// A list of strings.
    pub(crate) fn list(&self, key: &str, found: &mut Findings) -> Option<Vec<Located<'a>>> {
        let node = self.table.get(key)?;
        strings(node).or_else(|| mistyped(key, node, "a list of strings", found))
    }

    pub(crate) fn flag(&self, key: &str, found: &mut Findings) -> Option<bool> {
        let node = self.table.get(key)?;
        match node.value {
            Value::Flag(flag) => Some(flag),
            _ => mistyped(key, node, "true or false", found),
        }
    }

    pub(crate) fn number(&self, key: &str, found: &mut Findings) -> Option<f64> {
        let node = self.table.get(key)?;
        match node.value {
            Value::Number(number) => Some(number),
            _ => mistyped(key, node, "a number", found),
        }
    }

    pub(crate) fn table(&self, key: &str, found: &mut Findings) -> Option<&'a Table> {
        let node = self.table.get(key)?;
        match &node.value {
            Value::Table(table) => Some(table),
            _ => mistyped(key, node, "a table", found),
        }
    }

    /// One of a few words, with what it stands for.
    pub(crate) fn word<T: crate::contract::Word>(&self, key: &str, found: &mut Findings) -> Option<T> {
        let word = self.text(key, found)?;
        let value = T::from_word(word.text);
        if value.is_none() {
            let known: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
            let message = format!("{:?} is not a value of {key}", word.text);
            found.add_with_help(Code::BadValue, word.at, message, format!("use {}", list(&known)));
        }
        value
    }
}

/// Owned texts of a list.
pub(crate) fn owned(list: Option<Vec<Located<'_>>>) -> Vec<String> {
    list.unwrap_or_default()
        .into_iter()
        .map(|item| item.text.to_owned())
        .collect()
}

/// `a, b or c`.
pub(crate) fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn located(node: &Node) -> Option<Located<'_>> {
    match &node.value {
        Value::Text(text) => Some(Located { text, at: &node.at }),
        _ => None,
    }
}

fn strings(node: &Node) -> Option<Vec<Located<'_>>> {
    match &node.value {
        Value::List(items) => items.iter().map(located).collect(),
        _ => None,
    }
}

/// Reports a value of another type.
pub(crate) fn mistyped<T>(key: &str, node: &Node, wanted: &str, found: &mut Findings) -> Option<T> {
    let message = match &node.value {
        Value::List(items) if wanted.contains("list") => {
            let kind = items
                .iter()
                .map(|item| item.value.kind())
                .find(|kind| *kind != "string");
            format!(
                "{key} takes {wanted}, but an item is a {}",
                kind.unwrap_or("list")
            )
        }
        value => format!("{key} takes {wanted}, not a {}", value.kind()),
    };
    found.add(Code::WrongType, &node.at, message);
    None
}
