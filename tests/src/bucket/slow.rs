//! A store far away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Keys of one answer to a listing.
const PAGE: usize = 1000;

/// Another store, each answer of which takes so long. Counts what is asked.
#[derive(Debug, Clone)]
pub struct Slow {
    near: Arc<dyn ObjectStore>,
    delay: Duration,
    requests: Arc<AtomicUsize>,
}

impl Slow {
    /// That store, so far away.
    pub fn new(near: Arc<dyn ObjectStore>, delay: Duration) -> Self {
        Self {
            near,
            delay,
            requests: Arc::default(),
        }
    }

    /// Requests since the last call of this.
    pub fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }

    async fn wait(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.delay).await;
    }

    /// A listing, each page of which takes its time.
    fn paged(
        &self,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let view = self.clone();
        let first = stream::once(async move { view.wait().await }).filter_map(async |()| None);
        let view = self.clone();
        let rest = listed.enumerate().then(move |(number, meta)| {
            let view = view.clone();
            async move {
                if number > 0 && number % PAGE == 0 {
                    view.wait().await;
                }
                meta
            }
        });
        first.chain(rest).boxed()
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slow({})", self.near)
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.wait().await;
        self.near.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.wait().await;
        self.near.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.wait().await;
        self.near.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let view = self.clone();
        let chunks = paths.try_chunks(PAGE).then(move |chunk| {
            let view = view.clone();
            async move {
                view.wait().await;
                match chunk {
                    Ok(paths) => view.near.delete_stream(stream::iter(paths).map(Ok).boxed()),
                    Err(error) => stream::iter([Err(error.1)]).boxed(),
                }
            }
        });
        chunks.flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.paged(self.near.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.paged(self.near.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.wait().await;
        self.near.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.wait().await;
        self.near.copy_opts(from, to, options).await
    }
}
