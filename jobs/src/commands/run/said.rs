//! What the runs of a call say: a document of each, and metrics where they are wanted.

use anyhow::Result;
use aws::Requests;
use pipeline::lake::Lake;
use pipeline::report::{PeriodGap, RunReport, TableReport};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::measured::Ended;
use super::report;
use crate::commands::once::{self, Here};
use crate::events::EventCounts;
use crate::session::Session;

/// What a run did.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<'a> {
    #[serde(flatten)]
    run: &'a RunReport,
    /// What became of the messages of the queue; only there where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventCounts>,
    /// Requests to buckets; only there where there were some.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<Requests>,
}

/// What came of a run beside its report.
pub(crate) struct Told {
    /// The exit code with which it ends.
    pub(crate) code: u8,
    /// What became of the messages of the queue.
    pub(crate) events: Option<EventCounts>,
    /// Periods that are due, where somebody has looked.
    pub(crate) due: Option<Vec<PeriodGap>>,
}

impl Told {
    /// Nothing but an exit code.
    pub(crate) fn of(code: u8) -> Self {
        Self {
            code,
            events: None,
            due: None,
        }
    }
}

/// What the runs of a call said.
pub(crate) struct Said<'a> {
    session: &'a Session,
    command: &'static str,
    /// Requests of the runs before.
    before: Requests,
    /// Whether a run was not done with a table: another process was at work on it, or it waits for a person.
    is_left: bool,
    last: Value,
}

impl<'a> Said<'a> {
    /// Nothing yet, by a command.
    pub(crate) fn new(session: &'a Session, command: &'static str) -> Self {
        Self {
            session,
            command,
            before: Requests::default(),
            is_left: false,
            last: Value::Null,
        }
    }

    /// Prints what a run did, and writes its metrics.
    ///
    /// # Errors
    ///
    /// When it cannot be printed.
    pub(crate) fn run(&mut self, lake: &Lake, report: &RunReport, told: Told) -> Result<()> {
        let Told { code, events, due } = told;
        let requests = self.session.at_aws.requests().since(&self.before);
        let document = Document {
            run: report,
            events,
            requests: Some(requests).filter(|requests| *requests != Requests::default()),
        };
        let is_left = |table: &TableReport| once::is_left(table.outcome);
        self.is_left |= report.tables.iter().any(is_left);
        if lake.job().is_some() {
            self.last = serde_json::to_value(&document)?;
        }
        self.session.output.show(&document, || report::text(report))?;
        let all = self.session.at_aws.requests();
        if self.session.config.metrics.is_some() {
            let requests = all.since(&self.before);
            Ended::now(self.session, self.command, code, requests).write(report, due.as_deref());
        }
        self.before = all;
        Ok(())
    }

    /// Ends the job with this exit code, or a worse one.
    pub(crate) async fn end(self, here: Here, code: u8) -> u8 {
        here.end(self.session, code, self.is_left, &self.last).await
    }
}
