//! Rows of a table that fulfil a condition.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::prelude::SessionContext;

use crate::delta::{DeltaLog, Snapshot, read_files};
use crate::error::{Context, Error, Kind, Result};

/// How many rows fulfil the condition, and the first `most` of them, in the table's schema. The table is read file
/// by file. A condition that is no SQL over its columns is a usage error.
pub(super) async fn matched(
    log: &DeltaLog,
    snapshot: &Snapshot,
    condition: &str,
    most: usize,
) -> Result<(u64, RecordBatch)> {
    let context = SessionContext::new();
    let columns = DFSchema::try_from(snapshot.schema.as_ref().clone())?;
    let compiled = context
        .parse_sql_expr(condition, &columns)
        .and_then(|expression| context.create_physical_expr(expression, &columns))
        .context(Kind::Usage, "condition is not SQL over the table's columns")
        .map_err(|error| error.with("table", log.table()).with("condition", condition))?;
    if compiled.data_type(&snapshot.schema)? != DataType::Boolean {
        return Err(Error::usage("condition is not true or false")
            .with("table", log.table())
            .with("condition", condition));
    }
    let mut count = 0;
    let mut first = RecordBatch::new_empty(snapshot.schema.clone());
    for file in snapshot.files.iter() {
        for batch in read_files(log, [file], &snapshot.schema).await? {
            let fulfils = compiled
                .evaluate(&batch)
                .and_then(|values| values.into_array(batch.num_rows()))
                .context(Kind::Usage, "condition cannot be computed for a row of the table")
                .map_err(|error| error.with("table", log.table()).with("condition", condition))?;
            let rows = filter_record_batch(&batch, fulfils.as_boolean())?;
            count += rows.num_rows() as u64;
            let rows = rows.slice(0, rows.num_rows().min(most - first.num_rows()));
            if rows.num_rows() > 0 {
                first = concat_batches(&snapshot.schema, [&first, &rows])?;
            }
        }
    }
    Ok((count, first))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use url::Url;

    use super::*;
    use crate::inspect::testing::filled;

    async fn table(folder: &tempfile::TempDir) -> (DeltaLog, Snapshot) {
        let log = DeltaLog::at("a.b", Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let rows = RecordBatch::try_from_iter_with_nullable([
            (
                "n",
                Arc::new(Int64Array::from_iter_values(0..30)) as ArrayRef,
                true,
            ),
            (
                "name",
                Arc::new(StringArray::from_iter_values((0..30).map(|n| format!("x{n}")))) as ArrayRef,
                true,
            ),
            (
                "day",
                Arc::new(Date32Array::from_iter((0..30).map(|n| (n > 9).then_some(20_000)))) as ArrayRef,
                true,
            ),
        ])
        .unwrap();
        let snapshot = filled(&log, &rows, &["day".to_owned()], &["n"]).await;
        (log, snapshot)
    }

    #[tokio::test]
    async fn all_rows_are_counted_and_the_first_returned() {
        let folder = tempfile::tempdir().unwrap();
        let (log, snapshot) = table(&folder).await;
        let (count, rows) = matched(&log, &snapshot, "day = '2024-10-04' and n >= 5", 3)
            .await
            .unwrap();
        assert_eq!((count, rows.num_rows()), (20, 3));
        let (count, rows) = matched(&log, &snapshot, "name = 'x7' or n + 1 = 30", 3)
            .await
            .unwrap();
        let mut found = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
        found.sort_unstable();
        assert_eq!((count, found), (2, vec![7, 29]));
    }

    #[tokio::test]
    async fn a_condition_that_is_none_is_the_askers_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let (log, snapshot) = table(&folder).await;
        for wrong in [
            "nme = 'x'",
            "n +",
            "n",
            "count(*) > 1",
            "n = 1; drop table x",
            "10 / (n - n) = 1",
        ] {
            let error = matched(&log, &snapshot, wrong, 3).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{wrong}: {error}");
        }
    }
}
