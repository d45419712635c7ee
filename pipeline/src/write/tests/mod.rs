//! Tests of the write primitive as a whole, against naive models.

mod carrying;
mod dictionaries;
mod finding;
mod opening;
mod rewriting;
mod sinking;

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::runtime::Runtime;

use super::{Edit, OpenFile, WriteOptions, rewrite};

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

fn open(bytes: Vec<u8>) -> OpenFile {
    let size = bytes.len() as u64;
    let (store, path) = (Arc::new(InMemory::new()), Path::from("file.parquet"));
    runtime().block_on(async {
        store.put(&path, bytes.into()).await.unwrap();
        OpenFile::open(store as Arc<dyn ObjectStore>, path, size)
            .await
            .unwrap()
    })
}

/// A file of these rows.
fn file_of(rows: &RecordBatch, options: &WriteOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    rewrite(None, &rows.schema(), &Edit::insert(rows), options, &mut bytes)
        .unwrap()
        .unwrap();
    bytes
}

/// All rows of a file, read by nothing of this module.
fn read_plainly(bytes: &[u8], schema: &SchemaRef) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(schema, &batches).unwrap()
}
