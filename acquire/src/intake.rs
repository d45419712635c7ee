//! Messages of a queue: each stays hidden while it is worked on, and is deleted once what it says lies in the raw zone, never
//! before. Whoever dies in between has it once more.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws::{Aws, Held, Hidden, Queue, Received};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};

/// The longest wait that a queue offers, and the wait that shows that it is empty.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(1);
/// After a failure that may pass a watch waits so long.
const PAUSE: Duration = Duration::from_secs(10);

/// A queue, as a configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its URL.
    pub url: String,
    /// Its region, where the URL does not name it.
    pub region: Option<String>,
    /// URL of the queue for messages that cannot be used, in the same region. Without one they are left, and the queue's own
    /// redrive policy decides about them.
    pub dead_letters: Option<String>,
}

/// How long a queue is worked on.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Until somebody asks for the end; else until the queue is empty.
    pub watch: bool,
    /// A queue is empty when nothing has come for so long.
    pub quiet: Duration,
    /// How long messages are hidden from others at a time.
    pub visibility: Duration,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// What it says lies in the raw zone now.
    Landed,
    /// What it says lay there already.
    Known,
    /// It confirmed a subscription.
    Confirmed,
    /// It says nothing that anything is to be done about, such as a test.
    Nothing,
    /// It is not for us: it is left.
    Foreign,
    /// It cannot be read, or nothing can ever be done about it.
    Dead(String),
    /// It could not be worked on this time, and comes back.
    Later(String),
}

/// What became of the messages of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Messages that were worked on.
    pub messages: u64,
    /// Those whose content lies in the raw zone since then.
    pub landed: u64,
    /// Those whose content lay there already.
    pub known: u64,
    /// Those that confirmed a subscription.
    pub confirmed: u64,
    /// Tests, and what else there is nothing to do about.
    pub nothing: u64,
    /// Those that went to the dead-letter queue.
    pub dead_letters: u64,
    /// Those that are not for us, and those that cannot be read where there is no dead-letter queue: they are left.
    pub left: u64,
    /// Those that could not be worked on, and come back.
    pub later: u64,
    /// Those that were deleted from the queue.
    pub deleted: u64,
}

/// Who works on messages.
#[async_trait]
pub trait Work: Send {
    /// Takes on messages. Those that are said nothing of are kept until the next flush.
    async fn take(&mut self, messages: Vec<Received>) -> Vec<(String, Fate)>;

    /// Brings to its end what was kept.
    async fn flush(&mut self) -> Vec<(String, Fate)> {
        Vec::new()
    }

    /// Whether what is kept should be brought to its end.
    fn is_due(&self) -> bool {
        false
    }

    /// What goes to the dead-letter queue instead of a message; none: nothing may.
    fn dead_letter(&self, body: &str) -> Option<String> {
        Some(body.to_owned())
    }
}

/// Whether there is more to do.
enum Step {
    On,
    End,
}

/// A queue that is worked on.
struct Intake {
    queue: Queue,
    dead: Option<Queue>,
    pace: Pace,
    /// When something came last, or what was kept was brought to its end.
    last: Instant,
    /// Messages that are hidden from others, with what they say.
    held: Held<String>,
    hidden: Hidden,
    /// Ids of those that are left.
    left: HashSet<String>,
    counts: Counts,
}

