use std::io::Cursor;

use csv_core::{WriteResult, Writer};
use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::contract::Format;
use crate::decode::testing::{All, Trickle, read_from, read_within, row};

fn present() -> CsvFormat {
    CsvFormat::default()
}

fn declared(columns: &[&str]) -> CsvFormat {
    let columns = columns.iter().map(ToString::to_string).collect();
    CsvFormat {
        header: Header::Absent,
        columns,
        ..CsvFormat::default()
    }
}

fn detected(columns: &[&str], known: &[&str]) -> CsvFormat {
    let known = known.iter().map(ToString::to_string).collect();
    CsvFormat {
        header: Header::Detect,
        known,
        ..declared(columns)
    }
}

fn read(text: impl AsRef<[u8]>, format: CsvFormat) -> Result<All> {
    read_within(text, &Format::Csv(format), Limits::default())
}

#[track_caller]
fn message(text: &str, format: CsvFormat) -> String {
    let error = read(text, format).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    error.to_string()
}

#[test]
fn records_become_rows_with_ordinals() {
    let all = read("id,name\n1,x\n2,y\n", present()).unwrap();
    let rows = [
        (1, row(&[("id", "1"), ("name", "x")])),
        (2, row(&[("id", "2"), ("name", "y")])),
    ];
    assert_eq!(all.rows, rows);
    assert_eq!(all.malformed, []);
}

#[test]
fn line_ends_may_be_lf_crlf_or_cr_and_the_last_may_be_missing() {
    let wanted = read("a,b\n1,2\n3,4\n", present()).unwrap();
    assert_eq!(wanted.rows.len(), 2);
    for text in [
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4\r",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\n\n\r\n3,4",
    ] {
        assert_eq!(read(text, present()).unwrap(), wanted, "{text:?}");
    }
}

#[test]
fn quoted_cells_hold_delimiters_quotes_and_line_ends() {
    let all = read("a,b\n\"x,\"\"y\"\"\r\nz\",\"\n\"\n", present()).unwrap();
    assert_eq!(all.rows, [(1, row(&[("a", "x,\"y\"\r\nz"), ("b", "\n")]))]);
}

#[test]
fn the_delimiter_is_any_ascii_character() {
    for delimiter in ['\t', '|', ';', '\u{1}'] {
        let text = format!("a{delimiter}b\n1,0{delimiter}2\n");
        let format = CsvFormat {
            delimiter: delimiter as u8,
            ..present()
        };
        assert_eq!(
            read(text, format).unwrap().rows,
            [(1, row(&[("a", "1,0"), ("b", "2")]))]
        );
    }
    for delimiter in [0xE9, b'"', b'\n'] {
        let error = read(
            "a",
            CsvFormat {
                delimiter,
                ..present()
            },
        )
        .unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }
}

#[test]
fn null_tokens_are_null_quoted_or_not() {
    let null = vec![String::new(), "\\N".to_owned()];
    let format = CsvFormat { null, ..present() };
    let all = read("a,b,c,d,e\n,\"\",\\N,\"\\N\",NULL\n", format).unwrap();
    assert_eq!(all.rows, [(1, row(&[("e", "NULL")]))]);
    let all = read(
        "a,b\n,\"\"\n",
        CsvFormat {
            null: Vec::new(),
            ..present()
        },
    )
    .unwrap();
    assert_eq!(all.rows, [(1, row(&[("a", ""), ("b", "")]))]);
}

#[test]
fn null_bytes_and_blanks_in_cells_are_kept() {
    let all = read("a,b\n x\0y ,\0\n", present()).unwrap();
    assert_eq!(all.rows, [(1, row(&[("a", " x\0y "), ("b", "\0")]))]);
}

