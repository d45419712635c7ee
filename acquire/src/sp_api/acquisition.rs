//! Reports of an account, from what the configuration says to the raw zone.

use std::sync::Arc;
use std::time::Duration;

use aws::Queue;
use chrono::{DateTime, Days as SomeDays, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::documents::GET_DOCUMENT;
use super::finished::Finished;
use super::reports::{CREATE, GET, ReportsApi};
use super::settings::Entry;
use super::settlements::Listing;
use super::types::ReportType;
use super::{Account, SpApi};
use crate::book::Book;
use crate::error::{Error, Result};
use crate::manifest::Period;
use crate::place::Place;
use crate::requests::{Calendar, Drive, Plan, Request, Unit, Want};
use crate::settings::Settings;
use crate::told::{Outcome, Told};
use crate::transport::Spool;

/// The days of an account, as `[[account]]` says them.
#[derive(Debug, Clone)]
pub struct Days {
    /// In whose days it counts.
    pub zone: Tz,
    /// The first day of which there is anything.
    pub since: Option<NaiveDate>,
    /// The last one.
    pub until: Option<NaiveDate>,
    /// Its marketplaces.
    pub marketplaces: Vec<String>,
}

/// The reports of an account on which nobody else works.
pub struct Acquisition<'a> {
    api: Arc<SpApi>,
    settings: &'a Settings,
    account: &'a Account,
    days: Days,
    book: Arc<Book<Request>>,
    listings: Book<Listing>,
    reports: ReportsApi,
    finished: Arc<Finished>,
    spool: &'a Spool,
    /// Whether what failed or was not there is asked for however short ago that was.
    again: bool,
}

/// What would be asked for.
pub struct Wanted {
    /// Each report.
    pub requests: Vec<Told>,
    /// Requests over HTTP at least: one to ask, one to look, one for the URL.
    pub calls: u64,
    /// How long they take at the rates that are known.
    pub takes: Duration,
}

