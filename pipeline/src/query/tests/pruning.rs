use arrow::datatypes::{DataType, Field, Schema};

use super::scanning::files_of;
use super::*;

/// Four files: the days 2024-10-04 to 06 with n from 0, 10 and 20, and no day with n from 30; `late` is only in the
/// last one.
async fn table() -> (tempfile::TempDir, SessionContext) {
    let (folder, curated) = zone();
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("late", DataType::Int64, true),
    ]);
    let log = create(&curated, "t.t", &schema, &["day"]).await;
    for (first, day) in [(0, Some(20000)), (10, Some(20001)), (20, Some(20002))] {
        let rows = batch([("n", ints([first, first + 5])), ("day", days([day, day]))]);
        append(&log, &rows, &["day"]).await;
    }
    let rows = batch([("n", ints([30])), ("day", days([None])), ("late", ints([1]))]);
    let snapshot = append(&log, &rows, &["day"]).await;
    (folder, over(&log, &snapshot))
}

/// Files opened and rows found for a condition.
async fn cost(context: &SessionContext, condition: &str) -> (usize, usize) {
    let sql = format!("SELECT n, day, late FROM t.t WHERE {condition}");
    let files = files_of(&plan(context, &sql).await)
        .unwrap_or_default()
        .iter()
        .sum();
    (
        files,
        rows(context, &sql).await.iter().map(RecordBatch::num_rows).sum(),
    )
}

#[tokio::test]
async fn conditions_on_the_partition_open_only_its_files() {
    let (_folder, context) = table().await;
    let long: Vec<_> = (0..500)
        .map(|day| format!("DATE '2024-10-05' + INTERVAL '{day} days'"))
        .collect();
    for (condition, expected) in [
        ("day = '2024-10-05'", (1, 2)),
        ("day IN ('2024-10-04', '2024-10-06')", (2, 4)),
        (
            "day IN ('2024-10-01', '2024-10-02', '2024-10-03', '2024-10-04', '2024-10-05')",
            (2, 4),
        ),
        (&format!("day IN ({})", long.join(", ")), (2, 4)),
        ("day > '2024-10-04' AND day <= '2024-10-06'", (2, 4)),
        ("day BETWEEN '2024-10-05' AND '2024-10-30'", (2, 4)),
        ("day IS NULL", (1, 1)),
        ("day IS NOT NULL", (3, 6)),
        ("day IS NULL OR day = '2024-10-04'", (2, 3)),
        ("day <> '2024-10-04'", (2, 4)),
        ("day NOT IN ('2024-10-04', '2024-10-05')", (1, 2)),
        ("day = '2024-12-31'", (0, 0)),
    ] {
        assert_eq!(
            cost(&context, condition).await,
            expected,
            "{}",
            &condition[..condition.len().min(80)]
        );
    }
}

#[tokio::test]
async fn conditions_on_a_column_open_only_files_whose_bounds_allow_it() {
    let (_folder, context) = table().await;
    for (condition, expected) in [
        ("n = 15", (1, 1)),
        ("n >= 15 AND n < 30", (2, 3)),
        ("n IN (5, 30)", (2, 2)),
        ("n IS NULL", (0, 0)),
        ("n = 15 AND day = '2024-10-04'", (0, 0)),
        ("n = 15 OR day IS NULL", (2, 2)),
    ] {
        assert_eq!(cost(&context, condition).await, expected, "{condition}");
    }
}

#[tokio::test]
async fn without_statistics_every_file_may_match() {
    let (_folder, context) = table().await;
    assert_eq!(cost(&context, "late = 1").await, (4, 1));
    assert_eq!(cost(&context, "late IS NULL").await, (4, 6));
    assert_eq!(cost(&context, "n % 10 = 5").await, (4, 3));
}
