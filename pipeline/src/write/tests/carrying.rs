//! What a rewrite takes over as it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::bloom_filter::Sbbf;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use super::{file_of, open, read_plainly};
use crate::write::{Edit, FileWriter, OpenFile, WriteOptions, rewrite};

/// Rows with a unique text, a repeating number and a count.
fn rows(range: std::ops::Range<i64>) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
        Field::new("note", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            range
                .clone()
                .map(|row| Some(format!("key-{row:07}")))
                .collect::<StringArray>(),
        ),
        Arc::new(range.clone().map(|row| Some(row % 7)).collect::<Int64Array>()),
        Arc::new(
            range
                .map(|row| (row % 3 > 0).then(|| format!("note {}", row % 5)))
                .collect::<StringArray>(),
        ),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// The row with another number.
fn renumbered(row: i64) -> RecordBatch {
    let old = rows(row..row + 1);
    let columns = vec![
        old.column(0).clone(),
        Arc::new(Int64Array::from(vec![99])) as ArrayRef,
        old.column(2).clone(),
    ];
    RecordBatch::try_new(old.schema(), columns).unwrap()
}

fn options(row_group_rows: usize) -> WriteOptions {
    let bloom_filters = BTreeSet::from(["key".to_owned()]);
    WriteOptions {
        row_group_rows,
        bloom_filters,
        ..WriteOptions::default()
    }
}

fn rewritten(file: &OpenFile, schema: &SchemaRef, edit: &Edit, options: &WriteOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    rewrite(Some(file), schema, edit, options, &mut bytes)
        .unwrap()
        .unwrap();
    bytes
}

fn chunk<'a>(file: &OpenFile, bytes: &'a [u8], group: usize, leaf: usize) -> &'a [u8] {
    let range = file.chunk_range(group, leaf);
    &bytes[range.start as usize..range.end as usize]
}

#[test]
fn an_update_rewrites_only_the_chunks_whose_values_change() {
    let options = options(1000);
    let before = file_of(&rows(0..3000), &options);
    let old = open(before.clone());
    let new_row = renumbered(1500);
    let edit = Edit {
        updates: vec![(1500, 0)],
        deletes: vec![],
        inserts: vec![],
        rows: new_row.clone(),
    };
    let after = rewritten(&old, &new_row.schema(), &edit, &options);
    let new = open(after.clone());
    assert_eq!(new.groups(), 3);
    for group in 0..3 {
        for leaf in 0..3 {
            let same = chunk(&old, &before, group, leaf) == chunk(&new, &after, group, leaf);
            assert_eq!(same, (group, leaf) != (1, 1), "row group {group}, column {leaf}");
            let (old, new) = (
                old.row_group(group).column(leaf),
                new.row_group(group).column(leaf),
            );
            if same {
                assert_eq!(old.statistics(), new.statistics());
                assert_eq!(old.page_encoding_stats(), new.page_encoding_stats());
                assert!(new.offset_index_offset().is_some());
            }
        }
    }
    assert_eq!(read_plainly(&after, &new_row.schema()).slice(1500, 1), new_row);
}

#[test]
fn bloom_filters_survive_copies_edits_and_merges() {
    let has_every_key = |bytes: &[u8]| {
        let (file, source) = (open(bytes.to_vec()), Bytes::copy_from_slice(bytes));
        for group in 0..file.groups() {
            let filter = Sbbf::read_from_column_chunk(file.row_group(group).column(0), &source)
                .unwrap()
                .unwrap();
            let span = file.span(group);
            let keys = file
                .read_rows(&span.collect::<Vec<_>>(), &rows(0..0).schema())
                .unwrap();
            let keys = keys.column(0).as_any().downcast_ref::<StringArray>().unwrap();
            assert!(keys.iter().flatten().all(|key| filter.check(key)));
            let absent = (0..500).filter(|number| filter.check(format!("absent {number}").as_str()));
            assert!(absent.count() < 50, "a filter that says yes to all is none");
        }
        file
    };
    let mut options = options(1000);
    let file = has_every_key(&file_of(&rows(0..3000), &options));
    let new_rows = rows(5000..5010);
    let edit = Edit {
        updates: vec![(10, 0)],
        deletes: vec![1500],
        inserts: (1..10).collect(),
        rows: new_rows.clone(),
    };
    let file = has_every_key(&rewritten(&file, &new_rows.schema(), &edit, &options));
    assert_eq!(file.groups(), 4);
    options = WriteOptions {
        row_group_rows: 10_000,
        small_row_groups: 1,
        ..options
    };
    let nothing = Edit {
        updates: vec![],
        deletes: vec![],
        inserts: vec![],
        rows: new_rows.clone(),
    };
    let merged = has_every_key(&rewritten(&file, &new_rows.schema(), &nothing, &options));
    assert_eq!((merged.groups(), merged.rows()), (1, 3008));
}

#[test]
fn edits_are_right_across_batches_of_one_row_group() {
    let options = WriteOptions::default();
    let all = rows(0..150_000);
    let old = open(file_of(&all, &options));
    assert_eq!(old.groups(), 1);
    let new_rows = rows(200_000..200_004);
    let edit = Edit {
        updates: vec![(65_535, 0), (65_536, 1), (149_999, 2)],
        deletes: vec![0, 65_537, 131_072],
        inserts: vec![3],
        rows: new_rows.clone(),
    };
    let after = read_plainly(&rewritten(&old, &all.schema(), &edit, &options), &all.schema());
    let pieces = [
        all.slice(1, 65_534),
        new_rows.slice(0, 2),
        all.slice(65_538, 131_072 - 65_538),
        all.slice(131_073, 149_999 - 131_073),
        new_rows.slice(2, 2),
    ];
    assert_eq!(
        after,
        arrow::compute::concat_batches(&all.schema(), &pieces).unwrap()
    );
}

