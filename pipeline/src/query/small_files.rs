//! Files of a bucket that are no longer than what is read of the end of a file first: they are fetched once, as a whole.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tokio::sync::OnceCell;

use super::provider::TAIL_BYTES;

/// Files that are kept for others who read them: so many at most.
const KEPT: usize = 256;

/// The content of a file, once it was fetched.
type Content = Arc<OnceCell<Bytes>>;

/// Opens files, and keeps the small ones for as long as it lives.
#[derive(Debug)]
pub(super) struct SmallFiles {
    store: Arc<dyn ObjectStore>,
    others: DefaultParquetFileReaderFactory,
    kept: Mutex<HashMap<Path, Content>>,
}

impl SmallFiles {
    /// Of this store.
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            others: DefaultParquetFileReaderFactory::new(store.clone()),
            store,
            kept: Mutex::default(),
        }
    }

    fn content(&self, path: &Path) -> Content {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(path) {
            return Content::default();
        }
        kept.entry(path.clone()).or_default().clone()
    }
}

impl ParquetFileReaderFactory for SmallFiles {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        if file.object_meta.size > TAIL_BYTES as u64 {
            return self
                .others
                .create_reader(partition_index, file, metadata_size_hint, metrics);
        }
        let path = file.object_meta.location;
        Ok(Box::new(SmallFile {
            store: self.store.clone(),
            content: self.content(&path),
            path,
        }))
    }
}

/// A small file that is read.
struct SmallFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    content: Content,
}

impl SmallFile {
    async fn content(&self) -> ParquetResult<Bytes> {
        let fetch = async || self.store.get(&self.path).await?.bytes().await;
        let content = self.content.get_or_try_init(fetch).await;
        content
            .cloned()
            .map_err(|error: object_store::Error| ParquetError::External(Box::new(error)))
    }
}

impl AsyncFileReader for SmallFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let content = self.content().await?;
            let range = range.start as usize..range.end as usize;
            if range.end > content.len() || range.start > range.end {
                return Err(ParquetError::EOF(format!(
                    "{} ends before {}",
                    self.path, range.end
                )));
            }
            Ok(content.slice(range))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let mut reader = ParquetMetaDataReader::new();
            if let Some(options) = options {
                reader = reader
                    .with_metadata_options(Some(options.metadata_options().clone()))
                    .with_column_index_policy(options.column_index_policy())
                    .with_offset_index_policy(options.offset_index_policy());
            }
            Ok(Arc::new(reader.parse_and_finish(&self.content().await?)?))
        }
        .boxed()
    }
}
