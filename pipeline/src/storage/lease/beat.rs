//! Leases in a bucket: objects that their holders keep alive.
//!
//! `locks/<table>.lease` is only ever replaced as the version of it that was read: who loses such a swap reads again. Its
//! holder counts up a beat in it every few seconds. Where the beat stands still the holder is dead, and the next one takes
//! over, together with what the dead one left for it. Who waits says so in an object beside it, `locks/<table>.wanted`,
//! which names the holder; that one looks for it with each beat, and nobody else
//! minds one that stayed. It is not said in the lease itself: on a server that compares and swaps by halves, a
//! lease that its holder just gave back would come to life again, of a holder that never beats.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument;
use uuid::Uuid;

use crate::contract::TableName;
use crate::error::{Context, Error, Kind, Result};
use crate::storage::Place;
use crate::storage::address::join;

use super::Leases;

/// A holder whose beat stands still for so many of them, 20 seconds, is dead. Below the time that runners wait for one another,
/// so that a claim is resumed by whoever comes first after a death.
const DEAD_AFTER: u32 = 4;

/// What the object says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Body {
    /// Who holds it; none: nobody.
    holder: Option<Uuid>,
    /// Counts up while the holder lives.
    beat: u64,
    /// When it did so last, by the holder's clock.
    beaten_at: DateTime<Utc>,
    /// Holders in a row that died with it.
    #[serde(default)]
    deaths: usize,
    /// What attempts at batches left, by batch.
    #[serde(default)]
    notes: BTreeMap<String, String>,
}

/// How taking one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    Taken,
    /// Somebody else has it.
    Refused,
}

/// One lease, as this process knows it.
pub(super) struct Kept {
    place: Place,
    beat: Duration,
    path: Path,
    /// Names the holder that somebody waits for.
    mark: Path,
    state: Mutex<State>,
    wanted: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Who we are while we take and hold it; another one each time.
    holder: Uuid,
    body: Body,
    /// The version that we wrote last; none: it is not ours.
    ours: Option<UpdateVersion>,
    /// The beat of another holder, and since when it stands still before our eyes.
    seen: Option<(Uuid, u64, Instant)>,
    /// The holder that was told that we wait.
    told: Option<Uuid>,
}

impl Kept {
    /// The lease of a table, of which nothing is known yet.
    pub(super) fn new(leases: &Leases, table: &TableName) -> Self {
        let state = State {
            holder: Uuid::new_v4(),
            ..State::default()
        };
        Self {
            path: join(leases.place.path(), &format!("{table}.lease")),
            mark: join(leases.place.path(), &format!("{table}.wanted")),
            place: leases.place.clone(),
            beat: leases.beat,
            state: Mutex::new(state),
            wanted: AtomicBool::new(false),
        }
    }

    /// Whether somebody waits for it, as far as the last beat showed.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Takes it where it is free or its holder is dead, else says that it is wanted.
    pub(super) async fn try_take(&self) -> Result<Tried> {
        let state = &mut *self.state.lock().await;
        let new = state.beaten(Body::default());
        // Mostly there is none, so that this is the only request.
        if state.seen.is_none() && self.put(state, new.clone(), PutMode::Create).await? {
            return Ok(Tried::Taken);
        }
        let Some((body, version)) = self.read().await? else {
            let put = self.put(state, new, PutMode::Create).await?;
            return Ok(if put { Tried::Taken } else { Tried::Refused });
        };
        let is_dead = match body.holder {
            None => false,
            Some(holder) if holder == state.holder => {
                // It was put, and the answer was lost.
                (state.body, state.ours) = (body, Some(version));
                return Ok(Tried::Taken);
            }
            Some(holder) => state.is_dead(holder, &body, self.beat * DEAD_AFTER),
        };
        let Some(holder) = body.holder.filter(|_| !is_dead) else {
            let mut new = state.beaten(body);
            new.deaths += usize::from(is_dead);
            let put = self.put(state, new, PutMode::Update(version)).await?;
            return Ok(if put { Tried::Taken } else { Tried::Refused });
        };
        if state.told != Some(holder) {
            let named = Bytes::from(holder.to_string());
            self.place.store().put(&self.mark, named.into()).await?;
            state.told = Some(holder);
        }
        Ok(Tried::Refused)
    }

