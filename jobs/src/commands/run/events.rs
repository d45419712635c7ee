//! `run --events`: runs where events of S3 say that there is something new.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use aws::Queue;
use pipeline::RawPlaces;
use pipeline::lake::Lake;
use pipeline::request::Selection;
use url::Url;

use super::failures::Failures;
use super::{Says, Told, finish};
use crate::cli::RunArgs;
use crate::events::{EventCounts, Inbox};
use crate::exit::{DONE, FAILED, STOPPED, usage, worse};
use crate::session::Session;

/// So often a watch runs although nothing comes: what is claimed goes on, what waits comes in, and once a day everything is
/// looked through.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// How long messages may take to be given back, or to be deleted when somebody has asked for the end.
const LAST: Duration = Duration::from_secs(4);

/// A queue that tells where to look, and what its messages can name.
struct Intake<'a> {
    session: &'a Session,
    lake: &'a Lake,
    queue: Queue,
    places: RawPlaces,
    visibility: Duration,
    quiet: Option<Duration>,
}

/// What a run came to, and whether more may be in the queue.
struct Ran {
    code: u8,
    goes_on: bool,
}

/// Runs for what is in the queue, and with `--watch` for what comes until somebody asks for the end.
pub(super) async fn run(
    session: &Session,
    lake: &Lake,
    arguments: &RunArgs,
    url: &str,
    says: Says<'_, '_>,
) -> Result<u8> {
    if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(usage(format!(
            "--events {url:?} is no URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/111122223333/intake"
        )));
    }
    let places = lake.raw_places()?;
    // Before anything is received: messages of another lake's queue would be lost to it.
    if places.is_empty() {
        return Err(usage(
            "--events is for raw zones in buckets, and this configuration has none: lake, raw or the raw of an account has to be \
             s3://BUCKET/PREFIX",
        ));
    }
    let queue = session.at_aws.get().await?.queue(url);
    let Some(visibility) = until_stopped(session, queue.visibility()).await else {
        return Ok(STOPPED);
    };
    let intake = Intake {
        session,
        lake,
        visibility: visibility?,
        queue,
        places,
        quiet: arguments.quiet.map(|quiet| quiet.0),
    };
    match arguments.watch {
        true => intake.watch(says).await,
        false => intake.empty(says).await,
    }
}

