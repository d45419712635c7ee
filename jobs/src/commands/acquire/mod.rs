//! `acquire`: the raw zone is filled from the sources, one file each.

mod ads;
mod ams;
mod arranged;
mod items;
mod jwo;
mod queues;
mod sp_api;
mod yojaka;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use acquire::sp_api::items::Api;
use acquire::{AtAws, Outcome, Period, Place, Settings, Spool, Told, Transport, Wait};
use anyhow::Result;
use pipeline::lake::Lake;
use pipeline::report::SCHEMA;
use pipeline::{Alone, Folder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{AcquireCommand, AdsCommand, Asking, SpApiCommand};
use crate::exit::{ATTENTION, DONE, FAILED, usage, worse};
use crate::output::{Grid, count};
use crate::session::Session;

pub(super) use ads::Profiles;
pub(super) use ams::Subscribed;
pub(super) use queues::Drained;
pub(super) use yojaka::{EventsSubscribed, Matched};

/// What was asked of a source, and what became of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Acquired {
    /// Version of this document's shape.
    schema: u32,
    /// Everything that was asked for, or is open; what landed in earlier calls is not told again.
    requests: Vec<Told>,
    /// Accounts on which another process was at work.
    busy: Vec<String>,
    /// Accounts of which nothing became, each with the reason.
    failed: Vec<FailedAccount>,
    /// Requests over HTTP.
    calls: u64,
    /// Those of them that came too early for the source.
    too_early: u64,
    /// What would be asked, with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<Would>,
}

/// What would be asked.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct Would {
    /// Requests over HTTP at least.
    calls: u64,
    /// How long they take at the rates that are known, in seconds; accounts are asked at the same time.
    seconds: u64,
}

/// An account of which nothing became.
#[derive(Serialize, JsonSchema)]
pub(super) struct FailedAccount {
    /// Its alias.
    account: String,
    /// Why.
    error: String,
}

/// What every source works with.
pub(super) struct Ground<'a> {
    pub(super) session: &'a Session,
    pub(super) lake: Lake,
    pub(super) settings: &'a Settings,
    pub(super) transport: Arc<Transport>,
    pub(super) spool: Spool,
    pub(super) at: Arc<dyn AtAws>,
    acquired: Acquired,
}

/// An account that nobody else works on.
pub(super) struct Account {
    alone: Alone,
    /// What the configuration says of it.
    pub(super) configured: pipeline::account::Account,
    /// Where it delivers.
    pub(super) raw: Place,
    /// What is remembered of it.
    pub(super) remembered: Place,
}

pub(super) use arranged::Arrangements;

/// Asks a source for what it has.
pub(super) async fn acquire(session: &Session, command: AcquireCommand) -> Result<u8> {
    match command {
        AcquireCommand::Ads(AdsCommand::Reports(arguments)) => ads::reports(session, arguments).await,
        AcquireCommand::Ads(AdsCommand::Profiles(arguments)) => ads::profiles(session, arguments).await,
        AcquireCommand::SpApi(command) => match command {
            SpApiCommand::Reports(arguments) => sp_api::reports(session, arguments).await,
            SpApiCommand::Catalog(arguments) => {
                Box::pin(items::fetch(session, Api::Catalog, arguments)).await
            }
            SpApiCommand::Listings(arguments) => {
                Box::pin(items::fetch(session, Api::Listings, arguments)).await
            }
            SpApiCommand::Schedules(command) => arranged::schedules(session, command).await,
            SpApiCommand::Notifications(command) => arranged::notifications(session, command).await,
        },
        AcquireCommand::Jwo(arguments) => jwo::jwo(session, &arguments).await,
        AcquireCommand::Ams(arguments) => ams::ams(session, &arguments).await,
        AcquireCommand::Yojaka(arguments) => yojaka::yojaka(session, &arguments).await,
    }
}

impl<'a> Ground<'a> {
    /// Everything but accounts. Nothing is asked yet.
    pub(super) async fn open(session: &'a Session) -> Result<Self> {
        let lake = session.lake().await?;
        Ok(Self {
            session,
            lake,
            settings: &session.config.acquire,
            transport: Arc::new(Transport::new()?),
            spool: Spool::new(session.config.settings.spill_dir.clone()),
            at: session.at_aws.clone(),
            acquired: Acquired {
                schema: SCHEMA,
                requests: Vec::new(),
                busy: Vec::new(),
                failed: Vec::new(),
                calls: 0,
                too_early: 0,
                would: None,
            },
        })
    }

    /// An account of a source, for one kind of work on it; none where another process is at it, which is told.
    pub(super) async fn account(&mut self, source: &str, kind: &str, alias: &str) -> Result<Option<Account>> {
        let name = format!("{source}-{kind}-{alias}");
        let Some(alone) = self.lake.alone(&name).await? else {
            self.acquired.busy.push(alias.to_owned());
            return Ok(None);
        };
        Ok(Some(Account {
            alone,
            configured: self.lake.account(source, alias),
            raw: place(self.lake.delivers(source, Some(alias))?),
            remembered: place(self.lake.remembering(&format!("{source}/{alias}/{kind}"))?),
        }))
    }

