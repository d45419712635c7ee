//! Loading a footer with its page index.

use std::ops::Range;

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
};

use crate::error::{Error, Kind, Result};

/// Bytes at the end of a file that are read first: footer and page index of most files.
const PREFETCH_BYTES: usize = 64 << 10;

/// Everything that the footer of a file of `size` bytes says, page encoding statistics in full.
pub(crate) async fn load(store: &dyn ObjectStore, path: &Path, size: u64) -> Result<ParquetMetaData> {
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_metadata_options(Some(options))
        .with_prefetch_hint(Some(PREFETCH_BYTES));
    let metadata = reader.load_and_finish(Fetch { store, path }, size).await;
    metadata.map_err(|error| explain(error).with("file", path))
}

struct Fetch<'a> {
    store: &'a dyn ObjectStore,
    path: &'a Path,
}

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<bytes::Bytes>> {
        let read = self.store.get_range(self.path, range);
        read.map(|bytes| bytes.map_err(|error| ParquetError::External(Box::new(error))))
            .boxed()
    }
}

fn explain(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
            Ok(storage) => Error::from(*storage),
            Err(other) => Error::new(Kind::Io, "parquet footer could not be read").because(other),
        },
        other => Error::data("file is no whole parquet file").because(other),
    }
}
