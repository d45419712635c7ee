use super::super::statement::{Rows, query};
use super::*;
use crate::contract::{Column, ColumnType, View};
use crate::error::{Error, Kind};
use crate::stop::Stop;

async fn lake() -> (tempfile::TempDir, Curated, Vec<TableName>) {
    let (folder, curated) = zone();
    let rows = batch([("id", texts([Some("a"), Some("b")])), ("n", ints([1, 2]))]);
    for name in ["shop.orders", "marketlake.runs"] {
        let log = create(&curated, name, &rows.schema(), &[]).await;
        append(&log, &rows, &[]).await;
    }
    let known = ["shop.orders", "shop.lines"]
        .map(|name| name.parse().unwrap())
        .to_vec();
    (folder, curated, known)
}

async fn ask(sql: &str) -> Result<Vec<RecordBatch>, Error> {
    let (_folder, curated, known) = lake().await;
    let views = [
        view("shop.doubled", "shop.orders"),
        view("shop.later", "shop.lines"),
    ]
    .into();
    let rows = query(&curated, &Room::of(MEMORY), &known, &views, sql).await?;
    Rows::of(rows, &Stop::default()).all().await
}

/// A view of another table, with a column in another type than it computes.
fn view(name: &str, input: &str) -> (TableName, View) {
    let name: TableName = name.parse().unwrap();
    let view = View {
        name: name.clone(),
        description: String::new(),
        columns: vec![
            Column::plain("twice", ColumnType::Decimal(38, 2)),
            Column::plain("id", ColumnType::Text),
        ],
        inputs: vec![input.parse().unwrap()],
        sql: format!("SELECT id, 2 * n AS twice FROM {input}"),
    };
    (name, view)
}

#[tokio::test]
async fn a_view_is_read_as_a_table_is_with_the_columns_that_it_declares() {
    let found = ask("SELECT * FROM shop.doubled ORDER BY id").await.unwrap();
    assert_eq!(lines(&found), ["2.00|a", "4.00|b"]);
    let joined = "SELECT o.n, d.twice FROM shop.orders o JOIN shop.doubled d USING (id) WHERE o.n = 2";
    assert_eq!(lines(&ask(joined).await.unwrap()), ["2|4.00"]);
    let (_, message, _) = refusal("SELECT * FROM shop.later").await;
    assert!(
        message.contains("table shop.later does not exist yet"),
        "{message}"
    );
}

/// Kind and message of the error, and the message of the first error below it.
async fn refusal(sql: &str) -> (Kind, String, String) {
    let error = ask(sql).await.unwrap_err();
    let below = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    (error.kind(), error.message().to_owned(), below)
}

#[tokio::test]
async fn queries_join_curated_and_system_tables() {
    let sql = "WITH runs AS (SELECT * FROM marketlake.runs) \
               SELECT orders.id, runs.n FROM Shop.Orders JOIN runs USING (id) WHERE orders.n > 1";
    assert_eq!(lines(&ask(sql).await.unwrap()), ["b|2"]);
}

#[tokio::test]
async fn no_rows_still_have_columns() {
    let found = ask("SELECT id FROM shop.orders WHERE n > 5").await.unwrap();
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(found[0].schema().field(0).name(), "id");
}

#[tokio::test]
async fn tables_and_plans_can_be_looked_at() {
    let shown = lines(&ask("SHOW TABLES").await.unwrap()).join("\n");
    assert!(
        shown.contains("shop|orders") && shown.contains("marketlake|runs"),
        "{shown}"
    );
    assert!(!shown.contains("shop|lines"), "{shown}");
    let described = lines(&ask("DESCRIBE shop.orders").await.unwrap());
    assert_eq!(described, ["id|Utf8|NO", "n|Int64|NO"]);
    let explained = lines(&ask("EXPLAIN SELECT n FROM shop.orders").await.unwrap()).join("\n");
    assert!(explained.contains("DataSourceExec"), "{explained}");
    assert_eq!(
        lines(&ask("SELECT value FROM generate_series(1, 2)").await.unwrap()),
        ["1", "2"]
    );
}

#[tokio::test]
async fn tables_that_are_not_there_are_said_by_name() {
    let (kind, message, _) = refusal("SELECT * FROM shop.order").await;
    assert_eq!(kind, Kind::Usage);
    assert_eq!(
        message,
        "there is no table shop.order; the tables are marketlake.changes, marketlake.ledger, marketlake.quarantine, \
         marketlake.runs, shop.doubled, shop.later, shop.lines, shop.orders"
    );
    let (kind, message, _) = refusal("SELECT * FROM shop.lines, shop.orders").await;
    assert_eq!(kind, Kind::Usage);
    assert_eq!(
        message,
        "table shop.lines does not exist yet; `marketlake run` makes it"
    );
}

#[tokio::test]
async fn mistakes_in_sql_are_the_callers_and_keep_their_message() {
    for (sql, expected) in [
        ("SELEC 1", "Expected"),
        ("", "No SQL statements"),
        ("SELECT 1; SELECT 2", "single SQL statement"),
        ("SELECT price FROM shop.orders", "price"),
        ("SELECT CAST(id AS INT) FROM shop.orders", "Cannot cast"),
    ] {
        let (kind, message, below) = refusal(sql).await;
        assert_eq!(kind, Kind::Usage, "{sql}: {message}");
        assert!(below.contains(expected), "{sql}: {below}");
    }
}

#[tokio::test]
async fn statements_that_write_are_refused() {
    for sql in [
        "CREATE TABLE shop.new AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/tmp/x'",
        "DROP TABLE shop.orders",
        "INSERT INTO shop.orders VALUES ('c', 3)",
        "DELETE FROM shop.orders",
        "COPY shop.orders TO '/tmp/copied.parquet'",
        "EXPLAIN ANALYZE INSERT INTO shop.orders VALUES ('c', 3)",
        "SET datafusion.execution.batch_size = 1",
    ] {
        let (kind, message, _) = refusal(sql).await;
        assert_eq!(
            (kind, message.as_str()),
            (Kind::Usage, "only statements that read are run"),
            "{sql}"
        );
    }
}
