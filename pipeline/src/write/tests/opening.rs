//! Files that cannot be opened.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::runtime;
use crate::error::Kind;
use crate::write::OpenFile;

fn refusal(bytes: Option<&'static [u8]>) -> Kind {
    let (store, path): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), Path::from("file"));
    let opened = runtime().block_on(async {
        if let Some(bytes) = bytes {
            store.put(&path, bytes.into()).await.unwrap();
        }
        OpenFile::open(store, path, bytes.map_or(100, |bytes| bytes.len() as u64)).await
    });
    opened.err().map(|error| error.kind()).unwrap()
}

#[test]
fn a_file_that_is_gone_is_not_found_and_one_of_other_bytes_is_bad_data() {
    assert_eq!(refusal(None), Kind::NotFound);
    assert_eq!(
        refusal(Some(b"PAR1 but then something else that is no footer")),
        Kind::Data
    );
    assert_eq!(refusal(Some(b"PAR1")), Kind::Data);
}