#[test]
fn no_bytes_and_a_header_alone_are_no_rows() {
    for format in [
        present(),
        declared(&["a", "b"]),
        detected(&["a", "b"], &["a", "b"]),
    ] {
        assert_eq!(read("", format.clone()).unwrap(), All::default());
        assert_eq!(read("\u{FEFF}", format.clone()).unwrap(), All::default());
        assert_eq!(read("\n", format).unwrap(), All::default());
    }
    for text in ["a,b", "a,b\r\n", "\u{FEFF}a,b\n\n"] {
        assert_eq!(read(text, present()).unwrap(), All::default(), "{text:?}");
        assert_eq!(
            read(text, detected(&["a", "b"], &["a", "b"])).unwrap(),
            All::default(),
            "{text:?}"
        );
    }
}

#[test]
fn a_record_with_other_cells_than_the_header_is_malformed_alone() {
    let all = read("a,b\n1,2\n1,2,\"3\"\r\n4\n5,6\n", present()).unwrap();
    assert_eq!(all.ordinals(), [1, 4]);
    assert_eq!(
        all.reasons(),
        [
            (2, "has 3 cells, the header has 2"),
            (3, "has 1 cell, the header has 2")
        ]
    );
    assert_eq!(all.malformed[0].text, "1,2,\"3\"");
    let all = read("1,2\n3\n", declared(&["a", "b"])).unwrap();
    assert_eq!(all.reasons(), [(2, "has 1 cell, the declared columns are 2")]);
}

#[test]
fn a_record_that_is_not_utf8_is_malformed_alone() {
    let all = read(b"a,b\n1,\xFF\n\xC3,\xA9\n2,\xC3\xA9\n", present()).unwrap();
    assert_eq!(
        all.reasons(),
        [(1, "is not valid UTF-8"), (2, "is not valid UTF-8")]
    );
    assert_eq!(all.malformed[0].text, "1,\u{FFFD}");
    assert_eq!(all.rows, [(3, row(&[("a", "2"), ("b", "é")]))]);
}

#[test]
fn a_quote_that_nothing_closes_costs_its_line_and_says_that_the_object_may_be_cut_short() {
    for (ending, rows, is_open) in [
        ("\"x", vec![1], true),
        ("\"x\"\"", vec![1], true),
        ("\"", vec![1], true),
        ("\"x\ny,z\n", vec![1, 3], true),
        ("\"x\n\"y\",\"z\ny\"\n5,6\n", vec![1, 3, 4], false),
    ] {
        let all = read(format!("a,b\n1,2\n3,{ending}"), present()).unwrap();
        assert_eq!(all.ordinals(), rows, "{ending:?}");
        assert_eq!(all.malformed.len(), 1, "{ending:?}");
        assert_eq!(all.malformed[0].row, 2);
        let line = ending.lines().next().unwrap();
        assert_eq!(all.malformed[0].text, format!("3,{line}"));
        assert_eq!(all.cut_short, is_open, "{ending:?}");
    }
    let all = read("a,b\n1,2\n3,\"x", present()).unwrap();
    assert_eq!(
        all.reasons(),
        [(2, "has a quote that is not closed: bytes 8 to 12")]
    );
    for ending in ["\"x\"", "", "x\"y", "\"\""] {
        let all = read(format!("a,b\n1,2\n3,{ending}"), present()).unwrap();
        assert_eq!((all.rows.len(), all.malformed.len()), (2, 0), "{ending:?}");
        assert!(!all.cut_short);
    }
}

#[test]
fn text_after_a_closing_quote_is_no_value() {
    for line in [
        "\"TV 40\" wide\",1",
        "\"plain\" ,1",
        "1,\"x\"y",
        "1,\"x\"\t",
        "\"x\"y\"z\",1",
    ] {
        let all = read(format!("a,b\n1,2\n{line}\n{line}\n3,4\n"), present()).unwrap();
        assert_eq!(all.field("b"), [Some("2"), Some("4")], "{line}");
        let texts: Vec<_> = all
            .malformed
            .iter()
            .map(|malformed| malformed.text.as_str())
            .collect();
        assert_eq!(texts, [line.trim_end(); 2]);
        let reason = &all.malformed[0].reason;
        assert!(
            reason.starts_with("has text after a closing quote: bytes 8 to "),
            "{reason}"
        );
        assert!(!all.cut_short);
    }
}

