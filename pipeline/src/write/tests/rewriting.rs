//! Chains of random edits against a vector of rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Field, Float64Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{file_of, open, read_plainly};
use crate::contract::ColumnType;
use crate::write::{ColumnStats, Edit, FileStats, WriteOptions, rewrite};

#[derive(Debug, Clone, PartialEq)]
struct Row {
    id: i64,
    name: Option<String>,
    flag: Option<bool>,
    amount: Option<i128>,
    /// Not in the first files of a chain.
    added: Option<String>,
    day: Option<i32>,
    at: Option<i64>,
    ratio: Option<f64>,
    extra: Option<Vec<(String, Option<String>)>>,
}

fn schema(with_added: bool) -> SchemaRef {
    let column = |name: &str, kind: ColumnType| Field::new(name, kind.arrow(), true);
    let mut fields = vec![
        column("id", ColumnType::Int),
        column("name", ColumnType::Text),
        column("flag", ColumnType::Bool),
        column("amount", ColumnType::Decimal(20, 4)),
        column("added", ColumnType::Text),
        column("day", ColumnType::Date),
        column("at", ColumnType::Timestamp),
        column("ratio", ColumnType::Double),
        column("extra", ColumnType::Map),
    ];
    fields.retain(|field| with_added || field.name() != "added");
    Arc::new(Schema::new(fields))
}

fn batch(rows: &[Row], schema: &SchemaRef) -> RecordBatch {
    let names = MapFieldNames {
        entry: "key_value".into(),
        key: "key".into(),
        value: "value".into(),
    };
    let mut extra = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in row.extra.iter().flatten() {
            extra.keys().append_value(key);
            extra.values().append_option(value.as_ref());
        }
        extra.append(row.extra.is_some()).unwrap();
    }
    let amounts: Decimal128Array = rows.iter().map(|row| row.amount).collect();
    let instants: TimestampMicrosecondArray = rows.iter().map(|row| row.at).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int64Array>()),
        ),
        (
            "name",
            Arc::new(
                rows.iter()
                    .map(|row| row.name.as_deref())
                    .collect::<StringArray>(),
            ),
        ),
        (
            "flag",
            Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        ),
        (
            "amount",
            Arc::new(amounts.with_precision_and_scale(20, 4).unwrap()),
        ),
        (
            "added",
            Arc::new(
                rows.iter()
                    .map(|row| row.added.as_deref())
                    .collect::<StringArray>(),
            ),
        ),
        (
            "day",
            Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()),
        ),
        ("at", Arc::new(instants.with_timezone("UTC"))),
        (
            "ratio",
            Arc::new(rows.iter().map(|row| row.ratio).collect::<Float64Array>()),
        ),
        ("extra", Arc::new(extra.finish())),
    ];
    let wanted = columns
        .into_iter()
        .filter(|(name, _)| schema.column_with_name(name).is_some());
    RecordBatch::try_new(schema.clone(), wanted.map(|(_, column)| column).collect()).unwrap()
}

fn rows(batch: &RecordBatch) -> Vec<Row> {
    let text = |name: &str, row: usize| {
        let column = batch.column_by_name(name)?.as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    macro_rules! primitive {
        ($name:literal, $row:expr, $type:ty) => {{
            let column = batch.column_by_name($name).unwrap().as_primitive::<$type>();
            column.is_valid($row).then(|| column.value($row))
        }};
    }
    let flags = batch.column_by_name("flag").unwrap().as_boolean();
    let maps = batch.column_by_name("extra").unwrap().as_map();
    let map = |row: usize| {
        let entries = maps.value(row);
        let (keys, values) = (
            entries.column(0).as_string::<i32>(),
            entries.column(1).as_string::<i32>(),
        );
        let value = |entry: usize| values.is_valid(entry).then(|| values.value(entry).to_owned());
        (0..entries.len())
            .map(|entry| (keys.value(entry).to_owned(), value(entry)))
            .collect()
    };
    (0..batch.num_rows())
        .map(|row| Row {
            id: primitive!("id", row, Int64Type).unwrap(),
            name: text("name", row),
            flag: flags.is_valid(row).then(|| flags.value(row)),
            amount: primitive!("amount", row, Decimal128Type),
            added: text("added", row),
            day: primitive!("day", row, Date32Type),
            at: primitive!("at", row, TimestampMicrosecondType),
            ratio: primitive!("ratio", row, Float64Type),
            extra: maps.is_valid(row).then(|| map(row)),
        })
        .collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]{0,3}",
        2 => "\\PC{0,80}",
        1 => "[\u{e000}\u{10ffff}\u{d7ff}]{30,34}",
        1 => Just("\u{10ffff}".repeat(40)),
    ]
}

