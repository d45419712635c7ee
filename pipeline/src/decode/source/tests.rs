use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::runtime::Runtime;

use super::*;
use crate::contract::{CsvFormat, Format};
use crate::decode::decode;

struct Fixture {
    runtime: Runtime,
    store: Arc<InMemory>,
    path: Path,
}

impl Fixture {
    fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
            store: Arc::default(),
            path: Path::from("raw/a.csv"),
        }
    }

    fn put(&self, content: Vec<u8>) -> ObjectMeta {
        self.runtime
            .block_on(self.store.put(&self.path, PutPayload::from(content)))
            .unwrap();
        self.runtime.block_on(self.store.head(&self.path)).unwrap()
    }

    fn reader(&self, object: ObjectMeta) -> ObjectReader {
        ObjectReader::new(self.store.clone(), object, self.runtime.handle().clone())
    }

    fn kind_of_failure(&self, object: ObjectMeta) -> Kind {
        let format = Format::Csv(CsvFormat::default());
        match decode(Box::new(self.reader(object)), &format, None) {
            Err(error) => error.kind(),
            Ok(rows) => rows.last().unwrap().unwrap_err().kind(),
        }
    }
}

#[test]
fn an_object_of_several_ranges_is_read_whole_and_counted() {
    let fixture = Fixture::new();
    let content: Vec<u8> = (0..2 * RANGE + 5).map(|index| (index % 251) as u8).collect();
    let mut reader = fixture.reader(fixture.put(content.clone()));
    let count = reader.count();
    assert_eq!(count.load(Ordering::Relaxed), 0);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == content);
    assert_eq!(count.load(Ordering::Relaxed), content.len() as u64);
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn an_empty_object_is_no_bytes() {
    let fixture = Fixture::new();
    let mut reader = fixture.reader(fixture.put(Vec::new()));
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn an_object_that_was_changed_is_an_error_of_the_data() {
    let fixture = Fixture::new();
    let old = fixture.put(b"a,b\n1,2\n".to_vec());
    fixture.put(b"a,b\n3,4\n".to_vec());
    assert_eq!(fixture.kind_of_failure(old), Kind::Data);
    let empty = fixture.put(Vec::new());
    fixture.put(b"a".to_vec());
    assert_eq!(fixture.kind_of_failure(empty), Kind::Data);
}

#[test]
fn an_object_that_is_changed_between_two_ranges_is_an_error_of_the_data() {
    let fixture = Fixture::new();
    let content = |byte| vec![byte; 3 * RANGE as usize];
    let mut reader = fixture.reader(fixture.put(content(b'x')));
    reader.read_exact(&mut [0; 8]).unwrap();
    fixture.put(content(b'y'));
    let error = reader
        .read_to_end(&mut Vec::new())
        .unwrap_err()
        .downcast::<Error>()
        .unwrap();
    assert_eq!(error.kind(), Kind::Data);
    assert!(error.message().contains("changed while it was read"));
}

#[test]
fn an_object_without_tag_is_recognised_by_time_and_size() {
    let fixture = Fixture::new();
    let mut object = fixture.put(b"a,b\n".to_vec());
    object.e_tag = None;
    assert!(
        fixture
            .reader(object.clone())
            .read_to_end(&mut Vec::new())
            .is_ok()
    );
    let other_size = ObjectMeta {
        size: 3,
        ..object.clone()
    };
    assert_eq!(fixture.kind_of_failure(other_size), Kind::Data);
    let older = ObjectMeta {
        last_modified: object.last_modified - chrono::TimeDelta::seconds(1),
        ..object
    };
    assert_eq!(fixture.kind_of_failure(older), Kind::Data);
}

#[test]
fn an_object_that_is_gone_is_not_found() {
    let fixture = Fixture::new();
    for content in [b"a,b\n".to_vec(), Vec::new()] {
        let object = fixture.put(content);
        fixture
            .runtime
            .block_on(fixture.store.delete(&fixture.path))
            .unwrap();
        assert_eq!(fixture.kind_of_failure(object), Kind::NotFound);
    }
}

#[test]
fn an_object_is_read_once_more_and_by_ranges() {
    let fixture = Fixture::new();
    let content: Vec<u8> = (0..1000).map(|index| (index % 251) as u8).collect();
    let mut reader = fixture.reader(fixture.put(content.clone()));
    reader.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(reader.length(), 1000);
    assert_eq!(reader.range(990..1000).unwrap(), content[990..]);
    let mut again = Vec::new();
    reader.again().unwrap().read_to_end(&mut again).unwrap();
    assert!(again == content);
    assert_eq!(reader.count().load(Ordering::Relaxed), 2010);
}

#[test]
fn a_range_of_an_object_that_was_changed_is_an_error_of_the_data() {
    let fixture = Fixture::new();
    let reader = fixture.reader(fixture.put(vec![1; 100]));
    fixture.put(vec![2; 100]);
    assert_eq!(reader.range(0..10).unwrap_err().kind(), Kind::Data);
    let again = reader.again().unwrap().read_to_end(&mut Vec::new());
    assert_eq!(
        super::super::window::read_error(again.unwrap_err()).kind(),
        Kind::Data
    );
}
