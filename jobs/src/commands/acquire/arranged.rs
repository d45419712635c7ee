//! `acquire sp-api schedules` and `notifications`: what the API keeps for an account.

use std::collections::BTreeSet;
use std::sync::Arc;

use acquire::Transport;
use acquire::sp_api::notifications::{self, Notifications, REPORT_DONE};
use acquire::sp_api::schedules::{self, Schedule};
use acquire::sp_api::{self, Arranged, SpApi};
use anyhow::Result;
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use super::sp_api::{SOURCE, meant};
use super::{Account, FailedAccount, Ground};
use crate::cli::{ArrangeArgs, NotificationsCommand, SchedulesCommand};
use crate::exit::{ATTENTION, DONE, FAILED, usage};
use crate::output::Grid;
use crate::session::Session;

/// What is there, and what became of it.
#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Arrangements {
    /// Version of this document's shape.
    schema: u32,
    /// Schedules, destinations, subscriptions.
    arranged: Vec<Arranged>,
    /// Accounts on which another process was at work.
    busy: Vec<String>,
    /// Accounts of which nothing became, each with the reason.
    failed: Vec<FailedAccount>,
}

/// What is done for each account.
enum Work {
    Schedules(SchedulesCommand),
    Notifications(NotificationsCommand),
}

/// Schedules of reports.
pub(super) async fn schedules(session: &Session, command: SchedulesCommand) -> Result<u8> {
    Box::pin(work(session, Work::Schedules(command))).await
}

/// Destinations and subscriptions.
pub(super) async fn notifications(session: &Session, command: NotificationsCommand) -> Result<u8> {
    Box::pin(work(session, Work::Notifications(command))).await
}

async fn work(session: &Session, work: Work) -> Result<u8> {
    let mut ground = Ground::open(session).await?;
    let account = work.arrange().account.as_deref();
    let accounts = meant(&ground, |alias| account.is_none_or(|wanted| wanted == alias))?;
    let mut document = Arrangements {
        schema: SCHEMA,
        arranged: Vec::new(),
        busy: Vec::new(),
        failed: Vec::new(),
    };
    for account in accounts {
        let Some(held) = ground.account(SOURCE, work.kind(), &account.account).await? else {
            document.busy.push(account.account.clone());
            continue;
        };
        let went = ground
            .unless_stopped(Box::pin(one(&ground, account, &held, &work)))
            .await;
        held.end().await;
        match went? {
            Ok(arranged) => document.arranged.extend(arranged),
            Err(error) if error.is_mistake() => {
                return Err(usage(format!(
                    "{}: {}",
                    account.account,
                    ground.transport.hide(&error.to_string())
                )));
            }
            Err(error) => document.failed.push(FailedAccount {
                account: account.account.clone(),
                error: ground.transport.hide(&error.to_string()),
            }),
        }
    }
    document.end(session, &ground.transport)
}

async fn one(
    ground: &Ground<'_>,
    account: &sp_api::Account,
    held: &Account,
    work: &Work,
) -> acquire::Result<Vec<Arranged>> {
    let (transport, at) = (ground.transport.clone(), ground.at.clone());
    let api = SpApi::open(ground.settings, account, transport, &held.remembered, at).await?;
    match work {
        Work::Schedules(command) => of_schedules(&api, account, held, command).await,
        Work::Notifications(command) => of_notifications(&api, account, command).await,
    }
}

