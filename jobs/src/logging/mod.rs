//! Logs: text above the progress bar on a terminal, JSON lines elsewhere.

mod lines;

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use clap::ValueEnum;
use indicatif::MultiProgress;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::exit::usage;
use lines::Lines;

/// Libraries whose warnings are about their own business: only their errors are logged, unless a filter names
/// them.
const LIBRARIES: [&str; 21] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_glue",
    "aws_sdk_secretsmanager",
    "aws_sdk_sns",
    "aws_sdk_sqs",
    "aws_sdk_ssm",
    "aws_sdk_sts",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "buoyant_kernel",
    "datafusion",
    "delta_kernel",
    "deltalake_core",
    "h2",
    "hyper",
    "hyper_util",
    "object_store",
    "reqwest",
    "rustls",
    "sqlparser",
];

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// Messages to people pass every filter: where they are lines of the log there is no other place for them.
const MESSAGES: &str = "marketlake::output=info";

/// Starts logging to stderr by `filter`, a level or a list of `module=level`.
///
/// # Errors
///
/// A usage error for what is no filter.
pub(crate) fn start(filter: Option<&str>, format: Option<LogFormat>, bars: &MultiProgress) -> Result<()> {
    let terminal = io::stderr().is_terminal();
    let filter = filter.unwrap_or(if terminal { "warn" } else { "info" });
    let builder = tracing_subscriber::fmt().with_env_filter(parse(filter)?);
    if format.map_or(terminal, |format| format == LogFormat::Text) {
        builder
            .with_ansi(terminal)
            .with_target(false)
            .with_writer(AboveBars(bars.clone()))
            .init();
    } else {
        builder
            .fmt_fields(JsonFields::new())
            .event_format(Lines)
            .with_writer(io::stderr)
            .init();
    }
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter> {
    let refused = || {
        usage(format!(
            "log filter {filter:?} is neither error, warn, info, debug, trace nor a list of module=level"
        ))
    };
    // A word alone would be taken for the name of a module.
    let words = filter.split(',').filter(|part| !part.contains('='));
    for word in words {
        word.trim().parse::<LevelFilter>().map_err(|_| refused())?;
    }
    let quiet = LIBRARIES.iter().filter(|library| !filter.contains(*library));
    let mut all: Vec<String> = quiet.map(|library| format!("{library}=error")).collect();
    all.push(MESSAGES.to_owned());
    all.push(filter.to_owned());
    EnvFilter::try_new(all.join(",")).map_err(|_| refused())
}

/// Writes while the bars are out of the way.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for AboveBars {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_log_errors_only_unless_they_are_named() {
        assert!(
            parse("info")
                .unwrap()
                .to_string()
                .contains("deltalake_core=error")
        );
        let named = parse("info,deltalake_core=debug").unwrap().to_string();
        assert!(
            named.contains("deltalake_core=debug") && !named.contains("deltalake_core=error"),
            "{named}"
        );
    }

    #[test]
    fn messages_pass_a_filter_that_is_about_something_else() {
        let kept = lines::tests::Kept::default();
        let builder = tracing_subscriber::fmt().with_env_filter(parse("datafusion=debug").unwrap());
        let logging = builder.with_writer(kept.clone()).finish();
        tracing::subscriber::with_default(logging, || {
            tracing::info!("work goes on");
            tracing::info!(target: "marketlake::output", "a period is overdue");
        });
        let text = kept.text();
        assert!(text.contains("overdue") && !text.contains("goes on"), "{text}");
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        for filter in ["pipeline=loud", "loud", "info,loud"] {
            let refused = parse(filter).unwrap_err().to_string();
            assert!(refused.contains(filter), "{refused}");
        }
    }
}