#[test]
fn a_quote_that_opens_by_mistake_costs_its_line_alone() {
    for end in ["\n", "\r\n", "\r"] {
        let lines = [
            "a,b,c",
            "1,first,1",
            "2,\"5 inch pipe,2",
            "3,plain,3",
            "4,\"third\",4",
            "5,\"x\"\"y\",5",
        ];
        let all = read(lines.join(end), present()).unwrap();
        assert_eq!(
            all.field("a"),
            [Some("1"), Some("3"), Some("4"), Some("5")],
            "{end:?}"
        );
        assert_eq!(
            all.field("b"),
            [Some("first"), Some("plain"), Some("third"), Some("x\"y")]
        );
        assert_eq!(all.malformed.len(), 1);
        assert_eq!(all.malformed[0].text, lines[2]);
        assert_eq!(all.ordinals(), [1, 3, 4, 5]);
    }
}

#[test]
fn lines_of_a_damaged_cell_are_no_records() {
    let text = "a,b,c\n1,\"he said \"yes\" and\n\nleft, as\nhe said\",7\n2,x,8\n";
    let all = read(text, present()).unwrap();
    assert_eq!(all.field("a"), [Some("2")]);
    assert_eq!(
        all.malformed[0].text,
        "1,\"he said \"yes\" and\n\nleft, as\nhe said\",7"
    );
}

#[test]
fn where_no_quote_can_be_open_the_next_line_is_read_as_it_stands() {
    let all = read("a,b\n\"x\" ,1\n27\",2\n3\n", present()).unwrap();
    assert_eq!(all.field("a"), [Some("27\"")]);
    assert_eq!(
        all.reasons(),
        [
            (1, "has text after a closing quote: bytes 4 to 11"),
            (3, "has 1 cell, the header has 2")
        ]
    );
}

#[test]
fn a_last_record_without_all_cells_and_line_end_says_that_the_object_may_be_cut_short() {
    for (text, is_cut) in [
        ("a,b\n1,2\n3", true),
        ("a,b\n1,2\n3\n", false),
        ("a,b\n1,2\n3,4", false),
        ("a,b\n1\n3,4", false),
        ("a,b\n1,2\n3,4,5", false),
        ("a,b\n1,2\n\0\0\0", false),
    ] {
        assert_eq!(read(text, present()).unwrap().cut_short, is_cut, "{text:?}");
        let tabs = text.replace(',', "\t");
        let all = read_within(tabs, &Format::Tsv(TsvFormat::default()), Limits::default()).unwrap();
        assert_eq!(all.cut_short, is_cut, "{text:?} between tabs");
    }
}

#[test]
fn a_record_beyond_the_limit_is_malformed_and_reading_goes_on_after_it() {
    let limits = Limits {
        record: 20,
        chunk: 8,
        ..Limits::default()
    };
    for large in [
        "\"1\n2345678901234567890\"",
        "123456789012345678901",
        "1,,,,,,,,,,,,,,,,,,,,,,",
    ] {
        let text = format!("a,b\n1,2\n{large},{large}\n3,4\n");
        let all = read_within(&text, &Format::Csv(present()), limits).unwrap();
        assert_eq!(all.ordinals(), [1, 3]);
        let end = 8 + 2 * large.len() + 2;
        let reason = format!("is larger than 20 bytes: bytes 8 to {end}");
        assert_eq!(all.reasons(), [(2, reason.as_str())]);
        assert_eq!(all.malformed[0].text, format!("{large},{large}"));
    }
}