async fn of_schedules(
    api: &SpApi,
    account: &sp_api::Account,
    held: &Account,
    command: &SchedulesCommand,
) -> acquire::Result<Vec<Arranged>> {
    let declared = account.schedules.iter().map(|schedule| Schedule {
        marketplaces: match schedule.marketplaces.is_empty() {
            true => held.configured.marketplaces.clone(),
            false => schedule.marketplaces.clone(),
        },
        ..schedule.clone()
    });
    let declared: Vec<Schedule> = declared.collect();
    match command {
        SchedulesCommand::Create(arrange) => {
            declared.iter().try_for_each(Schedule::check)?;
            match arrange.dry_run {
                true => Ok(schedules::plan(api, &declared)),
                false => schedules::create(api, &declared).await,
            }
        }
        SchedulesCommand::List { types, .. } => {
            let declared = declared.iter().map(|schedule| schedule.report.clone());
            let types: BTreeSet<String> = declared.chain(types.iter().cloned()).collect();
            if types.is_empty() {
                return Err(acquire::Error::mistake(
                    "schedules are listed by report type: name types, or declare `schedules` in [[acquire.sp_api]]",
                ));
            }
            schedules::list(api, &types).await
        }
        SchedulesCommand::Delete { arrange, ids } => match arrange.dry_run {
            true => Ok(ids.iter().map(|id| schedules::planned(api, id)).collect()),
            false => Ok(schedules::delete(api, ids).await),
        },
    }
}

async fn of_notifications(
    api: &SpApi,
    account: &sp_api::Account,
    command: &NotificationsCommand,
) -> acquire::Result<Vec<Arranged>> {
    let declared = account.notifications.as_ref();
    let types = declared.map_or_else(|| vec![REPORT_DONE.to_owned()], |declared| declared.types.clone());
    match command {
        NotificationsCommand::Create(arrange) => {
            let declared: &Notifications = declared.ok_or_else(|| {
                acquire::Error::mistake(
                    "say notifications = { queue_arn = \"arn:aws:sqs:…\" } in [[acquire.sp_api]]",
                )
            })?;
            declared.check()?;
            match arrange.dry_run {
                true => Ok(notifications::plan(api, declared)),
                false => notifications::create(api, declared).await,
            }
        }
        NotificationsCommand::List(_) => notifications::list(api, &types).await,
        NotificationsCommand::Delete { arrange, destination } => match arrange.dry_run {
            true => Ok(notifications::planned(api, &types, destination.as_deref())),
            false => notifications::delete(api, &types, destination.as_deref()).await,
        },
    }
}

impl Work {
    fn arrange(&self) -> &ArrangeArgs {
        match self {
            Self::Schedules(
                SchedulesCommand::Create(arrange)
                | SchedulesCommand::List { arrange, .. }
                | SchedulesCommand::Delete { arrange, .. },
            )
            | Self::Notifications(
                NotificationsCommand::Create(arrange)
                | NotificationsCommand::List(arrange)
                | NotificationsCommand::Delete { arrange, .. },
            ) => arrange,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Schedules(_) => "schedules",
            Self::Notifications(_) => "notifications",
        }
    }
}

impl Arrangements {
    /// Says what became of everything; the exit code.
    fn end(mut self, session: &Session, transport: &Arc<Transport>) -> Result<u8> {
        for arranged in &mut self.arranged {
            arranged.said = arranged.said.as_ref().map(|said| transport.hide(said));
        }
        for failed in &self.failed {
            session
                .output
                .warning(&format!("{}: {}", failed.account, failed.error));
        }
        for alias in &self.busy {
            session
                .output
                .warning(&format!("{alias}: another process is at work on it"));
        }
        session.output.show(&self, || self.text())?;
        let is_failure = !self.failed.is_empty() || self.arranged.iter().any(|one| one.outcome.is_failure());
        Ok(match (is_failure, self.busy.is_empty()) {
            (true, _) => FAILED,
            (false, false) => ATTENTION,
            (false, true) => DONE,
        })
    }

    fn text(&self) -> String {
        let mut grid = Grid::new(&["account", "kind", "name", "id", "outcome", "about", "why"]);
        for one in &self.arranged {
            let about: Vec<String> = one
                .about
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            grid.row([
                one.account.clone(),
                one.kind.to_owned(),
                one.name.clone().unwrap_or_default(),
                one.id.clone().unwrap_or_default(),
                one.outcome.word().to_owned(),
                about.join(" "),
                one.said.clone().unwrap_or_default(),
            ]);
        }
        match grid.is_empty() {
            true => "nothing is there\n".to_owned(),
            false => grid.to_string(),
        }
    }
}
