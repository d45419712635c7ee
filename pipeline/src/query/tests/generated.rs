use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::super::generated::generated_sql;
use super::*;
use crate::contract::{Contract, Contracts, Feed, LINEAGE, OPTION, SourceFile, builtin, load};
use crate::layout;

const RAW: &str = r#"description = "One thing."
path = "shop/{date}/{name}"
format = "csv"
key = ["id"]
[columns]
id = { type = "text", from = ["id", "orderId"] }
day = "date"
amount = "decimal(10,2)"
order = { type = "text", from = "thing.order" }
"#;

fn file(path: &str, text: impl Into<String>) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.into(),
    }
}

fn contract(head: &str, tail: &str, sql: Option<&str>) -> Contract {
    let mut files = vec![file("shop/things.toml", format!("{head}\n{RAW}\n{tail}"))];
    files.extend(sql.map(|sql| file("shop/things.sql", sql)));
    let contracts: Contracts = load(&files, &[]).unwrap();
    contracts[&"shop.things".parse().unwrap()].clone()
}

/// Raw rows as the generated statements see them.
fn raw(fields: &[(&str, &[Option<&str>])]) -> RecordBatch {
    let mut columns: BTreeMap<&str, Vec<Option<&str>>> = fields
        .iter()
        .map(|(name, values)| (*name, values.to_vec()))
        .collect();
    let rows = fields[0].1.len();
    for name in ["id", "orderId", "day", "amount", "thing.order", "extra"]
        .into_iter()
        .chain(LINEAGE)
    {
        columns.entry(name).or_insert_with(|| vec![None; rows]);
    }
    for name in ["_batch", "_loaded_at"] {
        columns.entry(name).or_insert_with(|| vec![Some("1"); rows]);
    }
    let column = |(name, values)| (name, Arc::new(StringArray::from_iter(values)) as ArrayRef);
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(column)
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

/// What the generated statement gives for raw rows, first columns only.
async fn run(contract: &Contract, raw: RecordBatch, columns: &[&str]) -> Vec<String> {
    let context = session(&Room::of(MEMORY)).unwrap();
    context.register_batch("raw", raw).unwrap();
    let sql = generated_sql(contract);
    let frame = context
        .sql(&sql)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let frame = frame.select_columns(columns).unwrap();
    let sorted = frame.sort_by(vec![datafusion::prelude::col(columns[0])]).unwrap();
    lines(&sorted.collect().await.unwrap())
}

#[test]
fn every_built_in_table_has_one_statement_that_parses() {
    let contracts = load(&builtin(), &[]).unwrap();
    assert!(contracts.len() > 5);
    for (name, contract) in &contracts {
        let sql = generated_sql(contract);
        let statements =
            Parser::parse_sql(&GenericDialect {}, &sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
        assert!(
            matches!(statements.as_slice(), [Statement::Query(_)]),
            "{name}\n{sql}"
        );
        assert!(sql.starts_with(&format!("-- {name}: ")), "{sql}");
    }
}

#[tokio::test]
async fn statements_of_raw_tables_give_the_columns_of_the_table() {
    for contract in load(&builtin(), &[])
        .unwrap()
        .values()
        .filter(|contract| matches!(contract.feed, Feed::Raw(_)))
    {
        if contract.columns.iter().any(|column| column.from == ["*"]) {
            continue;
        }
        let context = session(&Room::of(MEMORY)).unwrap();
        let as_it_is = |values: &[ColumnarValue]| Ok(values[0].clone());
        let (text, volatility) = (DataType::Utf8, Volatility::Immutable);
        context.register_udf(create_udf(
            "hmac_sha256",
            vec![text.clone()],
            text,
            volatility,
            Arc::new(as_it_is),
        ));
        let named = contract.named_fields();
        let options = contract.columns.iter().flat_map(|column| &column.from);
        let options: BTreeSet<&str> = options
            .map(String::as_str)
            .filter(|field| field.starts_with(OPTION))
            .collect();
        let fields = named
            .iter()
            .map(String::as_str)
            .chain(LINEAGE)
            .chain(options)
            .chain(["extra", "_batch", "_loaded_at"]);
        let columns = fields.map(|name| (name, texts([None]), true));
        context
            .register_batch("raw", RecordBatch::try_from_iter_with_nullable(columns).unwrap())
            .unwrap();
        let sql = generated_sql(contract);
        let frame = context
            .sql(&sql)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let given: Vec<_> = frame
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let schema = layout::schema(contract);
        let wanted: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(
            given,
            wanted
                .into_iter()
                .filter(|name| name != layout::OLDER)
                .collect::<Vec<_>>(),
            "{}",
            contract.name
        );
    }
}

#[tokio::test]
async fn every_row_keeps_one_of_the_copies_and_rejects_what_a_rule_refuses() {
    let tail = "[checks]\npositive = { sql = \"amount >= 0\", else = \"quarantine\" }\nfew = { sql = \"amount < 9\", else = \"warn\" }";
    let contract = contract(
        "keep = \"every_row\"\nunknown = \"ignore\"\npartition = [\"day\"]\nkey_window = \"3d\"",
        tail,
        None,
    );
    let rows = raw(&[
        ("id", &[Some("a"), None, Some("b"), None, Some("c"), Some("d")]),
        ("orderId", &[None, Some("a"), Some("a"), None, None, None]),
        (
            "day",
            &[
                Some("2026-01-05"),
                Some("2026-01-05"),
                None,
                None,
                Some("2026-01-01"),
                None,
            ],
        ),
        (
            "amount",
            &[Some("1.50"), Some("1.5"), None, Some("1"), Some("1"), Some("-1")],
        ),
        ("_period", &[Some("2026-01-06"); 6]),
        (
            "_hash",
            &[Some("2"), Some("1"), Some("3"), Some("4"), Some("5"), Some("6")],
        ),
        (
            "_row",
            &[Some("1"), Some("2"), Some("3"), Some("4"), Some("5"), Some("6")],
        ),
    ]);
    assert_eq!(
        run(&contract, rows, &["id", "day", "amount", "_row"]).await,
        ["a|2026-01-05|1.50|2", "b|||3"]
    );
    assert!(generated_sql(&contract).contains("-- Check few: a row for which this is false is counted"));
}

#[tokio::test]
async fn latest_row_keeps_the_newest_and_then_the_greatest_content() {
    let contract = contract(
        "keep = \"latest_row\"\nnewest_by = [\"day\", \"_row\"]\nunknown = \"keep\"",
        "",
        None,
    );
    let rows = raw(&[
        ("id", &[Some("a"), Some("a"), Some("a"), Some("b")]),
        (
            "day",
            &[Some("2026-01-05"), Some("2026-01-06"), Some("2026-01-06"), None],
        ),
        ("amount", &[Some("1"), Some("2"), Some("3"), Some("4")]),
        ("_row", &[Some("9"), Some("1"), Some("1"), Some("1")]),
        ("_hash", &[Some("9"), Some("1"), Some("2"), Some("1")]),
    ]);
    assert_eq!(
        run(&contract, rows, &["id", "amount"]).await,
        ["a|3.00", "b|4.00"]
    );
}

#[tokio::test]
async fn latest_value_keeps_the_newest_value_of_each_column_after_the_sql() {
    let sql = "-- Only things with a name.\nSELECT * EXCEPT (amount), concat(amount, '0') AS amount\nFROM raw WHERE id <> 'x';\n";
    let head = "keep = \"latest_value\"\nnewest_by = [\"_generated_at\", \"_row\"]\nunknown = \"keep\"";
    let contract = contract(
        head,
        "first = { type = \"timestamp\", from = \"_generated_at\", pick = \"min\" }",
        Some(sql),
    );
    let rows = raw(&[
        ("id", &[Some("a"), Some("a"), Some("x")]),
        ("amount", &[Some("1.0"), Some("2.0"), Some("3.0")]),
        ("thing.order", &[Some("old"), None, None]),
        (
            "_generated_at",
            &[
                Some("2026-01-05T10:00:00Z"),
                Some("2026-01-05T10:15:00Z"),
                Some("2026-01-05T10:15:00Z"),
            ],
        ),
        ("_row", &[Some("9"), Some("1"), Some("1")]),
    ]);
    let found = run(&contract, rows, &["id", "amount", "order", "first", "_row"]).await;
    assert_eq!(found, ["a|2.00|old|2026-01-05T10:00:00Z|1"]);
    assert!(generated_sql(&contract).contains("    -- Only things with a name.\n"));
}

#[tokio::test]
async fn latest_document_keeps_the_rows_of_the_newest_object_of_each_value() {
    let head =
        "keep = \"latest_document\"\nper = [\"day\"]\nnewest_by = [\"_generated_at\"]\nunknown = \"ignore\"";
    let contract = contract(head, "", None);
    let rows = raw(&[
        ("id", &[Some("a"), Some("b"), Some("a"), Some("c")]),
        (
            "day",
            &[
                Some("2026-01-05"),
                Some("2026-01-05"),
                Some("2026-01-05"),
                Some("2026-01-06"),
            ],
        ),
        ("amount", &[Some("1"), Some("2"), Some("3"), Some("4")]),
        ("_object", &[Some("y"), Some("y"), Some("x"), Some("y")]),
        (
            "_generated_at",
            &[
                Some("2026-01-07T10:00:00Z"),
                Some("2026-01-07T10:00:00Z"),
                Some("2026-01-07T11:00:00Z"),
                Some("2026-01-07T10:00:00Z"),
            ],
        ),
    ]);
    assert_eq!(
        run(&contract, rows, &["id", "amount"]).await,
        ["a|3.00", "c|4.00"]
    );
}

#[tokio::test]
async fn a_table_with_inputs_reads_and_replaces_the_touched_values_only() {
    let contracts = load(
        &[
            file("shop/things.toml", format!("keep = \"every_row\"\n{RAW}")),
            file(
                "shop/daily.toml",
                "description = \"One day.\"\ninputs = [\"shop.things\"]\nkey = [\"day\"]\nrecompute = [\"day\"]\n\
                 [columns]\nday = \"date\"\nn = \"int\"\n",
            ),
            file("shop/daily.sql", "SELECT day, count(*) AS n FROM shop.things WHERE things.day IS NOT NULL GROUP BY day"),
        ],
        &[],
    )
    .unwrap();
    let sql = generated_sql(&contracts[&"shop.daily".parse().unwrap()]);
    assert!(
        sql.contains("--     DELETE FROM shop.daily WHERE day IN (SELECT day FROM touched);\n"),
        "{sql}"
    );

    let context = session(&Room::of(MEMORY)).unwrap();
    let things = batch([("day", days([Some(20000), Some(20000), Some(20001), None]))]);
    let table = datafusion::datasource::MemTable::try_new(things.schema(), vec![vec![things]]).unwrap();
    register(&context, &"shop.things".parse().unwrap(), Arc::new(table)).unwrap();
    context
        .register_batch("touched", batch([("day", days([Some(20000)]))]))
        .unwrap();
    assert_eq!(lines(&rows(&context, &sql).await), ["2024-10-04|2"]);
}
