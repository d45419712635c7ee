//! What becomes of delimited text.

mod chance;
mod damage;
mod header;

use super::*;
use crate::Kind;
use crate::contract::Format;
use crate::decode::testing::{All, read_within, row};

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
