//! Listings of buckets page by page, which tell also of keys that no path can have.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{ObjectMeta, Result};
use tokio::sync::Semaphore;

/// A page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Objects that can be opened.
    pub objects: Vec<ObjectMeta>,
    /// Folders, where it was asked for those.
    pub folders: Vec<Path>,
    /// Keys that no path can have, whole, and prefixes that none can have, with the slash at their end.
    pub nameless: Vec<String>,
    /// What the next page is asked for with; none: this is the last one.
    pub next: Option<String>,
}

/// A bucket that is listed page by page. Listings of stores have no word for a key that no path can have, and fail of it.
pub trait Paged: Send + Sync {
    /// A page of what lies below a prefix, which is none or ends with a slash.
    fn page<'a>(
        &'a self,
        prefix: Option<&'a str>,
        options: PaginatedListOptions,
    ) -> BoxFuture<'a, Result<Page>>;
}

/// So many pages at the same time at most.
pub(super) struct Limited {
    pages: Arc<dyn Paged>,
    permits: Semaphore,
}

impl Limited {
    pub(super) fn new(pages: Arc<dyn Paged>, at_once: usize) -> Self {
        Self {
            pages,
            permits: Semaphore::new(at_once),
        }
    }
}

impl Paged for Limited {
    fn page<'a>(
        &'a self,
        prefix: Option<&'a str>,
        options: PaginatedListOptions,
    ) -> BoxFuture<'a, Result<Page>> {
        async move {
            // Nobody closes them: there is always a permit to wait for.
            let _permit = self.permits.acquire().await.ok();
            self.pages.page(prefix, options).await
        }
        .boxed()
    }
}
