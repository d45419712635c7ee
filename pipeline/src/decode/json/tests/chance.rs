//! Any objects, any bytes and any damage, in any pieces.

use std::io::Cursor as Bytes;

use proptest::prelude::*;

use super::damage::{damaged, whole};
use super::*;
use crate::decode::testing::{Trickle, read_from};

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::Array),
            object(inner),
        ]
    })
}

fn object(values: impl Strategy<Value = serde_json::Value>) -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(vec!["a", "b", "key", "é\"", "\n"]).prop_map(str::to_owned);
    proptest::collection::btree_map(key, values, 0..4)
        .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect()))
}

/// What the fields of an object should be.
fn flattened(path: &str, value: &serde_json::Value, row: &mut Row) {
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => {
            row.insert(path.to_owned(), text.clone());
        }
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flattened(&path, value, row);
            }
        }
        other => {
            row.insert(path.to_owned(), other.to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn objects_in_any_dress_and_any_pieces_give_their_fields(
        objects in proptest::collection::vec(object(value()), 0..6),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
        dress in 0..4,
    ) {
        let texts: Vec<_> = objects.iter().map(ToString::to_string).collect();
        let text = match dress {
            0 => texts.concat(),
            1 => texts.join("\n"),
            2 => format!("[{}]", texts.join(",")),
            _ => serde_json::to_string_pretty(&objects).unwrap(),
        };
        let wanted: Vec<Row> = objects.iter().map(|object| {
            let mut row = Row::new();
            flattened("", object, &mut row);
            row
        }).collect();
        let input = Trickle { bytes: Bytes::new(text.into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 4, ..Limits::default() };
        let all = read_from(Box::new(input), &PLAIN, limits).unwrap();
        prop_assert_eq!(&all.malformed, &[]);
        let mut rows: Vec<_> = all.rows.into_iter().map(|(_, row)| row).collect();
        if dress == 3 {
            // Arrays keep their white space.
            rows.iter_mut().for_each(compact);
        }
        prop_assert_eq!(rows, wanted);
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(
        pieces in proptest::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", " ", "1", "-", "null", "\"a\":", "{\"a\":1}", "é", "\u{1}",
        ]), 0..40),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        chunk in 1_usize..32,
    ) {
        let text = pieces.concat().into_bytes();
        let limits = Limits { record: 30, ..Limits::default() };
        let whole = read_within(&text, &SNS, limits).unwrap();
        let input = Trickle { bytes: Bytes::new(text), sizes, calls: 0 };
        let pieces = read_from(Box::new(input), &SNS, Limits { chunk, ..limits }).unwrap();
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn damaged_messages_cost_what_is_damaged(
        damage in proptest::collection::vec((0_usize..40, any::<prop::sample::Index>()), 1..6),
        count in 2_usize..40,
        between in prop::sample::select(vec!["", "\n"]),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..300,
    ) {
        let pieces = damaged();
        let (mut texts, mut wanted) = (Vec::new(), Vec::new());
        for id in 0..count {
            // The first one shows what messages are like; two damaged ones side by side could be one whole one.
            match damage.iter().find(|(at, _)| *at == id && id % 3 == 1) {
                Some((_, piece)) => texts.push(piece.get(&pieces).clone()),
                None => {
                    texts.push(whole(id + 100));
                    wanted.push((id + 100).to_string());
                }
            }
        }
        let input = Trickle { bytes: Bytes::new(texts.join(between).into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 4, ..Limits::default() };
        let all = read_from(Box::new(input), &PLAIN, limits).unwrap();
        prop_assert!(all.rows.iter().all(|(_, row)| row.contains_key("kind") || row.contains_key("text")));
        let mut ids: Vec<_> = all.field("id").into_iter().flatten().map(str::to_owned).collect();
        ids.retain(|id| wanted.contains(id));
        prop_assert_eq!(ids, wanted);
    }

    #[test]
    fn a_broken_line_costs_only_itself(
        good in proptest::collection::vec(object(value()), 2..4),
        cut in 1_usize..200,
    ) {
        let texts: Vec<_> = good.iter().map(ToString::to_string).collect();
        let mut end = cut.min(texts[0].len() - 1);
        while !texts[0].is_char_boundary(end) {
            end -= 1;
        }
        let text = format!("{}\n{}\n{}", texts[1], &texts[0][..end], texts[1..].join("\n"));
        let all = read(text);
        prop_assert_eq!(all.rows.len(), texts.len());
        prop_assert_eq!(all.malformed.len(), 1);
        prop_assert_eq!(all.malformed[0].row, 2);
    }
}

fn compact(row: &mut Row) {
    for value in row.values_mut().filter(|value| value.starts_with('[')) {
        if let Ok(array) = serde_json::from_str::<serde_json::Value>(value) {
            *value = array.to_string();
        }
    }
}
