//! What one call of the program said.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One call of the program, after it ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none when the process was killed or aborted.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// One line of quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rejected {
    /// `source.table`.
    pub table: String,
    /// Address of the object.
    pub object: String,
    /// Ordinal of the row; none when the object was rejected whole.
    pub row: Option<u64>,
    /// Why.
    pub reason: String,
    /// What is shown of the row.
    pub text: Option<String>,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Fails, showing everything that was said, unless the exit code is that.
    ///
    /// # Errors
    ///
    /// When it is another one.
    pub fn exits_with(self, code: i32) -> Result<Self> {
        let is = self.code.map_or("a signal".to_owned(), |code| code.to_string());
        ensure!(
            self.code == Some(code),
            "the program ended with {is}, not {code}\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// Fails unless everything was taken in: with exit code 0, or with 3 where nothing but the amount of what was rejected
    /// waits for a person.
    ///
    /// # Errors
    ///
    /// When the run ended in another way, showing everything that was said.
    pub fn takes_in(self) -> Result<Self> {
        if self.code == Some(3) && self.asks_about_rejects_alone() {
            return Ok(self);
        }
        self.exits_with(0)
    }

    fn asks_about_rejects_alone(&self) -> bool {
        let document = self.document().unwrap_or_default();
        let tables = document["tables"].as_array().cloned().unwrap_or_default();
        let waits = |table: &Value| {
            ["held", "busy", "failed"]
                .iter()
                .any(|outcome| table["outcome"] == *outcome)
        };
        tables.iter().any(|table| table["over_budget"] == true) && !tables.iter().any(waits)
    }

    /// Whether the process died instead of ending.
    pub fn died(&self) -> bool {
        self.code.is_none()
    }

    /// Everything that was said.
    pub fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Standard output as one JSON document.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn document(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("no JSON document:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// What the run's report says about a table; null when it does not name it.
    ///
    /// # Errors
    ///
    /// When there is no report.
    pub fn about(&self, table: &str) -> Result<Value> {
        let document = self.document()?;
        let tables = document["tables"]
            .as_array()
            .context("the report has no tables")?;
        Ok(tables
            .iter()
            .find(|entry| entry["table"] == table)
            .cloned()
            .unwrap_or_default())
    }

    /// How a table came out, such as `updated`.
    ///
    /// # Errors
    ///
    /// When the report does not say.
    pub fn outcome(&self, table: &str) -> Result<String> {
        let about = self.about(table)?;
        about["outcome"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("{table} is not in the report"))
    }

    /// One of a table's counts, such as `rows_inserted`.
    ///
    /// # Errors
    ///
    /// When the report does not have it.
    pub fn count(&self, table: &str, name: &str) -> Result<u64> {
        let about = self.about(table)?;
        about["counts"][name]
            .as_u64()
            .with_context(|| format!("the report has no {name} of {table}"))
    }
}
