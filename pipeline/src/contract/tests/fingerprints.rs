use super::*;

fn breaks(old: &Contract, new: &Contract) -> Vec<String> {
    match change(&old.rules(), new) {
        Change::Breaking(why) => why,
        other => panic!("not breaking: {other:?}"),
    }
}

fn daily(sql: &str) -> Contract {
    table(&load(&with("shop/daily.sql", sql), &[]).unwrap(), "shop.daily")
}

#[test]
fn a_fingerprint_survives_what_decides_about_no_row() {
    let plain = orders("keep", "keep");
    assert!(plain.fingerprint().starts_with("v2:"));
    for (from, to) in [
        ("One order.", "An order."),
        ("id = \"text\"", "id = { type = \"text\", doc = \"Order.\" }"),
        ("shop/{date}", "store/{date}"),
        (
            "keep",
            "csv = { delimiter = \"|\" }\nexpect = { every = \"1d\", within = \"1d\" }\nkeep",
        ),
        ("id = \"text\"\nday = \"date\"", "day = \"date\"\nid = \"text\""),
        ("[columns]", "checks.positive.sql = \"amount > 0\"\n[columns]"),
    ] {
        let other = orders(from, to);
        assert_eq!(other.fingerprint(), plain.fingerprint(), "{to}");
        assert_eq!(change(&plain.rules(), &other), Change::Same);
    }
}

#[test]
fn white_space_and_comments_in_sql_change_nothing_and_words_do() {
    let plain = daily(DAILY_SQL);
    let spaced = daily(&DAILY_SQL.replace(" FROM", "\n-- rows\n   FROM").to_lowercase());
    assert_eq!(spaced.fingerprint(), plain.fingerprint());
    let other = daily(&DAILY_SQL.replace("count(*)", "count(id)"));
    assert_ne!(other.fingerprint(), plain.fingerprint());
    assert_eq!(breaks(&plain, &other), ["the SQL changed"]);
}

#[test]
fn every_rule_that_decides_about_rows_breaks_with_a_sentence() {
    let plain = orders("keep", "keep");
    for (from, to, sentence) in [
        (
            "decimal(10,2)",
            "decimal(12,2)",
            "column amount: decimal(10,2) became decimal(12,2)",
        ),
        (
            "\"decimal(10,2)\"",
            "{ type = \"decimal(10,2)\", from = \"x\" }",
            "column amount: from amount became x",
        ),
        (
            "\"date\"",
            "{ type = \"date\", zone = \"account\" }",
            "column day: zone nothing became account",
        ),
        ("drop", "hash", "column name: personal drop became hash"),
        (
            "personal = \"drop\"",
            "required = true",
            "column name: personal drop became nothing",
        ),
        (
            "latest_row",
            "latest_value",
            "keep latest_row became latest_value",
        ),
        (
            "[\"seen\"]",
            "[\"seen\", \"_row\"]",
            "newest_by seen became seen, _row",
        ),
        ("35d", "40d", "key_window 35d became 40d"),
        (
            "keep",
            "unknown = \"ignore\"\nkeep",
            "unknown names became ignore",
        ),
        (
            "keep",
            "harmless = [\"note\"]\nkeep",
            "harmless nothing became note",
        ),
        (
            "keep",
            "only = { kind = [\"a\", \"b\"] }\nkeep",
            "only.kind nothing became a, b",
        ),
        ("keep", "harmless = [\"*\"]\nkeep", "unknown names became keep"),
        ("\"csv\"", "\"json_rows\"", "format csv became json_rows"),
        (
            "key = [\"id\"]",
            "key = [\"id\", \"seen\"]",
            "key id became id, seen",
        ),
        ("amount = \"decimal(10,2)\"\n", "", "column amount is gone"),
    ] {
        let new = orders(from, to);
        let breaks = breaks(&plain, &new);
        assert!(breaks.iter().any(|said| said == sentence), "{breaks:?}");
        assert_ne!(plain.fingerprint(), new.fingerprint());
    }
}

#[test]
fn a_column_of_a_field_that_nobody_named_is_additive_and_any_other_new_column_breaks() {
    let plain = orders("keep", "keep");
    let with = |column: &str| orders("[columns]\n", &format!("[columns]\n{column}\n"));
    assert_eq!(
        change(&plain.rules(), &with("fresh = \"int\"")),
        Change::Additive(vec!["column fresh (int) is new".to_owned()])
    );
    assert_eq!(
        breaks(&plain, &with("again = { type = \"text\", from = \"amount\" }")),
        ["column again is new, and raw field amount was known before"]
    );
    assert_eq!(
        breaks(&plain, &with("fresh = { type = \"int\", required = true }")),
        ["column fresh is new, and it is required"]
    );
    assert_eq!(
        breaks(&plain, &with("place = { type = \"text\", from = \"_object\" }")),
        ["column place is new, and every row has its source _object"]
    );
}

#[test]
fn rules_come_back_from_their_json_as_they_were() {
    let rules = orders("keep", "keep").rules();
    let text = serde_json::to_string(&rules).unwrap();
    assert_eq!(serde_json::from_str::<StoredRules>(&text).unwrap(), rules);
    assert!(text.len() < 600, "{text}");
}
