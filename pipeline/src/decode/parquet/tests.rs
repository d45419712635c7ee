use std::io::Read;
use std::ops::Range;
use std::sync::Mutex;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{Fields, Int32Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::Kind;
use crate::contract::Format;
use crate::decode::decode_within;
use crate::decode::testing::{All, read_within, row};

fn written(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    written_in_groups(&batch.unwrap(), 1 << 20, Compression::SNAPPY)
}

fn written_in_groups(batch: &RecordBatch, rows: usize, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(rows))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn read(bytes: impl AsRef<[u8]>) -> Result<All> {
    read_within(bytes, &Format::Parquet, Limits::default())
}

/// The texts of one column.
#[track_caller]
fn texts(column: impl Array + 'static) -> Vec<Option<String>> {
    let all = read(written(vec![("x", Arc::new(column))])).unwrap();
    assert_eq!(all.malformed, []);
    let texts = all.field("x").into_iter();
    texts.map(|text| text.map(str::to_owned)).collect()
}

#[track_caller]
fn assert_texts(column: impl Array + 'static, wanted: &[&str]) {
    let wanted: Vec<_> = wanted.iter().map(|text| Some(text.to_string())).collect();
    assert_eq!(texts(column), wanted);
}

#[test]
fn numbers_keep_every_digit() {
    assert_texts(
        Int64Array::from(vec![i64::MIN, 0, 42]),
        &["-9223372036854775808", "0", "42"],
    );
    assert_texts(UInt64Array::from(vec![u64::MAX]), &["18446744073709551615"]);
    assert_texts(Int8Array::from(vec![-7]), &["-7"]);
    let decimal = Decimal128Array::from(vec![-1, 150, 12_345_678_901_234_567_890_123_456_789_012_345_678]);
    assert_texts(
        decimal.with_precision_and_scale(38, 4).unwrap(),
        &["-0.0001", "0.0150", "1234567890123456789012345678901234.5678"],
    );
    assert_texts(
        Decimal128Array::from(vec![1250])
            .with_precision_and_scale(9, 2)
            .unwrap(),
        &["12.50"],
    );
    assert_texts(BooleanArray::from(vec![true, false]), &["true", "false"]);
}

#[test]
fn floating_point_is_the_shortest_text_that_gives_it_back() {
    let values = vec![0.1, 1.0 / 3.0, -2.5, 1e300, 5e-324, f64::MAX];
    let all = texts(Float64Array::from(values.clone()));
    let back: Vec<f64> = all
        .iter()
        .map(|text| text.as_ref().unwrap().parse().unwrap())
        .collect();
    assert_eq!(back, values);
    assert_eq!(all[0].as_deref(), Some("0.1"));
    assert_texts(Float32Array::from(vec![0.1]), &["0.1"]);
    assert_texts(Float64Array::from(vec![f64::NAN]), &["NaN"]);
}

#[test]
fn days_and_times_are_iso_8601() {
    assert_texts(
        Date32Array::from(vec![0, 20_000, -1]),
        &["1970-01-01", "2024-10-04", "1969-12-31"],
    );
    let micros = vec![0, 1_700_000_000_123_456];
    let instants = TimestampMicrosecondArray::from(micros.clone());
    assert_texts(
        instants.clone().with_timezone("UTC"),
        &["1970-01-01T00:00:00Z", "2023-11-14T22:13:20.123456Z"],
    );
    assert_texts(
        instants.clone().with_timezone("America/New_York"),
        &["1970-01-01T00:00:00Z", "2023-11-14T22:13:20.123456Z"],
    );
    assert_texts(instants, &["1970-01-01T00:00:00", "2023-11-14T22:13:20.123456"]);
    assert_texts(
        TimestampMillisecondArray::from(vec![1_500]).with_timezone("UTC"),
        &["1970-01-01T00:00:01.500Z"],
    );
    assert_texts(
        TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789]).with_timezone("UTC"),
        &["2023-11-14T22:13:20.123456789Z"],
    );
    assert_texts(
        Time64MicrosecondArray::from(vec![3_600_000_001]),
        &["01:00:00.000001"],
    );
}

