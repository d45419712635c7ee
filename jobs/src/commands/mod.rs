//! The commands, one file each: what a person or a scheduler can ask for.

mod acquire;
mod catalog;
mod check;
mod completions;
mod config;
mod demo;
mod doctor;
mod maintain;
mod new;
mod once;
mod quarantine;
mod query;
mod read_alone;
mod rebuild;
mod run;
mod schemas;
mod status;
mod tables;
mod test;
mod why;

use std::sync::Arc;

use anyhow::{Context, Result};
use indicatif::MultiProgress;
use pipeline::stop::Stop;

use crate::at_aws::AtAws;
use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::isolated::Reader;
use crate::logging::{self, LogFormat};
use crate::output::{self, Output};
use crate::session::Session;

pub(crate) use query::print as printed;
pub(crate) use why::rows as explained;

/// Does what the command line says, until `stop` is asked, and returns the exit code.
pub(crate) fn dispatch(cli: Cli, output: &Output, stop: &Stop) -> Result<u8> {
    match &cli.command {
        Command::Completions(arguments) => return completions::completions(arguments, output),
        Command::Schemas(arguments) => return schemas::schemas(arguments, output),
        Command::Config(arguments) if arguments.sample => return config::sample(output),
        _ => {}
    }
    let flags = cli.settings();
    let config = match (Config::load(&flags, cli.config.as_deref()), &cli.command) {
        (Err(error), Command::Doctor(_)) => return doctor::unconfigured(&error, output),
        (config, _) => config?,
    };
    let bars = MultiProgress::new();
    logging::start(config.log.as_deref(), config.log_format, &bars)?;
    if config.log_format == Some(LogFormat::Json) {
        output::log_messages();
    }
    for variable in &config.unknown_variables {
        output.warning(&format!(
            "{variable} is not a setting; `marketlake config` lists them"
        ));
    }
    let at_aws = Arc::new(AtAws::new(config.region.clone()));
    let session = Session {
        config,
        reader: Arc::new(Reader {
            flags,
            file: cli.config.clone(),
            stop: stop.clone(),
        }),
        stop: stop.clone(),
        output: *output,
        bars,
        at_aws,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let code = runtime.block_on(command(&session, cli.command));
    if stop.is_asked() {
        // What was left at work in other threads changes nothing any more.
        runtime.shutdown_background();
    }
    code
}

async fn command(session: &Session, command: Command) -> Result<u8> {
    match command {
        Command::Demo(arguments) => demo::demo(session, &arguments).await,
        Command::Run(arguments) => run::run(session, arguments).await,
        Command::Status(arguments) => status::status(session, &arguments).await,
        Command::Why(arguments) => why::why(session, &arguments).await,
        Command::Quarantine(arguments) => quarantine::quarantine(session, arguments).await,
        Command::Tables(arguments) => tables::tables(session, &arguments).await,
        Command::Check => check::check(session).await,
        Command::New(arguments) => new::new(session, &arguments),
        Command::Test(arguments) => test::test(session, &arguments),
        Command::Query(arguments) => query::query(session, &arguments).await,
        Command::Rebuild(arguments) => rebuild::rebuild(session, arguments).await,
        Command::Maintain(arguments) => maintain::maintain(session, arguments).await,
        Command::Acquire(command) => acquire::acquire(session, command).await,
        Command::Catalog(command) => catalog::catalog(session, &command).await,
        Command::Config(_) => config::config(session),
        Command::Doctor(arguments) => doctor::doctor(session, &arguments).await,
        Command::Completions(arguments) => completions::completions(&arguments, &session.output),
        Command::Schemas(arguments) => schemas::schemas(&arguments, &session.output),
        Command::ReadAlone(arguments) => read_alone::read_alone(session, &arguments).await,
    }
}