#[test]
fn a_large_record_is_cut_and_does_not_stay_in_memory() {
    let limits = Limits {
        record: 1 << 20,
        ..Limits::default()
    };
    let line = b"a,b\n".iter().copied();
    let large = std::iter::repeat_n(b'x', 40 << 20);
    let bytes = line
        .clone()
        .chain(large)
        .chain(b",1\n5,6\n".iter().copied())
        .collect();
    let input = Trickle {
        bytes: Cursor::new(bytes),
        sizes: vec![1 << 20],
        calls: 0,
    };
    let window = Window::new(Box::new(input), limits.chunk);
    let mut rows = CsvRows::new(window, &present(), limits).unwrap();
    let Some(Ok(Decoded::Malformed(malformed))) = rows.next() else {
        panic!("a malformed record comes first")
    };
    assert!(
        malformed.text.ends_with("(cut, 41943043 bytes in all)"),
        "{}",
        &malformed.text[65_000..]
    );
    assert!(
        rows.records.memory() < 8 << 20,
        "{} bytes are held",
        rows.records.memory()
    );
    assert!(matches!(rows.next(), Some(Ok(Decoded::Rows(batch))) if batch.rows == [2]));
}

#[test]
fn header_cells_are_trimmed_and_renamed() {
    let rename = [("Order ID", "order_id"), ("amt", "amount")];
    let rename = rename.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    let format = CsvFormat {
        rename,
        known: vec!["qty".to_owned()],
        ..present()
    };
    let all = read(" order id ,amt,\"Qty\"\n1,2,3\n", format).unwrap();
    assert_eq!(
        all.columns,
        [["order_id", "amount", "Qty"]],
        "known names do not touch a header that is there"
    );
}

#[test]
fn declared_columns_are_renamed() {
    let format = CsvFormat {
        rename: [("a".to_owned(), "x".to_owned())].into(),
        ..declared(&["a", "b"])
    };
    assert_eq!(read("1,2\n", format).unwrap().columns, [["x", "b"]]);
}

#[test]
fn headers_that_cannot_be_are_errors_of_the_object() {
    assert!(message("a,b,a\n1,2,3\n", present()).contains("\"a\" twice"));
    let rename = CsvFormat {
        rename: [("b".to_owned(), "a".to_owned())].into(),
        ..present()
    };
    assert!(message("a,b\n1,2\n", rename).contains("\"a\" twice"));
    assert!(message("\na,b\n1,2\n", present()).contains("first line is empty"));
    assert!(message("\r\n1,2\n", present()).contains("first line is empty"));
    assert!(message(",\n1,2\n", present()).contains("cell 1 of the header is empty"));
    assert!(message("a, ,c\n1,2,3\n", present()).contains("cell 2 of the header is empty"));
    assert!(message("a,\"b\n1,2\n", present()).contains("not closed"));
    let error = read(b"a,\xFF\n1,2\n", present()).unwrap_err();
    assert!(error.message().contains("not valid UTF-8"));
}

#[test]
fn columns_that_cannot_be_are_errors_of_usage() {
    assert_eq!(read("1\n", declared(&[])).unwrap_err().kind(), Kind::Usage);
    assert_eq!(
        read("1,2\n", declared(&["a", "a"])).unwrap_err().kind(),
        Kind::Usage
    );
}

#[test]
fn a_header_is_detected_when_all_its_cells_are_known() {
    let mut format = detected(&["id", "name"], &["amount", "name"]);
    format.rename.insert("ident".to_owned(), "id".to_owned());
    for header in ["id,name", " ID ,Name", "ident,NAME", "name,id"] {
        let all = read(format!("{header}\n1,2\n"), format.clone()).unwrap();
        assert_eq!(all.ordinals(), [1], "{header}");
        let mut names = all.columns[0].clone();
        names.sort();
        assert_eq!(names, ["id", "name"], "{header}");
    }
    for first in ["1,2", "id,2", "x,y"] {
        let all = read(format!("{first}\n3,4\n"), format.clone()).unwrap();
        assert_eq!(all.ordinals(), [1, 2], "{first}");
        assert_eq!(all.columns, [["id", "name"]], "{first}");
    }
}

#[test]
fn a_first_record_that_is_no_header_is_judged_as_a_row() {
    let all = read(b"1,\xFF\n3,4\n", detected(&["a", "b"], &["a", "b"])).unwrap();
    assert_eq!(all.reasons(), [(1, "is not valid UTF-8")]);
    assert_eq!(all.ordinals(), [2]);
}

