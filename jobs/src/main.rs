//! `marketlake`: Amazon merchant data as exact, queryable Delta tables.

mod at_aws;
mod buckets;
mod child;
mod cli;
mod commands;
mod config;
mod contracts;
mod events;
mod exit;
mod isolated;
mod logging;
mod memory;
mod metrics;
mod notice;
mod output;
mod progress;
mod registry;
mod session;
mod signals;
mod units;

use std::process::ExitCode;

use clap::Parser;
use pipeline::stop::Stop;

use cli::Cli;
use output::Output;

fn main() -> ExitCode {
    memory::refuse_huge_pages();
    let cli = Cli::parse();
    let stop = Stop::default();
    signals::listen(cli.command.ends_in_order().then(|| stop.clone()));
    let output = Output::new(cli.json);
    let code = match commands::dispatch(cli, &output, &stop) {
        Ok(code) => code,
        Err(error) => match exit::code_of(&error) {
            Some(code) => {
                output.error(&error);
                code
            }
            None => exit::DONE,
        },
    };
    memory::leave();
    ExitCode::from(code)
}
