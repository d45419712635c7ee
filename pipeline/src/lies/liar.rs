//! A store that sometimes does one thing with the entry of a log and says another.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::storage::durable::DurableLocal;

/// What becomes of a put, and what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Applied, "already exists".
    InButTaken,
    /// Applied, an error.
    InButFailed,
    /// Applied, "a condition is not met".
    InButConflict,
    /// Applied, no answer.
    InButSilent,
    /// Not applied, "already exists".
    OutButTaken,
    /// Not applied, an error.
    OutButFailed,
    /// Not applied, no answer.
    OutAndSilent,
    /// An error, and applied a little later.
    LateButFailed,
    /// "Already exists", and applied a little later.
    LateButTaken,
    /// Somebody else's entry, which changes nothing, is there first; the truth is said.
    SomebodyFirst,
    /// Not applied, an error, however often.
    NeverIn,
    /// Applied, and said so; from then on the log cannot be read.
    InAndUnreadable,
}

const BY_CHANCE: [Lie; 10] = [
    Lie::InButTaken,
    Lie::InButFailed,
    Lie::InButConflict,
    Lie::InButSilent,
    Lie::OutButTaken,
    Lie::OutButFailed,
    Lie::OutAndSilent,
    Lie::LateButFailed,
    Lie::LateButTaken,
    Lie::SomebodyFirst,
];

/// Lies about entries, by chance or by plan.
pub(super) struct Liar {
    truth: Arc<dyn ObjectStore>,
    plan: Mutex<Plan>,
    /// The log that cannot be read.
    unreadable: Mutex<Option<String>>,
    honest: AtomicBool,
    told: AtomicU64,
}

enum Plan {
    /// So many of a thousand entries; of other puts, and of entries that are read, a tenth of that fail.
    Chance { rng: Rng, share: u64 },
    /// So many more times this one, about some entries.
    One {
        lie: Lie,
        left: u64,
        about: Arc<dyn Fn(&Path) -> bool + Send + Sync>,
    },
}

impl Liar {
    /// About so many of a thousand entries.
    pub(super) fn by_chance(seed: u64, share: u64) -> Self {
        Self::new(Plan::Chance {
            rng: Rng(seed),
            share,
        })
    }

    /// The same lie so many times, about some entries.
    pub(super) fn about(lie: Lie, times: u64, about: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Plan::One {
            lie,
            left: times,
            about: Arc::new(about),
        })
    }

    fn new(plan: Plan) -> Self {
        Self {
            truth: Arc::new(DurableLocal::new()),
            plan: Mutex::new(plan),
            unreadable: Mutex::default(),
            honest: AtomicBool::new(false),
            told: AtomicU64::new(0),
        }
    }

    pub(super) fn be_honest(&self) {
        self.honest.store(true, Ordering::Relaxed);
    }

    pub(super) fn begin(&self) {
        self.honest.store(false, Ordering::Relaxed);
    }

    /// From now on another one, about the same entries.
    pub(super) fn tell(&self, other: Lie, times: u64) {
        if let Plan::One { lie, left, .. } = &mut *self.plan.lock().unwrap() {
            (*lie, *left) = (other, times);
        }
    }

    /// Lies so far.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// What to do with the put of an entry.
    fn lie(&self, path: &Path) -> Option<Lie> {
        if self.honest.load(Ordering::Relaxed) {
            return None;
        }
        let lie = match &mut *self.plan.lock().unwrap() {
            Plan::Chance { rng, share } => (rng.below(1000) < *share).then(|| {
                // Those that nobody answers cost the time of an answer.
                let lie = BY_CHANCE[rng.below(BY_CHANCE.len() as u64) as usize];
                let is_silent = matches!(lie, Lie::InButSilent | Lie::OutAndSilent);
                if is_silent && rng.below(4) > 0 {
                    Lie::InButTaken
                } else {
                    lie
                }
            }),
            Plan::One { lie, left, about } => {
                let tells = *left > 0 && about(path);
                *left -= u64::from(tells && *left < u64::MAX);
                tells.then_some(*lie)
            }
        };
        self.told.fetch_add(u64::from(lie.is_some()), Ordering::Relaxed);
        lie
    }

    /// Whether an entry cannot be read.
    fn hides(&self, path: &Path) -> bool {
        let unreadable = self.unreadable.lock().unwrap();
        let is_of_log = unreadable
            .as_ref()
            .is_some_and(|log| path.as_ref().starts_with(log));
        (is_of_log && !self.honest.load(Ordering::Relaxed)) || self.fails()
    }

    /// Whether something else than the put of an entry fails.
    fn fails(&self) -> bool {
        if self.honest.load(Ordering::Relaxed) {
            return false;
        }
        match &mut *self.plan.lock().unwrap() {
            Plan::Chance { rng, share } => rng.below(10_000) < *share / 4,
            Plan::One { .. } => false,
        }
    }
}

