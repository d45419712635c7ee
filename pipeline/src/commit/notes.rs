//! What a person should know about the objects of a batch.

use std::collections::BTreeMap;

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
    /// What went to quarantine beyond the budget, in words, of the first batch of which it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) over_budget: Option<String>,
    /// Fields of raw rows that nothing reads, each with one that is read, is not there, and has nearly the same name.
    #[serde(default)]
    pub(crate) lookalikes: BTreeMap<String, String>,
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
        if self.over_budget.is_none() {
            self.over_budget.clone_from(&other.over_budget);
        }
        self.lookalikes.extend(other.lookalikes.clone());
    }

    /// One sentence for each.
    pub(crate) fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.time_guessed > 0 {
            let documents = counted(
                self.time_guessed,
                "document does not say when it was made",
                "documents do not say when they were made",
            );
            messages.push(format!(
                "{documents}, having no manifest that does: the time of the object stands for it"
            ));
        }
        if self.coverage_guessed > 0 {
            let documents = counted(
                self.coverage_guessed,
                "document does not say what it covers",
                "documents do not say what they cover",
            );
            messages.push(format!("{documents}: only what there are rows of is replaced"));
        }
        if self.same_key > 0 {
            let rows = counted(self.same_key, "row has", "rows have");
            messages.push(format!(
                "{rows} the key of another row of the same document; all are kept"
            ));
        }
        if let Some(first) = &self.shrunk_first {
            let parts = counted(self.shrunk, "part", "parts");
            messages.push(format!("{parts} of the table shrank: {first}"));
        }
        messages.extend(self.over_budget.clone());
        messages.extend(self.lookalikes.iter().map(|(there, read)| {
            format!("nothing reads the field {there:?}, and there is no {read:?}, which the contract reads: is it the same?")
        }));
        messages
    }
}

fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
