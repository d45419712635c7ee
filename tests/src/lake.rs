//! A lake whose program is the binary under test.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use cases::{Bench, Run};

use crate::program;

/// A lake that is gone when this value is.
pub struct Lake(cases::Lake);

impl Deref for Lake {
    type Target = cases::Lake;

    fn deref(&self) -> &cases::Lake {
        &self.0
    }
}

impl Lake {
    /// An empty lake; `configuration` is the text of its `marketlake.toml`.
    ///
    /// # Errors
    ///
    /// When the program cannot be built, or what the file system refuses.
    pub fn new(configuration: &str) -> Result<Self> {
        cases::Lake::new(bench(None)?, configuration).map(Self)
    }

    /// A folder for a lake with nothing in it.
    ///
    /// # Errors
    ///
    /// When the program cannot be built, or what the file system refuses.
    pub fn empty() -> Result<Self> {
        cases::Lake::empty(bench(None)?).map(Self)
    }

    /// The same lake with a folder of contracts of one's own.
    #[must_use]
    pub fn with_contracts(self, folder: PathBuf) -> Self {
        Self(self.0.with_contracts(folder))
    }

    /// What a SELECT gives, as CSV.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn query(&self, sql: &str) -> Result<String> {
        let mut command = Command::new(program()?);
        command
            .current_dir(self.path())
            .arg("--lake")
            .arg(self.path())
            .args(["query", "--format", "csv", sql]);
        let run: Run = command.output().context("the program cannot be started")?.into();
        Ok(run.exits_with(0)?.stdout)
    }
}

/// The binary under test, with a folder of contracts beside those built in.
///
/// # Errors
///
/// When the program cannot be built.
pub fn bench(contracts: Option<PathBuf>) -> Result<Bench> {
    Ok(Bench {
        program: program()?,
        contracts,
    })
}
