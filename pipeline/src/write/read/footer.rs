//! Loading the end of a file: its footer, the page index, and mostly its Bloom filters.

use std::ops::Range;

use bytes::Bytes;
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

/// Bytes at the end of a file that are read first: footer and page index of most files, and all of a small one.
const TAIL_BYTES: u64 = 256 << 10;
/// Bytes that end every file: without them there is nothing to read.
const LEAST_BYTES: u64 = 8;

/// The last bytes of a file.
#[derive(Clone, Default)]
pub(crate) struct Tail {
    start: u64,
    bytes: Bytes,
}

impl Tail {
    /// The bytes of a range, where all of them are here.
    pub(crate) fn slice(&self, range: &Range<u64>) -> Option<Bytes> {
        let from = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        (from <= to && to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Everything that the footer of a file of `size` bytes says, page encoding statistics in full, and what was read for it in
/// one go: `more` bytes before those that footers mostly take.
pub(crate) async fn load(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
    more: u64,
) -> Result<(ParquetMetaData, Tail)> {
    let mut tail = Tail::default();
    if size >= LEAST_BYTES {
        tail.start = size.saturating_sub(TAIL_BYTES.saturating_add(more));
        let read = store.get_range(path, tail.start..size).await;
        tail.bytes = read.map_err(|error| Error::from(error).with("file", path))?;
    }
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_metadata_options(Some(options))
        .with_prefetch_hint(Some(tail.len()));
    let fetch = Fetch {
        store,
        path,
        tail: &tail,
    };
    let metadata = reader.load_and_finish(fetch, size).await;
    let metadata = metadata.map_err(|error| explain(error).with("file", path))?;
    Ok((metadata, tail))
}

struct Fetch<'a> {
    store: &'a dyn ObjectStore,
    path: &'a Path,
    tail: &'a Tail,
}

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        if let Some(bytes) = self.tail.slice(&range) {
            return std::future::ready(Ok(bytes)).boxed();
        }
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
