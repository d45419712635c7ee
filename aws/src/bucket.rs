//! A bucket as a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, RetryConfig,
};

use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::explained::{Asked, Explaining};
use crate::page::{Nameless, Page};
use crate::renewing::Connecting;
use crate::requests::Counter;
use crate::upload::Upload;
use crate::{ANSWER, CONNECT};

/// How often a request is repeated where the server fails or says that it is too much, and for how long in all. Those who
/// commit settle what became of a request that is given up.
const RETRIES: usize = 8;
const RETRYING: Duration = Duration::from_secs(60);

/// Opens a bucket from what is said here alone: the environment has no say.
pub(crate) fn open(
    name: &str,
    endpoint: Endpoint,
    credentials: Arc<Credentials>,
    kms_key: Option<&str>,
    counter: Counter,
) -> crate::Result<Arc<Bucket>> {
    let explaining = Arc::new(Explaining::new(name, &endpoint));
    let client = ClientOptions::new()
        .with_allow_http(endpoint.address.starts_with("http://"))
        .with_connect_timeout(CONNECT)
        .with_timeout(ANSWER);
    let retries = RetryConfig {
        backoff: BackoffConfig {
            max_backoff: Duration::from_secs(10),
            ..BackoffConfig::default()
        },
        max_retries: RETRIES,
        retry_timeout: RETRYING,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_endpoint(endpoint.address)
        .with_virtual_hosted_style_request(endpoint.is_host_of_bucket)
        .with_region(&endpoint.region)
        // Commits are entries that are put where there is none.
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retries)
        .with_client_options(client)
        .with_credentials(credentials.clone())
        .with_http_connector(Connecting {
            credentials,
            region: endpoint.region,
            counter,
        });
    if let Some(key) = kms_key {
        // Without a bucket key each object would be a call to KMS, and its price.
        builder = builder.with_sse_kms_encryption(key).with_bucket_key(true);
    }
    match builder.build() {
        Ok(store) => Ok(Arc::new(Bucket { store, explaining })),
        Err(source) => Err(Error::Bucket {
            bucket: name.to_owned(),
            source,
        }),
    }
}

/// A bucket whose errors say what can be done about them.
#[derive(Debug)]
pub struct Bucket {
    store: AmazonS3,
    explaining: Arc<Explaining>,
}

impl Bucket {
    /// One page of what lies below a prefix, which is none or ends with a slash. Unlike the listings of a store, which fail of
    /// such keys, it tells of those that no path can have.
    ///
    /// # Errors
    ///
    /// When it cannot be listed, with what is missing.
    pub async fn page(&self, prefix: Option<&str>, mut options: PaginatedListOptions) -> Result<Page> {
        let nameless = Nameless::default();
        options.extensions.insert(nameless.clone());
        let listed = self.store.list_paginated(prefix, options).await;
        let listed = self.explained(Asked::List, listed)?;
        Ok(Page {
            objects: listed.result.objects,
            folders: listed.result.common_prefixes,
            nameless: nameless.keys(),
            next: listed.page_token.filter(|token| !token.is_empty()),
        })
    }

    fn explained<T>(&self, asked: Asked, result: Result<T>) -> Result<T> {
        result.map_err(|error| self.explaining.explain(asked, error))
    }

    fn each<T: Send + 'static>(
        &self,
        asked: Asked,
        results: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let explaining = self.explaining.clone();
        let results = results.map(move |one| one.map_err(|error| explaining.explain(asked, error)));
        results.boxed()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.explained(Asked::Write, self.store.put_opts(path, payload, options).await)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let parts = self.store.put_multipart_opts(path, options).await;
        Ok(Box::new(Upload {
            parts: self.explained(Asked::Write, parts)?,
            store: Arc::new(self.store.clone()),
            path: path.clone(),
            explaining: self.explaining.clone(),
            bytes: 0,
        }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.explained(Asked::Read, self.store.get_opts(path, options).await)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.each(Asked::Delete, self.store.delete_stream(paths))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.each(Asked::List, self.store.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.each(Asked::List, self.store.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.explained(Asked::List, self.store.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.explained(Asked::Write, self.store.copy_opts(from, to, options).await)
    }
}
