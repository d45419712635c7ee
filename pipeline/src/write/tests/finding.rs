//! Keys found in files, against a naive join.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::{file_of, open};
use crate::write::{Found, KeyIndex, WriteOptions, find};

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