#[test]
fn detection_without_known_names_takes_the_first_record_as_header() {
    assert_eq!(
        read("x,y\n1,2\n", detected(&[], &[])).unwrap().columns,
        [["x", "y"]]
    );
}

#[test]
fn detection_does_not_guess() {
    let format = detected(&["a", "b", "c"], &["a", "b"]);
    assert!(message("a,b,new\n1,2,3\n", format).contains("\"new\" is no known field"));
}

#[test]
fn without_declared_columns_one_known_name_makes_a_header() {
    let all = read("mood,ID,Weather\ngood,1,dry\n", detected(&[], &["id", "name"])).unwrap();
    assert_eq!(all.columns, [["mood", "id", "Weather"]]);
    assert_eq!(all.ordinals(), [1]);
    let error = message("1,2\n3,4\n", detected(&[], &["a"]));
    assert!(
        error.contains("names no field") && !error.contains(['1', '2']),
        "cells that may be personal are not shown: {error}"
    );
}

#[test]
fn a_header_that_has_to_be_there_has_a_field_that_the_contract_names_as_it_names_it() {
    let format = |known: &[&str]| CsvFormat {
        header: Header::Present,
        ..detected(&[], known)
    };
    let all = read("mood,id\ngood,1\n", format(&["id"])).unwrap();
    assert_eq!(all.columns, [["mood", "id"]]);
    for page in ["<html>\n", "ID,mood\n1,good\n"] {
        assert!(
            message(page, format(&["id"])).contains("names no field"),
            "{page}"
        );
    }
    assert_eq!(
        read("anything\n1\n", format(&[])).unwrap().columns,
        [["anything"]]
    );
}

#[test]
fn batches_are_bounded_by_rows_and_by_bytes() {
    let text = format!("a\n{}", "x\n".repeat(10));
    let limits = Limits {
        rows: 4,
        ..Limits::default()
    };
    let all = read_within(&text, &Format::Csv(present()), limits).unwrap();
    assert_eq!((all.columns.len(), all.ordinals()), (3, (1..=10).collect()));
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    let all = read_within(&text, &Format::Csv(present()), limits).unwrap();
    assert_eq!((all.columns.len(), all.ordinals()), (5, (1..=10).collect()));
}

type Step<'a> = &'a mut dyn FnMut(&mut Writer, &mut [u8]) -> (WriteResult, usize);

