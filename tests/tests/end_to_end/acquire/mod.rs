//! The raw zone filled from servers that behave as Amazon documents its own, and then run.

mod ads;
mod queues;
mod sp_api;
mod sp_items;
mod subscriptions;

use std::process::Command;

use anyhow::{Result, ensure};
use marketlake_tests::{LakeUnderTest, Run};

/// A call of `acquire` with the secrets of the application and of the account, the first two, where the configuration says.
fn asking(lake: &LakeUnderTest, source: &[&str], arguments: &[&str], secrets: &[&str]) -> Command {
    let mut command = lake.command(&["acquire"]);
    command
        .args(source)
        .args(arguments)
        .env("APPLICATION_SECRET", secrets[0])
        .env("REFRESH_TOKEN", secrets[1]);
    command
}

/// How a call ended, in which no secret is shown.
fn without_secrets<S: AsRef<str>>(mut call: Command, secrets: impl IntoIterator<Item = S>) -> Result<Run> {
    let run: Run = call.output()?.into();
    for secret in secrets {
        let secret = secret.as_ref();
        ensure!(!run.said().contains(secret), "{secret} is shown: {}", run.said());
    }
    Ok(run)
}
