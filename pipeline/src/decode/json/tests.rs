use std::io::Cursor as Bytes;

use proptest::prelude::*;

use super::*;
use crate::contract::Format;
use crate::decode::testing::{All, Row, Trickle, read_from, read_within, row};

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

/// A message with objects in it that look like one another.
fn whole(id: usize) -> String {
    format!(
        r#"{{"id":{id},"kind":"x","owner":{{"id":7,"tags":["}}{{"]}},"items":[{{"n":1}},{{"n":2}}],"text":"a"}}"#
    )
}

/// What may stand where a message should: one that was cut, one without its beginning, one with something in it, other things.
fn damaged() -> Vec<String> {
    let message = whole(2);
    let places = || 1..message.len();
    let cuts = places().map(|length| message[..length].to_owned());
    let tails = places().map(|start| message[start..].to_owned());
    let quotes = places().map(|at| format!("{}\"{}", &message[..at], &message[at..]));
    let others = [
        "ERROR", "\0\0\0", "\u{FEFF}", "\"", "\"oops{", "}", "]", "{", "[", ",", "{\"id\":", "500 ",
    ];
    let others = others.map(str::to_owned);
    cuts.chain(tails).chain(quotes).chain(others).collect()
}

#[test]
fn damage_in_a_row_of_messages_costs_what_is_damaged() {
    for damage in damaged() {
        for between in ["", "\n"] {
            let text = [whole(1), damage.clone(), whole(3), whole(4)].join(between);
            let all = read(&text);
            // A quote may have come where it is part of a text.
            let mut ids = all.field("id");
            ids.retain(|id| *id != Some("2"));
            assert_eq!(ids, [Some("1"), Some("3"), Some("4")], "{text}");
            assert!(
                all.rows.iter().all(|(_, row)| row.contains_key("owner.tags")),
                "{text}"
            );
        }
    }
}

#[test]
fn damage_tells_where_it_is() {
    let all = read("{\"a\":1}{\"a\":2,\"b\":{\"a\":3}ERROR{\"a\":4}");
    assert_eq!(all.field("a"), [Some("1"), Some("3"), Some("4")]);
    let reason = "is not valid JSON: ',' or '}' is missing at byte 18: bytes 7 to 18";
    assert_eq!(
        all.reasons(),
        [(2, reason), (4, "is not an object: bytes 25 to 30")]
    );
    assert!(!all.cut_short);
}

#[test]
fn marks_before_lines_cost_themselves() {
    let lines: Vec<_> = (1..5).map(|id| format!("\u{FEFF}{}\n", whole(id))).collect();
    let all = read(lines.concat());
    assert_eq!(all.field("id"), [Some("1"), Some("2"), Some("3"), Some("4")]);
    assert_eq!(all.malformed.len(), 3);
}

#[test]
fn damage_at_the_start_hides_no_message() {
    for damage in [
        "\"",
        "oops",
        "{\"id\":1,\"owner\":{\"id\":7",
        "{\"id\":1,\"owner\":{\"id\":7},\"items\":[{\"n\":5},",
    ] {
        let all = read(format!("{damage}{}{}", whole(3), whole(4)));
        assert_eq!(all.field("id"), [Some("3"), Some("4")], "{damage}");
    }
}

#[test]
fn an_array_on_each_line_goes_on_after_damage_to_its_first() {
    // The rest of a message that begins with an object of its own seems to be a message of another kind.
    let starts_with_object = |damage: &String| {
        let rest = damage.trim_start_matches(',');
        rest.starts_with('{') && !rest.starts_with("{\"id\":2")
    };
    for damage in damaged().into_iter().filter(|damage| !starts_with_object(damage)) {
        let arrays = [
            format!("{damage},{}", whole(3)),
            whole(4),
            [whole(5), whole(6)].join(","),
        ];
        let text = arrays.map(|array| format!("[{array}]\n")).concat();
        let ids: Vec<String> = read(&text)
            .field("id")
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        assert!(
            ids.ends_with(&["4", "5", "6"].map(str::to_owned)),
            "{ids:?} {text}"
        );
    }
    let all = read("[{\"id\":,{\"id\":1}]\n[{\"id\":2},{\"id\":3}]\n");
    assert_eq!(all.field("id"), [Some("1"), Some("2"), Some("3")]);
    let all = read("[me\",\"t\":1}]\n[{\"id\":2},{\"id\":3}]\n[{\"id\":4}]\n");
    assert_eq!(all.field("id"), [Some("2"), Some("3"), Some("4")]);
}