fn written(records: &[Vec<String>], delimiter: u8, end: &str) -> Vec<u8> {
    let mut writer = csv_core::WriterBuilder::new().delimiter(delimiter).build();
    let mut text = Vec::new();
    let mut room = vec![0; 1 << 16];
    let mut put = |text: &mut Vec<u8>, step: Step<'_>| {
        let (result, length) = step(&mut writer, &mut room);
        assert_eq!(result, WriteResult::InputEmpty);
        text.extend_from_slice(&room[..length]);
    };
    for record in records {
        for (index, cell) in record.iter().enumerate() {
            if index > 0 {
                put(&mut text, &mut |writer, room| writer.delimiter(room));
            }
            put(&mut text, &mut |writer, room| {
                let (result, _, length) = writer.field(cell.as_bytes(), room);
                (result, length)
            });
        }
        // Closes the cell; the line end is ours.
        put(&mut text, &mut |writer, room| writer.terminator(room));
        text.pop();
        text.extend_from_slice(end.as_bytes());
    }
    text
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(
            prop::sample::select(vec![
                'a', '"', ',', '|', '\n', '\r', ' ', '\0', 'é', '\u{FEFF}', '😀'
            ]),
            0..6
        )
        .prop_map(String::from_iter),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cells_survive_writing_and_reading_in_any_pieces(
        records in proptest::collection::vec(proptest::collection::vec(cell(), 3), 0..8),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
        delimiter in prop::sample::select(b",|\t".to_vec()),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let text = written(&records, delimiter, end);
        let format = CsvFormat { delimiter, null: Vec::new(), ..declared(&["a", "b", "c"]) };
        let limits = Limits { chunk, rows: 3, ..Limits::default() };
        // A mark at the start would be taken for a byte order mark; the writer does not quote it.
        prop_assume!(!text.starts_with("\u{FEFF}".as_bytes()));
        let input = Trickle { bytes: Cursor::new(text), sizes, calls: 0 };
        let all = read_from(Box::new(input), &Format::Csv(format), limits).unwrap();
        prop_assert_eq!(&all.malformed, &[]);
        let rows: Vec<Vec<String>> = all.rows.into_iter().map(|(_, row)| row.into_values().collect()).collect();
        prop_assert_eq!(rows, records);
    }

    #[test]
    fn a_damaged_line_touches_no_other(
        records in proptest::collection::vec(("[a-c \"\n]{0,5}", "[a-c\"]{0,3}", any::<bool>()), 1..30),
        damaged in proptest::collection::vec((0_usize..30, 0_usize..4), 1..4),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
    ) {
        let quoted = |cell: &str| format!("\"x{}\"", cell.replace('"', "\"\""));
        let damages = ["{n},\"5 inch,z", "{n},\"5\" inch,z", "{n},\"5\" \"inch\",z", "{n},\"x\"\"y\"z,z"];
        let (mut text, mut wanted) = (format!("n,x,y{end}"), Vec::new());
        for (number, (cell, other, quote)) in records.iter().enumerate() {
            match damaged.iter().find(|(line, _)| *line == number) {
                Some((_, damage)) => text += &damages[*damage].replace("{n}", &number.to_string()),
                None => {
                    let other = other.replace('"', "");
                    let row = if *quote { quoted(&other) } else { other.clone() };
                    text += &format!("{number},{},{row}", quoted(cell));
                    let other = if *quote { format!("x{other}") } else { other };
                    wanted.push((number.to_string(), format!("x{cell}"), other));
                }
            }
            text += end;
        }
        let input = Trickle { bytes: Cursor::new(text.into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 3, ..Limits::default() };
        let format = CsvFormat { null: Vec::new(), ..present() };
        let all = read_from(Box::new(input), &Format::Csv(format), limits).unwrap();
        let cell = |row: &std::collections::BTreeMap<String, String>, name: &str| row[name].clone();
        let rows: Vec<_> = all.rows.iter().map(|(_, row)| (cell(row, "n"), cell(row, "x"), cell(row, "y"))).collect();
        prop_assert_eq!(rows, wanted);
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(
        text in proptest::collection::vec(
            prop::sample::select(b"ab\",\n\r\xC3\xA9\0".to_vec()), 0..120
        ),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        chunk in 1_usize..32,
    ) {
        let format = Format::Csv(declared(&["a", "b"]));
        let limits = Limits { record: 30, ..Limits::default() };
        let whole = read_within(&text, &format, limits).unwrap();
        let input = Trickle { bytes: Cursor::new(text), sizes, calls: 0 };
        let pieces = read_from(Box::new(input), &format, Limits { chunk, ..limits }).unwrap();
        prop_assert_eq!(whole, pieces);
    }
}

#[test]
fn a_header_that_ends_within_a_name_is_a_cut_report() {
    let format = || CsvFormat {
        known: ["day", "sku", "units"].map(str::to_owned).to_vec(),
        ..CsvFormat::default()
    };
    for (text, is_cut) in [
        ("day,s", true),
        ("day,sku,uni", true),
        ("day,sku,units", false),
        ("day,sku,units,more\n", false),
    ] {
        let all = read(text, format()).unwrap();
        assert_eq!((all.rows.len(), all.cut_short), (0, is_cut), "{text}");
    }
    assert!(!read("day,s\n1,2", format()).unwrap().cut_short);
}

#[test]
fn files_that_were_put_together_are_read_as_one() {
    let all = read(
        "\u{FEFF}id,name\n7,a\n\u{FEFF}id,name\n\u{FEFF}\"8\",b\n",
        present(),
    )
    .unwrap();
    assert_eq!(all.field("id"), [Some("7"), Some("8")]);
    assert_eq!(all.reasons(), [(2, "is the header again")]);
}
