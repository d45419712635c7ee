//! Damage costs its record, and says whether more may be missing.

use std::io::Cursor;

use super::*;
use crate::decode::testing::Trickle;

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