#[test]
fn messages_that_begin_in_the_middle_of_lines_are_found_after_damage() {
    let message = |id: u32| format!("{{\n  \"id\": {id},\n  \"n\": {{\n    \"k\": 1\n  }}\n}}");
    for damage in [
        "-2,\n  \"s\": \"x\",\n  \"n\": {\n    \"k\": 1\n  }\n}",
        "oops\"\n}",
        "\n  \"id\": 2\n}",
    ] {
        let all = read(format!("[{},{damage},{},{}]", message(1), message(3), message(4)));
        let ids: Vec<_> = all.field("id").into_iter().flatten().collect();
        assert_eq!(ids, ["1", "3", "4"], "{damage}");
    }
}

#[test]
fn a_bracket_too_many_costs_itself() {
    let all = read(format!("[]],{},{}]\n{}", whole(1), whole(2), whole(3)));
    assert_eq!(all.field("id"), [Some("1"), Some("2"), Some("3")]);
    assert_eq!(all.reasons()[0], (1, "is a bracket that closes no array"));
}

#[test]
fn records_of_an_array_behind_others_may_be_of_any_kind() {
    let all = read(format!(
        "{}\n[{{\"id\":\"12\",\"v\":5}},{{\"id\":\"13\"}}]",
        whole(1)
    ));
    assert_eq!(all.malformed, []);
    assert_eq!(all.field("id"), [Some("1"), Some("12"), Some("13")]);
}

#[test]
fn records_with_commas_between_them_may_be_of_any_kind() {
    let all = read(format!(
        "{{\"error\":\"x\"}},\n{},\n{},\n{}",
        whole(1),
        whole(2),
        whole(3)
    ));
    assert_eq!(all.malformed, []);
    assert_eq!(all.field("id"), [None, Some("1"), Some("2"), Some("3")]);
}

#[test]
fn an_array_in_one_line_goes_on_after_damage() {
    for damage in [
        "ERROR",
        "{\"id\":oops}",
        "{\"id\":2,\"owner\":{\"id\"",
        "\"x{\"",
        "\"",
        "{\"id\":",
    ] {
        let text = format!("[{},{damage},{},{}]", whole(1), whole(3), whole(4));
        let all = read(&text);
        assert_eq!(all.field("id"), [Some("1"), Some("3"), Some("4")], "{text}");
        assert_eq!(all.malformed.len(), 1, "{text}");
        assert!(!all.cut_short, "{text}");
    }
}

fn notification(message: &str) -> String {
    let message = serde_json::to_string(message).unwrap();
    format!(
        r#"{{"Type":"Notification","MessageId":"m","TopicArn":"arn","Message":{message},"Timestamp":"t"}}"#
    )
}

