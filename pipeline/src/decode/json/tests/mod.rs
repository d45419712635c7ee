//! What becomes of JSON text.

mod chance;
mod damage;
mod envelopes;

use super::*;
use crate::contract::Format;
use crate::decode::testing::{All, Row, read_within, row};

const PLAIN: Format = Format::JsonRows(JsonFormat { sns_envelope: false });
const SNS: Format = Format::JsonRows(JsonFormat { sns_envelope: true });

fn read(text: impl AsRef<[u8]>) -> All {
    read_within(text, &PLAIN, Limits::default()).unwrap()
}

#[track_caller]
fn only_row(text: &str) -> Row {
    let all = read(text);
    assert_eq!(all.malformed, []);
    assert_eq!(all.rows.len(), 1);
    all.rows.into_iter().next().unwrap().1
}

/// The reason why an object between two good ones is malformed, which must be whole.
#[track_caller]
fn reason(record: impl AsRef<[u8]>) -> String {
    let record = record.as_ref();
    let mut reasons = Vec::new();
    for between in [&b"\n"[..], b""] {
        let text = [b"{\"z\":1}", between, record, between, b"{\"z\":3}"].concat();
        let all = read(&text);
        assert_eq!(all.field("z"), [Some("1"), Some("3")], "{}", text.escape_ascii());
        assert_eq!(all.ordinals(), [1, 3]);
        assert_eq!(all.malformed.len(), 1);
        assert_eq!(all.malformed[0].text, String::from_utf8_lossy(record));
        reasons.push(all.malformed[0].reason.clone());
    }
    let general = |reason: &str| reason.split(": bytes ").next().unwrap_or_default().to_owned();
    assert_eq!(general(&reasons[0]), general(&reasons[1]));
    general(&reasons[0])
}

#[test]
fn arrays_lines_and_concatenated_objects_give_the_same_rows() {
    let texts = [
        "[{\"a\":1},{\"a\":2},{\"a\":3}]",
        "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n",
        "{\"a\":1}{\"a\":2}{\"a\":3}",
        "\n\n{\"a\":1}\r\n\r\n \t{\"a\":2} {\"a\":3}\n\n",
        "[ ]\n[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]{\"a\":3}",
        "{\"a\":1}\n[{\"a\":2}][{\"a\":3}]",
        "\u{FEFF}[{\"a\":1}\n,{\"a\":2}\n,{\"a\":3}\n]\n",
    ];
    for text in texts {
        let all = read(text);
        assert_eq!(all.malformed, [], "{text}");
        assert_eq!(all.ordinals(), [1, 2, 3], "{text}");
        assert_eq!(all.field("a"), [Some("1"), Some("2"), Some("3")], "{text}");
    }
}

#[test]
fn nothing_is_no_rows() {
    for text in ["", " \n\n", "[]", "\u{FEFF}", "[\n]\n"] {
        assert_eq!(read(text), All::default(), "{text:?}");
    }
}