    /// Shows that we live, and looks whether somebody waits.
    async fn beat(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        if self.write(&mut state).await? && !self.is_wanted() {
            let told = match self.place.store().get(&self.mark).await {
                Ok(found) => found.bytes().await?,
                Err(StoreError::NotFound { .. }) => return Ok(()),
                Err(error) => return Err(Error::from(error).with("lease", &self.path)),
            };
            let is_ours = told == state.holder.to_string().as_bytes();
            self.wanted.store(is_ours, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes what we know of it, as its holder.
    async fn write(&self, state: &mut State) -> Result<bool> {
        for _ in 0..2 {
            let Some(version) = state.ours.clone() else {
                return Ok(false);
            };
            let new = state.beaten(state.body.clone());
            if self.put(state, new, PutMode::Update(version)).await? {
                return Ok(true);
            }
            // Either somebody took it from us, or the answer to an earlier beat was lost.
            let found = self.read().await?;
            let ours = found.filter(|(body, _)| body.holder == Some(state.holder));
            state.ours = ours.map(|(_, version)| version);
        }
        Ok(state.ours.is_some())
    }

    /// Gives it back; the notes of attempts that came to nothing stay for those who come.
    pub(super) async fn give_back(&self) {
        let mut state = self.state.lock().await;
        state.seen = None;
        let Some(version) = state.ours.take() else { return };
        state.holder = Uuid::new_v4();
        // Before the lease: what somebody tells the next holder stays.
        if self.wanted.swap(false, Ordering::Relaxed)
            && let Err(error) = delete(&self.place, &self.mark).await
        {
            tracing::debug!(%error, lease = %self.path, "what waiting runners told was not deleted");
        }
        let body = Body {
            holder: None,
            ..std::mem::take(&mut state.body)
        };
        let given = if body.notes.is_empty() {
            delete(&self.place, &self.path).await
        } else {
            self.swap(&body, PutMode::Update(version)).await.map(drop)
        };
        if let Err(error) = given {
            tracing::debug!(%error, lease = %self.path, "lease was not given back");
        }
    }

    /// Where attempts at a batch leave notes.
    pub(super) fn carried(self: &Arc<Self>, batch: String) -> Carried {
        Carried {
            lease: self.clone(),
            batch,
        }
    }

    /// Whether it could be put; then it is ours.
    async fn put(&self, state: &mut State, body: Body, mode: PutMode) -> Result<bool> {
        let put = self.swap(&body, mode).await?;
        if let Some(version) = put {
            (state.body, state.ours) = (body, Some(version));
            return Ok(true);
        }
        Ok(false)
    }

    /// The new version; none: another one came first.
    async fn swap(&self, body: &Body, mode: PutMode) -> Result<Option<UpdateVersion>> {
        let text = serde_json::to_vec(body).context(Kind::Internal, "lease has no text")?;
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        let put = self
            .place
            .store()
            .put_opts(&self.path, Bytes::from(text).into(), options);
        match put.await {
            Ok(put) => Ok(Some(put.into())),
            Err(
                StoreError::AlreadyExists { .. }
                | StoreError::Precondition { .. }
                | StoreError::NotFound { .. },
            ) => Ok(None),
            Err(error) => Err(Error::from(error).with("lease", &self.path)),
        }
    }

    async fn read(&self) -> Result<Option<(Body, UpdateVersion)>> {
        let found = match self.place.store().get(&self.path).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::from(error).with("lease", &self.path)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        // What is no lease is nobody's.
        let body = serde_json::from_slice(&found.bytes().await?).unwrap_or_default();
        Ok(Some((body, version)))
    }
}

/// Deletes an object, which may be gone.
async fn delete(place: &Place, path: &Path) -> Result<()> {
    match place.store().delete(path).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(Error::from(error).with("lease", path)),
    }
}

impl State {
    /// The same in our hands, one beat later.
    fn beaten(&self, body: Body) -> Body {
        Body {
            holder: Some(self.holder),
            beat: body.beat + 1,
            beaten_at: Utc::now(),
            ..body
        }
    }

    /// Whether the beat of a holder stands still for so long: by the clocks, or, should those disagree, before our eyes.
    fn is_dead(&mut self, holder: Uuid, body: &Body, after: Duration) -> bool {
        let now = Utc::now();
        if (now - body.beaten_at).to_std().is_ok_and(|age| age >= after) {
            return true;
        }
        match &self.seen {
            Some((known, beat, since)) if *known == holder && *beat == body.beat => since.elapsed() >= after,
            _ => {
                self.seen = Some((holder, body.beat, Instant::now()));
                false
            }
        }
    }
}

/// Keeps leases alive while this value lives.
pub(super) struct Beats {
    task: JoinHandle<()>,
    /// Dropped to end the task after a beat that is under way.
    stop: Option<oneshot::Sender<()>>,
}

impl Beats {
    /// Begins with the next beat; the leases were just taken.
    pub(super) fn start(leases: Vec<Arc<Kept>>, beat: Duration) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let beating = async move {
            while timeout(beat, &mut stopped).await.is_err() {
                for beaten in join_all(leases.iter().map(|lease| lease.beat())).await {
                    // The next beat may get through; without any the lease goes to somebody else.
                    if let Err(error) = beaten {
                        tracing::debug!(%error, "lease was not kept alive");
                    }
                }
            }
        };
        Self {
            task: tokio::spawn(beating.in_current_span()),
            stop: Some(stop),
        }
    }

    /// Ends after a beat that is under way: one that is cut off might be in, and what comes after it would not know.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        if let Err(error) = (&mut self.task).await {
            tracing::debug!(%error, "leases were not kept alive");
        }
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The notes of attempts at a batch, carried by the lease of its table.
pub(crate) struct Carried {
    lease: Arc<Kept>,
    batch: String,
}

impl Carried {
    /// What earlier attempts left, and how many died in a row before this one. Notes about other batches of the table are
    /// forgotten: those are in.
    pub(crate) async fn text(&self) -> (String, usize) {
        let mut state = self.lease.state.lock().await;
        state.body.notes.retain(|batch, _| *batch == self.batch);
        let notes = state.body.notes.get(&self.batch).cloned();
        (notes.unwrap_or_default(), state.body.deaths)
    }

