//! `config`: which settings are in force, and where each comes from.

use std::path::PathBuf;

use anyhow::Result;
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;
use toml::Value;

use crate::config::Entry;
use crate::exit::DONE;
use crate::output::{Grid, Output};
use crate::session::Session;

const SAMPLE: &str = include_str!("../../marketlake.sample.toml");

/// What is in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    /// Version of this document's shape.
    schema: u32,
    /// The file that was read, where there is one.
    file: Option<&'a PathBuf>,
    /// Every key, in the order of the sample file.
    settings: &'a [Entry],
}

/// Prints every key with its value and origin.
pub(super) fn config(session: &Session) -> Result<u8> {
    let config = &session.config;
    let document = Document {
        schema: SCHEMA,
        file: config.file.as_ref(),
        settings: &config.entries,
    };
    session.output.show(&document, || {
        let mut grid = Grid::new(&["key", "value", "from"]);
        for Entry { key, value, origin } in &config.entries {
            match value {
                Some(Value::Array(accounts)) => {
                    for account in accounts {
                        grid.row([(*key).to_owned(), in_short(account), origin.clone()]);
                    }
                }
                Some(Value::String(text)) => grid.row([(*key).to_owned(), text.clone(), origin.clone()]),
                Some(other) => grid.row([(*key).to_owned(), other.to_string(), origin.clone()]),
                None => grid.row([(*key).to_owned(), "-".to_owned(), origin.clone()]),
            }
        }
        grid.to_string()
    })?;
    if config.file.is_none() {
        session
            .output
            .note("no marketlake.toml was found; `marketlake config --sample` prints one");
    }
    Ok(DONE)
}

/// Alias and source of an account, and the names of its other options; the document has their values.
fn in_short(account: &Value) -> String {
    let text = |key: &str| account.get(key).and_then(Value::as_str).unwrap_or_default();
    let options = account.as_table().into_iter().flat_map(|table| table.keys());
    let others: Vec<&str> = options
        .map(String::as_str)
        .filter(|key| !["alias", "source"].contains(key))
        .collect();
    format!("{}: {} with {}", text("alias"), text("source"), others.join(", "))
}

/// Prints a file with every option.
pub(super) fn sample(output: &Output) -> Result<u8> {
    output.data(SAMPLE)?;
    Ok(DONE)
}
