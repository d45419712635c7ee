//! A bucket in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use cases::Delivery;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// When holders of leases showed life last that have died.
pub const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// Objects in memory, with times that a test gives them.
#[derive(Debug, Default)]
pub struct Shelf {
    objects: InMemory,
    modified: Mutex<BTreeMap<Path, DateTime<Utc>>>,
}

impl Shelf {
    /// Puts an object there, as somebody else does who delivers it.
    ///
    /// # Errors
    ///
    /// When its key is none of an object.
    pub async fn deliver(&self, key: &str, delivery: &Delivery) -> anyhow::Result<()> {
        let path = Path::parse(key).with_context(|| format!("{key} is no path in a bucket"))?;
        self.objects.put(&path, delivery.bytes.clone().into()).await?;
        let mut modified = self.modified.lock().unwrap_or_else(PoisonError::into_inner);
        modified.insert(path, delivery.modified);
        Ok(())
    }

    /// Leases that somebody holds, with what they say.
    ///
    /// # Errors
    ///
    /// When a lease is none.
    pub async fn held(&self) -> anyhow::Result<Vec<(Path, serde_json::Value)>> {
        let mut held = Vec::new();
        let mut listed = self.objects.list(None);
        while let Some(meta) = listed.try_next().await? {
            if !meta.location.as_ref().ends_with(".lease") {
                continue;
            }
            let text = self.objects.get(&meta.location).await?.bytes().await?;
            let lease: serde_json::Value = serde_json::from_slice(&text)?;
            if !lease["holder"].is_null() {
                held.push((meta.location, lease));
            }
        }
        Ok(held)
    }

    /// So much time passes that whoever held a lease and shows no life is dead.
    ///
    /// # Errors
    ///
    /// When a lease is none.
    pub async fn wait_for_the_dead(&self) -> anyhow::Result<()> {
        for (path, mut lease) in self.held().await? {
            lease["beaten_at"] = LONG_AGO.into();
            self.objects.put(&path, lease.to_string().into()).await?;
        }
        Ok(())
    }

    fn modified(&self, meta: &ObjectMeta) -> DateTime<Utc> {
        let modified = self.modified.lock().unwrap_or_else(PoisonError::into_inner);
        let at = modified.get(&meta.location).copied();
        at.unwrap_or(meta.last_modified).trunc_subsecs(0)
    }

    fn listed(&self, mut meta: ObjectMeta) -> ObjectMeta {
        meta.last_modified = self.modified(&meta) + TimeDelta::milliseconds(123);
        meta
    }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

#[async_trait]
impl ObjectStore for Shelf {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.objects.get_opts(path, options).await?;
        found.meta.last_modified = self.modified(&found.meta);
        Ok(found)
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.objects.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.objects.list(prefix).collect::<Vec<_>>();
        // What is in memory is there at once.
        let listed = futures::executor::block_on(listed);
        let listed: Vec<_> = listed.into_iter().map(|meta| Ok(self.listed(meta?))).collect();
        futures::stream::iter(listed).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.objects.list_with_delimiter(prefix).await?;
        listed.objects = listed.objects.into_iter().map(|meta| self.listed(meta)).collect();
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
