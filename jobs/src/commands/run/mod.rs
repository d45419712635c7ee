//! `run`: pick up, curate, register, notify.

mod events;
mod report;

use anyhow::Result;
use pipeline::lake::Lake;
use pipeline::report::{PeriodState, RunReport, SCHEMA, TablePlan};
use pipeline::request::{Selection, StatusOptions};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::RunArgs;
use crate::events::EventCounts;
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

/// What a run did, and where events said where to look, what became of their messages.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    run: &'a RunReport,
    /// What became of the messages of the queue; only there where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventCounts>,
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
    let mut code = match &arguments.events {
        Some(queue) => events::run(session, &lake, &arguments, queue).await?,
        None => once(session, &lake, &selection).await?,
    };
    if arguments.strict && code != STOPPED && anything_due(&lake, session).await? {
        code = worse(code, ATTENTION);
    }
    Ok(code)
}

/// Runs, and says what came of it.
async fn once(session: &Session, lake: &Lake, selection: &Selection) -> Result<u8> {
    let report = {
        let progress = session.progress();
        lake.run(selection, &progress).await?
    };
    let code = worse(report.exit_code(), finish(session, lake, &report).await);
    session.output.show(&report, || report::text(&report))?;
    Ok(code)
}

/// Tells catalog and notices what a run did, and what runs before it left untold. A failure there is reported and weighs on
/// the exit code, but takes nothing back: the tables are committed, and the next run tells it. So it does where somebody
/// asked for the end.
pub(super) async fn finish(session: &Session, lake: &Lake, report: &RunReport) -> u8 {
    let telling = async { Ok(notice::publish(session, lake, report).await) };
    let Ok(errors) = session.stop.unless(telling).await else {
        return STOPPED;
    };
    for error in &errors {
        session.output.error(error);
    }
    if errors.is_empty() { DONE } else { FAILED }
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
        folders: None,
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
