//! `run`: pick up, curate, register, notify.

mod report;

use anyhow::Result;
use pipeline::lake::Lake;
use pipeline::report::{PeriodState, RunReport, SCHEMA, TablePlan};
use pipeline::request::{Selection, StatusOptions};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::RunArgs;
use crate::exit::{ATTENTION, DONE, FAILED, STOPPED, usage, worse};
use crate::notice;
use crate::session::{Session, find};

/// What a run would do.
#[derive(Serialize, JsonSchema)]
pub(super) struct Plans<'a> {
    /// Version of this document's shape.
    schema: u32,
    /// Tables in the order in which they would be worked on.
    tables: &'a [TablePlan],
}

/// Runs, or with `--dry-run` says what a run would do.
pub(super) async fn run(session: &Session, arguments: RunArgs) -> Result<u8> {
    let lake = session.lake().await?;
    session.warn_of_lost_accounts(&lake);
    let selection = selection(&lake, &arguments)?;
    if arguments.dry_run {
        let plans = lake.stop().unless(lake.plan(&selection)).await?;
        session.output.show(
            &Plans {
                schema: SCHEMA,
                tables: &plans,
            },
            || report::plans(&plans),
        )?;
        let waits = plans.iter().any(|plan| !plan.held.is_empty());
        return Ok(if waits { ATTENTION } else { DONE });
    }
    let report = {
        let progress = session.progress();
        lake.run(&selection, &progress).await?
    };
    let mut code = worse(report.exit_code(), finish(session, &lake, &report).await);
    session.output.show(&report, || report::text(&report))?;
    if arguments.strict && code != STOPPED && anything_due(&lake, session).await? {
        code = worse(code, ATTENTION);
    }
    Ok(code)
}

/// Tells catalog and notices what a run did, and what runs before it left untold. A failure there is reported and weighs on
/// the exit code, but takes nothing back: the tables are committed, and the next run tells it. So it does where somebody
/// asked for the end.
pub(super) async fn finish(session: &Session, lake: &Lake, report: &RunReport) -> u8 {
    let telling = async {
        let registered = super::tables::register(session, lake).await;
        let published = notice::publish(lake, &session.config.lake, report).await;
        Ok((registered, published))
    };
    let Ok((registered, published)) = session.stop.unless(telling).await else {
        return STOPPED;
    };
    let mut code = DONE;
    for error in [registered.err(), published.err()].into_iter().flatten() {
        session.output.error(&error);
        code = FAILED;
    }
    code
}

/// Prints what a replay did, as a run does.
pub(super) fn print(session: &Session, report: &RunReport) -> std::io::Result<()> {
    session.output.show(report, || report::text(report))
}

fn selection(lake: &Lake, arguments: &RunArgs) -> Result<Selection> {
    for table in &arguments.tables {
        find(lake.contracts(), table)?;
    }
    if let Some(alias) = &arguments.account
        && !lake.accounts().iter().any(|account| account.alias == *alias)
    {
        let known: Vec<&str> = lake
            .accounts()
            .iter()
            .map(|account| account.alias.as_str())
            .collect();
        return Err(usage(format!(
            "there is no account {alias:?}; there is {}",
            known.join(", ")
        )));
    }
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        return Err(usage(format!("--from {from} is after --to {to}")));
    }
    Ok(Selection {
        tables: arguments.tables.iter().cloned().collect(),
        account: arguments.account.clone(),
        from: arguments.from,
        to: arguments.to,
        release: arguments.release.iter().cloned().collect(),
    })
}

async fn anything_due(lake: &Lake, session: &Session) -> Result<bool> {
    let options = StatusOptions {
        gaps: true,
        runs: false,
        days: lake.settings().look_back(),
    };
    let status = session.stop.unless(lake.status(&options)).await?;
    let overdue = status
        .periods
        .iter()
        .filter(|period| period.state == PeriodState::Overdue)
        .count();
    let missing = status.periods.len() - overdue;
    if !status.periods.is_empty() {
        session.output.warning(&format!(
            "{overdue} periods are overdue and {missing} missing; `marketlake status --gaps` lists them"
        ));
    }
    Ok(!status.periods.is_empty())
}
