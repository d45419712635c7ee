use std::io::Cursor as Bytes;

use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::contract::Format;
use crate::decode::testing::{All, Trickle, read_from, read_within, row};

fn rows_of(array: &str, inner: Option<&str>, header: &[&str]) -> JsonDocument {
    let keys = array.split('.').filter(|key| !key.is_empty());
    JsonDocument {
        array: keys.map(str::to_owned).collect(),
        inner: inner.map(str::to_owned),
        header: header.iter().map(ToString::to_string).collect(),
    }
}

fn read(text: impl AsRef<[u8]>, format: &JsonDocument) -> Result<All> {
    read_within(text, &Format::Json(format.clone()), Limits::default())
}

#[track_caller]
fn message(text: impl AsRef<[u8]>, format: &JsonDocument) -> String {
    let error = read(text, format).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    error.to_string()
}

fn list() -> JsonDocument {
    rows_of("", None, &[])
}

fn report() -> JsonDocument {
    rows_of("byAsin", None, &["spec"])
}

const SPEC: &str = r#""spec": {"reportType": "SALES", "reportOptions": {"view": "MANUFACTURING"},
    "marketplaceIds": ["A\u0031"], "many": ["a", "b"], "none": null, "empty": [], "nested": [[1]], "n": [1.50]}"#;
const ROWS: &str = r#""byAsin": [{"asin": "B1", "price": {"amount": 1.10}}, {"asin": "B2", "tags": [1, 2]}]"#;

