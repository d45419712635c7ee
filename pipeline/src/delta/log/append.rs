//! Appends to one log by several tasks of this process. Those that come while a commit is under way go into the next one
//! together: each would only take the version from the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deltalake_core::kernel::Action;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex as Turn, oneshot};

use super::commit::{Commit, Landed};
use super::{DeltaLog, Snapshot};
use crate::error::{Error, Kind, Result};

/// So long others are waited for that are about to append, too: nothing beside the answer of a bucket.
const GATHER: Duration = Duration::from_millis(3);

/// What is added to a table, whatever version it has by then.
#[derive(Clone)]
pub(crate) struct Append {
    /// As of a [`Commit`].
    pub(crate) operation: &'static str,
    /// As of a [`Commit`].
    pub(crate) about: Map<String, Value>,
    /// A version of the table that the caller knows.
    pub(crate) base: Snapshot,
    /// May be asked several times.
    pub(crate) plan: Plan,
}

/// What is committed on top of a version; none where the version says that there is nothing to commit, or that something else
/// has to be.
pub(crate) type Plan = Arc<dyn Fn(&Snapshot) -> Result<Option<Addition>> + Send + Sync>;

/// Actions and progress of an append.
#[derive(Default)]
pub(crate) struct Addition {
    pub(crate) actions: Vec<Action>,
    pub(crate) txns: Vec<(String, i64)>,
}

/// How an append ended.
pub(crate) enum Appended {
    /// It is in: a version that has it.
    In(Snapshot),
    /// The plan gave nothing for this version, which was the newest.
    Not(Snapshot),
}

/// Those who wait to append to one log.
#[derive(Default)]
pub(super) struct Appends {
    waiting: Mutex<Vec<Waiting>>,
    turn: Turn<()>,
}

struct Waiting {
    append: Append,
    tell: oneshot::Sender<Result<Appended>>,
}

impl Waiting {
    /// Who asked may have been stopped meanwhile, which changes nothing.
    fn tell(self, ended: Result<Appended>) {
        self.tell.send(ended).ok();
    }
}

impl Appends {
    fn wait(&self, append: Append) -> oneshot::Receiver<Result<Appended>> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Waiting { append, tell });
        told
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::mem::take(&mut *waiting);
        all.retain(|one| !one.tell.is_closed());
        all
    }
}

impl DeltaLog {
    /// Appends, beside what others append at the same time.
    ///
    /// # Errors
    /// As [`DeltaLog::commit`], also for what went along with it; when other writers are always first.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended> {
        loop {
            let mut told = self.appends.wait(append.clone());
            let _turn = self.appends.turn.lock().await;
            // Who had the turn may have committed this beside its own.
            match told.try_recv() {
                Ok(ended) => return ended,
                // It was stopped with this in hand. What came of it the plan finds out.
                Err(TryRecvError::Closed) => continue,
                Err(TryRecvError::Empty) => {}
            }
            if !self.place.is_local() {
                tokio::time::sleep(GATHER).await;
            }
            Box::pin(self.append_together(self.appends.take())).await;
            return told.try_recv().unwrap_or_else(|_| {
                Err(Error::internal("an append was forgotten").with("table", &self.table))
            });
        }
    }

    /// Appends all of these, and tells each how it ended.
    async fn append_together(&self, mut waiting: Vec<Waiting>) {
        let mut backoff = self.races();
        // What was committed here last is newer than what some of them know.
        let held = self.trusted_version().await.map(|held| held.snapshot);
        let (mut base, mut is_newest) = (None, false);
        while !waiting.is_empty() {
            let mut known = waiting.iter().map(|one| &one.append.base).chain(&held);
            let from = base
                .take()
                .or_else(|| known.by_ref().max_by_key(|base| base.version).cloned());
            let Some(from) = from else { return };
            let mut joint = Joint::default();
            let mut has_none = Vec::new();
            for one in std::mem::take(&mut waiting) {
                match (one.append.plan)(&from) {
                    Err(error) => one.tell(Err(error)),
                    Ok(None) => has_none.push(one),
                    Ok(Some(addition)) => waiting.extend(joint.add(one, addition)),
                }
            }
            if is_newest {
                has_none
                    .drain(..)
                    .for_each(|one| one.tell(Ok(Appended::Not(from.clone()))));
            }
            let committed = match joint.parts.is_empty() {
                true => Ok(Landed::Lost),
                false => self.commit(&from, joint.commit()).await,
            };
            waiting.extend(has_none);
            // From here on every version is loaded or committed here.
            is_newest = true;
            let next = match committed {
                Ok(Landed::At(snapshot)) => {
                    let parts = joint.parts.into_iter();
                    parts.for_each(|part| part.tell(Ok(Appended::In(snapshot.clone()))));
                    base = Some(snapshot);
                    continue;
                }
                Ok(Landed::Lost) if joint.parts.is_empty() => Ok(()),
                Ok(Landed::Lost) => {
                    waiting.extend(joint.parts);
                    backoff.lost(&self.table).await
                }
                Err(error) => {
                    let what = "append that went together with others is not known to be in";
                    tell_all(joint.parts, error, what);
                    Ok(())
                }
            };
            if waiting.is_empty() {
                return;
            }
            let next = match next {
                Ok(()) => self.there().await,
                Err(error) => Err(error),
            };
            match next {
                Ok(next) => base = Some(next),
                Err(error) => return tell_all(waiting, error, "append was not made"),
            }
        }
    }

    /// The newest version of a table that was there.
    async fn there(&self) -> Result<Snapshot> {
        self.load().await?.ok_or_else(|| {
            Error::new(Kind::NotFound, "table vanished while it was written to").with("table", &self.table)
        })
    }
}

