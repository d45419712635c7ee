//! What the sources have in common that come through queues.

use std::fmt::Write;

use acquire::intake::{Counts, Named, Pace, Work, drain};
use acquire::jwo::Day;
use acquire::sns::Verifier;
use anyhow::Result;
use aws::Aws;
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use super::{FailedAccount, Ground};
use crate::cli::Draining;
use crate::exit::{ATTENTION, DONE, FAILED, STOPPED, usage, worse};
use crate::output::{Grid, count};

/// What became of the messages of queues.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Drained {
    /// Version of this document's shape.
    schema: u32,
    /// The queues that were worked on, and the accounts of which days were listed.
    queues: Vec<OfQueue>,
    /// Days of merchants that something was copied of, or that were asked for.
    days: Vec<Day>,
    /// Accounts on which another process was at work.
    busy: Vec<String>,
    /// Accounts, and queues, with which something went wrong, each with the reason.
    failed: Vec<FailedAccount>,
}

/// What became of the messages of a queue, or of days that were listed.
#[derive(Serialize, JsonSchema)]
pub(super) struct OfQueue {
    /// URL of the queue; none where days were listed.
    pub(super) queue: Option<String>,
    /// The accounts that it was about; none where messages say themselves what they are about.
    pub(super) accounts: Vec<String>,
    /// What became of its messages.
    pub(super) counts: Counts,
    /// Paths of objects that were laid down in the raw zone.
    pub(super) objects: Vec<String>,
    /// Keys of what would be copied, with `--dry-run`.
    pub(super) wanted: Vec<String>,
}

impl OfQueue {
    /// Days of an account of which nothing was done yet.
    pub(super) fn of_days(account: &str) -> Self {
        Self {
            queue: None,
            accounts: vec![account.to_owned()],
            counts: Counts::default(),
            objects: Vec::new(),
            wanted: Vec::new(),
        }
    }
}

impl Drained {
    pub(super) fn new() -> Self {
        Self {
            schema: SCHEMA,
            queues: Vec::new(),
            days: Vec::new(),
            busy: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, queue: OfQueue) {
        self.queues.push(queue);
    }

    /// Works on queues side by side. One that goes wrong costs no other.
    pub(super) async fn queues<W>(
        &mut self,
        ground: &Ground<'_>,
        works: impl Iterator<Item = W>,
    ) -> Result<()>
    where
        W: Future<Output = (OfQueue, acquire::Result<()>)>,
    {
        for (of_queue, result) in futures::future::join_all(works).await {
            let name = of_queue.queue.clone().unwrap_or_default();
            self.add(of_queue);
            if let Err(error) = result {
                self.failed(ground, &name, &error)?;
            }
        }
        Ok(())
    }

    pub(super) fn day(&mut self, day: Day) {
        self.days.push(day);
    }

    pub(super) fn busy(&mut self, account: &str) {
        self.busy.push(account.to_owned());
    }

    /// Something that went wrong. A mistake of the person who called ends the command.
    pub(super) fn failed(&mut self, ground: &Ground<'_>, what: &str, error: &acquire::Error) -> Result<()> {
        let said = ground.transport.hide(&error.to_string());
        if error.is_mistake() {
            return Err(usage(said));
        }
        self.failed.push(FailedAccount {
            account: what.to_owned(),
            error: said,
        });
        Ok(())
    }

    /// Says what became of everything; the exit code.
    pub(super) fn end(self, ground: &Ground<'_>, watch: bool) -> Result<u8> {
        let output = &ground.session.output;
        for failed in &self.failed {
            output.warning(&format!("{}: {}", failed.account, failed.error));
        }
        for alias in &self.busy {
            output.warning(&format!("{alias}: another process is at work on it"));
        }
        output.show(&self, || self.text())?;
        // Who watches is asked for the end some time.
        match ground.session.stop.is_asked() && !watch {
            true => Ok(worse(self.code(), STOPPED)),
            false => Ok(self.code()),
        }
    }

    fn code(&self) -> u8 {
        let of_queue = |queue: &OfQueue| match queue.counts {
            Counts { later: 1.., .. } => FAILED,
            Counts {
                dead_letters: 1.., ..
            } => ATTENTION,
            _ => DONE,
        };
        let queues = self.queues.iter();
        let code = queues.fold(DONE, |code, queue| worse(code, of_queue(queue)));
        match (self.failed.is_empty(), self.busy.is_empty()) {
            (false, _) => worse(code, FAILED),
            (true, false) => worse(code, ATTENTION),
            (true, true) => code,
        }
    }

    fn text(&self) -> String {
        let mut grid = Grid::new(&[
            "queue",
            "messages",
            "landed",
            "known",
            "confirmed",
            "dead letters",
            "left",
            "later",
        ]);
        let (mut objects, mut wanted) = (0, 0);
        for queue in &self.queues {
            objects += queue.objects.len();
            wanted += queue.wanted.len();
            let Some(url) = &queue.queue else { continue };
            let counts = &queue.counts;
            grid.row([
                url.rsplit('/').next().unwrap_or_default().to_owned(),
                count(counts.messages),
                count(counts.landed),
                count(counts.known),
                count(counts.confirmed),
                count(counts.dead_letters),
                count(counts.left),
                count(counts.later),
            ]);
        }
        let mut text = String::new();
        // A text takes everything.
        if !grid.is_empty() {
            let _ = write!(text, "{grid}");
        }
        for day in &self.days {
            let lacking: Vec<&str> = day.lacking.keys().map(String::as_str).collect();
            let lacking = match lacking.is_empty() {
                true => String::new(),
                false => format!("; fewer than four in the hours {}", lacking.join(", ")),
            };
            let (date, account, reports, of) = (day.date, &day.account, day.reports, day.of);
            let _ = writeln!(text, "{date} of {account}: {reports} of {of} reports{lacking}");
        }
        if wanted > 0 {
            let _ = writeln!(text, "{} would be copied", count(wanted as u64));
        }
        let _ = writeln!(text, "{} objects laid down", count(objects as u64));
        text
    }
}

/// Works on a queue until it is empty or somebody asks for the end.
pub(super) async fn worked_on(
    ground: &Ground<'_>,
    aws: &Aws,
    named: &Named,
    draining: &Draining,
    work: &mut dyn Work,
) -> (Counts, acquire::Result<()>) {
    let pace = Pace {
        watch: draining.watch,
        quiet: draining.quiet.0,
        visibility: ground.settings.visibility.0,
    };
    let stopped = async {
        let never = std::future::pending::<pipeline::Result<()>>();
        // It ends when somebody asks for that.
        let _ = ground.session.stop.unless(never).await;
    };
    drain(aws, named, pace, work, stopped).await
}

/// Who looks at signatures, as the configuration says.
pub(super) fn verifier(ground: &Ground<'_>) -> Result<Verifier> {
    let verifier = Verifier::new(ground.transport.clone(), ground.spool.clone());
    match ground.settings.verify_signatures {
        true => Ok(verifier),
        false => verifier
            .off(std::env::vars())
            .map_err(|error| usage(error.to_string())),
    }
}
