//! `completions`: a script that completes commands in a shell.

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::DONE;
use crate::output::Output;

/// Prints the script.
pub(super) fn completions(arguments: &CompletionsArgs, output: &Output) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "marketlake", &mut script);
    output.data(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}
