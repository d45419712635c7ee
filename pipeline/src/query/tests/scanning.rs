use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use std::sync::Arc;

use super::*;
use crate::contract::ColumnType;
use crate::layout::map_builder;

fn schema(columns: &[(&str, ColumnType)]) -> SchemaRef {
    let field = |(name, ty): &(&str, ColumnType)| Field::new(*name, ty.arrow(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

#[tokio::test]
async fn columns_come_in_the_order_of_the_table_though_files_lack_the_partition() {
    let (_folder, curated) = zone();
    let schema = schema(&[
        ("day", ColumnType::Date),
        ("n", ColumnType::Int),
        ("shop", ColumnType::Text),
        ("name", ColumnType::Text),
    ]);
    let partition = ["day", "shop"];
    let log = create(&curated, "t.t", &schema, &partition).await;
    let batch = batch([
        ("day", days([Some(20000), None, Some(20001)])),
        ("n", ints([1, 2, 3])),
        ("shop", texts([Some("x / y%20z"), Some("b"), None])),
        ("name", texts([Some("one"), Some("two"), Some("three")])),
    ]);
    let snapshot = append(&log, &batch, &partition).await;
    let context = over(&log, &snapshot);

    let all = rows(&context, "SELECT * FROM t.t ORDER BY n").await;
    assert_eq!(all[0].schema().fields(), schema.fields());
    assert_eq!(
        lines(&all),
        ["2024-10-04|1|x / y%20z|one", "|2|b|two", "2024-10-05|3||three"]
    );
    let some = rows(&context, "SELECT name, day FROM t.t ORDER BY name").await;
    assert_eq!(lines(&some), ["one|2024-10-04", "three|2024-10-05", "two|"]);
    let nulls = rows(
        &context,
        "SELECT count(*) FILTER (WHERE day IS NULL), count(shop), max(day), min(shop) FROM t.t",
    )
    .await;
    assert_eq!(lines(&nulls), ["1|2|2024-10-05|b"]);
}

#[tokio::test]
async fn files_from_before_a_column_give_null_of_every_type() {
    let (_folder, curated) = zone();
    let all = schema(&[
        ("tags", ColumnType::Map),
        ("n", ColumnType::Int),
        ("price", ColumnType::Decimal(18, 4)),
        ("at", ColumnType::Timestamp),
        ("name", ColumnType::Text),
    ]);
    let log = create(&curated, "t.t", &all, &[]).await;
    append(&log, &batch([("n", ints([1]))]), &[]).await;
    let mut tags = map_builder();
    tags.keys().append_value("colour");
    tags.values().append_value("red");
    tags.append(true).unwrap();
    let snapshot = append(
        &log,
        &batch([("n", ints([2])), ("tags", Arc::new(tags.finish()))]),
        &[],
    )
    .await;
    assert_eq!(snapshot.schema.fields(), all.fields());

    let found = rows(&over(&log, &snapshot), "SELECT * FROM t.t ORDER BY n").await;
    assert_eq!(found[0].schema().fields(), all.fields());
    assert_eq!(
        lines(&found),
        ["|1||||", "{colour: red}|2||||"].map(|line| line.trim_end_matches('|').to_owned() + "|||")
    );
    let named = rows(
        &over(&log, &snapshot),
        "SELECT n, tags['colour'] FROM t.t WHERE tags IS NOT NULL",
    )
    .await;
    assert_eq!(lines(&named), ["2|red"]);
}

#[tokio::test]
async fn types_are_those_of_the_table_though_files_hold_no_arrow_schema() {
    let (_folder, curated) = zone();
    let schema = schema(&[
        ("at", ColumnType::Timestamp),
        ("name", ColumnType::Text),
        ("tags", ColumnType::Map),
    ]);
    let log = create(&curated, "t.t", &schema, &[]).await;
    let mut tags = map_builder();
    tags.append(false).unwrap();
    let at = TimestampMicrosecondArray::from(vec![1_767_225_600_000_001]).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![Arc::new(at), texts([Some("one")]), Arc::new(tags.finish())];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    std::fs::write(log.place().file().unwrap().join("one.parquet"), &bytes).unwrap();
    let add = Add {
        path: "one.parquet".into(),
        size: bytes.len() as i64,
        data_change: true,
        ..Add::default()
    };
    let snapshot = commit(&log, vec![add]).await;

    let context = over(&log, &snapshot);
    let found = rows(&context, "SELECT * FROM t.t").await;
    assert_eq!(found, [batch]);
    let later = rows(
        &context,
        "SELECT name FROM t.t WHERE at > '2026-01-01T00:00:00Z' AND at < '2026-01-01T00:00:01Z'",
    )
    .await;
    assert_eq!(later[0].schema().field(0).data_type(), &DataType::Utf8);
    assert_eq!(lines(&later), ["one"]);
    // Nothing is said about the rows of this file, so it has to be opened to count them.
    assert_eq!(lines(&rows(&context, "SELECT count(*) FROM t.t").await), ["1"]);
}

#[tokio::test]
async fn rows_are_counted_from_the_log_unless_something_filters_or_limits_them() {
    let (_folder, curated) = zone();
    let log = create(&curated, "t.t", &schema(&[("n", ColumnType::Int)]), &[]).await;
    append(&log, &batch([("n", ints([1, 2, 3]))]), &[]).await;
    let snapshot = append(&log, &batch([("n", ints([4]))]), &[]).await;
    let context = over(&log, &snapshot);
    let opens_files = |plan: &Arc<dyn ExecutionPlan>| files_of(plan).is_some();

    let counted = plan(&context, "SELECT count(*) FROM t.t").await;
    assert!(!opens_files(&counted));
    assert_eq!(lines(&collect(counted, context.task_ctx()).await.unwrap()), ["4"]);
    let filtered = plan(&context, "SELECT count(*) FROM t.t WHERE n > 2").await;
    assert!(opens_files(&filtered));
    assert_eq!(
        lines(&collect(filtered, context.task_ctx()).await.unwrap()),
        ["2"]
    );
    assert_eq!(
        lines(&rows(&context, "SELECT count(*) FROM (SELECT n FROM t.t LIMIT 2)").await),
        ["2"]
    );
    assert_eq!(
        lines(
            &rows(
                &context,
                "SELECT max(n) FROM (SELECT n FROM t.t WHERE n > 3 LIMIT 2)"
            )
            .await
        ),
        ["4"]
    );
}

#[tokio::test]
async fn files_are_read_in_parallel_and_a_subset_of_them_is_a_table() {
    let (_folder, curated) = zone();
    let log = create(&curated, "t.t", &schema(&[("n", ColumnType::Int)]), &[]).await;
    for n in 0..3 {
        append(&log, &batch([("n", ints([n]))]), &[]).await;
    }
    let snapshot = log.load().await.unwrap().unwrap();
    let context = over(&log, &snapshot);
    context
        .state_ref()
        .write()
        .config_mut()
        .options_mut()
        .execution
        .target_partitions = 2;
    let groups = files_of(&plan(&context, "SELECT n FROM t.t").await).unwrap();
    assert_eq!(groups, [2, 1]);
}

/// Files of each partition of the plan's one scan; none where it opens no file.
pub(super) fn files_of(plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<usize>> {
    if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        let config = source.data_source().downcast_ref::<FileScanConfig>()?;
        return Some(config.file_groups.iter().map(|group| group.len()).collect());
    }
    plan.children().into_iter().find_map(files_of)
}
