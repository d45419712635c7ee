//! Chunks that are edited by their indices, against files that hold the same rows from the beginning.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, PageType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::collection::btree_map;
use proptest::prelude::*;

use super::{file_of, open, read_plainly};
use crate::contract::ColumnType;
use crate::write::{Edit, WriteOptions, rewrite};

/// More than two data pages.
const ROWS: u64 = 50_000;

/// Rows with few distinct values in all columns but `id`, a tenth of them null where `nulls`.
fn batch(ids: impl Iterator<Item = i64> + Clone, kinds: i64, nulls: bool) -> RecordBatch {
    let value = |id: i64, column: i64| {
        let seed = id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64).rotate_left(17) ^ column;
        (!nulls || seed.rem_euclid(10) != 0).then_some(seed.rem_euclid(kinds.max(1)) - kinds / 2)
    };
    let column = |number| ids.clone().map(move |id| value(id, number));
    let decimals = |number, precision, scale| -> ArrayRef {
        let values: Decimal128Array = column(number).map(|value| value.map(i128::from)).collect();
        Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
    };
    let text = |value: i64| format!("{} {value}", "a value longer than what bounds keep ".repeat(3));
    let columns: Vec<(&str, ColumnType, ArrayRef)> = vec![
        (
            "id",
            ColumnType::Int,
            Arc::new(Int64Array::from_iter_values(ids.clone())),
        ),
        (
            "number",
            ColumnType::Int,
            Arc::new(column(1).collect::<Int64Array>()),
        ),
        (
            "text",
            ColumnType::Text,
            Arc::new(column(2).map(|value| value.map(text)).collect::<StringArray>()),
        ),
        (
            "day",
            ColumnType::Date,
            Arc::new(
                column(3)
                    .map(|value| value.map(|value| value as i32))
                    .collect::<Date32Array>(),
            ),
        ),
        (
            "at",
            ColumnType::Timestamp,
            Arc::new(
                column(4)
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        ("small", ColumnType::Decimal(9, 2), decimals(5, 9, 2)),
        ("amount", ColumnType::Decimal(18, 4), decimals(6, 18, 4)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, kind, _)| Field::new(*name, kind.arrow(), *name != "id"))
        .collect();
    let columns = columns.into_iter().map(|(_, _, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Applies updates (row, kind of the new value) and deletes to a file, and compares it with one made of the result.
fn check(old: &RecordBatch, changes: &[(u64, bool)], new_kinds: i64, nulls: bool) {
    // Row groups of this size are not small; a text, numbers and dates are made on threads of their own.
    let options = WriteOptions {
        small_row_group_rows: ROWS / 2,
        threads: 3,
        ..WriteOptions::default()
    };
    let file = open(file_of(old, &options));
    let new = batch(changes.iter().map(|(row, _)| *row as i64 + 7), new_kinds, nulls);
    let updates: Vec<(u64, u32)> = changes
        .iter()
        .zip(0..)
        .filter(|((_, goes), _)| !goes)
        .map(|((row, _), new)| (*row, new))
        .collect();
    let deletes: Vec<u64> = changes
        .iter()
        .filter(|(_, goes)| *goes)
        .map(|(row, _)| *row)
        .collect();
    let edit = Edit {
        updates: updates.clone(),
        deletes: deletes.clone(),
        inserts: Vec::new(),
        rows: new.clone(),
    };
    let mut bytes = Vec::new();
    let written = rewrite(Some(&file), &old.schema(), &edit, &options, &mut bytes)
        .unwrap()
        .unwrap();

    let mut places: Vec<u32> = (0..old.num_rows() as u32).collect();
    for (row, new) in &updates {
        places[*row as usize] = old.num_rows() as u32 + new;
    }
    for row in deletes.iter().rev() {
        places.remove(*row as usize);
    }
    let both = concat_batches(&old.schema(), [old, &new]).unwrap();
    let wanted = take_record_batch(&both, &UInt32Array::from(places)).unwrap();
    assert_eq!(read_plainly(&bytes, &old.schema()), wanted);
    let mut afresh = Vec::new();
    let of_afresh = rewrite(None, &old.schema(), &Edit::insert(&wanted), &options, &mut afresh)
        .unwrap()
        .unwrap();
    assert_eq!(written.stats, of_afresh.stats);
    // What is read by page is found by page.
    let file = open(bytes);
    let rows = [0, 19_999, 20_000, 39_999, wanted.num_rows() as u64 - 1];
    let rows = rows.map(|row| row.min(wanted.num_rows() as u64 - 1));
    let mut rows = rows.to_vec();
    rows.dedup();
    let places = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
    assert_eq!(
        file.read_rows(&rows, &old.schema()).unwrap(),
        take_record_batch(&wanted, &places).unwrap()
    );
}

/// A file of `old` in which each row is updated to that of `new`.
fn replaced(old: &RecordBatch, new: &RecordBatch) -> Vec<u8> {
    let edit = Edit {
        updates: (0..ROWS).zip(0..).collect(),
        deletes: Vec::new(),
        inserts: Vec::new(),
        rows: new.clone(),
    };
    let options = WriteOptions::default();
    let file = open(file_of(old, &options));
    let mut bytes = Vec::new();
    rewrite(Some(&file), &old.schema(), &edit, &options, &mut bytes).unwrap();
    bytes
}

#[test]
fn updates_of_few_values_leave_indices_and_only_values_in_use() {
    let old = batch(0..ROWS as i64, 40, true);
    let changes: Vec<(u64, bool)> = (0..ROWS).step_by(50).map(|row| (row, false)).collect();
    check(&old, &changes, 1000, true);

    // All rows get one of two values: nothing else is left in the dictionary.
    let new = batch(0..ROWS as i64, 2, false);
    let bytes = replaced(&old, &new);
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let group = reader.get_row_group(0).unwrap();
    for column in 1..old.num_columns() {
        let mut pages = group.get_column_page_reader(column).unwrap();
        let first = pages.get_next_page().unwrap().unwrap();
        let name = old.schema().field(column).name().clone();
        assert_eq!(
            (first.page_type(), first.num_values()),
            (PageType::DICTIONARY_PAGE, 2),
            "{name}"
        );
    }
}

#[test]
fn a_dictionary_in_a_column_that_has_none_by_now_goes() {
    let old = batch(0..ROWS as i64, 40, true);
    let file = open(file_of(&old, &WriteOptions::default()));
    let options = WriteOptions {
        random: BTreeSet::from(["number".to_owned()]),
        counting: BTreeSet::from(["id".to_owned()]),
        ..WriteOptions::default()
    };
    let new = batch(7..8, 40, false);
    let edit = Edit {
        updates: vec![(3, 0)],
        deletes: vec![5],
        inserts: Vec::new(),
        rows: new.clone(),
    };
    let mut bytes = Vec::new();
    rewrite(Some(&file), &old.schema(), &edit, &options, &mut bytes).unwrap();
    let places = (0..ROWS as u32).filter(|row| *row != 5);
    let places = places.map(|row| if row == 3 { ROWS as u32 } else { row });
    let both = concat_batches(&old.schema(), [&old, &new]).unwrap();
    let wanted = take_record_batch(&both, &UInt32Array::from_iter_values(places)).unwrap();
    assert_eq!(read_plainly(&bytes, &old.schema()), wanted);
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let number = file.metadata().row_group(0).column(1);
    assert_eq!(number.compression(), Compression::UNCOMPRESSED);
    assert_eq!(number.dictionary_page_offset(), None);
}

#[test]
fn columns_without_any_value_or_with_many_are_written_all_the_same() {
    let old = batch(0..ROWS as i64, 40, false);
    let none = RecordBatch::try_new(
        old.schema(),
        old.columns()
            .iter()
            .zip(0..)
            .map(|(column, place)| match place {
                0 => column.clone(),
                _ => arrow::array::new_null_array(column.data_type(), column.len()),
            })
            .collect(),
    )
    .unwrap();
    assert_eq!(read_plainly(&replaced(&old, &none), &old.schema()), none);

    let all: Vec<(u64, bool)> = (0..ROWS).map(|row| (row, false)).collect();
    check(&old, &all, i64::MAX >> 32, false);
}

#[test]
fn new_rows_of_few_values_are_what_the_library_writes_of_them() {
    for (kinds, nulls) in [(1, false), (1, true), (3, true), (7, false), (20, true)] {
        let rows = batch(0..ROWS as i64, kinds, nulls);
        let bytes = file_of(&rows, &WriteOptions::default());
        assert_eq!(read_plainly(&bytes, &rows.schema()), rows);
        let mut wanted = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        wanted.write(&rows).unwrap();
        let wanted = wanted.into_inner().unwrap();
        let [ours, wanted] = [bytes, wanted].map(|bytes| {
            let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
            file.metadata().row_group(0).clone()
        });
        for (ours, wanted) in ours.columns().iter().zip(wanted.columns()).skip(1) {
            assert_eq!(ours.statistics(), wanted.statistics(), "{}", ours.column_path());
            assert_eq!(ours.num_values(), wanted.num_values());
            assert_eq!(
                ours.unencoded_byte_array_data_bytes(),
                wanted.unencoded_byte_array_data_bytes()
            );
            assert!(ours.dictionary_page_offset().is_some());
        }
    }
}

/// Values of which nearly all are distinct: no column has a dictionary.
const MANY: i64 = i64::MAX >> 32;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn plain_columns_change_where_a_value_does(
        nulls: bool,
        rows in proptest::collection::btree_set(0..ROWS, 1..400),
        changed in proptest::collection::btree_set((1usize..7, 0usize..400), 0..3),
    ) {
        let old = batch(0..ROWS as i64, MANY, nulls);
        let places = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
        let same = take_record_batch(&old, &places).unwrap();
        let other = batch((0..rows.len() as i64).map(|row| row + 7), MANY, true);
        // A few cells have another value, or none any more; the others are what they were.
        let columns = same.columns().iter().zip(other.columns()).enumerate();
        let columns = columns.map(|(column, (same, other))| {
            let pick = (0..rows.len()).map(|row| (usize::from(changed.contains(&(column, row))), row));
            arrow::compute::interleave(&[same, other], &pick.collect::<Vec<_>>()).unwrap()
        });
        let new = RecordBatch::try_new(old.schema(), columns.collect()).unwrap();
        let edit = Edit {
            updates: rows.iter().copied().zip(0..).collect(),
            deletes: Vec::new(),
            inserts: Vec::new(),
            rows: new.clone(),
        };
        let options = WriteOptions::default();
        let file = open(file_of(&old, &options));
        let mut bytes = Vec::new();
        rewrite(Some(&file), &old.schema(), &edit, &options, &mut bytes).unwrap();
        let mut places: Vec<u32> = (0..ROWS as u32).collect();
        rows.iter().zip(ROWS as u32..).for_each(|(row, new)| places[*row as usize] = new);
        let both = concat_batches(&old.schema(), [&old, &new]).unwrap();
        let wanted = take_record_batch(&both, &UInt32Array::from(places)).unwrap();
        prop_assert_eq!(read_plainly(&bytes, &old.schema()), wanted);
        // A column without another value is copied, and with it what its chunk says of itself.
        let [before, after] = [file_of(&old, &options), bytes].map(|bytes| {
            let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
            file.metadata().row_group(0).clone()
        });
        for column in 1..7 {
            let is_same = new.column(column) == same.column(column);
            let sizes = [&before, &after].map(|group| group.column(column).compressed_size());
            prop_assert!(!is_same || sizes[0] == sizes[1]);
        }
    }


    #[test]
    fn random_edits_give_what_a_fresh_file_has(
        kinds in 1i64..3000,
        new_kinds in 1i64..3000,
        nulls: bool,
        changes in btree_map(0..ROWS, any::<bool>(), 1..2000),
    ) {
        let changes: Vec<(u64, bool)> = changes.into_iter().collect();
        check(&batch(0..ROWS as i64, kinds, nulls), &changes, new_kinds, nulls);
    }
}