    /// The folder in which an account delivers, for who remembers nothing of it.
    pub(super) fn folder(&self, source: &str, alias: &str) -> Result<Place> {
        Ok(place(self.lake.delivers(source, Some(alias))?))
    }

    /// The folder in which all accounts of a source deliver.
    pub(super) fn raw(&self, source: &str) -> Result<Place> {
        Ok(place(self.lake.delivers(source, None)?))
    }

    /// What became of one account. An error that is not the person's mistake costs this account only.
    pub(super) fn tell(&mut self, account: &str, told: acquire::Result<Vec<Told>>) -> Result<()> {
        match told {
            Ok(told) => self.acquired.requests.extend(told),
            Err(error) if error.is_mistake() => {
                return Err(usage(format!(
                    "{account}: {}",
                    self.transport.hide(&error.to_string())
                )));
            }
            Err(error) => self.acquired.failed.push(FailedAccount {
                account: account.to_owned(),
                error: self.transport.hide(&error.to_string()),
            }),
        }
        Ok(())
    }

    /// What would be asked for one account.
    pub(super) fn would(&mut self, calls: u64, takes: Duration) {
        let would = self.acquired.would.get_or_insert_default();
        would.calls += calls;
        would.seconds = would.seconds.max(takes.as_secs());
    }

    /// Whether another process is at work on an account that was asked for.
    pub(super) fn is_busy(&self) -> bool {
        !self.acquired.busy.is_empty()
    }

    /// Until a signal asks for the end; what was begun is gone on with by the next call.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        Ok(self.session.stop.unless(async { Ok(work.await) }).await?)
    }

    /// Whether something was told that is no answer.
    pub(super) fn is_in_trouble(&self) -> bool {
        !self.acquired.busy.is_empty() || !self.acquired.failed.is_empty()
    }

    /// Says what became of everything; the exit code.
    pub(super) fn end(mut self) -> Result<u8> {
        let (calls, too_early, _) = self.transport.counts();
        (self.acquired.calls, self.acquired.too_early) = (calls, too_early);
        for failed in &self.acquired.failed {
            self.session
                .output
                .warning(&format!("{}: {}", failed.account, failed.error));
        }
        for alias in &self.acquired.busy {
            self.session
                .output
                .warning(&format!("{alias}: another process is at work on it"));
        }
        self.session
            .output
            .show(&self.acquired, || self.acquired.text())?;
        Ok(self.acquired.code())
    }
}

impl Account {
    /// Lets others work on it.
    pub(super) async fn end(self) {
        self.alone.end().await;
    }
}

impl Acquired {
    fn code(&self) -> u8 {
        let outcomes = self.requests.iter().map(|told| told.outcome);
        let code = outcomes.fold(DONE, |code, outcome| match outcome {
            outcome if outcome.is_failure() => worse(code, FAILED),
            outcome if outcome.waits() => worse(code, ATTENTION),
            _ => code,
        });
        let code = if self.busy.is_empty() {
            code
        } else {
            worse(code, ATTENTION)
        };
        if self.failed.is_empty() {
            code
        } else {
            worse(code, FAILED)
        }
    }

    /// A line per request that did not simply land, and how many did.
    fn text(&self) -> String {
        let mut grid = Grid::new(&["account", "type", "days", "outcome", "id", "why"]);
        for told in self
            .requests
            .iter()
            .filter(|told| told.outcome != Outcome::Landed)
        {
            grid.row([
                told.account.clone(),
                told.kind.clone(),
                told.period.map(|period| period.to_string()).unwrap_or_default(),
                told.outcome.word().to_owned(),
                told.id.clone().unwrap_or_default(),
                told.said.clone().unwrap_or_default(),
            ]);
        }
        let mut text = String::new();
        if !grid.is_empty() {
            // A text takes everything.
            let _ = write!(text, "{grid}");
        }
        let landed = self
            .requests
            .iter()
            .filter(|told| told.outcome == Outcome::Landed)
            .count();
        let _ = match &self.would {
            Some(would) => writeln!(
                text,
                "{} calls at least, which take {}",
                count(would.calls),
                Wait(Duration::from_secs(would.seconds))
            ),
            None => writeln!(
                text,
                "{} landed, {} calls",
                count(landed as u64),
                count(self.calls)
            ),
        };
        text
    }
}

impl Asking {
    /// The days that are asked for; none: what is due.
    pub(super) fn days(&self) -> Result<Option<Period>> {
        let Some((from, to)) = self.from.zip(self.to) else {
            return Ok(None);
        };
        match from <= to {
            true => Ok(Some(Period { from, to })),
            false => Err(usage(format!("--from {from} is after --to {to}"))),
        }
    }

    /// Whether an account is meant.
    pub(super) fn is_meant(&self, alias: &str) -> bool {
        self.account.as_deref().is_none_or(|wanted| wanted == alias)
    }
}

fn place(folder: Folder) -> Place {
    Place::new(folder.store, folder.path, !folder.is_local)
}
