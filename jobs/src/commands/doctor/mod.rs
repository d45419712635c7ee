//! `doctor`: whether everything is there that runs need, looked at one by one.

mod folders;
mod glue;
mod zones;

use std::fmt::Write;

use anyhow::Result;
use aws::{Aws, Check, State};
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::contracts;
use crate::exit::{DONE, FAILED};
use crate::output::Output;
use crate::session::Session;

/// What was looked at.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document {
    /// Version of this document's shape.
    schema: u32,
    /// In the order in which it was looked at.
    checks: Vec<Check>,
}

/// Looks at everything that the configuration names, and leaves nothing behind.
pub(super) async fn doctor(session: &Session, arguments: &DoctorArgs) -> Result<u8> {
    let config = &session.config;
    let mut checks = vec![configuration(config)];
    checks.extend(folders::checks(config));
    let zones = zones::of(config)?;
    if zones.is_empty() && arguments.events.is_none() && config.notice_topic.is_none() {
        checks.push(Check::skipped("credentials", "nothing of AWS is configured"));
        return show(&session.output, checks);
    }
    match session.at_aws.get().await {
        Err(error) => checks.push(Check::failed("credentials", format!("{error:#}"))),
        Ok(aws) => {
            checks.push(aws.check_identity().await);
            checks.extend(at_aws(config, aws, &zones, arguments).await);
        }
    }
    show(&session.output, checks)
}

async fn at_aws(config: &Config, aws: &Aws, zones: &[zones::Zone], arguments: &DoctorArgs) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut clock = None;
    for zone in zones {
        let (of_zone, said) = aws.check_bucket(&zone.as_asked()).await;
        checks.extend(of_zone);
        clock = clock.or(said);
    }
    checks.push(aws.check_clock(clock));
    match &arguments.events {
        Some(queue) => checks.extend(aws.queue(queue).check().await),
        None => checks.push(Check::skipped("queue", "none is named: --events QUEUE_URL")),
    }
    match &config.notice_topic {
        Some(topic) => checks.extend(aws.topic(topic).check().await),
        None => checks.push(Check::skipped("topic", "notice_topic names none")),
    }
    checks.extend(glue::checks(config, aws).await);
    checks
}

/// Whether settings and contracts are such as runs can work with.
fn configuration(config: &Config) -> Check {
    let what = "configuration";
    match contracts::read(config.contracts.as_deref()) {
        Err(error) => Check::failed(what, format!("{error:#}")),
        Ok(Err(mistakes)) => {
            let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
            Check::failed(
                what,
                format!("{first}; `marketlake check` lists what is wrong with contracts"),
            )
        }
        Ok(Ok(_)) => Check::ok(
            what,
            match &config.file {
                Some(file) => file.display().to_string(),
                None => "no marketlake.toml was found".to_owned(),
            },
        ),
    }
}

/// Says why there is no configuration that anything else could be looked at with.
pub(super) fn unconfigured(error: &anyhow::Error, output: &Output) -> Result<u8> {
    let check = Check::failed("configuration", format!("{error:#}"));
    let kept = error.chain().find_map(|cause| cause.downcast_ref::<aws::Error>());
    show(
        output,
        vec![match kept.and_then(|error| error.statement(None)) {
            Some(statement) => check.lacking(statement),
            None => check,
        }],
    )
}

fn show(output: &Output, checks: Vec<Check>) -> Result<u8> {
    let is_well = checks.iter().all(|check| check.state != State::Failed);
    let document = Document {
        schema: SCHEMA,
        checks,
    };
    output.show(&document, || text(&document.checks))?;
    Ok(if is_well { DONE } else { FAILED })
}

fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Failed => "FAILED",
            State::Skipped => "skipped",
        };
        let said = match check.said.as_str() {
            "" => String::new(),
            said => format!(" ({said})"),
        };
        let _ = writeln!(text, "{state:<8} {}{said}", check.what);
        if let Some(statement) = check
            .statement
            .as_ref()
            .and_then(|it| serde_json::to_string(it).ok())
        {
            let what = match check.state {
                State::Skipped => "the policy of the role needs",
                _ => "add to the policy of the role",
            };
            let _ = writeln!(text, "         {what}: {statement}");
        }
    }
    text
}
