//! Files that are finished, and files that are not.

use std::io::Write;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use super::runtime;
use crate::storage::{Place, Sink, Stores};

fn local(directory: &std::path::Path, path: &str) -> (Sink, Arc<dyn ObjectStore>) {
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(directory).unwrap());
    (
        Sink::new(&Place::of_folder(directory), &Path::from(path)).unwrap(),
        store,
    )
}

fn arrive(sink: Sink) {
    runtime().block_on(sink.finish().unwrap().arrived()).unwrap();
}

#[test]
fn a_local_file_is_where_the_store_looks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = "order_date=2026-01-02/odd %25 name é.parquet";
    let (mut sink, store) = local(directory.path(), path);
    sink.write_all(b"rows").unwrap();
    arrive(sink);
    let read =
        runtime().block_on(async { store.get(&Path::from(path)).await.unwrap().bytes().await.unwrap() });
    assert_eq!(read.as_ref(), b"rows");
}

#[test]
fn a_local_file_never_replaces_another() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("part"), b"old").unwrap();
    let (mut sink, _) = local(directory.path(), "part");
    let error = sink.write_all(b"new").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    drop(sink);
    assert_eq!(std::fs::read(directory.path().join("part")).unwrap(), b"old");
}

#[test]
fn an_unfinished_local_file_goes_away_and_an_unused_sink_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut sink, _) = local(directory.path(), "part");
    sink.write_all(&vec![1; 3 << 20]).unwrap();
    assert!(directory.path().join("part").exists());
    drop(sink);
    drop(local(directory.path(), "below/part"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn uploads_small_and_large_arrive_whole() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let root = Url::parse("s3://bucket/").unwrap();
    let stores = Stores::default().with(&root, Arc::clone(&store)).unwrap();
    let _runtime = runtime().enter();
    for size in [0, 10, 8 << 20, (20 << 20) + 3] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let path = Path::from(format!("of-{size}"));
        let mut sink = Sink::new(&stores.place(&root).unwrap(), &path).unwrap();
        bytes
            .chunks(1_000_003)
            .for_each(|part| sink.write_all(part).unwrap());
        arrive(sink);
        let read = runtime().block_on(async { store.get(&path).await.unwrap().bytes().await.unwrap() });
        assert!(read.as_ref() == bytes, "{size} bytes");
    }
}
