//! What a person should know about the documents of a batch.

use serde::{Deserialize, Serialize};

/// How often something was guessed or looks wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// Documents whose time is that of their object.
    #[serde(default)]
    pub(crate) time_guessed: u64,
    /// Documents that cover no more than what their rows say.
    #[serde(default)]
    pub(crate) coverage_guessed: u64,
    /// Rows with the key of another row of their document.
    #[serde(default)]
    pub(crate) same_key: u64,
    /// Values of `per` that lost suspiciously many rows, and the first of them in words.
    #[serde(default)]
    pub(crate) shrunk: u64,
    #[serde(default)]
    pub(crate) shrunk_first: Option<String>,
}

impl Notes {
    /// Adds those of another batch.
    pub(crate) fn add(&mut self, other: &Self) {
        self.time_guessed += other.time_guessed;
        self.coverage_guessed += other.coverage_guessed;
        self.same_key += other.same_key;
        self.shrunk += other.shrunk;
        if self.shrunk_first.is_none() {
            self.shrunk_first.clone_from(&other.shrunk_first);
        }
    }

    /// One sentence for each.
    pub(crate) fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.time_guessed > 0 {
            messages.push(format!(
                "{} documents do not say when they were made, having no manifest that does: the time of the object stands \
                 for it",
                self.time_guessed
            ));
        }
        if self.coverage_guessed > 0 {
            messages.push(format!(
                "{} documents do not say what they cover: only what they have rows of is replaced",
                self.coverage_guessed
            ));
        }
        if self.same_key > 0 {
            messages.push(format!(
                "{} rows have the key of another row of their document; all are kept",
                self.same_key
            ));
        }
        if let Some(first) = &self.shrunk_first {
            messages.push(format!("{} parts of the table shrank: {first}", self.shrunk));
        }
        messages
    }
}
