//! Damage costs what is damaged.

use super::*;

/// A message with objects in it that look like one another.
pub(super) fn whole(id: usize) -> String {
    format!(
        r#"{{"id":{id},"kind":"x","owner":{{"id":7,"tags":["}}{{"]}},"items":[{{"n":1}},{{"n":2}}],"text":"a"}}"#
    )
}

/// What may stand where a message should: one that was cut, one without its beginning, one with something in it, other things.
pub(super) fn damaged() -> Vec<String> {
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