impl<'a> Acquisition<'a> {
    /// Opens the books of an account. `raw` is its folder in the raw zone, `remembered` its folder in the lake.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub async fn open(
        api: Arc<SpApi>,
        settings: &'a Settings,
        account: &'a Account,
        days: Days,
        places: (Place, Place),
        spool: &'a Spool,
    ) -> Result<Self> {
        let (raw, remembered) = places;
        let book = Arc::new(Book::open(&remembered, "requests").await?);
        let finished = Arc::new(Finished::default());
        let reports = ReportsApi::new(
            api.clone(),
            book.clone(),
            raw,
            remembered.below("failures"),
            spool.clone(),
            finished.clone(),
        );
        Ok(Self {
            listings: Book::open(&remembered, "listings").await?,
            api,
            settings,
            account,
            days,
            book,
            reports,
            finished,
            spool,
            again: false,
        })
    }

    /// The same, asking again for what failed or was not there however short ago that was.
    #[must_use]
    pub fn again(self, again: bool) -> Self {
        Self { again, ..self }
    }

    /// Asks for reports of these types, all that are configured where none is named: those of these days, or those that are due.
    /// What is open is gone on with. With a queue nobody waits longer for a report than it takes.
    ///
    /// # Errors
    ///
    /// For what is wrong in the configuration, and when a book cannot be written. What becomes of single reports is told.
    pub async fn acquire(
        &self,
        kinds: &[String],
        days: Option<Period>,
        queue: Option<&Queue>,
    ) -> Result<Vec<Told>> {
        let entries = self.entries(kinds)?;
        let wants = self.wants(&entries, days, Utc::now()).await?;
        let listed = entries.iter().filter(|entry| is_listed(entry));
        let mut told = self.not_over(&entries, days, Utc::now());
        for entry in listed {
            // A list that cannot be had costs its type alone.
            if let Err(error) = self.list(&entry.kind, days).await {
                if error.is_mistake() {
                    return Err(error);
                }
                told.push(self.told(&entry.kind, Outcome::Failed, Some(error.to_string())));
            }
        }
        let drive = Drive {
            account: &self.account.account,
            book: &self.book,
            reports: &self.reports,
            transport: self.api.transport(),
            spool: self.spool,
            settings: self.settings,
            again: self.again,
        };
        let Some(queue) = queue else {
            told.extend(Box::pin(drive.run(wants)).await?);
            return Ok(told);
        };
        tokio::select! {
            done = Box::pin(drive.run(wants)) => told.extend(done?),
            () = self.finished.listen(queue, self.settings.visibility.0) => {}
        }
        // Messages that stay come back, and say again what is known.
        let visibility = self.settings.visibility.0;
        if let Err(error) = self.finished.settle(queue, &self.book, visibility).await {
            tracing::warn!(
                error = error.to_string(),
                "messages about reports are not deleted"
            );
        }
        Ok(told)
    }

    /// What would be asked for, of which nothing is.
    ///
    /// # Errors
    ///
    /// For what is wrong in the configuration.
    pub async fn would(&self, kinds: &[String], days: Option<Period>) -> Result<Wanted> {
        let entries = self.entries(kinds)?;
        let now = Utc::now();
        let wants = self.wants(&entries, days, now).await?;
        let mut requests = Vec::new();
        let mut restricted = 0;
        for want in wants {
            let known = self.book.get(&want.key()).await;
            if known.is_some_and(|known| !self.is_due(&known, now)) {
                continue;
            }
            restricted += u64::from(ReportType::of(&want.report)?.restricted);
            let wanted = Request::intended(want, now).told(&self.account.account);
            requests.push(Told {
                outcome: Outcome::Wanted,
                ..wanted
            });
        }
        let number = requests.len() as u64;
        let mut takes = Duration::ZERO;
        for operation in [CREATE, GET, GET_DOCUMENT] {
            takes = takes.max(self.api.bucket(&operation).await.takes(number));
        }
        for entry in entries.iter().filter(|entry| is_listed(entry)) {
            requests.push(self.told(
                &entry.kind,
                Outcome::Wanted,
                Some("listed, and what is new downloaded".to_owned()),
            ));
        }
        Ok(Wanted {
            calls: 3 * number + restricted + (requests.len() as u64 - number),
            requests,
            takes,
        })
    }

    async fn list(&self, kind: &str, days: Option<Period>) -> Result<()> {
        let after = TimeDelta::from_std(self.settings.again_after.0).ok();
        let after = after.filter(|_| !self.again);
        self.reports.list(kind, days, &self.listings, after).await
    }

    /// The entries of these types; those without one are asked for as their type's table says.
    fn entries(&self, kinds: &[String]) -> Result<Vec<Entry>> {
        let configured = &self.account.reports;
        if kinds.is_empty() && configured.is_empty() {
            return Err(Error::mistake(
                "no reports are configured: name types, or say reports = [{ type = \"GET_SALES_AND_TRAFFIC_REPORT\" }] in [[acquire.sp_api]]",
            ));
        }
        let mut entries: Vec<Entry> = configured
            .iter()
            .filter(|entry| kinds.is_empty() || kinds.contains(&entry.kind))
            .cloned()
            .collect();
        for kind in kinds {
            if !entries.iter().any(|entry| entry.kind == *kind) {
                entries.push(Entry::of(kind));
            }
        }
        for entry in &entries {
            ReportType::of(&entry.kind)?.check_requestable(&entry.kind)?;
        }
        Ok(entries)
    }

    async fn wants(&self, entries: &[Entry], days: Option<Period>, now: DateTime<Utc>) -> Result<Vec<Want>> {
        let known: Vec<Request> = self
            .book
            .entries()
            .await
            .into_iter()
            .map(|(_, request)| request)
            .collect();
        let calendar = self.calendar(now);
        let mut wants: Vec<Want> = Vec::new();
        for entry in entries.iter().filter(|entry| !is_listed(entry)) {
            for plan in entry.plans(&self.days.marketplaces)? {
                let of_plan = match days {
                    Some(days) => of_days(&plan, days, &calendar, &known),
                    None => plan.due(&calendar, &known),
                };
                // Two entries may want the same.
                for want in of_plan {
                    if !wants.iter().any(|other| other.key() == want.key()) {
                        wants.push(want);
                    }
                }
            }
        }
        Ok(wants)
    }

    /// Days that are over for the account and in UTC, whose times requests are made in.
    fn calendar(&self, now: DateTime<Utc>) -> Calendar {
        let over = now.date_naive() - SomeDays::new(1);
        Calendar {
            now,
            zone: self.days.zone,
            since: self.days.since,
            until: Some(self.days.until.map_or(over, |until| until.min(over))),
        }
    }

    /// What is told of days that are not over yet: a later call asks for them.
    fn not_over(&self, entries: &[Entry], days: Option<Period>, now: DateTime<Utc>) -> Vec<Told> {
        let today = now.date_naive();
        let later =
            days.filter(|days| days.to >= today && self.days.until.is_none_or(|until| until >= today));
        let Some(days) = later else {
            return Vec::new();
        };
        let period = Some(Period {
            from: days.from.max(today),
            ..days
        });
        let of_days = entries
            .iter()
            .filter(|entry| ReportType::of(&entry.kind).is_ok_and(|kind| !kind.listed && !kind.present));
        let tell = |entry: &Entry| {
            let said = Some("these days are not over yet in UTC".to_owned());
            let told = self.told(&entry.kind, Outcome::NotYet, said);
            Told { period, ..told }
        };
        of_days.map(tell).collect()
    }

    fn is_due(&self, known: &Request, now: DateTime<Utc>) -> bool {
        let is_over = !known.state.is_open() && !known.state.covers();
        let is_time = known.state.is_again() && known.again_at.is_none_or(|at| at <= now);
        is_over && (self.again || is_time)
    }

    fn told(&self, kind: &str, outcome: Outcome, said: Option<String>) -> Told {
        let want = Want {
            report: kind.to_owned(),
            options: Default::default(),
            marketplaces: Vec::new(),
            period: None,
            round: None,
        };
        let told = Request::intended(want, Utc::now()).told(&self.account.account);
        let said = said.map(|said| self.api.transport().hide(&said));
        Told {
            outcome,
            said,
            ..told
        }
    }
}

fn is_listed(entry: &Entry) -> bool {
    ReportType::of(&entry.kind).is_ok_and(|kind| kind.listed)
}

/// What is wanted of days that somebody names. Those of which Amazon may have nothing yet are asked for, too, apart from the
/// others, which need not wait for them.
fn of_days(plan: &Plan, days: Period, calendar: &Calendar, known: &[Request]) -> Vec<Want> {
    let lag = plan.lag.max(1);
    let plan = Plan {
        lag: lag.min(1),
        ..plan.clone()
    };
    let there = calendar.today() - SomeDays::new(lag.into());
    if plan.unit != Unit::Day || days.to <= there || days.from > there {
        return plan.of_days(days, calendar, known);
    }
    let late = Period {
        from: there + SomeDays::new(1),
        ..days
    };
    let mut wants = plan.of_days(Period { to: there, ..days }, calendar, known);
    wants.extend(plan.of_days(late, calendar, known));
    wants
}