#[test]
fn envelopes_are_unwrapped_where_they_are() {
    let text = [
        notification(r#"{"a":1,"s":"x\"é"}"#),
        r#"{"a":2}"#.to_owned(),
        notification(r#" [{"a":3}, {"a":4}] "#),
        notification("[]"),
        notification(r#"{"a":{"b":5}}"#),
    ];
    for between in ["", "\n"] {
        let all = read_within(text.join(between), &SNS, Limits::default()).unwrap();
        assert_eq!(all.malformed, []);
        assert_eq!(all.ordinals(), [1, 2, 3, 4, 5]);
        assert_eq!(all.field("a"), [Some("1"), Some("2"), Some("3"), Some("4"), None]);
        assert_eq!(all.columns, [["a", "s", "a.b"]], "the envelope leaves no columns");
    }
}

#[test]
fn envelopes_stay_unless_asked_for() {
    let all = read(notification(r#"{"a":1}"#));
    assert_eq!(all.field("Message"), [Some(r#"{"a":1}"#)]);
}

#[test]
fn envelopes_without_data_are_malformed() {
    let text = [
        r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn","Message":"You have chosen"}"#.to_owned(),
        notification("hello"),
        notification("[1]"),
        notification(r#"[{"a":1},{"a":"#),
        notification(r#"{"a":2} x"#),
        r#"{"a":3}"#.to_owned(),
        notification(r#"[{"a":4},{"a":5,"a":6},{"a":7}]"#),
    ]
    .join("\n");
    let all = read_within(text, &SNS, Limits::default()).unwrap();
    assert_eq!(all.field("a"), ["1", "2", "3", "4", "7"].map(Some));
    let reasons = all.reasons();
    assert_eq!(reasons[0], (1, "SNS SubscriptionConfirmation is not data"));
    assert!(
        reasons[1]
            .1
            .starts_with("is an SNS notification whose message is not valid JSON"),
        "{:?}",
        reasons[1]
    );
    assert_eq!(
        reasons[2].1,
        "is an SNS notification whose message has an array of something else than objects"
    );
    let within = "is in the message of an SNS notification and ";
    let why = [
        (5, "is cut short"),
        (7, "is not an object"),
        (10, "has the key \"a\" twice"),
    ];
    for (reason, (row, why)) in reasons[3..].iter().zip(why) {
        assert_eq!(reason.0, row);
        assert!(reason.1.starts_with(&format!("{within}{why}")), "{reason:?}");
    }
}

#[test]
fn data_that_looks_like_an_envelope_is_data() {
    let text = r#"{"Type":"SALE","Message":"thanks"}{"Type":"Notification","Message":7}"#;
    let all = read_within(text, &SNS, Limits::default()).unwrap();
    assert_eq!(all.field("Type"), [Some("SALE"), Some("Notification")]);
    assert_eq!(all.malformed, []);
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::Array),
            object(inner),
        ]
    })
}

fn object(values: impl Strategy<Value = serde_json::Value>) -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(vec!["a", "b", "key", "é\"", "\n"]).prop_map(str::to_owned);
    proptest::collection::btree_map(key, values, 0..4)
        .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect()))
}

/// What the fields of an object should be.
fn flattened(path: &str, value: &serde_json::Value, row: &mut Row) {
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => {
            row.insert(path.to_owned(), text.clone());
        }
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flattened(&path, value, row);
            }
        }
        other => {
            row.insert(path.to_owned(), other.to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn objects_in_any_dress_and_any_pieces_give_their_fields(
        objects in proptest::collection::vec(object(value()), 0..6),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
        dress in 0..4,
    ) {
        let texts: Vec<_> = objects.iter().map(ToString::to_string).collect();
        let text = match dress {
            0 => texts.concat(),
            1 => texts.join("\n"),
            2 => format!("[{}]", texts.join(",")),
            _ => serde_json::to_string_pretty(&objects).unwrap(),
        };
        let wanted: Vec<Row> = objects.iter().map(|object| {
            let mut row = Row::new();
            flattened("", object, &mut row);
            row
        }).collect();
        let input = Trickle { bytes: Bytes::new(text.into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 4, ..Limits::default() };
        let all = read_from(Box::new(input), &PLAIN, limits).unwrap();
        prop_assert_eq!(&all.malformed, &[]);
        let mut rows: Vec<_> = all.rows.into_iter().map(|(_, row)| row).collect();
        if dress == 3 {
            // Arrays keep their white space.
            rows.iter_mut().for_each(compact);
        }
        prop_assert_eq!(rows, wanted);
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(
        pieces in proptest::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", " ", "1", "-", "null", "\"a\":", "{\"a\":1}", "é", "\u{1}",
        ]), 0..40),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        chunk in 1_usize..32,
    ) {
        let text = pieces.concat().into_bytes();
        let limits = Limits { record: 30, ..Limits::default() };
        let whole = read_within(&text, &SNS, limits).unwrap();
        let input = Trickle { bytes: Bytes::new(text), sizes, calls: 0 };
        let pieces = read_from(Box::new(input), &SNS, Limits { chunk, ..limits }).unwrap();
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn damaged_messages_cost_what_is_damaged(
        damage in proptest::collection::vec((0_usize..40, any::<prop::sample::Index>()), 1..6),
        count in 2_usize..40,
        between in prop::sample::select(vec!["", "\n"]),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..300,
    ) {
        let pieces = damaged();
        let (mut texts, mut wanted) = (Vec::new(), Vec::new());
        for id in 0..count {
            // The first one shows what messages are like; two damaged ones side by side could be one whole one.
            match damage.iter().find(|(at, _)| *at == id && id % 3 == 1) {
                Some((_, piece)) => texts.push(piece.get(&pieces).clone()),
                None => {
                    texts.push(whole(id + 100));
                    wanted.push((id + 100).to_string());
                }
            }
        }
        let input = Trickle { bytes: Bytes::new(texts.join(between).into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 4, ..Limits::default() };
        let all = read_from(Box::new(input), &PLAIN, limits).unwrap();
        prop_assert!(all.rows.iter().all(|(_, row)| row.contains_key("kind") || row.contains_key("text")));
        let mut ids: Vec<_> = all.field("id").into_iter().flatten().map(str::to_owned).collect();
        ids.retain(|id| wanted.contains(id));
        prop_assert_eq!(ids, wanted);
    }

    #[test]
    fn a_broken_line_costs_only_itself(
        good in proptest::collection::vec(object(value()), 2..4),
        cut in 1_usize..200,
    ) {
        let texts: Vec<_> = good.iter().map(ToString::to_string).collect();
        let mut end = cut.min(texts[0].len() - 1);
        while !texts[0].is_char_boundary(end) {
            end -= 1;
        }
        let text = format!("{}\n{}\n{}", texts[1], &texts[0][..end], texts[1..].join("\n"));
        let all = read(text);
        prop_assert_eq!(all.rows.len(), texts.len());
        prop_assert_eq!(all.malformed.len(), 1);
        prop_assert_eq!(all.malformed[0].row, 2);
    }
}

fn compact(row: &mut Row) {
    for value in row.values_mut().filter(|value| value.starts_with('[')) {
        if let Ok(array) = serde_json::from_str::<serde_json::Value>(value) {
            *value = array.to_string();
        }
    }
}