#[test]
fn a_foreign_file_with_other_types_is_brought_to_the_schema() {
    let old_rows = RecordBatch::try_from_iter_with_nullable([
        (
            "number",
            Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])) as ArrayRef,
            true,
        ),
        (
            "key",
            Arc::new(StringArray::from(vec!["a", "b", "c"])) as ArrayRef,
            false,
        ),
    ])
    .unwrap();
    let old = open(foreign(&old_rows, WriterProperties::builder()));
    let new_rows = renumbered(7);
    let edit = Edit {
        updates: vec![(2, 0)],
        deletes: vec![],
        inserts: vec![],
        rows: new_rows.clone(),
    };
    let after = rewritten(&old, &new_rows.schema(), &edit, &options(10));
    let old_rows: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b"])),
        Arc::new(Int64Array::from(vec![Some(1), None])),
        new_null_array(&DataType::Utf8, 2),
    ];
    let old_rows = RecordBatch::try_new(new_rows.schema(), old_rows).unwrap();
    let wanted = arrow::compute::concat_batches(&new_rows.schema(), [&old_rows, &new_rows]).unwrap();
    assert_eq!(read_plainly(&after, &new_rows.schema()), wanted);
}

/// The rows as another writer might leave them.
fn foreign(rows: &RecordBatch, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn bounds_are_unknown_when_a_copied_chunk_has_none() {
    let all = rows(0..100);
    let before = foreign(
        &all,
        WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None),
    );
    let (old, new_rows, mut after) = (open(before.clone()), rows(200..300), Vec::new());
    let edit = Edit::insert(&new_rows);
    let written = rewrite(Some(&old), &all.schema(), &edit, &options(1000), &mut after)
        .unwrap()
        .unwrap();
    let wanted = r#"{"numRecords":200,"minValues":{},"maxValues":{},"nullCount":{}}"#;
    assert_eq!(written.stats.to_delta_json(), wanted);
    assert!((0..3).all(|leaf| chunk(&old, &before, 0, leaf) == chunk(&open(after.clone()), &after, 0, leaf)));
}

#[test]
fn chunks_without_page_index_get_one() {
    let all = rows(0..100);
    let old = open(foreign(
        &all,
        WriterProperties::builder().set_offset_index_disabled(true),
    ));
    let new_rows = rows(200..300);
    let after = rewritten(&old, &all.schema(), &Edit::insert(&new_rows), &options(1000));
    let new = open(after);
    let chunks = new
        .metadata()
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    assert!(
        chunks
            .map(|chunk| chunk.offset_index_offset())
            .all(|offset| offset.is_some())
    );
    let read = new.read_rows(&[5, 99, 100, 150], &all.schema()).unwrap();
    let pieces = [
        all.slice(5, 1),
        all.slice(99, 1),
        new_rows.slice(0, 1),
        new_rows.slice(50, 1),
    ];
    assert_eq!(
        read,
        arrow::compute::concat_batches(&all.schema(), &pieces).unwrap()
    );
}

#[test]
fn an_edit_that_does_not_fit_the_file_is_refused() {
    let file = open(file_of(&rows(0..10), &options(10)));
    let new_rows = rows(20..21);
    let refused = |updates: Vec<(u64, u32)>, deletes: Vec<u64>, inserts: Vec<u32>| {
        let edit = Edit {
            updates,
            deletes,
            inserts,
            rows: new_rows.clone(),
        };
        rewrite(Some(&file), &new_rows.schema(), &edit, &options(10), Vec::new()).is_err()
    };
    assert!(refused(vec![(3, 0)], vec![1, 3], vec![]));
    assert!(refused(vec![(10, 0)], vec![], vec![]));
    assert!(refused(vec![(1, 1)], vec![], vec![]));
    assert!(refused(vec![], vec![2, 1], vec![]));
    assert!(refused(vec![], vec![2, 2], vec![]));
    assert!(refused(vec![], vec![], vec![1]));
    assert!(!refused(vec![(3, 0)], vec![1, 4], vec![0]));
}

#[test]
fn a_streamed_file_has_its_rows_in_order_and_its_statistics() {
    let all = rows(0..2500);
    let mut bytes = Vec::new();
    let mut writer = FileWriter::new(&mut bytes, &all.schema(), &options(1000)).unwrap();
    for start in (0..2500).step_by(50) {
        writer.write(&all.slice(start, 50)).unwrap();
        assert_eq!(writer.rows(), start as u64 + 50);
    }
    let written = writer.finish().unwrap();
    assert_eq!((written.rows, written.bytes), (2500, bytes.len() as u64));
    assert_eq!(read_plainly(&bytes, &all.schema()), all);
    assert_eq!(open(bytes).groups(), 3);
    let nulls = (0..2500).filter(|row| row % 3 == 0).count();
    let wanted = format!(
        "{{\"numRecords\":2500,\"minValues\":{{\"key\":\"key-0000000\",\"number\":0,\"note\":\"note 0\"}},\
         \"maxValues\":{{\"key\":\"key-0002499\",\"number\":6,\"note\":\"note 4\"}},\
         \"nullCount\":{{\"key\":0,\"number\":0,\"note\":{nulls}}}}}"
    );
    assert_eq!(written.stats.to_delta_json(), wanted);
}