/// A row whose id is given later.
fn row() -> impl Strategy<Value = Row> {
    let amount = -999_999_999_999_999_999_i128..=999_999_999_999_999_999;
    let at = prop_oneof![
        -10_000_i64..10_000,
        -62_000_000_000_000_000_i64..200_000_000_000_000_000
    ];
    let extra = btree_map("[a-c]{1}", option::of(text()), 0..3);
    let small = (
        option::of(any::<bool>()),
        option::of(amount),
        option::of(-700_000..2_900_000),
        option::of(at),
    );
    let large = (
        option::of(text()),
        option::of(text()),
        option::of(-1e9..1e9),
        option::of(extra),
    );
    (small, large).prop_map(|((flag, amount, day, at), (name, added, ratio, extra))| Row {
        id: 0,
        name,
        flag,
        amount,
        added,
        day,
        at,
        ratio,
        extra: extra.map(|extra| extra.into_iter().collect()),
    })
}

#[derive(Debug, Clone)]
enum Change {
    Delete,
    /// Takes over the columns whose bit is set.
    Update(Row, u8),
}

#[derive(Debug, Clone)]
struct Step {
    changes: Vec<(Index, Change)>,
    inserts: Vec<Row>,
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        1 => Just(Change::Delete),
        3 => (row(), any::<u8>()).prop_map(|(row, columns)| Change::Update(row, columns)),
    ];
    let changes = prop_oneof![
        3 => vec((any::<Index>(), change), 0..12),
        1 => vec((any::<Index>(), (row(), any::<u8>()).prop_map(|(row, bits)| Change::Update(row, bits))), 0..12),
        1 => vec((any::<Index>(), Just(Change::Delete)), 0..60),
    ];
    (changes, vec(row(), 0..12)).prop_map(|(changes, inserts)| Step { changes, inserts })
}

fn update(old: &Row, new: &Row, columns: u8) -> Row {
    let takes = |bit: u32| columns >> bit & 1 == 1;
    let mut row = old.clone();
    row.name = if takes(0) { new.name.clone() } else { row.name };
    row.flag = if takes(1) { new.flag } else { row.flag };
    row.amount = if takes(2) { new.amount } else { row.amount };
    row.added = if takes(3) { new.added.clone() } else { row.added };
    row.day = if takes(4) { new.day } else { row.day };
    row.at = if takes(5) { new.at } else { row.at };
    row.ratio = if takes(6) { new.ratio } else { row.ratio };
    row.extra = if takes(7) { new.extra.clone() } else { row.extra };
    row
}

fn options() -> WriteOptions {
    WriteOptions {
        row_group_rows: 9,
        small_row_group_rows: 5,
        small_row_groups: 3,
        counting: BTreeSet::from(["id".to_owned()]),
        random: BTreeSet::from(["amount".to_owned()]),
        key: BTreeSet::from(["id".to_owned()]),
        threads: 3,
        bloom_filters: BTreeSet::from(["name".to_owned()]),
        unindexed: BTreeSet::from(["added".to_owned()]),
    }
}

