//! A store that counts what is asked of it, and how many answers had to be waited for one after another.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Keys that a bucket lists or deletes with one request.
const PAGE: usize = 1000;
/// Looks without a new request, each after all other tasks had their turn, that show that everybody waits.
const STILL: usize = 20;
/// Between two looks, for what blocking threads do.
const PAUSE: Duration = Duration::from_millis(1);

/// A bucket in memory. Nobody gets an answer before everybody waits for one: so answers come in rounds, and there are as many
/// rounds as answers that had to be waited for one after another.
pub(super) struct Counted {
    bucket: Arc<InMemory>,
    gate: Arc<Gate>,
    /// Whoever lets answers through.
    keeper: AbortHandle,
}

#[derive(Default)]
struct Gate {
    counts: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    asked: Notify,
    seen: Mutex<Asked>,
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Requests by kind, and of what kind of file.
    pub(super) kinds: BTreeMap<String, usize>,
    /// Answers that had to be waited for one after another.
    pub(super) rounds: usize,
    /// Bytes that were read.
    pub(super) read: u64,
}

impl Asked {
    /// All requests.
    pub(super) fn requests(&self) -> usize {
        self.kinds.values().sum()
    }
}

impl Counted {
    /// An empty bucket, on a runtime of one thread.
    pub(super) fn new() -> Arc<Self> {
        let gate = Arc::new(Gate::default());
        let keeper = tokio::spawn(keep(gate.clone())).abort_handle();
        Arc::new(Self {
            bucket: Arc::default(),
            gate,
            keeper,
        })
    }

    /// The bucket, for whom nothing is counted.
    pub(super) fn bucket(&self) -> &InMemory {
        &self.bucket
    }

    /// Begins to count.
    pub(super) fn count(&self) {
        *self.gate.seen.lock().unwrap() = Asked::default();
        self.gate.counts.store(true, Ordering::Relaxed);
    }

    /// What was asked since; from here on nothing is counted.
    pub(super) fn asked(&self) -> Asked {
        self.gate.counts.store(false, Ordering::Relaxed);
        self.gate.seen.lock().unwrap().clone()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Gate {
    /// Counts a request and waits for its round.
    async fn pass(&self, kind: &str, path: &str) {
        if !self.counts.load(Ordering::Relaxed) {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut seen = self.seen.lock().unwrap();
            *seen.kinds.entry(format!("{kind} {}", kind_of(path))).or_default() += 1;
        }
        self.waiting.lock().unwrap().push(sender);
        self.asked.notify_one();
        receiver.await.unwrap();
    }

    /// Further pages of a listing.
    async fn pages(&self, keys: usize, path: &str) {
        for _ in 1..keys.div_ceil(PAGE) {
            self.pass("LIST", path).await;
        }
    }
}

/// Lets answers through, once everybody waits.
async fn keep(gate: Arc<Gate>) {
    loop {
        gate.asked.notified().await;
        let (mut still, mut before) = (0, 0);
        while still < STILL {
            sleep(PAUSE).await;
            let now = gate.waiting.lock().unwrap().len();
            still = if now == before { still + 1 } else { 0 };
            before = now;
        }
        let waiting = std::mem::take(&mut *gate.waiting.lock().unwrap());
        if !waiting.is_empty() {
            gate.seen.lock().unwrap().rounds += 1;
        }
        for one in waiting {
            // Who does not wait any more needs no answer.
            let _ = one.send(());
        }
    }
}

/// What kind of file it is, for whoever reads where requests go.
fn kind_of(path: &str) -> String {
    let table = |path: &str| {
        let parts: Vec<&str> = path.split('/').collect();
        let at = parts.iter().position(|part| *part == "curated");
        at.map_or("raw".to_owned(), |at| {
            parts[at + 1..]
                .iter()
                .take(2)
                .copied()
                .collect::<Vec<_>>()
                .join(".")
        })
    };
    let what = match path.split_once("_delta_log") {
        None => "",
        Some((_, "/_last_checkpoint")) => " hint",
        Some((_, name)) if name.ends_with(".parquet") => " checkpoint",
        Some((_, name)) if name.ends_with(".json") => " entry",
        Some(_) => " log",
    };
    format!("{}{what}", table(path))
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.gate.pass("PUT", path.as_ref()).await;
        self.bucket.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.gate.pass("PUT", path.as_ref()).await;
        self.bucket.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let kind = if options.head { "HEAD" } else { "GET" };
        let is_head = options.head;
        self.gate.pass(kind, path.as_ref()).await;
        let found = self.bucket.get_opts(path, options).await?;
        if !is_head {
            self.gate.seen.lock().unwrap().read += found.range.end - found.range.start;
        }
        Ok(found)
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        let asked = ranges.iter().map(|_| self.gate.pass("GET", path.as_ref()));
        futures::future::join_all(asked).await;
        let read: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.gate.seen.lock().unwrap().read += read;
        self.bucket.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (gate, bucket) = (self.gate.clone(), self.bucket.clone());
        let deleted = async move {
            let paths: Vec<Path> = paths.try_collect().await?;
            for chunk in paths.chunks(PAGE) {
                gate.pass("DELETE", chunk[0].as_ref()).await;
            }
            let paths = stream::iter(paths).map(Ok).boxed();
            Ok::<_, object_store::Error>(bucket.delete_stream(paths))
        };
        stream::once(deleted).try_flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.bucket.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        after: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.bucket.list_with_offset(prefix, after))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.gate.pass("LIST", prefix.map_or("", Path::as_ref)).await;
        self.bucket.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.gate.pass("COPY", from.as_ref()).await;
        self.bucket.copy_opts(from, to, options).await
    }
}

impl Counted {
    fn listed(
        &self,
        prefix: Option<&Path>,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (gate, path) = (self.gate.clone(), prefix.map_or(String::new(), Path::to_string));
        let pages = async move {
            gate.pass("LIST", &path).await;
            let mut found: Vec<ObjectMeta> = listed.try_collect().await?;
            gate.pages(found.len(), &path).await;
            // As buckets do.
            found.sort_by(|one, other| one.location.cmp(&other.location));
            Ok::<_, object_store::Error>(stream::iter(found).map(Ok))
        };
        stream::once(pages).try_flatten().boxed()
    }
}
