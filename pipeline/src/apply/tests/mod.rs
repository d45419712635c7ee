//! Folding is a maximum: whatever the order, the batches and the repetitions, the same rows stay.

mod looking;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type};
use chrono::NaiveDate;
use proptest::prelude::*;
use url::Url;

use crate::contract::{Contract, SourceFile, load};
use crate::delta::{Commit, DeltaLog, Snapshot, Which, partition};
use crate::layout;
use crate::layout::map_builder;

use crate::apply::{OpenFiles, Plan, WorkingSet, merge, merge_copies};
use crate::keep::{fold, key_positions, take_rows};

/// How an account speaks in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speaks {
    /// Empty cells say nothing.
    InPieces,
    /// Only the account states the values.
    ForItself,
    /// The row states its whole record.
    Wholly,
}

/// One observation: key, time, two values, a value of an unknown field, the content's hash, and what it means.
type Row = (u8, u8, Option<i64>, Option<String>, Option<String>, u8, Speaks);

/// `moves`: a row is in the partition of a day that changes.
fn contract(keep: &str, moves: bool) -> Contract {
    let (layout, day) = match moves {
        true => ("partition = [\"day\"]\nkey_window = \"9d\"", "day = \"date\""),
        false => ("", ""),
    };
    let newest_by = if keep == "every_row" {
        ""
    } else {
        "newest_by = [\"at\"]"
    };
    let pick = if keep == "latest_value" {
        "low = { type = \"int\", from = \"number\", pick = \"min\" }"
    } else {
        ""
    };
    let text = format!(
        "description = \"t\"\npath = \"x/{{date}}/{{name}}\"\nformat = \"json_rows\"\nkeep = \"{keep}\"\n\
         key = [\"id\"]\nunknown = \"keep\"\n{newest_by}\n{layout}\n[columns]\nid = \"text\"\nat = \"int\"\nnumber = \"int\"\n\
         word = \"text\"\ntags = {{ type = \"map\", from = \"*\" }}\n{pick}\n{day}\n"
    );
    let files = [SourceFile {
        path: "x/t.toml".to_owned(),
        text,
    }];
    let contracts = load(&files, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    contracts.values().next().unwrap().clone()
}

fn batch(contract: &Contract, rows: &[Row]) -> RecordBatch {
    let schema = layout::schema(contract);
    let mut extra = map_builder();
    let mut older = map_builder();
    let mut tags = map_builder();
    for row in rows {
        if let Some(value) = &row.4 {
            extra.keys().append_value("field");
            extra.values().append_value(value);
        }
        extra.append(row.4.is_some()).unwrap();
        for name in ["number", "word", "tags"] {
            if row.6 == Speaks::ForItself {
                older.keys().append_value(name);
                older.values().append_value(layout::STATED);
            }
        }
        if row.6 == Speaks::Wholly {
            older.keys().append_value(layout::WHOLE);
            older.values().append_null();
        }
        older.append(row.6 != Speaks::InPieces).unwrap();
        if let Some(word) = &row.3 {
            tags.keys().append_value("tag");
            tags.values().append_value(word);
        }
        tags.append(row.3.is_some()).unwrap();
    }
    let (extra, older): (ArrayRef, ArrayRef) = (Arc::new(extra.finish()), Arc::new(older.finish()));
    let tags: ArrayRef = Arc::new(tags.finish());
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "id" => Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| format!("k{}", row.0)),
            )),
            "at" => Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|row| i64::from(row.1)),
            )),
            "number" | "low" => Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.2))),
            "word" => Arc::new(StringArray::from_iter(rows.iter().map(|row| row.3.clone()))),
            "day" => {
                let days = rows.iter().map(|row| row.2.map(|number| 20_513 + number as i32));
                Arc::new(Date32Array::from_iter(days))
            }
            "tags" => tags.clone(),
            layout::EXTRA => extra.clone(),
            layout::OLDER => older.clone(),
            layout::ORDER => Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| format!("{:03}.", row.1)),
            )),
            layout::HASH => Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|row| i64::from(row.5)),
            )),
            layout::OBJECT => Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| format!("o{row:?}")),
            )),
            layout::LOADED_AT => {
                Arc::new(TimestampMicrosecondArray::from(vec![0; rows.len()]).with_timezone("UTC"))
            }
            _ if field.data_type() == &DataType::Int64 => Arc::new(Int64Array::from(vec![1; rows.len()])),
            other => panic!("column {other} is not in the test"),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

fn folded(contract: &Contract, rows: RecordBatch) -> RecordBatch {
    fold(contract, &rows).unwrap().rows
}

