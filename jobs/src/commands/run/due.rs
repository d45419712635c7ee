//! Periods that are due after a run: one look for all who want to know, which are subscribers, metrics and `--strict`.

use std::time::{Duration, Instant};

use pipeline::lake::Lake;
use pipeline::report::{PeriodGap, PeriodState, RunReport};
use pipeline::request::Selection;
use pipeline::{DueLook, Error};

use crate::exit::{ATTENTION, DONE, FAILED};
use crate::session::Session;

/// So long a look counts for metrics, where one run follows another.
const LOOKED: Duration = Duration::from_secs(15 * 60);

/// Looks after the runs of a call.
pub(super) struct DueLooks<'a> {
    session: &'a Session,
    /// Whether periods that are due weigh on the exit code.
    strict: bool,
    looked: Option<Instant>,
    /// Those of the last look.
    last: Vec<PeriodGap>,
}

/// What a look found, and the exit code that it asks for.
pub(super) struct Looked {
    /// None where nobody has looked.
    pub(super) periods: Option<Vec<PeriodGap>>,
    pub(super) code: u8,
}

impl<'a> DueLooks<'a> {
    /// None yet.
    pub(super) fn new(session: &'a Session, strict: bool) -> Self {
        Self {
            session,
            strict,
            looked: None,
            last: Vec::new(),
        }
    }

    /// Looks after a run, where anybody wants to know. What is to be told waits in the lake from here on.
    pub(super) async fn after(
        &mut self,
        lake: &Lake,
        run: &RunReport,
        selection: &Selection,
        queue: Option<&str>,
    ) -> Looked {
        let config = &self.session.config;
        let is_known = self.looked.is_some_and(|looked| looked.elapsed() < LOOKED);
        let is_measured = config.metrics.is_some() && !is_known;
        let look = DueLook {
            run,
            selection,
            queue,
            // Nobody but subscribers waits for what does not come.
            tells: config.notice_topic.is_some(),
            lists: self.strict || is_measured,
        };
        let nothing = Looked {
            periods: None,
            code: DONE,
        };
        if !(look.tells || look.lists) || self.session.stop.is_asked() {
            return nothing;
        }
        match self.session.stop.unless(lake.look_for_due(look)).await {
            Ok(periods) if look.lists => {
                self.looked = Some(Instant::now());
                self.last.clone_from(&periods);
                Looked {
                    periods: Some(periods),
                    code: DONE,
                }
            }
            Ok(_) => nothing,
            Err(error) => Looked {
                code: self.failed(error, look.tells),
                ..nothing
            },
        }
    }

    /// What is not known is known after the next run; metrics alone do without.
    fn failed(&self, error: Error, tells: bool) -> u8 {
        if self.session.stop.is_asked() || !(tells || self.strict) {
            tracing::warn!(%error, "lateness is not known");
            return DONE;
        }
        self.session.output.error(&error.into());
        FAILED
    }

    /// The exit code that the periods of the last look ask for, of which it warns.
    pub(super) fn end(self) -> u8 {
        if !self.strict || self.last.is_empty() {
            return DONE;
        }
        let is_overdue = |period: &&PeriodGap| period.state == PeriodState::Overdue;
        let overdue = self.last.iter().filter(is_overdue).count();
        self.session.output.warning(&format!(
            "{overdue} periods are overdue and {} missing; `marketlake status --gaps` lists them",
            self.last.len() - overdue
        ));
        ATTENTION
    }
}
