//! Keys found in files, against a naive join.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::{file_of, open, runtime};
use crate::storage::counting::Counting;
use crate::write::{Found, KeyIndex, OpenFile, WriteOptions, find};

type Key = (Option<String>, Option<i64>, Option<i32>);

fn batch(keys: &[Key]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys.iter().map(|key| key.0.as_deref()).collect::<StringArray>()),
        Arc::new(keys.iter().map(|key| key.1).collect::<Int64Array>()),
        Arc::new(keys.iter().map(|key| key.2).collect::<Date32Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn names() -> Vec<String> {
    ["name", "number", "day"].map(str::to_owned).to_vec()
}

fn options(bloom: bool) -> WriteOptions {
    let bloom_filters = if bloom {
        BTreeSet::from(["name".to_owned()])
    } else {
        BTreeSet::new()
    };
    WriteOptions {
        row_group_rows: 7,
        small_row_group_rows: 0,
        bloom_filters,
        ..WriteOptions::default()
    }
}

fn key() -> impl Strategy<Value = (String, i64, i32)> {
    ("[a-d]{1}[a-b]{0,40}", -2_i64..3, 20_000..20_004)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn find_equals_a_naive_join(
        wanted in btree_set(key(), 1..12),
        others in vec((option::of("[a-d]{1}[a-b]{0,40}"), option::of(-2_i64..3), option::of(20_000..20_004)), 0..40),
        copies in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
        bloom in any::<bool>(),
        bits in vec(any::<bool>(), 12),
    ) {
        let wanted: Vec<Key> = wanted.into_iter().map(|(a, b, c)| (Some(a), Some(b), Some(c))).collect();
        let mut in_file = others;
        for (from, to) in &copies {
            in_file.insert(to.index(in_file.len() + 1), wanted[from.index(wanted.len())].clone());
        }
        prop_assume!(!in_file.is_empty());
        let file = open(file_of(&batch(&in_file), &options(bloom)));
        let index = KeyIndex::new(&batch(&wanted), &[0, 1, 2]).unwrap();
        let only = BooleanBuffer::from_iter(bits[..wanted.len()].iter().copied());
        let by_key: BTreeMap<&Key, u32> = wanted.iter().zip(0..).collect();
        let joined: Vec<Found> = in_file
            .iter()
            .zip(0..)
            .filter_map(|(key, file_row)| by_key.get(key).map(|key| Found { file_row, key: *key }))
            .collect();
        let selected: Vec<Found> = joined.iter().copied().filter(|found| only.value(found.key as usize)).collect();
        prop_assert_eq!(find(&file, &names(), &index, None).unwrap(), joined);
        prop_assert_eq!(find(&file, &names(), &index, Some(&only)).unwrap(), selected);
    }

    #[test]
    fn between_equals_a_scan(values in btree_set(-20_i64..20, 1..10), low in option::of(-25_i64..25), high in option::of(-25_i64..25)) {
        let keys: Vec<Key> = values.iter().map(|number| (Some("x".into()), Some(*number), Some(1))).collect();
        let index = KeyIndex::new(&batch(&keys), &[1]).unwrap();
        let inside = |value: &i64| low.is_none_or(|low| low <= *value) && high.is_none_or(|high| *value <= high);
        let (lows, highs): (ArrayRef, ArrayRef) = (Arc::new(Int64Array::from(vec![low])), Arc::new(Int64Array::from(vec![high])));
        let found: Vec<i64> = index.between(0, &lows, &highs, 0).unwrap().iter().map(|row| values.iter().nth(*row as usize).copied().unwrap()).collect();
        let scanned: Vec<i64> = values.iter().copied().filter(inside).collect();
        prop_assert_eq!(found, scanned);
    }
}

#[test]
fn keys_that_repeat_or_are_null_are_refused() {
    let key = |name: Option<&str>| (name.map(str::to_owned), Some(1), Some(1));
    assert!(KeyIndex::new(&batch(&[key(Some("a")), key(Some("a"))]), &[0, 1]).is_err());
    assert!(KeyIndex::new(&batch(&[key(Some("a")), key(None)]), &[0]).is_err());
    assert!(KeyIndex::new(&batch(&[key(Some("a")), key(None)]), &[1, 0]).is_err());
}

#[test]
fn an_index_of_no_keys_finds_nothing() {
    let file = open(file_of(
        &batch(&[(Some("a".into()), Some(1), Some(1))]),
        &options(true),
    ));
    let index = KeyIndex::new(&batch(&[]), &[0, 1, 2]).unwrap();
    assert!(index.is_empty());
    assert_eq!(find(&file, &names(), &index, None).unwrap(), []);
}

/// Rows of a file that is longer than what is read of its end at first.
const MANY: u64 = 100_000;

/// Names without order, whose numbers are between those of the file.
fn scattered(keys: impl Iterator<Item = u64>) -> RecordBatch {
    let key = |n: u64| {
        let name = format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (Some(name), Some((n % MANY) as i64), Some(1))
    };
    batch(&keys.map(key).collect::<Vec<_>>())
}

#[test]
fn thousands_of_keys_that_a_file_lacks_cost_one_read_of_its_end() {
    let options = WriteOptions {
        row_group_rows: 20_000,
        ..options(true)
    };
    let bytes = file_of(&scattered(0..MANY), &options);
    let (size, path) = (bytes.len() as u64, Path::from("file.parquet"));
    assert!(size > (256 << 10) + 8 * MANY, "{size} bytes");
    let store = Counting::new(Arc::new(InMemory::new()));
    let counted = store.clone();
    let file = runtime().block_on(async move {
        store.put(&path, bytes.into()).await.unwrap();
        store.begin();
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        OpenFile::open_with(store, path, size, 8 * MANY).await.unwrap()
    });
    let index_of = |keys: &RecordBatch| KeyIndex::new(keys, &[0, 1, 2]).unwrap();
    let lacking = index_of(&scattered(MANY..MANY + 5_000));
    assert_eq!(find(&file, &names(), &lacking, None).unwrap(), []);
    let requests = counted.end();
    assert_eq!(requests.all.len(), 1, "{requests}");
    // What it has is found by one more read of each row group that has it.
    counted.begin();
    let some = index_of(&scattered((0..1_000).chain(MANY..MANY + 5_000)));
    assert_eq!(find(&file, &names(), &some, None).unwrap().len(), 1_000);
    let requests = counted.end();
    assert_eq!(requests.all.len(), 1, "{requests}");
}

#[test]
fn a_small_file_is_read_once_whatever_is_asked_of_it() {
    let rows = scattered(0..1_000);
    let bytes = file_of(&rows, &options(true));
    let (size, path) = (bytes.len() as u64, Path::from("file.parquet"));
    let store = Counting::new(Arc::new(InMemory::new()));
    let counted = store.clone();
    let file = runtime().block_on(async move {
        store.put(&path, bytes.into()).await.unwrap();
        store.begin();
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        OpenFile::open(store, path, size).await.unwrap()
    });
    let index = KeyIndex::new(&scattered(500..1_500), &[0, 1, 2]).unwrap();
    assert_eq!(find(&file, &names(), &index, None).unwrap().len(), 500);
    let read = file
        .read_rows(&(0..1_000).collect::<Vec<_>>(), &rows.schema())
        .unwrap();
    assert_eq!(read, rows);
    let requests = counted.end();
    assert_eq!(requests.all.len(), 1, "{requests}");
}