/// Splitmix64.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn failed<T>() -> Result<T> {
    Err(Error::Generic {
        store: "liar",
        source: "internal error, try again".into(),
    })
}

fn taken<T>(path: &Path) -> Result<T> {
    Err(Error::AlreadyExists {
        path: path.to_string(),
        source: "taken".into(),
    })
}

fn is_entry(path: &Path) -> bool {
    path.as_ref().contains("/_delta_log/0") && path.as_ref().ends_with(".json")
}

impl fmt::Debug for Liar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Liar({})", self.truth)
    }
}

impl fmt::Display for Liar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Liar({})", self.truth)
    }
}

#[async_trait]
impl ObjectStore for Liar {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if !(is_entry(path) && opts.mode == PutMode::Create) {
            return match self.fails() {
                true => failed(),
                false => self.truth.put_opts(path, payload, opts).await,
            };
        }
        let Some(lie) = self.lie(path) else {
            return self.truth.put_opts(path, payload, opts).await;
        };
        match lie {
            Lie::InButTaken | Lie::InButFailed | Lie::InButConflict | Lie::InButSilent => {
                // Where it is taken indeed, that is no lie.
                self.truth.put_opts(path, payload, opts).await?;
            }
            Lie::LateButFailed | Lie::LateButTaken => {
                let (truth, path) = (self.truth.clone(), path.clone());
                let later = Duration::from_millis(payload.content_length() as u64 % 30);
                drop(tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    truth.put_opts(&path, payload, opts).await.is_ok()
                }));
            }
            Lie::SomebodyFirst if !path.as_ref().ends_with("/00000000000000000000.json") => {
                let nothing = "{\"commitInfo\":{\"operation\":\"NOTHING\"}}\n";
                // One that is taken already is somebody else's, too.
                let _ = self.truth.put_opts(path, nothing.into(), opts.clone()).await;
                return self.truth.put_opts(path, payload, opts).await;
            }
            Lie::InAndUnreadable => {
                let done = self.truth.put_opts(path, payload, opts).await?;
                let log = path.as_ref().rsplit_once('/').map(|(log, _)| log.to_owned());
                *self.unreadable.lock().unwrap() = log;
                return Ok(done);
            }
            Lie::SomebodyFirst => return self.truth.put_opts(path, payload, opts).await,
            Lie::OutButTaken | Lie::OutButFailed | Lie::OutAndSilent | Lie::NeverIn => {}
        }
        match lie {
            Lie::InButTaken | Lie::OutButTaken | Lie::LateButTaken => taken(path),
            Lie::InButConflict => Err(Error::Precondition {
                path: path.to_string(),
                source: "conflict".into(),
            }),
            Lie::InButSilent | Lie::OutAndSilent => std::future::pending().await,
            _ => failed(),
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if is_entry(path) && self.hides(path) {
            return failed();
        }
        self.truth.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.truth.get_ranges(path, ranges).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.truth.put_multipart_opts(path, opts).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.truth.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.truth.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.truth.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.truth.copy_opts(from, to, options).await
    }
}
