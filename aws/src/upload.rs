//! Uploads in parts whose end is known even where the answer to it was lost.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStoreExt, PutPayload, PutResult, Result, UploadPart};

use crate::explained::{Asked, Explaining};

/// An upload to an object that nobody else writes.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) parts: Box<dyn MultipartUpload>,
    pub(crate) store: AmazonS3,
    pub(crate) path: Path,
    pub(crate) explaining: Arc<Explaining>,
    /// Bytes of all parts.
    pub(crate) bytes: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.bytes += data.content_length() as u64;
        let (part, explaining) = (self.parts.put_part(data), self.explaining.clone());
        Box::pin(async move {
            let put = part.await;
            put.map_err(|error| explaining.explain(Asked::Write, error))
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let error = match self.parts.complete().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // A server that made the object and whose answer was lost knows no such upload when it is asked again.
        if matches!(error, Error::NotFound { .. })
            && let Ok(there) = self.store.head(&self.path).await
            && there.size == self.bytes
        {
            return Ok(PutResult {
                e_tag: there.e_tag,
                version: there.version,
            });
        }
        Err(self.explaining.explain(Asked::Write, error))
    }

    async fn abort(&mut self) -> Result<()> {
        let aborted = self.parts.abort().await;
        aborted.map_err(|error| self.explaining.explain(Asked::Write, error))
    }
}
