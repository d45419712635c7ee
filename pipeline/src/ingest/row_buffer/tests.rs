//! Rows that wait come back as they came, wherever they waited.

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;

use super::*;
use crate::query::Room;

fn numbers(range: Range<i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn values(rows: &RecordBatch) -> Vec<i64> {
    rows.column(0).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn rows_come_back_by_object_whether_they_fit_into_memory_or_not() {
    let bytes = numbers(0..10).get_array_memory_size();
    for fits in [0, 1, 2, 5] {
        let budget = Budget::new(&Room::of(fits * bytes));
        let buffer = RowBuffer::new(numbers(0..0).schema(), &[], budget.clone());
        for (object, range) in [(1, 20..30), (0, 0..10), (1, 10..20), (2, 90..91), (0, 0..0)] {
            buffer.push(object, range.start, numbers(range)).unwrap();
        }
        assert!(budget.used() <= fits * bytes);
        let mut buffered = buffer.close().unwrap();
        buffered.retain(|object| object != 2);
        assert_eq!(buffered.rows_in(&buffered.portions(usize::MAX)[0]), 30);
        for size in [1, 2 * bytes, usize::MAX] {
            let portions = buffered.portions(size);
            let mut read = Vec::new();
            for portion in &portions {
                assert_eq!(portion.first, read.len());
                read.extend(values(&buffered.read(portion).unwrap()));
            }
            assert_eq!(read, (0..30).collect::<Vec<_>>(), "{size}");
        }
        assert_eq!(buffered.portions(2 * bytes).len(), 2);
        let of_one = &buffered.by_object()[&1];
        assert_eq!(
            of_one.iter().map(|portion| portion.first).collect::<Vec<_>>(),
            [10, 20]
        );
        assert_eq!(
            values(&buffered.read(&of_one[1]).unwrap()),
            (20..30).collect::<Vec<_>>()
        );
        drop(buffered);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn the_object_that_takes_the_most_room_is_known_also_where_it_found_none() {
    let room = Room {
        memory: numbers(0..10).get_array_memory_size(),
        spill: Spill::new(None, Some(3000)),
    };
    let buffer = RowBuffer::new(numbers(0..0).schema(), &[], Budget::new(&room));
    buffer.push(0, 1, numbers(0..10)).unwrap();
    buffer.push(1, 1, numbers(0..20)).unwrap();
    assert_eq!(buffer.largest().unwrap().1, 1);
    let error = buffer.push(2, 1, numbers(0..10_000)).unwrap_err();
    assert!(error.has_no_room(), "{}", error.chain());
    assert_eq!(
        error.chain().matches("spill_limit").count(),
        1,
        "{}",
        error.chain()
    );
    assert_eq!(buffer.largest().unwrap().1, 2);
    drop(buffer);
    assert_eq!(room.spill.used(), 0);
}

#[test]
fn grouped_rows_of_a_partition_are_in_one_portion_where_they_fit() {
    let day_of = |number: &i64| number % 5;
    let rows = |range: Range<i64>| {
        let day: ArrayRef = Arc::new(Int64Array::from_iter_values(
            range.clone().map(|number| day_of(&number)),
        ));
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
        RecordBatch::try_from_iter([("n", number), ("day", day)]).unwrap()
    };
    let partition = ["day".to_owned()];
    let bytes = rows(0..50).get_array_memory_size();
    for fits in [0, 2, 20] {
        let budget = Budget::new(&Room::of(fits * bytes));
        let buffer = RowBuffer::new(rows(0..0).schema(), &partition, budget.clone());
        for object in [1, 0, 2, 3] {
            let first = object as i64 * 50;
            buffer.push(object, first, rows(first..first + 50)).unwrap();
        }
        // Two of the five days fit into a portion.
        let grouped = buffer.close().unwrap().by_partition(2 * bytes).unwrap();
        let portions = grouped.portions(8 * bytes);
        assert_eq!(portions.len(), 3);
        let (mut days, mut all) = (Vec::new(), Vec::new());
        for portion in &portions {
            let numbers = values(&grouped.read(portion).unwrap());
            days.extend(numbers.iter().map(day_of).collect::<BTreeSet<_>>());
            all.extend(numbers);
        }
        assert_eq!(days, [0, 1, 2, 3, 4]);
        all.sort_unstable();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
        drop(grouped);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn without_rows_there_is_one_empty_portion() {
    let buffer = RowBuffer::new(numbers(0..0).schema(), &[], Budget::new(&Room::of(0)));
    let buffered = buffer.close().unwrap();
    let portions = buffered.portions(1);
    assert_eq!(portions.len(), 1);
    assert_eq!(buffered.read(&portions[0]).unwrap().num_rows(), 0);
}
