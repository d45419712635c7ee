//! The one place that prints: data to stdout, everything else to stderr.

mod grid;
mod words;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

pub(crate) use grid::Grid;
pub(crate) use words::{bytes, count, minute};

/// Where messages to people go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// Whether messages are lines of the log: who reads that as JSON reads nothing else.
static LOGGED: AtomicBool = AtomicBool::new(false);

/// From here on messages are lines of the log.
pub(crate) fn log_messages() {
    LOGGED.store(true, Ordering::Relaxed);
}

impl Output {
    /// Prints JSON documents instead of text where `json`.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Prints `document` as JSON where that was asked for, else the text that `text` makes.
    pub(crate) fn show<T: Serialize>(&self, document: &T, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json {
            self.document(document)
        } else {
            self.data(&text())
        }
    }

    /// One JSON document on stdout.
    pub(crate) fn document<T: Serialize>(&self, document: &T) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(document)?;
        text.push('\n');
        self.data(&text)
    }

    /// Text on stdout, as it is.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// A hint on stderr; none in JSON mode, whose documents say it all.
    pub(crate) fn note(&self, text: &str) {
        match LOGGED.load(Ordering::Relaxed) {
            true => tracing::info!("{text}"),
            false if self.json => {}
            false => {
                let _ = writeln!(io::stderr(), "{text}");
            }
        }
    }

    /// Something that is wrong and does not stop the command.
    pub(crate) fn warning(&self, text: &str) {
        match LOGGED.load(Ordering::Relaxed) {
            true => tracing::warn!("{text}"),
            false => {
                let _ = writeln!(io::stderr(), "warning: {text}");
            }
        }
    }

    /// An error with everything below it, on one line: `error: a: b: c`.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        match LOGGED.load(Ordering::Relaxed) {
            true => tracing::error!("{}", chain(error)),
            false => {
                let _ = writeln!(io::stderr(), "error: {}", chain(error));
            }
        }
    }
}

/// An error and its causes; a cause that the text above it already ends with is not said twice.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn an_error_is_one_line_of_causes() {
        let error = anyhow!("no such file")
            .context("file a.toml cannot be read")
            .context("configuration");
        assert_eq!(
            chain(&error),
            "configuration: file a.toml cannot be read: no such file"
        );
    }

    #[test]
    fn a_cause_that_was_said_is_not_repeated() {
        let error = anyhow!("no such file").context("file a.toml: no such file");
        assert_eq!(chain(&error), "file a.toml: no such file");
    }
}
