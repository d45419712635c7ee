//! Which database of Glue holds the tables of a source.

use std::fmt;

use crate::{Error, Result};

/// What stands for the source in a pattern.
const SOURCE: &str = "{source}";

/// Databases by source: `marketlake_{source}` is `marketlake_jwo` for `jwo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Databases {
    pattern: String,
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl Databases {
    /// By a pattern, in which `{source}` stands for the source.
    ///
    /// # Errors
    ///
    /// When tables of two sources would share a database, or Athena could not name one.
    pub fn new(pattern: &str) -> Result<Self> {
        let wrong = |why| {
            Err(Error::Pattern {
                pattern: pattern.to_owned(),
                why,
            })
        };
        let Some((before, after)) = pattern.split_once(SOURCE) else {
            return wrong("has to contain {source}: tables of two sources may have the same name");
        };
        let is_plain = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !is_plain(before) || !is_plain(after) || before.starts_with(|c: char| !c.is_ascii_lowercase()) {
            return wrong("is not of [a-z][a-z0-9_]*, which is what Athena can name");
        }
        Ok(Self {
            pattern: pattern.to_owned(),
        })
    }

    /// The database of a source.
    pub fn of_source(&self, source: &str) -> String {
        self.pattern.replace(SOURCE, source)
    }

    /// The database of `source.table`.
    pub(super) fn of(&self, name: &str) -> String {
        self.of_source(name.split('.').next().unwrap_or_default())
    }
}
