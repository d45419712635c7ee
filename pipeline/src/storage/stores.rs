//! Which store serves an address.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::limit::LimitStore;
use url::Url;

use crate::error::{Error, Result};

use super::address::folder;
use super::durable::DurableLocal;
use super::paged::{Limited, Paged};
use super::place::Place;
use super::uploads::Uploads;

/// Requests that are under way to a store at the same time: each of more would only wait longer.
const IN_FLIGHT: usize = 32;

/// Stores by the addresses that they serve: `file` is built in, buckets are registered by whoever opens a lake, who knows
/// how they are reached.
///
/// ```
/// use std::sync::Arc;
/// use marketlake_pipeline::Stores;
/// use object_store::memory::InMemory;
/// use url::Url;
///
/// let bucket = Url::parse("s3://retail/").unwrap();
/// let stores = Stores::default().with(&bucket, Arc::new(InMemory::new())).unwrap();
/// # drop(stores);
/// ```
#[derive(Clone)]
pub struct Stores {
    local: Arc<dyn ObjectStore>,
    /// The longest address that an address begins with decides.
    remote: Vec<Remote>,
    uploads: Uploads,
}

/// A bucket, or a part of one.
#[derive(Clone)]
struct Remote {
    root: Url,
    store: Arc<dyn ObjectStore>,
    pages: Option<Arc<dyn Paged>>,
}

impl Default for Stores {
    /// Local folders alone.
    fn default() -> Self {
        Self {
            local: Arc::new(DurableLocal::new()),
            remote: Vec::new(),
            uploads: Uploads::default(),
        }
    }
}

impl Stores {
    /// The same, with a store for everything at and below `root`, such as `s3://bucket/` or, where a part of a bucket is
    /// reached another way than the rest, `s3://bucket/prefix/`. Paths in the store begin at the bucket's root either way.
    ///
    /// # Errors
    /// When the address names no bucket, or is one of local files.
    pub fn with(self, root: &Url, store: Arc<dyn ObjectStore>) -> Result<Self> {
        self.registered(root, store, None)
    }

    /// As [`with`](Self::with), for a bucket whose listings, read as pages, tell also of keys that no path can have: those of
    /// `store` end at such a key.
    ///
    /// # Errors
    /// As there.
    pub fn with_pages(self, root: &Url, store: Arc<dyn ObjectStore>, pages: Arc<dyn Paged>) -> Result<Self> {
        self.registered(root, store, Some(pages))
    }

    fn registered(
        mut self,
        root: &Url,
        store: Arc<dyn ObjectStore>,
        pages: Option<Arc<dyn Paged>>,
    ) -> Result<Self> {
        if root.scheme() == "file" || root.host_str().is_none() {
            return Err(
                Error::usage("a store is registered for a bucket, such as s3://bucket/").with("root", root),
            );
        }
        let root = folder(root);
        self.remote.retain(|known| known.root != root);
        let pages = pages.map(|pages| Limited::new(pages, IN_FLIGHT));
        self.remote.push(Remote {
            root,
            store: Arc::new(LimitStore::new(store, IN_FLIGHT)),
            pages: pages.map(|pages| Arc::new(pages) as Arc<dyn Paged>),
        });
        Ok(self)
    }

    /// The same, with uploads that hold their part of a memory limit at most.
    pub(crate) fn within(self, memory_limit: usize) -> Self {
        Self {
            uploads: Uploads::within(memory_limit),
            ..self
        }
    }

    /// The place of an address, of a folder or of an object.
    ///
    /// # Errors
    /// When no store was registered for it, or it is no path.
    pub(crate) fn place(&self, address: &Url) -> Result<Place> {
        if address.scheme() == "file" {
            return Place::new(address.clone(), self.local.clone(), self.uploads.clone());
        }
        let below = folder(address);
        let serving = self
            .remote
            .iter()
            .filter(|remote| below.as_str().starts_with(remote.root.as_str()));
        let serving = serving.max_by_key(|remote| remote.root.as_str().len());
        let serving = serving.ok_or_else(|| {
            Error::usage("no store is known for this address; give a local folder, or an address of a store that is set up")
                .with("address", address)
        })?;
        let place = Place::new(address.clone(), serving.store.clone(), self.uploads.clone())?;
        Ok(match &serving.pages {
            Some(pages) => place.paged(pages.clone()),
            None => place,
        })
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = self.remote.iter().map(|remote| remote.root.as_str());
        f.debug_list().entry(&"file:///").entries(roots).finish()
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;
    use crate::storage::counting::Counting;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[tokio::test]
    async fn the_longest_root_serves_an_address() {
        let (part, here) = (Arc::new(InMemory::new()), Path::from("here"));
        part.put(&here, "it is".into()).await.unwrap();
        let stores = Stores::default()
            .with(&url("s3://retail"), Arc::new(InMemory::new()))
            .and_then(|stores| stores.with(&url("s3://retail/of/others"), part))
            .unwrap();
        for (address, is_part) in [
            ("s3://retail/", false),
            ("s3://retail/raw/x.csv", false),
            ("s3://retail/of/others-too", false),
            ("s3://retail/of/others", true),
            ("s3://retail/of/others/x.csv", true),
        ] {
            let place = stores.place(&url(address)).unwrap();
            assert_eq!(place.store().head(&here).await.is_ok(), is_part, "{address}");
        }
        let place = stores.place(&url("s3://retail/of/others/a%20b.csv")).unwrap();
        assert_eq!(place.path().as_ref(), "of/others/a b.csv");
        let error = stores.place(&url("s3://retailers/raw")).unwrap_err();
        assert!(error.to_string().contains("no store is known"), "{error}");
    }

    #[tokio::test]
    async fn requests_beyond_those_under_way_wait_for_their_turn() {
        let counting = Counting::new(Arc::new(InMemory::new()));
        let stores = Stores::default().with(&url("s3://retail"), Arc::new(counting.clone()));
        let place = stores.unwrap().place(&url("s3://retail/")).unwrap();
        counting.begin();
        let path = Path::from("nowhere");
        let asked = (0..100).map(|_| place.store().head(&path));
        futures::future::join_all(asked).await;
        let requests = counting.end();
        assert_eq!(
            (requests.all.len(), requests.at_once),
            (100, IN_FLIGHT),
            "{requests}"
        );
    }

    #[test]
    fn only_buckets_are_registered() {
        for root in ["file:///data", "s3:///raw"] {
            assert!(
                Stores::default()
                    .with(&url(root), Arc::new(InMemory::new()))
                    .is_err()
            );
        }
    }
}