impl Intake<'_> {
    /// Runs until nothing more is in the queue.
    async fn empty(&self, (said, looks): Says<'_, '_>) -> Result<u8> {
        let mut code = DONE;
        loop {
            let mut inbox = self.inbox();
            let ran = self.once(&mut inbox, Duration::ZERO, (said, looks)).await;
            give_back(inbox).await;
            let Some(ran) = ran? else {
                return Ok(STOPPED);
            };
            code = worse(code, ran.code);
            if ran.code == STOPPED || !ran.goes_on {
                return Ok(code);
            }
        }
    }

    /// Runs for what comes until somebody asks for the end. What fails is tried again, unless that cannot help: with the messages
    /// that are there, since a queue gives up one that comes back too often.
    async fn watch(&self, (said, looks): Says<'_, '_>) -> Result<u8> {
        let (mut code, mut wait) = (DONE, Duration::ZERO);
        let (mut failures, mut inbox) = (Failures::default(), self.inbox());
        let ended = loop {
            match self.once(&mut inbox, wait, (said, looks)).await {
                Ok(Some(ran)) if ran.code == STOPPED => break Ok(STOPPED),
                Ok(Some(ran)) => {
                    failures = Failures::default();
                    (code, wait) = (ran.code, IDLE);
                }
                // Nothing was on its way: the last run says how things stand.
                Ok(None) => break Ok(code),
                Err(error) => {
                    let Some(pause) = failures.pause(&error) else {
                        break Err(error);
                    };
                    let seconds = pause.as_secs();
                    let warning = format!("{error:#}; the watch goes on in {seconds} s");
                    self.session.output.warning(&warning);
                    (code, wait) = (FAILED, Duration::ZERO);
                    if until_stopped(self.session, tokio::time::sleep(pause))
                        .await
                        .is_none()
                    {
                        break Ok(code);
                    }
                }
            }
        };
        give_back(inbox).await;
        ended
    }

    fn inbox(&self) -> Inbox<'_> {
        Inbox::of(&self.queue, &self.places, self.visibility)
    }

    /// Takes in messages, for the first of which it waits so long, and runs where they say. None where somebody asked for the
    /// end before there was anything to do. Messages that nothing was done with stay in the inbox.
    async fn once<'s>(
        &'s self,
        inbox: &mut Inbox<'s>,
        wait: Duration,
        (said, looks): Says<'_, '_>,
    ) -> Result<Option<Ran>> {
        match until_stopped(self.session, self.gather(inbox, wait)).await {
            Some(gathered) => gathered?,
            None => return Ok(None),
        }
        // A queue that keeps an order gives no more of a group until what it gave is deleted.
        let goes_on = inbox.is_full() || (self.queue.keeps_order() && !inbox.is_empty());
        let selection = Selection {
            folders: Some(Arc::new(inbox.folders())),
            ..Selection::default()
        };
        let run = {
            let progress = self.session.progress();
            self.lake.run(&selection, &progress).await?
        };
        let inbox = std::mem::replace(inbox, self.inbox());
        let due = looks
            .after(self.lake, &run, &selection, Some(self.queue.address()))
            .await;
        let code = worse(run.exit_code(), due.code);
        let mut code = worse(code, finish(self.session, self.lake, &run).await);
        // Last: whoever dies before has the same messages once more, and finds nothing new.
        let settled = match self.session.stop.is_asked() {
            false => Ok(inbox.settle(self.lake, &run).await),
            true => {
                code = worse(code, STOPPED);
                tokio::time::timeout(LAST, inbox.settle(self.lake, &run)).await
            }
        };
        // Those that were not deleted in time come back.
        let (counts, deleted) = settled.unwrap_or_else(|_| (EventCounts::default(), Ok(())));
        self.tell(&counts);
        let told = Told {
            code,
            events: Some(counts),
            due: due.periods,
        };
        said.run(self.lake, &run, told)?;
        deleted?;
        Ok(Some(Ran { code, goes_on }))
    }

    async fn gather(&self, inbox: &mut Inbox<'_>, wait: Duration) -> Result<()> {
        if !inbox.wait(wait).await? {
            return Ok(());
        }
        match self.quiet {
            Some(quiet) => inbox.until_quiet(quiet).await,
            None => inbox.drain().await,
        }
    }

    fn tell(&self, counts: &EventCounts) {
        let EventCounts {
            messages,
            unread,
            folders,
            deleted,
            kept,
            foreign,
        } = *counts;
        tracing::info!(
            messages,
            unread,
            folders,
            deleted,
            kept,
            foreign,
            "events are settled"
        );
        if kept > 0 {
            self.session.output.warning(&format!(
                "{kept} messages come back: a table lacks what they name, or they were not deleted"
            ));
        }
        if unread > 0 {
            self.session.output.warning(&format!(
                "{unread} messages name only objects in raw zones that no table reads, and are done with"
            ));
        }
        if foreign > 0 {
            self.session.output.warning(&format!(
                "{foreign} messages are no events of S3, or name objects in no raw zone of this configuration (look at lake, raw \
                 and the raw of accounts, and whose queue it is); they are left to the queue, which moves them to its \
                 dead-letter queue where it has one"
            ));
        }
    }
}

/// Lets others have what nothing was done with. What cannot be given back comes back later.
async fn give_back(inbox: Inbox<'_>) {
    if let Ok(Err(error)) = tokio::time::timeout(LAST, inbox.give_back()).await {
        tracing::warn!(%error, "messages are not given back, and come back when their time is over");
    }
}

/// Does work that may be left anywhere; none where somebody asked for the end.
async fn until_stopped<T>(session: &Session, work: impl Future<Output = T>) -> Option<T> {
    let work = async { Ok(work.await) };
    session.stop.unless(work).await.ok()
}