    /// Adds a line. Who waits for it has it outlive this process; else the next beat brings it.
    pub(crate) async fn add(&self, line: &str, waits: bool) -> Result<()> {
        let mut state = self.lease.state.lock().await;
        let notes = state.body.notes.entry(self.batch.clone()).or_default();
        notes.push_str(line);
        notes.push('\n');
        if waits {
            self.lease.write(&mut state).await?;
        }
        Ok(())
    }

    /// Forgets them: the batch is in.
    pub(crate) async fn remove(self) {
        let mut state = self.lease.state.lock().await;
        state.body.notes.remove(&self.batch);
        state.body.deaths = 0;
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use url::Url;

    use super::*;
    use crate::storage::Stores;

    #[tokio::test]
    async fn whose_answer_was_lost_holds_it_and_nobody_else() {
        let root = Url::parse("s3://bucket/locks").unwrap();
        let stores = Stores::default().with(&root, Arc::new(InMemory::new())).unwrap();
        let leases = Leases::at(stores.place(&root).unwrap());
        let table = "a.b".parse().unwrap();
        let (ours, theirs) = (Kept::new(&leases, &table), Kept::new(&leases, &table));
        {
            // As a store that was asked twice leaves it, of which the second answer is "already exists".
            let state = ours.state.lock().await;
            let put = ours.swap(&state.beaten(Body::default()), PutMode::Create).await;
            assert!(put.unwrap().is_some());
        }
        assert_eq!(theirs.try_take().await.unwrap(), Tried::Refused);
        assert_eq!(ours.try_take().await.unwrap(), Tried::Taken);
        ours.give_back().await;
        assert_eq!(theirs.try_take().await.unwrap(), Tried::Taken);
    }
}