/// Rows as texts, sorted, each column of it.
fn shown(rows: &RecordBatch) -> Vec<String> {
    let mut texts: Vec<String> = (0..rows.num_rows())
        .map(|row| {
            let cells = rows.columns().iter().map(|column| {
                let cell = column.slice(row, 1);
                format!("{cell:?}")
            });
            cells.collect::<Vec<_>>().join("|")
        })
        .collect();
    texts.sort();
    texts
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        0..3_u8,
        0..6_u8,
        proptest::option::of(0..5_i64),
        proptest::option::of("[ab]{1,2}"),
        proptest::option::of("[xy]"),
        0..4_u8,
        prop_oneof![
            Just(Speaks::InPieces),
            Just(Speaks::ForItself),
            Just(Speaks::Wholly)
        ],
    );
    proptest::collection::vec(row, 1..14)
}

proptest! {
    #[test]
    fn order_batches_and_repetitions_do_not_matter(rows in rows(), order in any::<u64>(), cut in any::<prop::sample::Index>()) {
        for keep in ["every_row", "latest_row", "latest_value"] {
            let contract = contract(keep, false);
            let wanted = shown(&folded(&contract, batch(&contract, &rows)));

            let mut shuffled = rows.clone();
            let mut state = order;
            for last in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(last, (state >> 33) as usize % (last + 1));
            }
            let cut = cut.index(shuffled.len());
            let first = folded(&contract, batch(&contract, &shuffled[..cut]));
            let second = folded(&contract, batch(&contract, &shuffled[cut..]));
            let schema = first.schema();
            let together = concat_batches(&schema, [&first, &second, &first]).unwrap();
            prop_assert_eq!(shown(&folded(&contract, together)), wanted, "keep {}", keep);
        }
    }

    #[test]
    fn latest_value_keeps_per_column_the_newest_that_is_said(rows in rows()) {
        let contract = contract("latest_value", false);
        let kept = folded(&contract, batch(&contract, &rows));
        let mut number: BTreeMap<String, Said<i64>> = BTreeMap::new();
        let mut low: BTreeMap<String, i64> = BTreeMap::new();
        let mut word: BTreeMap<String, Said<String>> = BTreeMap::new();
        let mut field: BTreeMap<String, Said<String>> = BTreeMap::new();
        for row in &rows {
            let key = format!("k{}", row.0);
            // What only the account states is older than any time; of unknown fields it states none.
            let at = (row.6 != Speaks::ForItself).then_some(row.1);
            hear(number.entry(key.clone()).or_default(), at, row.2, row.6);
            hear(word.entry(key.clone()).or_default(), at, row.3.clone(), row.6);
            hear(field.entry(key.clone()).or_default(), Some(row.1), row.4.clone(), row.6);
            if let Some(value) = row.2 {
                let least = low.entry(key).or_insert(value);
                *least = (*least).min(value);
            }
        }
        let column = |name: &str| kept.column_by_name(name).unwrap().clone();
        let (ids, numbers, lows, words) = (column("id"), column("number"), column("low"), column("word"));
        let (tags, extra) = (column("tags"), column(layout::EXTRA));
        for row in 0..kept.num_rows() {
            let key = ids.as_string::<i32>().value(row);
            let int = |column: &ArrayRef| column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row));
            prop_assert_eq!(int(&numbers), number[key].and_then(|best| best.1));
            prop_assert_eq!(int(&lows), low.get(key).copied());
            let said = words.is_valid(row).then(|| words.as_string::<i32>().value(row).to_owned());
            prop_assert_eq!(&said, &word[key].clone().and_then(|best| best.1));
            let only = |maps: &ArrayRef| maps.is_valid(row).then(|| maps.as_map().value(row).column(1).as_string::<i32>().value(0).to_owned());
            prop_assert_eq!(only(&tags), said, "a map is compared by its entries");
            prop_assert_eq!(only(&extra), field[key].clone().and_then(|best| best.1), "a key of extra is a column");
        }
    }
}

/// The newest that was said of a cell, with its time; none where nothing was.
type Said<T> = Option<(Option<u8>, Option<T>)>;

/// Hears what one row says of a cell: no value is something said only where the row states its whole record.
fn hear<T: Ord>(best: &mut Said<T>, at: Option<u8>, value: Option<T>, how: Speaks) {
    if value.is_some() || how == Speaks::Wholly {
        let said = Some((at, value));
        if said > *best {
            *best = said;
        }
    }
}

