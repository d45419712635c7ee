//! Runs of the demo, each in a process of its own, so that one can die.

use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use pipeline::report::RunReport;
use pipeline::stop::Stop;
use schemars::JsonSchema;
use serde::Serialize;

use super::folder::Folder;
use crate::child;

/// A day of deliveries, taken in.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Day {
    /// Period of the run.
    pub(super) date: NaiveDate,
    /// Failpoint at which a first process died; null where none did.
    pub(super) died_at: Option<&'static str>,
    /// What the process that came through did.
    pub(super) report: RunReport,
}

/// Takes in a day; returns what the process said and its exit code.
///
/// # Errors
///
/// When the process says nothing that can be understood, with what it wrote to stderr, or somebody asked for the end.
pub(super) fn run(folder: &Folder, date: NaiveDate, stop: &Stop) -> Result<(RunReport, u8)> {
    let output = start(folder, date, None, stop)?;
    let report = serde_json::from_slice(&output.stdout);
    let (Ok(report), Some(code)) = (report, output.status.code()) else {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("the run of {date} ended with {}: {}", output.status, said.trim());
    };
    Ok((report, u8::try_from(code)?))
}

/// Starts on a day and dies at a failpoint; false when the process did not pass it and ended by itself.
pub(super) fn dies(folder: &Folder, date: NaiveDate, failpoint: &str, stop: &Stop) -> Result<bool> {
    let output = start(folder, date, Some(failpoint), stop)?;
    Ok(output.status.code().is_none())
}

fn start(folder: &Folder, date: NaiveDate, failpoint: Option<&str>, stop: &Stop) -> Result<Output> {
    let program = std::env::current_exe().context("the program does not know where it is")?;
    let date = date.to_string();
    let mut command = Command::new(&program);
    command.arg("--config").arg(folder.config_file());
    command.args(["--json", "--log", "error", "run", "--from", &date, "--to", &date]);
    for variable in ["MARKETLAKE_FAILPOINT", "MARKETLAKE_RUN_ID"] {
        command.env_remove(variable);
    }
    if let Some(failpoint) = failpoint {
        command.env("MARKETLAKE_FAILPOINT", failpoint);
    }
    let output = child::output(&mut command, stop)
        .with_context(|| format!("{} cannot be started", program.display()))?;
    stop.check()?;
    Ok(output)
}