/// Works on the messages of a queue until it is empty, or until `stopped` where it is watched; what is on its way then is
/// brought to its end.
///
/// # Errors
///
/// When the queue refuses. What was done until then stays done.
pub async fn drain(
    aws: &Aws,
    named: &Named,
    pace: Pace,
    work: &mut dyn Work,
    stopped: impl Future<Output = ()>,
) -> (Counts, Result<()>) {
    let mut intake = Intake::of(aws, named, pace);
    let mut stopped = std::pin::pin!(stopped);
    let result = loop {
        let error = match intake.step(work, &mut stopped).await {
            Ok(Step::On) => continue,
            Ok(Step::End) => break Ok(()),
            Err(error) => error,
        };
        let is_lasting = !matches!(&error, Error::Aws(refusal) if !refusal.is_lasting());
        if is_lasting || !pace.watch {
            break Err(error);
        }
        tracing::warn!(queue = named.url, %error, "the watch goes on");
        tokio::select! {
            () = &mut stopped => break Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    };
    let fates = work.flush().await;
    let settled = intake.settle(work, fates).await;
    let counts = intake.end().await;
    (counts, result.and(settled))
}

impl Intake {
    fn of(aws: &Aws, named: &Named, pace: Pace) -> Self {
        let region = named.region.as_deref();
        let queue = aws.queue_in(&named.url, region);
        let held = Held::default();
        Self {
            dead: named.dead_letters.as_deref().map(|url| aws.queue_in(url, region)),
            pace,
            last: Instant::now(),
            hidden: Hidden::start(queue.clone(), held.clone(), pace.visibility),
            queue,
            held,
            left: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Takes on what comes next, and brings to its end what should not wait any longer.
    async fn step(
        &mut self,
        work: &mut dyn Work,
        stopped: &mut Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Step> {
        let wait = self.pace.quiet.saturating_sub(self.last.elapsed());
        let received = tokio::select! {
            biased;
            () = stopped => return Ok(Step::End),
            received = self.receive(wait.clamp(SHORT, LONG)) => received?,
        };
        if !received.is_empty() {
            self.last = Instant::now();
            let fates = work.take(received).await;
            self.settle(work, fates).await?;
        }
        let is_quiet = self.last.elapsed() >= self.pace.quiet;
        if is_quiet && !self.pace.watch {
            return Ok(Step::End);
        }
        if is_quiet || work.is_due() {
            let fates = work.flush().await;
            self.settle(work, fates).await?;
            self.last = Instant::now();
        }
        Ok(Step::On)
    }

    /// Messages that are new; waits so long for the first one.
    async fn receive(&mut self, wait: Duration) -> Result<Vec<Received>> {
        let mut new = Vec::new();
        for message in self.queue.receive_for(wait, Some(self.pace.visibility)).await? {
            if self.left.contains(&message.id) {
                continue;
            }
            if let Some((receipt, _)) = self.held.all().get_mut(&message.id) {
                // It came once more while it is worked on: by the newest receipt alone it can be deleted.
                *receipt = message.receipt;
                continue;
            }
            self.counts.messages += 1;
            let kept = (message.receipt.clone(), message.body.clone());
            self.held.all().insert(message.id.clone(), kept);
            new.push(message);
        }
        Ok(new)
    }

    /// Deletes what is done, and lets go of the rest.
    async fn settle(&mut self, work: &dyn Work, fates: Vec<(String, Fate)>) -> Result<()> {
        let (mut done, mut refused) = (Vec::new(), Ok(()));
        for (id, fate) in fates {
            let Some((receipt, body)) = self.held.all().remove(&id) else {
                continue;
            };
            let counts = &mut self.counts;
            match fate {
                Fate::Landed => counts.landed += 1,
                Fate::Known => counts.known += 1,
                Fate::Confirmed => counts.confirmed += 1,
                Fate::Nothing => counts.nothing += 1,
                Fate::Foreign => {
                    self.leave(id);
                    continue;
                }
                Fate::Later(why) => {
                    tracing::warn!(
                        queue = self.queue.address(),
                        message = id,
                        why,
                        "message comes back"
                    );
                    counts.later += 1;
                    continue;
                }
                Fate::Dead(why) => {
                    tracing::warn!(
                        queue = self.queue.address(),
                        message = id,
                        why,
                        "message cannot be used"
                    );
                    let letter = self.dead.as_ref().zip(work.dead_letter(&body));
                    let Some((dead, letter)) = letter else {
                        self.leave(id);
                        continue;
                    };
                    if let Err(error) = dead.send(&letter, &id).await {
                        refused = refused.and(Err(error.into()));
                        self.leave(id);
                        continue;
                    }
                    self.counts.dead_letters += 1;
                }
            }
            done.push(receipt);
        }
        let (deleted, result) = self.queue.delete(&done).await;
        self.counts.deleted += deleted as u64;
        refused.and(result.map_err(Into::into))
    }

    fn leave(&mut self, id: String) {
        self.counts.left += u64::from(self.left.insert(id));
    }

    /// Gives back what nothing was done with.
    async fn end(self) -> Counts {
        let receipts = self.held.receipts();
        // First: it would hide them once more.
        self.hidden.stop().await;
        if let Err(error) = self.queue.hide(&receipts, Duration::ZERO).await {
            tracing::warn!(%error, "messages come back only when their time is over");
        }
        self.counts
    }
}