#[test]
fn a_value_that_a_whole_row_cleared_does_not_come_back() {
    let contract = contract("latest_value", false);
    let row = |at, value: Option<&str>, how| (0, at, None, value.map(str::to_owned), None, 0, how);
    let whole = row(4, None, Speaks::Wholly);
    let of = |rows: &[&RecordBatch]| {
        let rows = concat_batches(&rows[0].schema(), rows.iter().copied()).unwrap();
        folded(&contract, rows)
    };
    let word = |rows: &RecordBatch| {
        let words = rows.column_by_name("word").unwrap().clone();
        words
            .is_valid(0)
            .then(|| words.as_string::<i32>().value(0).to_owned())
    };
    let one = |row: Row| folded(&contract, batch(&contract, &[row]));
    let cleared = of(&[&one(row(2, Some("old"), Speaks::InPieces)), &one(whole)]);
    assert_eq!(word(&cleared), None);
    let late = of(&[&cleared, &one(row(3, Some("late"), Speaks::InPieces))]);
    assert_eq!(word(&late), None, "older than the whole row");
    let silent = of(&[&late, &one(row(6, None, Speaks::InPieces))]);
    let later = of(&[&silent, &one(row(3, Some("late"), Speaks::InPieces))]);
    assert_eq!(
        word(&later),
        None,
        "a newer row in pieces does not make it forgotten"
    );
    let between = of(&[&later, &one(row(5, Some("between"), Speaks::InPieces))]);
    assert_eq!(word(&between).as_deref(), Some("between"));
    let tie = of(&[&cleared, &one(row(4, Some("tie"), Speaks::InPieces))]);
    assert_eq!(
        word(&tie).as_deref(),
        Some("tie"),
        "a value stands above null of the same time"
    );
}

/// What a table has after some batches; if not `merging`, each is put beside the others, and an audit merges them.
async fn table_after(contract: &Arc<Contract>, batches: Vec<RecordBatch>, merging: bool) -> RecordBatch {
    let folder = tempfile::tempdir().unwrap();
    let log = DeltaLog::at("x.t", Url::from_directory_path(folder.path()).unwrap()).unwrap();
    let schema = layout::schema(contract);
    let created = log
        .open_or_create(Which::Newest, &schema, &contract.partition, &[], "")
        .await;
    let mut snapshot = created.unwrap();
    let day = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
    for (number, rows) in batches.into_iter().enumerate() {
        let batch = fold(contract, &rows).unwrap();
        let plan = match merging {
            true => merge(
                contract,
                &OpenFiles::of(&log),
                &snapshot.files,
                batch,
                (day, day),
                2,
            )
            .await
            .unwrap(),
            false => Plan {
                unplaced: (0..batch.rows.num_rows() as u32).collect(),
                ..Plan::new(batch.rows)
            },
        };
        snapshot = put(contract, &log, &snapshot, plan, number).await;
    }
    if !merging {
        let all = all_rows(contract, &log, &snapshot).await;
        let keys = all
            .project(&key_positions(&schema, contract.key()).unwrap())
            .unwrap();
        let firsts: BTreeMap<&str, u32> = (0..)
            .zip(keys.column(0).as_string::<i32>())
            .map(|(row, key)| (key.unwrap(), row))
            .collect();
        let keys = take_rows(&keys, &firsts.into_values().collect::<Vec<_>>()).unwrap();
        let plan = merge_copies(contract, &OpenFiles::of(&log), &snapshot, &keys)
            .await
            .unwrap();
        snapshot = put(contract, &log, &snapshot, plan, usize::MAX).await;
    }
    all_rows(contract, &log, &snapshot).await
}

/// Commits a plan, and loads what the table has then.
async fn put(
    contract: &Contract,
    log: &DeltaLog,
    snapshot: &Snapshot,
    plan: Plan,
    number: usize,
) -> Snapshot {
    let attempt = number.to_string();
    let mut set = WorkingSet::new(log, snapshot.files.to_vec(), &attempt);
    set.apply(contract, plan).await.unwrap();
    let commit = Commit {
        operation: "CURATE",
        actions: set.changes().finish(contract).actions,
        ..Commit::default()
    };
    log.commit(snapshot, commit).await.unwrap();
    log.load().await.unwrap().unwrap()
}

/// All rows of a table.
async fn all_rows(contract: &Contract, log: &DeltaLog, snapshot: &Snapshot) -> RecordBatch {
    let schema = layout::schema(contract);
    let (open, mut rows) = (OpenFiles::of(log), Vec::new());
    for file in snapshot.files.iter() {
        let opened = open.open(file, 0).await.unwrap();
        let in_file = layout::file_schema(&schema, &contract.partition);
        let of_file = tokio::task::spawn_blocking(move || {
            let batches = opened.batches(&in_file).collect::<Result<Vec<_>, _>>();
            concat_batches(&in_file, &batches.unwrap()).unwrap()
        });
        rows.push(partition::complete(&of_file.await.unwrap(), &file.partition, &schema).unwrap());
    }
    concat_batches(&schema, &rows).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_table_has_what_all_its_batches_would_fold_to(
        batches in proptest::collection::vec(rows(), 1..4),
        moves: bool,
        merging: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        for keep in ["every_row", "latest_row", "latest_value"] {
            let contract = Arc::new(contract(keep, moves));
            let wanted = folded(&contract, batch(&contract, &batches.concat()));
            let batches = batches.iter().map(|rows| batch(&contract, rows)).collect();
            let found = runtime.block_on(table_after(&contract, batches, merging));
            prop_assert_eq!(shown(&found), shown(&wanted), "keep {}", keep);
        }
    }
}
