//! Views: what they may say, and what they are called elsewhere.

use super::*;

const VIEW: &str = "description = \"Amounts of a day.\"\nview = true\ninputs = [\"shop.orders\"]\n[columns]\nday = \"date\"\n\
                    seen = \"timestamp\"\namount = \"decimal(38,2)\"\n";
const VIEW_SQL: &str = "SELECT day, max(seen) AS seen, sum(amount) AS amount FROM shop.orders GROUP BY day";

fn with(toml: &str, sql: &str) -> Vec<SourceFile> {
    let view = [file("shop/amounts.toml", toml), file("shop/amounts.sql", sql)];
    shop().into_iter().chain(view).collect()
}

/// Codes of what is wrong, each with its line.
fn wrong(toml: &str, sql: &str) -> Vec<String> {
    let found = load(&[], &with(toml, sql)).map(drop);
    let found = found.err().into_iter().flatten();
    found
        .map(|found| format!("{} {}:{}", found.code, found.file, found.line))
        .collect()
}

#[test]
fn a_view_is_no_table_and_its_tables_have_other_names_elsewhere() {
    let contracts = load(&[], &with(VIEW, VIEW_SQL)).unwrap();
    let name: TableName = "shop.amounts".parse().unwrap();
    assert!(!contracts.contains_key(&name));
    let view = &contracts.views()[&name];
    assert_eq!(
        view.sql_over(|name| format!("lake_{name}")),
        "SELECT day, max(seen) AS seen, sum(amount) AS amount FROM lake_shop.orders GROUP BY day"
    );
    let with = "WITH orders AS (SELECT id FROM shop.orders) SELECT id AS id FROM orders, shop.orders AS o";
    let view = View {
        sql: with.to_owned(),
        ..view.clone()
    };
    assert_eq!(
        view.sql_over(|_| "a.b".to_owned()),
        "WITH orders AS (SELECT id FROM a.b) SELECT id AS id FROM orders, a.b AS o"
    );
}

#[test]
fn what_engines_do_not_have_in_common_is_refused_where_it_stands() {
    for (sql, found) in [
        (
            "SELECT day, seen,\namount::decimal(38,2) AS amount FROM shop.orders",
            "C041 shop/amounts.sql:2",
        ),
        (
            "SELECT day, seen, CAST(amount AS INT) AS amount FROM shop.orders",
            "C041 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen,\nround(amount, 2) AS amount FROM shop.orders",
            "C041 shop/amounts.sql:2",
        ),
        (
            "SELECT day, seen, amount FROM shop.orders ORDER BY day",
            "C041 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen, amount / 2 AS amount FROM shop.orders",
            "C041 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen, price AS amount FROM shop.orders",
            "C041 shop/amounts.toml:7",
        ),
        (
            "SELECT shop.orders.day, seen, amount FROM shop.orders",
            "C041 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen, amount FROM shop.orders WHERE day > seen - INTERVAL '1 day'",
            "C041 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen, `amount` FROM shop.orders",
            "C041 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen, amount FROM shop.daily",
            "C028 shop/amounts.sql:1",
        ),
        (
            "SELECT day, seen, nothing AS amount FROM shop.orders",
            "C040 shop/amounts.sql:1",
        ),
        ("SELECT day, seen FROM shop.orders", "C032 shop/amounts.sql:1"),
    ] {
        let told = wrong(VIEW, sql);
        assert!(told.contains(&found.to_owned()), "{sql}: {told:?}");
    }
    assert!(wrong(VIEW, VIEW_SQL).is_empty());
}

#[test]
fn a_view_keeps_no_rows_and_nothing_follows_it() {
    let keyed = VIEW.replace("[columns]", "key = [\"day\"]\n[columns]");
    assert_eq!(wrong(&keyed, VIEW_SQL), ["C022 shop/amounts.toml:4"]);
    let mapped = VIEW.replace("\"decimal(38,2)\"", "\"map\"");
    assert!(wrong(&mapped, VIEW_SQL).contains(&"C009 shop/amounts.toml:7".to_owned()));
    let above = [
        file("shop/above.toml", &VIEW.replace("shop.orders", "shop.amounts")),
        file("shop/above.sql", "SELECT day, seen, amount FROM shop.amounts"),
    ];
    let files: Vec<_> = with(VIEW, VIEW_SQL).into_iter().chain(above).collect();
    let told = load(&[], &files).map(drop).unwrap_err();
    assert!(
        told.iter().any(|found| found.message.contains("is a view")),
        "{told:?}"
    );
}
