//! `run`: pick up, curate, register, notify.

mod due;
mod events;
mod failures;
mod measured;
mod report;
mod said;

use anyhow::Result;
use pipeline::lake::Lake;
use pipeline::report::{RunReport, SCHEMA, TablePlan};
use pipeline::request::Selection;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::RunArgs;
use crate::exit::{ATTENTION, DONE, FAILED, STOPPED, usage, worse};
use crate::notice;
use crate::session::{Session, find};

use super::once::{self, Job};

use due::DueLooks;

pub(super) use measured::maintenance as maintained;
pub(super) use said::{Document, Said, Told};

/// What the runs of a call say, and the looks for periods that are due after them.
type Says<'a, 'b> = (&'a mut Said<'b>, &'a mut DueLooks<'b>);

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
    let lake = match arguments.watch {
        // What goes on until it is stopped is never done.
        true => session.lake().await?,
        false => session.lake_for(&arguments.start).await?,
    };
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
    let asked = match &arguments.events {
        Some(queue) => format!("run --events {queue} strict: {}", arguments.strict),
        None => format!("run {selection:?} strict: {}", arguments.strict),
    };
    let here = match once::begin(session, &lake, asked).await? {
        Job::Here(here) => here,
        Job::Done(code) => return Ok(code),
    };
    let mut said = Said::new(session, "run");
    let mut looks = DueLooks::new(session, arguments.strict);
    let says = (&mut said, &mut looks);
    let mut code = match &arguments.events {
        Some(queue) => events::run(session, &lake, &arguments, queue, says).await?,
        None => whole(session, &lake, &selection, says).await?,
    };
    if code != STOPPED {
        code = worse(code, looks.end());
    }
    Ok(said.end(here, code).await)
}

/// Runs, and says what came of it.
async fn whole(
    session: &Session,
    lake: &Lake,
    selection: &Selection,
    (said, looks): Says<'_, '_>,
) -> Result<u8> {
    let report = {
        let progress = session.progress();
        lake.run(selection, &progress).await?
    };
    let due = looks.after(lake, &report, selection, None).await;
    let code = worse(report.exit_code(), due.code);
    let code = worse(code, finish(session, lake, &report).await);
    said.run(
        lake,
        &report,
        Told {
            due: due.periods,
            ..Told::of(code)
        },
    )?;
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
