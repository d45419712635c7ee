//! A store that counts what is asked of it, and how much of that in sequence.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::watch;

/// Who asks nothing for so long waits for an answer. Long enough that a machine with other work to do is not taken for it: a
/// pause of its own would count as one more turn.
const QUIET: Duration = Duration::from_millis(250);
/// Keys of one page of a listing, and of one request that deletes.
const PAGE: usize = 1000;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// An object or a range of it.
    Get,
    /// Whether an object is there.
    Head,
    /// A page of a listing.
    List,
    /// An object to be put, or to be begun in parts.
    Put,
    /// Objects to be removed.
    Delete,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) asked: Asked,
    pub(crate) path: String,
    /// Bytes that came or went.
    pub(crate) bytes: u64,
    /// The turn in which it was answered.
    pub(crate) turn: usize,
}

/// What was asked between two looks.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) all: Vec<Request>,
    /// How many of them were one after another.
    pub(crate) in_sequence: usize,
    /// The most that were under way at once.
    pub(crate) at_once: usize,
}

impl Requests {
    /// Those whose path has this in it.
    pub(crate) fn about(&self, part: &str) -> Vec<&Request> {
        let is_about = |request: &&Request| request.path.contains(part);
        self.all.iter().filter(is_about).collect()
    }

    /// Bytes that were read of data files.
    pub(crate) fn data_bytes(&self) -> u64 {
        let is_data = |path: &str| path.ends_with(".parquet") && !path.contains("_delta_log");
        let read = self
            .all
            .iter()
            .filter(|request| request.asked == Asked::Get && is_data(&request.path));
        read.map(|request| request.bytes).sum()
    }
}

impl fmt::Display for Requests {
    /// How many of each kind, and every one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.all.len();
        writeln!(f, "{count} requests, {} in sequence", self.in_sequence)?;
        for Request {
            asked,
            path,
            bytes,
            turn,
        } in &self.all
        {
            writeln!(f, "  {turn}: {asked:?} {path} {bytes}")?;
        }
        Ok(())
    }
}

/// Counts the requests to another store. They are answered in turns: a turn ends when everybody who asks has asked, so
/// there are as many turns as requests have to wait for each other.
#[derive(Clone)]
pub(crate) struct Counting {
    truth: Arc<dyn ObjectStore>,
    seen: Arc<Mutex<Seen>>,
    turn: watch::Sender<u64>,
}

struct Seen {
    requests: Requests,
    /// Requests that wait for the end of the turn.
    waiting: usize,
    last: Instant,
    /// Whether anybody waits at all.
    in_turns: bool,
}

impl Counting {
    /// In front of a store; answers at once until it is asked to count.
    pub(crate) fn new(truth: Arc<dyn ObjectStore>) -> Self {
        Self {
            truth,
            seen: Arc::new(Mutex::new(Seen {
                requests: Requests::default(),
                waiting: 0,
                last: Instant::now(),
                in_turns: false,
            })),
            turn: watch::Sender::new(0),
        }
    }

    /// Begins to count, and to answer in turns.
    pub(crate) fn begin(&self) {
        let mut seen = self.seen();
        (seen.requests, seen.in_turns) = (Requests::default(), true);
    }

    /// What was asked since.
    pub(crate) fn end(&self) -> Requests {
        let mut seen = self.seen();
        seen.in_turns = false;
        std::mem::take(&mut seen.requests)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Counts a request, and waits until all have asked who ask beside it.
    async fn wait(&self, asked: Asked, path: Option<&Path>, bytes: u64) {
        let mut turns = self.turn.subscribe();
        let mine = *turns.borrow_and_update();
        {
            let mut seen = self.seen();
            if !seen.in_turns {
                return;
            }
            seen.last = Instant::now();
            seen.waiting += 1;
            seen.requests.at_once = seen.requests.at_once.max(seen.waiting);
            let path = path.map_or_else(String::new, Path::to_string);
            let turn = seen.requests.in_sequence + 1;
            seen.requests.all.push(Request {
                asked,
                path,
                bytes,
                turn,
            });
        }
        loop {
            let _ = tokio::time::timeout(QUIET, turns.changed()).await;
            let mut seen = self.seen();
            if *self.turn.borrow() != mine {
                return;
            }
            if seen.last.elapsed() >= QUIET {
                seen.requests.in_sequence += 1;
                seen.waiting = 0;
                self.turn.send_modify(|turn| *turn += 1);
                return;
            }
        }
    }

    /// Pages after the first one come one after another.
    async fn wait_for_pages(&self, path: Option<&Path>, listed: usize) {
        for _ in 0..listed.saturating_sub(1) / PAGE {
            self.wait(Asked::List, path, 0).await;
        }
    }

    fn listed(
        &self,
        prefix: Option<&Path>,
        all: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (counting, prefix) = (self.clone(), prefix.cloned());
        let pages = async move {
            counting.wait(Asked::List, prefix.as_ref(), 0).await;
            let all: Vec<_> = all.collect().await;
            counting.wait_for_pages(prefix.as_ref(), all.len()).await;
            futures::stream::iter(all)
        };
        futures::stream::once(pages).flatten().boxed()
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counting({})", self.truth)
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counting({})", self.truth)
    }
}

// Ranges are fetched as the trait has it for stores over a network: near ones in one request.
#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let bytes = payload.content_length() as u64;
        self.wait(Asked::Put, Some(path), bytes).await;
        self.truth.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.wait(Asked::Put, Some(path), 0).await;
        self.truth.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let asked = if options.head { Asked::Head } else { Asked::Get };
        let got = self.truth.get_opts(path, options).await;
        let bytes = got.as_ref().map_or(0, |got| got.range.end - got.range.start);
        let bytes = if asked == Asked::Get { bytes } else { 0 };
        self.wait(asked, Some(path), bytes).await;
        got
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let counting = self.clone();
        let requests = paths.try_chunks(PAGE).then(move |paths| {
            let counting = counting.clone();
            async move {
                let paths = paths.unwrap_or_default();
                counting.wait(Asked::Delete, paths.first(), 0).await;
                counting
                    .truth
                    .delete_stream(futures::stream::iter(paths.into_iter().map(Ok)).boxed())
            }
        });
        requests.flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.truth.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.truth.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.wait(Asked::List, prefix, 0).await;
        let listed = self.truth.list_with_delimiter(prefix).await?;
        let pages = listed.objects.len() + listed.common_prefixes.len();
        self.wait_for_pages(prefix, pages).await;
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.wait(Asked::Put, Some(to), 0).await;
        self.truth.copy_opts(from, to, options).await
    }
}

mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn requests_side_by_side_are_one_turn_and_those_that_wait_for_each_other_are_two() {
        let store = Counting::new(Arc::new(InMemory::new()));
        let (one, other) = (Path::from("one"), Path::from("other"));
        store.put(&one, "first".into()).await.unwrap();
        store.begin();
        let (there, put) = tokio::join!(store.head(&one), store.put(&other, "second".into()));
        assert!(there.is_ok() && put.is_ok());
        store.get(&one).await.unwrap();
        let requests = store.end();
        assert_eq!(
            (requests.all.len(), requests.in_sequence, requests.at_once),
            (3, 2, 2)
        );
        assert_eq!(requests.about("one").len(), 2);
        assert_eq!(
            requests.all.iter().map(|request| request.bytes).sum::<u64>(),
            5 + 6
        );
        // Near ranges are one request.
        store.begin();
        store.get_ranges(&other, &[0..1, 3..5]).await.unwrap();
        assert_eq!(store.end().all.len(), 1);
    }
}