/// Edits the file; the model becomes what the file should be, in any order.
fn apply(
    bytes: Option<&[u8]>,
    model: &mut Vec<Row>,
    step: &Step,
    with_added: bool,
    next_id: &mut i64,
) -> Option<Vec<u8>> {
    let old = bytes.map(|bytes| open(bytes.to_vec()));
    let schema = schema(with_added);
    let (mut edit_rows, mut updates, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    let mut touched = BTreeSet::new();
    for (index, change) in step.changes.iter().filter(|_| !model.is_empty()) {
        let at = index.index(model.len());
        if touched.insert(at) {
            match change {
                Change::Delete => deletes.push(at as u64),
                Change::Update(row, columns) => {
                    let mut row = update(&model[at], row, *columns);
                    row.added = row.added.filter(|_| with_added);
                    updates.push((at as u64, edit_rows.len() as u32));
                    edit_rows.push(row);
                }
            }
        }
    }
    updates.sort_unstable();
    deletes.sort_unstable();
    let mut after: Vec<Row> = model.clone();
    for (at, new) in &updates {
        after[*at as usize] = edit_rows[*new as usize].clone();
    }
    deletes
        .iter()
        .rev()
        .for_each(|at| drop(after.remove(*at as usize)));
    let mut inserts = Vec::new();
    for row in &step.inserts {
        let row = Row {
            id: *next_id,
            added: row.added.clone().filter(|_| with_added),
            ..row.clone()
        };
        *next_id += 1;
        inserts.push(edit_rows.len() as u32);
        edit_rows.push(row.clone());
        after.push(row);
    }
    let new_rows = batch(&edit_rows, &schema);
    let edit = Edit {
        updates,
        deletes,
        inserts,
        rows: new_rows.clone(),
    };
    let mut sink = Vec::new();
    let written = rewrite(old.as_ref(), &schema, &edit, &options(), &mut sink).unwrap();
    assert_eq!(written.is_none(), after.is_empty());
    let Some(written) = written else {
        assert!(sink.is_empty());
        model.clear();
        return None;
    };
    assert_eq!(
        (written.rows, written.bytes),
        (after.len() as u64, sink.len() as u64)
    );
    let in_file = rows(&read_plainly(&sink, &schema));
    check_stats(&written.stats, &in_file);
    let mut sorted = in_file.clone();
    sorted.sort_by_key(|row| row.id);
    after.sort_by_key(|row| row.id);
    assert_eq!(sorted, after);
    // The next step names rows by where they are in the file.
    *model = in_file;
    Some(sink)
}

fn check_stats(stats: &FileStats, rows: &[Row]) {
    let column = |name: &str| stats.columns.iter().find(|column| column.name == name);
    assert_eq!(stats.rows, rows.len() as u64);
    let ids: Vec<_> = rows.iter().map(|row| Some(row.id)).collect();
    check_bounds(
        column("id").unwrap(),
        &ids,
        |literal| literal.parse().unwrap(),
        true,
    );
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    check_bounds(
        column("name").unwrap(),
        &names,
        |literal| serde_json::from_str(literal).unwrap(),
        false,
    );
    let amounts: Vec<_> = rows.iter().map(|row| row.amount).collect();
    let unscaled = |literal: &str| {
        assert_eq!(literal.len() - literal.find('.').unwrap(), 5);
        literal.replace('.', "").parse().unwrap()
    };
    check_bounds(column("amount").unwrap(), &amounts, unscaled, true);
    let days: Vec<_> = rows.iter().map(|row| row.day).collect();
    let date = |literal: &str| {
        let date: chrono::NaiveDate = serde_json::from_str(literal).unwrap();
        (date - chrono::NaiveDate::default()).num_days() as i32
    };
    check_bounds(column("day").unwrap(), &days, date, true);
    let instants: Vec<_> = rows.iter().map(|row| row.at).collect();
    let instant = |literal: &str| {
        serde_json::from_str::<chrono::DateTime<chrono::Utc>>(literal)
            .unwrap()
            .timestamp_micros()
    };
    check_bounds(column("at").unwrap(), &instants, instant, false);
    for unbounded in ["flag", "ratio", "added"] {
        assert!(column(unbounded).is_none_or(|column| column.min.is_none() && column.max.is_none()));
    }
    let ratios = rows.iter().filter(|row| row.ratio.is_none()).count() as u64;
    assert_eq!(column("ratio").unwrap().nulls, Some(ratios));
    assert!(column("extra").is_none());
}

/// Bounds hold every value; those of `exact` types are the least and greatest values.
fn check_bounds<T: Ord + std::fmt::Debug>(
    column: &ColumnStats,
    values: &[Option<T>],
    parse: impl Fn(&str) -> T,
    exact: bool,
) {
    let present = || values.iter().flatten();
    assert_eq!(column.nulls, Some((values.len() - present().count()) as u64));
    let (min, max) = (
        column.min.as_deref().map(&parse),
        column.max.as_deref().map(&parse),
    );
    if exact {
        assert_eq!((min.as_ref(), max.as_ref()), (present().min(), present().max()));
    } else {
        assert_eq!(
            min.is_some(),
            present().next().is_some(),
            "{column:?} {:?}",
            present().collect::<Vec<_>>()
        );
        assert!(min.is_none_or(|min| present().all(|value| &min <= value)));
        assert!(max.is_none_or(|max| present().all(|value| value <= &max)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chained_edits_leave_the_rows_of_the_model(first in vec(row(), 1..40), steps in vec(step(), 1..6), grows in 0_usize..6) {
        let (mut model, mut next_id) = (Vec::new(), 0);
        let start = Step { changes: Vec::new(), inserts: first };
        let mut file = None;
        for (number, step) in std::iter::once(&start).chain(&steps).enumerate() {
            file = apply(file.as_deref(), &mut model, step, number >= grows, &mut next_id);
        }
    }

    #[test]
    fn rows_are_read_by_ordinal_and_lacking_columns_are_null(first in vec(row(), 1..40), picks in vec(any::<Index>(), 0..20)) {
        let old = schema(false);
        let all: Vec<Row> = first.into_iter().map(|row| Row { added: None, ..row }).collect();
        let file = open(file_of(&batch(&all, &old), &options()));
        let ordinals: BTreeSet<u64> = picks.iter().map(|pick| pick.index(all.len()) as u64).collect();
        let ordinals: Vec<u64> = ordinals.into_iter().collect();
        let read = file.read_rows(&ordinals, &schema(true)).unwrap();
        let picked: Vec<Row> = ordinals.iter().map(|at| all[*at as usize].clone()).collect();
        prop_assert_eq!(rows(&read), picked);
        let batches: Vec<_> = file.batches(&schema(true)).map(Result::unwrap).collect();
        let every = arrow::compute::concat_batches(&schema(true), &batches).unwrap();
        prop_assert_eq!(rows(&every), all);
    }
}