/// Tells all of them of one error.
fn tell_all(mut waiting: Vec<Waiting>, error: Error, what: &str) {
    if waiting.len() == 1
        && let Some(only) = waiting.pop()
    {
        return only.tell(Err(error));
    }
    let (kind, error) = (error.kind(), Arc::new(error));
    for one in waiting {
        one.tell(Err(Error::new(kind, what).because(error.clone())));
    }
}

/// Appends that make one commit.
#[derive(Default)]
struct Joint {
    parts: Vec<Waiting>,
    actions: Vec<Action>,
    txns: Vec<(String, i64)>,
    /// Applications and files.
    touched: BTreeSet<String>,
}

impl Joint {
    /// Adds one, or gives it back where it states the progress, or takes out a file, that another one does: it is planned from
    /// that one.
    fn add(&mut self, one: Waiting, addition: Addition) -> Option<Waiting> {
        let apps = addition.txns.iter().map(|(app, _)| app.clone());
        let removes = addition.actions.iter().filter_map(|action| match action {
            Action::Remove(remove) => Some(remove.path.clone()),
            _ => None,
        });
        let touched: Vec<String> = apps.chain(removes).collect();
        if touched.iter().any(|one| self.touched.contains(one)) {
            return Some(one);
        }
        self.touched.extend(touched);
        // From one version all would change the definition of the table in the same way, and a commit may do it once.
        let is_defined = self
            .actions
            .iter()
            .any(|action| matches!(action, Action::Metadata(_)));
        let again = |action: &Action| is_defined && matches!(action, Action::Metadata(_));
        self.actions
            .extend(addition.actions.into_iter().filter(|action| !again(action)));
        self.txns.extend(addition.txns);
        self.parts.push(one);
        None
    }

    fn commit(&mut self) -> Commit {
        let operations: BTreeSet<&str> = self.parts.iter().map(|part| part.append.operation).collect();
        let mut abouts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| Value::Object(part.append.about.clone()))
            .collect();
        let about = match (abouts.len(), abouts.pop()) {
            (1, Some(Value::Object(only))) => only,
            (_, last) => {
                abouts.extend(last);
                Map::from_iter([("together".to_owned(), json!(abouts))])
            }
        };
        Commit {
            operation: match operations.len() {
                1 => self.parts[0].append.operation,
                _ => "APPEND",
            },
            actions: std::mem::take(&mut self.actions),
            txns: std::mem::take(&mut self.txns),
            about,
        }
    }
}