#[test]
fn the_old_type_of_instants_reaches_every_day() {
    let schema = Arc::new(parse_message_type("message m { optional int96 at; }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let int96 = |day: u32, nanos: u64| {
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, day);
        value
    };
    // Julian days of 1970-01-01 and of 9999-12-31.
    let values = [int96(2_440_588, 3_600_000_001_000), int96(5_373_484, 0)];
    column
        .typed::<Int96Type>()
        .write_batch(&values, Some(&[1, 0, 1]), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let all = read(writer.into_inner().unwrap()).unwrap();
    assert_eq!(
        all.field("at"),
        [
            Some("1970-01-01T01:00:00.000001Z"),
            None,
            Some("9999-12-31T00:00:00Z")
        ]
    );
}

#[test]
fn text_is_text_whatever_the_column_says_and_other_bytes_are_not() {
    let strings = ["é😀", "", "a\0\"b"];
    assert_texts(StringArray::from(strings.to_vec()), &strings);
    assert_texts(LargeStringArray::from(strings.to_vec()), &strings);
    assert_texts(StringViewArray::from(strings.to_vec()), &strings);
    let words: DictionaryArray<Int32Type> = ["x", "y", "x"].into_iter().collect();
    assert_texts(words, &["x", "y", "x"]);
    let bytes = BinaryArray::from(vec![&b"ok"[..], b"\xFF\xFE", b"fine"]);
    let all = read(written(vec![
        ("b", Arc::new(bytes)),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ]))
    .unwrap();
    assert_eq!(
        all.rows,
        [
            (1, row(&[("b", "ok"), ("n", "1")])),
            (3, row(&[("b", "fine"), ("n", "3")]))
        ]
    );
    assert_eq!(
        all.reasons(),
        [(2, "has the field \"b\", which has bytes that are no text")]
    );
    assert_eq!(all.malformed[0].text, r#"{"b":null,"n":"2"}"#);
    let fixed = FixedSizeBinaryArray::try_from_iter([[0x00_u8, 0xAB, 0xFF]].iter()).unwrap();
    assert_texts(fixed, &["00abff"]);
}

#[test]
fn what_is_nested_becomes_json() {
    let list =
        ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!(
        texts(list),
        [Some("[1,null]".to_owned()), None, Some("[]".to_owned())]
    );
    let amount = Decimal128Array::from(vec![Some(150), None])
        .with_precision_and_scale(9, 2)
        .unwrap();
    let fields = Fields::from(vec![
        Field::new("amount", amount.data_type().clone(), true),
        Field::new("name", DataType::Utf8, true),
        Field::new("rate", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(amount),
        Arc::new(StringArray::from(vec!["a\"\n", "é"])),
        Arc::new(Float64Array::from(vec![0.1, f64::NAN])),
        Arc::new(Date32Array::from(vec![0, 1])),
    ];
    assert_texts(
        StructArray::new(fields, columns, None),
        &[
            r#"{"amount":1.50,"name":"a\"\n","rate":0.1,"day":"1970-01-01"}"#,
            r#"{"amount":null,"name":"é","rate":"NaN","day":"1970-01-02"}"#,
        ],
    );
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    assert_eq!(texts(map.finish()), [Some(r#"{"k":1}"#.to_owned()), None]);
}

#[test]
fn a_list_of_structs_keeps_nulls_apart() {
    let fields = Fields::from(vec![Field::new("q", DataType::Int64, true)]);
    let items = StructArray::new(
        fields.clone(),
        vec![Arc::new(Int64Array::from(vec![Some(1), None, None]))],
        Some(NullBuffer::from(vec![true, true, false])),
    );
    let item = Arc::new(Field::new("item", DataType::Struct(fields), true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([2, 1]), Arc::new(items), None);
    assert_texts(list, &[r#"[{"q":1},{"q":null}]"#, "[null]"]);
}

fn numbered(rows: i64) -> RecordBatch {
    let ids: Int64Array = (1..=rows).collect();
    let names: StringArray = (1..=rows)
        .map(|id| Some(format!("name {id} {}", "x".repeat(200))))
        .collect();
    RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("name", Arc::new(names))]).unwrap()
}

#[test]
fn every_compression_and_every_row_group_is_read() {
    let wanted: Vec<i64> = (1..=1000).collect();
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(Default::default()),
    ] {
        let all = read(written_in_groups(&numbered(1000), 300, compression)).unwrap();
        assert_eq!(all.ordinals(), wanted, "{compression:?}");
        assert_eq!(all.field("id")[999], Some("1000"));
    }
}

#[test]
fn the_size_of_batches_does_not_change_the_rows() {
    let bytes = written_in_groups(&numbered(500), 120, Compression::SNAPPY);
    let whole = read(&bytes).unwrap();
    for (rows, size) in [(1, 1 << 20), (7, 1 << 20), (8192, 1000)] {
        let limits = Limits {
            rows,
            bytes: size,
            ..Limits::default()
        };
        let all = read_within(&bytes, &Format::Parquet, limits).unwrap();
        assert_eq!(all.rows, whole.rows);
        assert!(all.columns.len() > whole.columns.len());
    }
}

#[test]
fn a_long_text_that_stands_in_the_file_once_is_not_held_for_thousands_of_rows() {
    let text = "x".repeat(10_000);
    let bytes = written(vec![(
        "x",
        Arc::new(StringArray::from(vec![text.as_str(); 3_000])),
    )]);
    assert!(bytes.len() < 100_000);
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let (mut rows, mut most) = (0, 0);
    for decoded in decode_within(
        Box::new(crate::decode::testing::Trickle::whole(&bytes)),
        &Format::Parquet,
        limits,
    )
    .unwrap()
    {
        let Decoded::Rows(batch) = decoded.unwrap() else {
            panic!("no rows")
        };
        rows += batch.rows.len();
        most = most.max(batch.rows.len());
    }
    assert_eq!((rows, most), (3_000, FIRST_ROWS));
}

#[test]
fn files_without_rows_are_no_rows() {
    assert_eq!(
        read(written(vec![(
            "x",
            Arc::new(Int64Array::from(Vec::<i64>::new()))
        )]))
        .unwrap(),
        All::default()
    );
}

#[track_caller]
fn message(bytes: impl AsRef<[u8]>) -> String {
    let error = read(bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    error.to_string()
}

#[test]
fn what_is_no_parquet_file_is_an_error_of_the_data() {
    assert_eq!(message(""), "the object is empty: there is no Parquet file");
    for text in [
        "PAR1",
        "id,name\n1,2\n",
        "\u{1f}\u{8b}gzip",
        "PAR1 and then nothing PAR1",
    ] {
        assert_eq!(
            message(text),
            "the object is no Parquet file that can be read",
            "{text:?}"
        );
    }
    let whole = written_in_groups(&numbered(200), 50, Compression::SNAPPY);
    for length in [1, 4, 100, whole.len() / 2, whole.len() - 1] {
        message(&whole[..length]);
    }
}

#[test]
fn a_damaged_file_never_does_more_than_fail() {
    let whole = written_in_groups(&numbered(60), 20, Compression::SNAPPY);
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5A;
        if let Err(error) = read(&damaged) {
            assert_eq!(error.kind(), Kind::Data, "byte {at}");
        }
    }
}

#[test]
fn a_column_that_is_there_twice_is_an_error() {
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    assert!(message(written(vec![("x", one()), ("x", one())])).contains("\"x\" twice"));
}

/// Notes which ranges are asked for, and fails beyond a position.
struct Watched {
    bytes: Bytes,
    asked: Arc<Mutex<Vec<Range<u64>>>>,
    fails_before: u64,
}

impl Read for Watched {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        panic!("a Parquet file is not read from its start")
    }
}

impl Input for Watched {
    fn again(&self) -> Result<Box<dyn Input>> {
        Err(Error::internal("a Parquet file is not read again"))
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start < self.fails_before {
            return Err(Error::new(Kind::NotFound, "object is gone"));
        }
        self.asked.lock().unwrap().push(range.clone());
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }
}

fn large() -> Bytes {
    let ids: Int64Array = (0..40_000).collect();
    // Text that does not compress.
    let noise: StringArray = (0..40_000_u64)
        .map(|id| {
            Some(
                (0..8)
                    .map(|n| format!("{:x}", (id * 8 + n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
                    .collect::<String>(),
            )
        })
        .collect();
    let batch =
        RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("noise", Arc::new(noise))]).unwrap();
    written_in_groups(&batch, 2_000, Compression::UNCOMPRESSED).into()
}

#[test]
fn a_file_is_read_by_ranges_and_rows_come_out_before_its_middle_is_read() {
    let (bytes, asked) = (large(), Arc::new(Mutex::new(Vec::new())));
    assert!(bytes.len() > 4 << 20);
    let input = Watched {
        bytes: bytes.clone(),
        asked: Arc::clone(&asked),
        fails_before: 0,
    };
    let limits = Limits {
        rows: 1_000,
        ..Limits::default()
    };
    let mut rows = ParquetRows::new(Box::new(input), limits).unwrap();
    assert!(matches!(rows.next(), Some(Ok(Decoded::Rows(batch))) if batch.rows.len() == FIRST_ROWS));
    let asked_for = || {
        asked
            .lock()
            .unwrap()
            .iter()
            .map(|range| range.end - range.start)
            .sum::<u64>()
    };
    assert!(asked_for() < bytes.len() as u64 / 2, "{} bytes", asked_for());
    assert_eq!(rows.map(Result::unwrap).count(), 40);
    assert!(asked_for() < 2 * bytes.len() as u64, "{} bytes", asked_for());
}

#[test]
fn a_request_that_fails_keeps_its_kind() {
    let bytes = large();
    for fails_before in [u64::MAX, 2 << 20] {
        let input = Watched {
            bytes: bytes.clone(),
            asked: Arc::default(),
            fails_before,
        };
        let failed = match decode_within(Box::new(input), &Format::Parquet, Limits::default()) {
            Ok(rows) => rows.last().unwrap().unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(
            (failed.kind(), failed.message()),
            (Kind::NotFound, "object is gone")
        );
    }
}
