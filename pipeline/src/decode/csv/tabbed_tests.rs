use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::contract::{Charset, Format};
use crate::decode::testing::{All, Trickle, read_from, read_within, row};

fn read_as(text: impl AsRef<[u8]>, format: TsvFormat) -> Result<All> {
    read_within(text, &Format::Tsv(format), Limits::default())
}

fn read(text: impl AsRef<[u8]>) -> All {
    read_as(text, TsvFormat::default()).unwrap()
}

fn in_charset(charset: Charset) -> TsvFormat {
    TsvFormat {
        charset,
        ..TsvFormat::default()
    }
}

#[track_caller]
fn message(text: impl AsRef<[u8]>) -> String {
    let error = read_as(text, TsvFormat::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    error.to_string()
}

#[test]
fn a_quote_is_a_character() {
    let all = read("amazon-order-id\titem name\n1\t\"Webcam 1/2\" Sensor\"\n2\t\"open\n\"\t\"\"\n");
    let rows = [
        (
            1,
            row(&[("amazon-order-id", "1"), ("item name", "\"Webcam 1/2\" Sensor\"")]),
        ),
        (2, row(&[("amazon-order-id", "2"), ("item name", "\"open")])),
        (3, row(&[("amazon-order-id", "\""), ("item name", "\"\"")])),
    ];
    assert_eq!(all.rows, rows);
    assert_eq!(all.malformed, []);
}

#[test]
fn lines_end_with_lf_or_crlf_and_empty_ones_do_not_count() {
    let wanted = read("a\tb\n1\t2\n3\t4\n");
    assert_eq!(wanted.ordinals(), [1, 2]);
    for text in [
        "a\tb\r\n1\t2\r\n3\t4\r\n",
        "a\tb\n1\t2\n3\t4",
        "a\tb\r\n\r\n1\t2\n\n\r\n3\t4\r",
        "\n\r\na\tb\n1\t2\n3\t4\n\n\r\n\r",
    ] {
        assert_eq!(read(text), wanted, "{text:?}");
    }
}

#[test]
fn lines_that_end_with_cr_alone_are_no_empty_report() {
    let said = message("a\tb\r1\t2\r3\t4\r");
    assert!(said.contains("carriage return"), "{said}");
}

#[test]
fn a_cr_within_a_line_is_part_of_its_cell() {
    let all = read("a\tb\n\r1\t2\r3\n4\r\t5\r\r\n");
    assert_eq!(all.field("a"), [Some("\r1"), Some("4\r")]);
    assert_eq!(all.field("b"), [Some("2\r3"), Some("5\r")]);
}

#[test]
fn cells_are_kept_as_they_are_and_empty_ones_are_null() {
    let all = read("a\tb\tc\n x \t\t1,5\n\0\t\\t\t\t\n\t\t\n");
    assert_eq!(all.rows, [(1, row(&[("a", " x "), ("c", "1,5")])), (3, row(&[]))]);
    assert_eq!(all.reasons(), [(2, "has 4 cells, the header has 3")]);
    let null = vec!["N/A".to_owned()];
    let format = TsvFormat {
        null,
        ..TsvFormat::default()
    };
    let all = read_as("a\tb\nN/A\t\n", format).unwrap();
    assert_eq!(all.rows, [(1, row(&[("b", "")]))]);
}

#[test]
fn a_line_with_other_cells_than_the_header_is_malformed_alone() {
    let all = read("a\tb\n1\t2\n3\n4\t5\t6\r\n7\t8\n\0\0\0");
    let wanted = [
        (2, "has 1 cell, the header has 2"),
        (3, "has 3 cells, the header has 2"),
        (5, "has 1 cell, the header has 2"),
    ];
    assert_eq!(all.reasons(), wanted);
    assert_eq!(all.malformed[1].text, "4\t5\t6");
    assert_eq!(all.ordinals(), [1, 4]);
}

#[test]
fn no_bytes_and_a_header_alone_are_no_rows() {
    for text in ["", "\u{FEFF}", "\n\r\n", "a\tb", "a\tb\r\n", "\u{FEFF}a\tb\n\n"] {
        assert_eq!(read(text), All::default(), "{text:?}");
    }
}

#[test]
fn headers_that_cannot_be_are_errors_of_the_object() {
    assert_eq!(
        message("sku\tqty\tsku\n1\t2\t3\n"),
        "the header names the field \"sku\" twice"
    );
    assert_eq!(message("sku\t\tqty\n"), "cell 2 of the header is empty");
    assert_eq!(message(b"a\t\xFF\n1\t2\n"), "the header is not valid UTF-8");
    let limits = Limits {
        record: 10,
        ..Limits::default()
    };
    let format = Format::Tsv(TsvFormat::default());
    let error = read_within("a\tb\tcdefghijk\n1\n", &format, limits).unwrap_err();
    assert!(error.message().contains("is larger than 10 bytes"));
}

#[test]
fn header_names_are_as_written_unless_renamed() {
    let rename = [("商品名".to_owned(), "item-name".to_owned())].into();
    let format = TsvFormat {
        rename,
        ..TsvFormat::default()
    };
    let all = read_as("商品名\tAmount (net)\nx\t1\n", format).unwrap();
    assert_eq!(all.columns, [["item-name", "Amount (net)"]]);
}

#[test]
fn a_line_beyond_the_limit_is_malformed_alone() {
    let limits = Limits {
        record: 10,
        chunk: 4,
        ..Limits::default()
    };
    let text = format!("a\tb\n1\t2\n\"{}\t4\n5\t6\n", "x".repeat(20));
    let all = read_within(text, &Format::Tsv(TsvFormat::default()), limits).unwrap();
    assert_eq!(all.reasons(), [(2, "is larger than 10 bytes: bytes 8 to 32")]);
    assert_eq!(all.ordinals(), [1, 3]);
}

#[test]
fn a_charset_is_decoded_and_what_it_lacks_costs_its_row() {
    let all = read_as(
        b"sku\tname\nA\tcaf\xE9\nB\t\x81\nC\t\x80\n",
        in_charset(Charset::Windows1252),
    )
    .unwrap();
    assert_eq!(all.field("name"), [Some("café"), Some("€")]);
    assert_eq!(all.reasons(), [(2, "is not valid windows-1252")]);
    let japanese = b"\x8F\xA4\x95i\x96\xBC\tsku\n\x87@\t1\nx\xFD\t2\n\x81\t3\ny\t4\n";
    let all = read_as(japanese, in_charset(Charset::ShiftJis)).unwrap();
    assert_eq!(all.columns, [["商品名", "sku"]]);
    assert_eq!(all.field("商品名"), [Some("①"), Some("y")]);
    assert_eq!(
        all.reasons(),
        [(2, "is not valid Shift_JIS"), (3, "is not valid Shift_JIS")]
    );
    let error = read_as(b"n\xFDme\n1\n", in_charset(Charset::ShiftJis)).unwrap_err();
    assert_eq!(error.to_string(), "the header is not valid Shift_JIS");
}

#[test]
fn a_byte_order_mark_tells_utf8_whatever_the_charset() {
    let all = read_as("\u{FEFF}a\né\n", in_charset(Charset::Windows1252)).unwrap();
    assert_eq!(all.field("a"), [Some("é")]);
}

#[test]
fn an_object_may_have_a_charset_of_its_own() {
    let read = |charset, format: &Format| {
        let input = Box::new(Trickle::whole(b"a\ncaf\xE9\n"));
        let decoded = crate::decode::decode(input, format, charset).unwrap();
        decoded.map(Result::unwrap).collect::<Vec<_>>()
    };
    let western = Format::Tsv(in_charset(Charset::Windows1252));
    for (charset, format) in [
        (None, &western),
        (Some(Charset::Windows1252), &Format::Tsv(TsvFormat::default())),
        (Some(Charset::Windows1252), &Format::Csv(CsvFormat::default())),
    ] {
        assert!(matches!(read(charset, format).as_slice(), [Decoded::Rows(_)]));
    }
    assert!(matches!(
        read(Some(Charset::Utf8), &western).as_slice(),
        [Decoded::Malformed(_)]
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn cells_survive_in_any_pieces(
        records in proptest::collection::vec(proptest::collection::vec("[a\"',é ]{1,5}", 3), 0..8),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
        end in prop::sample::select(vec!["\n", "\r\n", "\n\r\n"]),
    ) {
        let lines = records.iter().map(|cells| format!("{}{end}", cells.join("\t")));
        let text = format!("a\tb\tc{end}{}", lines.collect::<String>());
        let input = Trickle { bytes: Cursor::new(text.into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 3, ..Limits::default() };
        let all = read_from(Box::new(input), &Format::Tsv(TsvFormat::default()), limits).unwrap();
        prop_assert_eq!(&all.malformed, &[]);
        let rows: Vec<Vec<String>> = all.rows.into_iter().map(|(_, row)| row.into_values().collect()).collect();
        prop_assert_eq!(rows, records);
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(
        text in proptest::collection::vec(
            prop::sample::select(b"a\"\t\n\r\xC3\xA9\0\x81".to_vec()), 0..120
        ),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        chunk in 1_usize..32,
        charset in prop::sample::select(vec![Charset::Utf8, Charset::Windows1252, Charset::ShiftJis]),
    ) {
        let text = [&b"a\tb\n"[..], &text].concat();
        let format = Format::Tsv(in_charset(charset));
        let limits = Limits { record: 30, ..Limits::default() };
        let whole = read_within(&text, &format, limits).unwrap();
        let input = Trickle { bytes: Cursor::new(text), sizes, calls: 0 };
        let pieces = read_from(Box::new(input), &format, Limits { chunk, ..limits }).unwrap();
        prop_assert_eq!(whole, pieces);
    }
}
