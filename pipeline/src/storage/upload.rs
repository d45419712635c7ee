//! A new object of a store, uploaded in parts where it is large.

use std::io;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::error::{Error, Result};

use super::place::Place;
use super::uploads::Uploads;

/// Bytes of a part of an upload; smaller objects are put at once.
pub(super) const PART_BYTES: usize = 8 << 20;
/// Parts of one upload that are under way at a time.
const PARTS_AT_ONCE: usize = 4;

/// Bytes on their way to an object.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    runtime: Handle,
    uploads: Uploads,
    buffer: Vec<u8>,
    parts: Option<Parts>,
}

impl Upload {
    /// Of an object at `path` below `root`, on the Tokio runtime of the caller. Nothing is created before the first part.
    pub(super) fn new(root: &Place, path: &Path) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|error| {
            Error::internal("an upload needs the thread to belong to a Tokio runtime").because(error)
        })?;
        Ok(Self {
            store: root.store().clone(),
            path: root.path().parts().chain(path.parts()).collect(),
            runtime,
            uploads: root.uploads().clone(),
            buffer: Vec::new(),
            parts: None,
        })
    }

    /// Bytes that wait for [`Upload::finish`].
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The room that they take part of.
    pub(super) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Takes bytes, and waits where too many are under way. Blocks.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.buffer.len() + bytes.len() >= PART_BYTES {
            let (fits, rest) = bytes.split_at(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(fits);
            let runtime = self.runtime.clone();
            runtime.block_on(self.send())?;
            bytes = rest;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Starts the upload of what is buffered.
    async fn send(&mut self) -> io::Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let upload = self.store.put_multipart(&self.path).await?;
                self.parts.insert(Parts::of(upload))
            }
        };
        parts.fewer_than(PARTS_AT_ONCE).await?;
        let bytes = std::mem::take(&mut self.buffer);
        parts
            .put(bytes, Some(&self.uploads))
            .await
            .map_err(io::Error::other)
    }

    /// Waits until the object is there. Who calls it has room for what is buffered.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.buffer);
        let done = match &mut self.parts {
            Some(parts) => {
                if !rest.is_empty() {
                    parts.put(rest, None).await?;
                }
                parts.finish().await
            }
            None => self.store.put(&self.path, rest.into()).await.map(|_| ()),
        };
        if done.is_ok() {
            self.parts = None;
        }
        done.map_err(|error| Error::from(error).with("object", &self.path))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            // Nobody waits for it, since a panic may be under way on this thread.
            drop(self.runtime.spawn(async move {
                parts.under_way.shutdown().await;
                parts.upload.abort().await
            }));
        }
    }
}

/// The parts of an object.
struct Parts {
    upload: Box<dyn MultipartUpload>,
    under_way: JoinSet<object_store::Result<()>>,
}

impl Parts {
    fn of(upload: Box<dyn MultipartUpload>) -> Self {
        Self {
            upload,
            under_way: JoinSet::new(),
        }
    }

    /// Waits until fewer parts than that are under way.
    async fn fewer_than(&mut self, most: usize) -> object_store::Result<()> {
        while self.under_way.len() >= most {
            self.next().await.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Sends a part, once there is room for it among all uploads.
    async fn put(&mut self, bytes: Vec<u8>, uploads: Option<&Uploads>) -> Result<()> {
        let room = match uploads {
            Some(uploads) => Some(uploads.take(bytes.len()).await?),
            None => None,
        };
        let part = self.upload.put_part(bytes.into());
        self.under_way.spawn(async move {
            let sent = part.await;
            drop(room);
            sent
        });
        Ok(())
    }

    /// Waits for all parts, and has the store make an object of them.
    async fn finish(&mut self) -> object_store::Result<()> {
        self.fewer_than(1).await?;
        self.upload.complete().await.map(|_| ())
    }

    async fn next(&mut self) -> Option<object_store::Result<()>> {
        let ended = self.under_way.join_next().await?;
        Some(ended.unwrap_or_else(|error| Err(error.into())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use object_store::{PutPayload, PutResult, UploadPart};

    use super::*;

    /// Counts the bytes that are under way to all objects.
    #[derive(Debug, Clone, Default)]
    struct Held(Arc<(AtomicUsize, AtomicUsize)>);

    #[async_trait]
    impl MultipartUpload for Held {
        fn put_part(&mut self, bytes: PutPayload) -> UploadPart {
            let (held, length) = (self.0.clone(), bytes.content_length());
            let now = held.0.fetch_add(length, Ordering::SeqCst) + length;
            held.1.fetch_max(now, Ordering::SeqCst);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                held.0.fetch_sub(length, Ordering::SeqCst);
                Ok(())
            })
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            Ok(PutResult {
                e_tag: None,
                version: None,
            })
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn all_uploads_together_hold_no_more_than_they_may() {
        let (held, uploads) = (Held::default(), Uploads::within(16 * 2 * PART_BYTES));
        let one = || async {
            let mut parts = Parts::of(Box::new(held.clone()));
            for _ in 0..5 {
                parts.fewer_than(PARTS_AT_ONCE).await.unwrap();
                parts.put(vec![0; PART_BYTES], Some(&uploads)).await.unwrap();
            }
            parts.finish().await.unwrap();
        };
        tokio::join!(one(), one(), one());
        assert_eq!(held.0.1.load(Ordering::SeqCst), 2 * PART_BYTES);
        assert_eq!(held.0.0.load(Ordering::SeqCst), 0);
    }
}