fn spec() -> Vec<(String, String)> {
    let fields = [
        ("spec.reportType", "SALES"),
        ("spec.reportOptions.view", "MANUFACTURING"),
        ("spec.marketplaceIds", "A1"),
        ("spec.many", r#"["a", "b"]"#),
        ("spec.empty", "[]"),
        ("spec.nested", "[[1]]"),
        ("spec.n", "1.50"),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[test]
fn a_header_is_copied_down_wherever_it_stands() {
    for text in [
        format!("{{{SPEC}, {ROWS}}}"),
        format!("{{{ROWS}, {SPEC}}}"),
        format!("\u{FEFF}{{\"other\": [{{\"byAsin\": [1]}}], {ROWS},\r\n{SPEC}, \"x\": {{\"spec\": 1}} }}\n"),
    ] {
        let all = read(&text, &report()).unwrap();
        assert_eq!(all.header, Some(spec()), "{text}");
        assert_eq!(all.malformed, []);
        assert_eq!(all.ordinals(), [1, 2]);
        let mut wanted: Vec<_> = spec();
        wanted.extend([
            ("asin".to_owned(), "B1".to_owned()),
            ("price.amount".to_owned(), "1.10".to_owned()),
        ]);
        assert_eq!(all.rows[0].1, wanted.into_iter().collect(), "{text}");
        assert_eq!(all.field("tags"), [None, Some("[1, 2]")]);
    }
}

#[test]
fn a_document_without_rows_still_says_what_it_covers() {
    let all = read(format!(r#"{{"byAsin": [ ], {SPEC}}}"#), &report()).unwrap();
    assert_eq!(all.header, Some(spec()));
    assert_eq!((all.rows.len(), all.malformed.len()), (0, 0));
}

#[test]
fn a_document_that_is_an_array_has_its_rows_there() {
    let all = read(r#" [{"id": 1}, {"id": 12345678901234567890123}] "#, &list()).unwrap();
    assert_eq!(all.field("id"), [Some("1"), Some("12345678901234567890123")]);
    assert_eq!(all.header, Some(Vec::new()));
    assert_eq!(read("[]", &list()).unwrap().rows, []);
}

#[test]
fn headers_may_be_scalars_and_lie_deeper_or_be_missing() {
    let format = rows_of(
        "data.rows",
        None,
        &["data.meta", "at", "missing", "data.gone.far"],
    );
    let text = r#"{"data": {"rows": [{"id": 1}], "meta": {"a": "x"}, "gone": 7}, "at": "2026-01-02"}"#;
    let all = read(text, &format).unwrap();
    let wanted = [("at", "2026-01-02"), ("data.meta.a", "x"), ("id", "1")];
    assert_eq!(all.rows, [(1, row(&wanted))]);
}

#[test]
fn several_arrays_of_a_document_are_read_one_at_a_time() {
    let text = r#"{"aggregate": [{"n": 1}], "byAsin": [{"n": 2}, {"n": 3}], "spec": {"d": "x"}}"#;
    let aggregate = rows_of("aggregate", None, &["spec"]);
    assert_eq!(read(text, &aggregate).unwrap().field("n"), [Some("1")]);
    assert_eq!(read(text, &report()).unwrap().field("n"), [Some("2"), Some("3")]);
    assert_eq!(
        read(text, &report()).unwrap().field("spec.d"),
        [Some("x"), Some("x")]
    );
}

#[test]
fn rows_in_rows_take_the_outer_fields_along() {
    let format = rows_of("orders", Some("detail.items"), &["at"]);
    let text = r#"{"orders": [
        {"id": "A", "detail": {"items": [{"sku": 1}, {"sku": 2, "price": {"amount": "3"}}], "kind": "x"}},
        {"id": "B", "detail": {"items": []}},
        {"id": "C"},
        {"id": "D", "detail": {"items": [7, {"sku": 1, "sku": 2}, [{}], {"sku": 9}]}},
        3
    ], "at": "t"}"#;
    let all = read(text, &format).unwrap();
    let first = [
        ("at", "t"),
        ("orders.id", "A"),
        ("orders.detail.kind", "x"),
        ("sku", "1"),
    ];
    assert_eq!(all.rows[0], (1, row(&first)));
    assert_eq!(all.field("sku"), [Some("1"), Some("2"), Some("9")]);
    assert_eq!(all.field("orders.id"), [Some("A"), Some("A"), Some("D")]);
    assert_eq!(all.field("price.amount"), [None, Some("3"), None]);
    let wanted = [
        (3, "has no array \"detail.items\""),
        (4, "is a number, not an object"),
        (5, "has the key \"sku\" twice with different values"),
        (6, "is an array in an array, not an object"),
        (8, "is a number, not an object"),
    ];
    assert_eq!(all.reasons(), wanted);
    assert_eq!(all.ordinals(), [1, 2, 7]);
    assert_eq!(all.malformed[2].text, r#"{"sku": 1, "sku": 2}"#);
}

#[test]
fn an_element_that_is_no_row_is_malformed_alone() {
    let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    let cases: [(&[u8], &str); 8] = [
        (b"7", "is a number, not an object"),
        (b"null", "is a constant, not an object"),
        (b"\"x\"", "is a string, not an object"),
        (b"[{\"a\":1}]", "is an array in an array, not an object"),
        (
            b"{\"a\":1,\"a\":2}",
            "has the key \"a\" twice with different values",
        ),
        (b"{\"a\":\"\\ud800\"}", "has half of a surrogate pair in a string"),
        (b"{\"a\":\"\xFF\"}", "is not valid UTF-8"),
        (deep.as_bytes(), "is nested deeper than 64 levels"),
    ];
    for (element, reason) in cases {
        let text = [b"{\"byAsin\":[{\"z\":1},", element, b",{\"z\":3}],\"spec\":{}}"].concat();
        let all = read(&text, &report()).unwrap();
        assert_eq!(all.reasons(), [(2, reason)]);
        assert_eq!(all.malformed[0].text, String::from_utf8_lossy(element));
        assert_eq!(all.ordinals(), [1, 3]);
        assert_eq!(all.field("z"), [Some("1"), Some("3")]);
    }
}

#[test]
fn a_row_beyond_the_limit_is_malformed_alone() {
    let limits = Limits {
        record: 60,
        chunk: 8,
        ..Limits::default()
    };
    let nested = format!("{{\"a\":[{}1]}}", "{\"b\":\"\\\\x\"},".repeat(10));
    for large in [format!("{{\"a\":\"{}\"}}", "}\\\"x".repeat(40)), nested] {
        let text = format!("{{\"byAsin\":[{{\"z\":1}},{large},{{\"z\":3}}]}}");
        let all = read_within(&text, &Format::Json(report()), limits).unwrap();
        assert_eq!(all.reasons(), [(2, "is larger than 60 bytes")]);
        assert_eq!(all.malformed[0].text, large);
        assert_eq!(all.field("z"), [Some("1"), Some("3")]);
    }
}

#[test]
fn a_document_that_lacks_the_rows_is_an_error() {
    let no_array = "the document has no array \"byAsin\"";
    assert_eq!(message("{}", &report()), no_array);
    assert_eq!(
        message(r#"{"spec":{"byAsin":[]},"x":[{"byAsin":[]}]}"#, &report()),
        no_array
    );
    assert_eq!(
        message(r#"{"data":[]}"#, &rows_of("data.rows", None, &[])),
        "the document has no array \"data.rows\""
    );
    for (value, what) in [
        ("{}", "an object"),
        ("null", "null"),
        ("\"x\"", "a string"),
        ("-1", "a number"),
        ("true", "a constant"),
    ] {
        let wanted = format!("\"byAsin\" of the document is {what}, not an array of rows");
        assert_eq!(message(format!("{{\"byAsin\":{value}}}"), &report()), wanted);
    }
    assert_eq!(
        message(r#"{"code":"429"}"#, &list()),
        "the document is an object, not an array of rows"
    );
    assert_eq!(
        message("[]", &report()),
        "the document is an array, not an object"
    );
    assert_eq!(
        message("12", &report()),
        "the document is a number, not an object"
    );
}

#[test]
fn an_empty_object_is_no_document() {
    for text in ["", "\u{FEFF}"] {
        assert_eq!(
            message(text, &list()),
            "the object is empty: there is no JSON document"
        );
    }
}

#[test]
fn a_document_that_is_cut_short_is_an_error_wherever_it_is_cut() {
    let text = format!(r#"{{"x": [{{"y": "z\\n"}}, -1.5e3], {ROWS}, {SPEC}}}"#);
    read(&text, &report()).unwrap();
    for length in 1..text.len() {
        if text.is_char_boundary(length) {
            let cut = message(&text[..length], &report());
            assert!(cut.contains("cut short"), "{cut}: {}", &text[..length]);
        }
    }
}

#[test]
fn a_document_that_is_not_json_is_an_error_that_says_where() {
    let is_broken = |text: &str, what: &str, at: &str| {
        let said = message(text, &report());
        assert!(
            said.contains(what) && said.ends_with(&format!("at byte {at}")),
            "{text}: {said}"
        );
    };
    is_broken(r#"{"byAsin":[{"z":1},{"z":oops}]}"#, "a value is missing", "24");
    is_broken(r#"{"byAsin":[{"z":1}{"z":2}]}"#, "',' or ']' is missing", "18");
    is_broken(r#"{"byAsin":[{"z":1},]}"#, "a value is missing", "19");
    is_broken(r#"{"byAsin":[],}"#, "a string is missing", "13");
    is_broken(r#"{"byAsin":[{"z":01}]}"#, "a number starts with 0", "18");
    is_broken(
        "{\"byAsin\":[],\"x\":\"\0\"}",
        "a string has a control character",
        "18",
    );
    is_broken("{\"byAsin\":[]}\0", "goes on after its end", "13");
    is_broken("{\"byAsin\":[]}{}", "goes on after its end", "13");
    is_broken("\0", "a value is missing", "0");
    is_broken("<html>", "a value is missing", "0");
}

#[test]
fn nesting_around_and_beside_the_rows_has_a_limit() {
    let nested = |depth: usize| {
        format!(
            "{{\"x\":{}{},\"byAsin\":[]}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(read(nested(4_000), &report()).unwrap().rows, []);
    assert_eq!(
        message(nested(5_000), &report()),
        "the document is nested deeper than 4096 levels"
    );
    assert!(message("[".repeat(1 << 20), &list()).contains("nested deeper"));
}

#[test]
fn keys_that_come_twice_are_errors_unless_a_header_says_the_same_again() {
    assert_eq!(
        message(r#"{"byAsin":[],"byAsin":[]}"#, &report()),
        "the document has the key \"byAsin\" twice"
    );
    assert_eq!(
        message(r#"{"d":{"rows":[]},"\u0064":{}}"#, &rows_of("d.rows", None, &[])),
        "the document has the key \"d\" twice"
    );
    let twice = message(r#"{"spec":{"a":1},"byAsin":[],"spec":{"a":2}}"#, &report());
    assert_eq!(
        twice,
        "the document has the key \"spec\" twice with different values"
    );
    let all = read(r#"{"spec":{"a":1},"byAsin":[{"z":1}],"spec":{"a":1}}"#, &report()).unwrap();
    assert_eq!(all.field("spec.a"), [Some("1")]);
    let within = message(r#"{"spec":{"a":1,"a":2},"byAsin":[]}"#, &report());
    assert_eq!(
        within,
        "the header \"spec\" has the key \"a\" twice with different values"
    );
    let both = read(r#"{"spec":{"a":1},"byAsin":[{"spec.a":1},{"z":2}]}"#, &report()).unwrap();
    let reason = "has the field \"spec.a\", which is also copied down to it";
    assert_eq!(both.reasons(), [(1, reason)]);
    assert_eq!(both.field("z"), [Some("2")]);
}

#[test]
fn a_header_that_is_not_utf8_is_an_error() {
    let said = message(b"{\"byAsin\":[],\"spec\":\"\xFF\"}", &report());
    assert_eq!(said, "the header \"spec\" is not valid UTF-8");
}

fn text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        " ",
        "1",
        "-",
        "null",
        "\"a\":",
        "{\"a\":1}",
        "é",
        "\u{1}",
        "\"spec\":",
        "\"byAsin\":",
        "[{\"a\":1},{\"a\":[2]}]",
        "{\"spec\":{\"b\":[\"c\"]},\"byAsin\":[",
        "]}",
        "{\"i\":[{\"a\":1},3]}",
    ];
    proptest::collection::vec(prop::sample::select(pieces), 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_gives_the_same_in_any_pieces(
        text in text(),
        start in prop::sample::select(vec!["", "[", "{\"byAsin\":[{\"i\":[{}]},", "{\"spec\":{\"b\":1},\"byAsin\":["]),
        end in prop::sample::select(vec!["", "]", "]}", "],\"spec\":{\"b\":1}}"]),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        chunk in 1_usize..32,
        inner in prop::option::of(Just("i")),
        is_list in any::<bool>(),
    ) {
        let format = Format::Json(if is_list { list() } else { rows_of("byAsin", inner, &["spec"]) });
        let text = format!("{start}{text}{end}");
        let limits = Limits { record: 30, rows: 3, ..Limits::default() };
        let said = |all: Result<All>| all.map_err(|error| error.to_string());
        let whole = said(read_within(&text, &format, limits));
        let input = Trickle { bytes: Bytes::new(text.into_bytes()), sizes, calls: 0 };
        let pieces = said(read_from(Box::new(input), &format, Limits { chunk, ..limits }));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn the_rows_are_those_of_the_array_alone(
        values in proptest::collection::vec((any::<i64>(), any::<String>()), 0..8),
        is_pretty in any::<bool>(),
        is_last in any::<bool>(),
        chunk in 1_usize..64,
    ) {
        let rows: Vec<_> = values.iter().map(|(n, s)| serde_json::json!({"n": n, "o": {"s": s}})).collect();
        let mut document = serde_json::json!({"a": [[{"n": 1}]], "m": rows, "z": {"byAsin": 1}});
        if is_last {
            document["zz"] = document["m"].take();
        }
        let format = rows_of(if is_last { "zz" } else { "m" }, None, &["z"]);
        let text = if is_pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
        let limits = Limits { chunk, ..Limits::default() };
        let all = read_within(text.unwrap(), &Format::Json(format), limits).unwrap();
        prop_assert_eq!(&all.malformed, &[]);
        let numbers: Vec<_> = values.iter().map(|(n, _)| n.to_string()).collect();
        let strings: Vec<_> = values.iter().map(|(_, s)| Some(s.as_str())).collect();
        prop_assert_eq!(all.field("n"), numbers.iter().map(|n| Some(n.as_str())).collect::<Vec<_>>());
        prop_assert_eq!(all.field("o.s"), strings);
        prop_assert!(all.field("z.byAsin").iter().all(|value| *value == Some("1")));
    }
}