#[test]
fn nested_objects_become_paths_and_arrays_stay_text() {
    let text = r#"{"budget":{"budgetCap":{"monetaryBudget":{"amount":12.50}}},"tags":["x", {"k":[1 , 2]}],"e":{},"f":[]}"#;
    let wanted = [
        ("budget.budgetCap.monetaryBudget.amount", "12.50"),
        ("tags", r#"["x", {"k":[1 , 2]}]"#),
        ("f", "[]"),
    ];
    assert_eq!(only_row(text), row(&wanted));
}

#[test]
fn values_keep_their_text() {
    let text = r#"{"a":1E3,"b":-0.10,"c":12345678901234567890.123456789,"d":true,"e":false,"f":null,"g":"","h":"1E3"}"#;
    let wanted = [
        ("a", "1E3"),
        ("b", "-0.10"),
        ("c", "12345678901234567890.123456789"),
        ("d", "true"),
        ("e", "false"),
        ("g", ""),
        ("h", "1E3"),
    ];
    assert_eq!(only_row(text), row(&wanted));
}

#[test]
fn strings_and_keys_are_unescaped() {
    let text = r#"{"a\u002fb":"x\n\"\u00e9\ud83d\ude00\\","c":"\u0000","é":"}{\"][,"}"#;
    let wanted = [("a/b", "x\n\"é😀\\"), ("c", "\0"), ("é", "}{\"][,")];
    assert_eq!(only_row(text), row(&wanted));
}

#[test]
fn a_column_comes_with_its_first_value_and_stays() {
    let limits = Limits {
        rows: 2,
        ..Limits::default()
    };
    let text = r#"{"a":null,"x":1}{"b":2}{"a":3}{"c":{}}{}{"x":9}"#;
    let all = read_within(text, &PLAIN, limits).unwrap();
    assert_eq!(
        all.columns,
        [vec!["x", "b"], vec!["x", "b", "a"], vec!["x", "b", "a"]]
    );
    assert_eq!(all.field("x"), [Some("1"), None, None, None, None, Some("9")]);
    assert_eq!(all.field("a"), [None, None, Some("3"), None, None, None]);
}

#[test]
fn keys_in_any_order_find_their_columns() {
    let all = read(r#"{"a":1,"b":2,"c":3}{"c":4,"a":5}{"b":6,"d":7,"a":8}{"a":9,"\u0062":10}"#);
    assert_eq!(all.field("a"), [Some("1"), Some("5"), Some("8"), Some("9")]);
    assert_eq!(all.field("b"), [Some("2"), None, Some("6"), Some("10")]);
    assert_eq!(all.field("c"), [Some("3"), Some("4"), None, None]);
    assert_eq!(all.field("d"), [None, None, Some("7"), None]);
}

#[test]
fn a_key_may_come_twice_with_one_value() {
    assert_eq!(
        only_row(r#"{"id":"A","x":1,"id":"A"}"#),
        row(&[("id", "A"), ("x", "1")])
    );
    assert_eq!(
        only_row(r#"{"o":{"k":[1]},"o":{"k":[1]}}"#),
        row(&[("o.k", "[1]")])
    );
    assert_eq!(
        reason(r#"{"id":"A","id":"B"}"#),
        "has the key \"id\" twice with different values"
    );
    assert_eq!(
        reason(r#"{"id":1,"id":null}"#),
        "has the key \"id\" twice with different values"
    );
    assert_eq!(
        reason(r#"{"id":null,"id":1}"#),
        "has the key \"id\" twice with different values"
    );
    assert_eq!(
        reason(r#"{"o":{"k":1},"o":{"k":2}}"#),
        "has the key \"o.k\" twice with different values"
    );
    assert_eq!(
        reason(r#"{"o":{"k":1},"o":{"l":1}}"#),
        "has the key \"o\" twice with different values"
    );
    assert_eq!(
        reason(r#"{"o":{"k":1},"o":7}"#),
        "has the key \"o\" twice with different values"
    );
    assert_eq!(
        reason(r#"{"o":{"k":1},"o.k":1}"#),
        "has the field \"o.k\" in two ways"
    );
}

#[test]
fn a_field_may_be_a_value_in_one_row_and_an_object_in_another() {
    let all = read(r#"{"a":1}{"a":{"b":2}}{"a":null}{"a":"x"}"#);
    assert_eq!(all.malformed, []);
    assert_eq!(all.field("a"), [Some("1"), None, None, Some("x")]);
    assert_eq!(all.field("a.b"), [None, Some("2"), None, None]);
}

#[test]
fn a_broken_record_does_not_touch_the_others() {
    assert!(reason(r#"{"a": oops}"#).contains("a value is missing"));
    assert!(reason(r#"{"a": 01}"#).contains("a number starts with 0"));
    assert!(reason(r#"{"a" 1}"#).contains("':' is missing"));
    assert!(reason(r#"{"a":1,}"#).contains("a string is missing"));
    assert!(reason(r#"{'a':1}"#).contains("a string is missing"));
    assert!(reason(r#"{"a":"\x"}"#).contains("unknown escape"));
    assert!(reason(r#"{"a":"\ud800"}"#).contains("half of a surrogate pair"));
    assert!(reason(r#"{"a":[1 2],"b":{"c":1}}"#).contains("',' or ']' is missing"));
    assert!(reason(r#"{"a":NaN}"#).contains("a value is missing"));
    assert_eq!(reason(b"{\"a\":\"\xFF\"}"), "is not valid UTF-8");
    assert_eq!(reason(b"{\"\xFF\":1}"), "is not valid UTF-8");
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(only_row(&nested(64)).len(), 1);
    assert_eq!(reason(nested(65)), "is nested deeper than 64 levels");
    let array = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    assert_eq!(reason(array), "is nested deeper than 64 levels");
    assert_eq!(
        reason("{\"a\":".repeat(9_000) + &"}".repeat(9_000)),
        "is nested deeper than 64 levels"
    );
}

#[test]
fn a_line_that_is_cut_off_costs_only_itself() {
    for cut in [
        "{\"a\":1,\"b\":",
        "{\"a\":1",
        "{\"a\":\"x",
        "{\"a\":{\"b\":1",
        "{\"a\":[",
        "{",
        "{\"a\":\"b\"c\"d}",
    ] {
        let all = read(format!("{{\"z\":1}}\n{cut}\n{{\"z\":3}}\n{{\"z\":4}}\n"));
        assert_eq!(all.field("z"), [Some("1"), Some("3"), Some("4")], "{cut}");
        assert_eq!(all.ordinals(), [1, 3, 4], "{cut}");
        assert_eq!(all.malformed[0].text, cut);
    }
}

#[test]
fn a_broken_record_of_a_pretty_array_costs_only_itself() {
    let text = "[\n  {\n    \"z\": 1\n  },\n  {\n    \"z\": oops,\n    \"y\": [\n      {\n        \"z\": 9\n      }\n    ]\n  },\n  {\n    \"z\": 3\n  }\n]\n";
    let all = read(text);
    assert_eq!(all.field("z"), [Some("1"), Some("3")]);
    assert_eq!(all.malformed.len(), 1);
    let unclosed = text.replacen("  },\n  {\n    \"z\": 3", "  {\n    \"z\": 3", 1);
    let all = read(unclosed);
    assert_eq!(all.field("z"), [Some("1"), Some("3")]);
    assert_eq!(all.malformed.len(), 1);
}

#[test]
fn an_object_that_ends_within_a_record_says_so() {
    let all = read("{\"a\":1}\n{\"a\":2");
    assert_eq!(all.ordinals(), [1]);
    assert_eq!(
        all.reasons(),
        [(
            2,
            "is cut short: the object ends within the record: bytes 8 to 14"
        )]
    );
    assert_eq!(all.malformed[0].text, "{\"a\":2");
    assert!(all.cut_short);
    let all = read("[{\"a\":1},{\"a\":");
    assert!(all.cut_short);
    assert_eq!(all.malformed.len(), 1, "the array is open because of the record");
    let all = read("[{\"a\":1},\n");
    assert_eq!(
        all.reasons(),
        [(2, "is an array that is not closed: the object may be cut short")]
    );
    assert!(all.cut_short);
    assert!(!read("{\"a\":1}\n{\"a\":}\n{\"a\":2}").cut_short);
    let all = read("[{\"a\":1},{\"a\":oops},{\"a\":3},");
    assert_eq!((all.ordinals(), all.cut_short), (vec![1, 3], true));
    let all = read("[{\"a\":1},{\"a\":oops}]{\"a\":3}");
    assert_eq!((all.ordinals(), all.cut_short), (vec![1, 3], false));
}

#[test]
fn what_is_no_object_is_malformed() {
    let all = read(
        "[1, \"x\", null, [2,{\"a\":9}], {\"a\":1}]\n-2.5e3\nERROR {\"a\":2}\n{\"a\":3}\n]\n{\"a\":4}\ntru",
    );
    assert_eq!(all.field("a"), [Some("1"), Some("2"), Some("3"), Some("4")]);
    let wanted = [
        (1, "is a number, not an object"),
        (2, "is a string, not an object"),
        (3, "is a constant, not an object"),
        (4, "is an array in an array, not an object"),
        (6, "is a number, not an object"),
        (7, "is not an object: bytes 44 to 49"),
        (10, "is not an object: bytes 66 to 67"),
        (12, "is not an object: bytes 76 to 79"),
    ];
    assert_eq!(all.reasons(), wanted);
    assert_eq!(all.malformed[5].text, "ERROR");
}

#[test]
fn a_record_beyond_the_limit_is_malformed_and_reading_goes_on_after_it() {
    let limits = Limits {
        record: 20,
        chunk: 4,
        ..Limits::default()
    };
    let large = format!("{{\"a\":{{\"b\":\"{}\"}}}}", "}x".repeat(20));
    for between in ["", "\n", ","] {
        let text = format!("{{\"z\":1}}{between}{large}{between}{{\"z\":3}}");
        let all = read_within(&text, &PLAIN, limits).unwrap();
        assert_eq!(all.field("z"), [Some("1"), Some("3")]);
        let reason = all.reasons()[0].1;
        assert!(reason.starts_with("is larger than 20 bytes: bytes "), "{reason}");
        assert_eq!((all.malformed.len(), &all.malformed[0].text), (1, &large));
    }
}

#[test]
fn fields_beyond_the_limit_make_a_record_malformed() {
    let limits = Limits {
        fields: 2,
        ..Limits::default()
    };
    let all = read_within(r#"{"a":1,"b":2}{"c":3,"d":1,"e":1}{"b":4}"#, &PLAIN, limits).unwrap();
    assert_eq!(all.ordinals(), [1, 3]);
    assert_eq!(
        all.reasons(),
        [(2, "has a field beyond the 2 that one record may have")]
    );
}

#[test]
fn fields_of_many_records_may_be_more_than_those_of_one() {
    let limits = Limits {
        fields: 3,
        ..Limits::default()
    };
    let text: String = (0..9)
        .map(|id| format!(r#"{{"id":{id},"of_{id}":"x"}}"#))
        .collect();
    let all = read_within(&text, &PLAIN, limits).unwrap();
    assert_eq!(all.malformed, []);
    let ids: Vec<String> = (0..9).map(|id| id.to_string()).collect();
    assert_eq!(
        all.field("id"),
        ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>()
    );
    assert_eq!(all.field("of_8")[8], Some("x"));
}
