//! A process's view of a bucket: it ends with the process.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

use super::Shelf;

/// How a process sees a bucket. At the write that was said it dies: every second time that write is in nevertheless. From
/// then on nothing that is left of it reaches the bucket.
#[derive(Debug, Clone)]
pub struct Mortal {
    shelf: Arc<Shelf>,
    dies_at: Option<usize>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    writes: AtomicUsize,
    is_dead: AtomicBool,
    death: Notify,
}

impl State {
    fn die(&self) -> Error {
        self.is_dead.store(true, Ordering::SeqCst);
        self.death.notify_one();
        gone()
    }
}

impl Mortal {
    /// A view that lasts, or one that ends at that write, counted from one.
    pub fn new(shelf: Arc<Shelf>, dies_at: Option<usize>) -> Self {
        Self {
            shelf,
            dies_at,
            state: Arc::default(),
        }
    }

    /// Writes so far.
    pub fn writes(&self) -> usize {
        self.state.writes.load(Ordering::SeqCst)
    }

    /// Whether it is over.
    pub fn is_dead(&self) -> bool {
        self.state.is_dead.load(Ordering::SeqCst)
    }

    /// Waits for the death.
    pub async fn death(&self) {
        self.state.death.notified().await;
    }

    fn lives(&self) -> Result<()> {
        match self.is_dead() {
            true => Err(gone()),
            false => Ok(()),
        }
    }

    /// Does one write, unless the process is dead, or dies before it.
    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.lives()?;
        let number = self.state.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.dies_at != Some(number) {
            return write.await;
        }
        if number.is_multiple_of(2) {
            drop(write.await);
        }
        Err(self.state.die())
    }
}

fn gone() -> Error {
    Error::Generic {
        store: "Mortal",
        source: "the process is dead".into(),
    }
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mortal")
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.write(self.shelf.put_opts(path, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.write(self.shelf.put_multipart_opts(path, opts)).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.lives()?;
        self.shelf.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.lives()?;
        self.shelf.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let view = self.clone();
        let removed = paths.and_then(move |path| {
            let view = view.clone();
            async move {
                let removed = view
                    .shelf
                    .delete_stream(futures::stream::iter([Ok(path)]).boxed());
                let removed = removed.try_collect::<Vec<_>>();
                let removed = view.write(removed).await?;
                removed.into_iter().next().ok_or_else(gone)
            }
            .boxed()
        });
        removed.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.lives() {
            Ok(()) => self.shelf.list(prefix),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.lives()?;
        self.shelf.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.write(self.shelf.copy_opts(from, to, options)).await
    }
}
