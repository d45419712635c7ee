//! Uploads in parts whose end is known even where the answer to it was lost.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutResult, Result, UploadPart,
};

use crate::explained::{Asked, Explaining};

/// An upload to an object that nobody else writes.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) parts: Box<dyn MultipartUpload>,
    pub(crate) store: Arc<dyn ObjectStore>,
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

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::endpoint::Endpoint;

    /// Puts what it was given when it is completed, and then does not know of it any more.
    #[derive(Debug)]
    struct Forgetful {
        store: Arc<dyn ObjectStore>,
        puts: Option<&'static str>,
    }

    #[async_trait]
    impl MultipartUpload for Forgetful {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            Box::pin(async { Ok(()) })
        }

        async fn complete(&mut self) -> Result<PutResult> {
            if let Some(text) = self.puts {
                self.store.put(&Path::from("a"), text.into()).await?;
            }
            Err(Error::NotFound {
                path: "a".to_owned(),
                source: "<Error><Code>NoSuchUpload</Code></Error>".into(),
            })
        }

        async fn abort(&mut self) -> Result<()> {
            Ok(())
        }
    }

    async fn completed(puts: Option<&'static str>) -> Result<PutResult> {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let endpoint = Endpoint {
            address: "http://host".to_owned(),
            is_host_of_bucket: false,
            region: "eu-west-1".to_owned(),
        };
        let mut upload = Upload {
            parts: Box::new(Forgetful {
                store: store.clone(),
                puts,
            }),
            store,
            path: Path::from("a"),
            explaining: Arc::new(Explaining::new("retail", &endpoint)),
            bytes: 0,
        };
        upload.put_part("first ".into()).await?;
        upload.put_part("second".into()).await?;
        upload.complete().await
    }

    #[tokio::test]
    async fn an_upload_that_is_not_known_any_more_is_complete_where_the_object_is_there() {
        assert!(completed(Some("first second")).await.unwrap().e_tag.is_some());
        assert!(completed(Some("first")).await.is_err());
        assert!(completed(None).await.is_err());
    }
}
