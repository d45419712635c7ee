//! Plans of a SELECT over `raw`, kept for the next object: planning takes longer than running it on a small one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::{Context, Kind, Result};

/// The plans of one SELECT, by the columns that `raw` has.
pub(super) struct Plans {
    text: String,
    idle: Mutex<HashMap<SchemaRef, Vec<Planned>>>,
}

/// A plan whose `raw` can be exchanged between two runs.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    raw: Arc<Raw>,
}

impl Plans {
    pub(super) fn new(text: String) -> Self {
        Self {
            text,
            idle: Mutex::new(HashMap::new()),
        }
    }

    /// Runs the SELECT over `raw`: its columns and the rows.
    pub(super) async fn run(&self, raw: RecordBatch) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let schema = raw.schema();
        let kept = self.idle().get_mut(&schema).and_then(Vec::pop);
        let planned = match kept {
            Some(planned) => planned,
            None => self.plan(schema.clone()).await?,
        };
        planned.raw.put(raw);
        let plan = reset_plan_states(planned.plan.clone())?;
        let rows = collect(plan, planned.task.clone())
            .await
            .context(Kind::Data, "SQL of the contract failed")?;
        let columns = planned.plan.schema();
        self.idle().entry(schema).or_default().push(planned);
        Ok((columns, rows))
    }

    async fn plan(&self, schema: SchemaRef) -> Result<Planned> {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let raw = Arc::new(Raw {
            schema: schema.clone(),
            rows: Mutex::new(None),
        });
        context.register_table(
            "raw",
            Arc::new(StreamingTable::try_new(schema, vec![raw.clone()])?),
        )?;
        let frame = context
            .sql(&self.text)
            .await
            .context(Kind::Usage, "SQL of the contract cannot be planned")?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame
            .create_physical_plan()
            .await
            .context(Kind::Usage, "SQL of the contract cannot be planned")?;
        Ok(Planned { plan, task, raw })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, HashMap<SchemaRef, Vec<Planned>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows that `raw` has in one run.
struct Raw {
    schema: SchemaRef,
    rows: Mutex<Option<RecordBatch>>,
}

impl Raw {
    fn put(&self, rows: RecordBatch) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raw")
    }
}

impl PartitionStream for Raw {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rows = futures::stream::iter(rows.map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::{Int64Type, UInt64Type};

    use super::*;

    fn numbers(values: &[i64]) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[tokio::test]
    async fn a_kept_plan_sees_only_the_rows_of_its_run() {
        let plans =
            Plans::new("SELECT n, row_number() OVER (ORDER BY n DESC) AS place FROM raw WHERE n > 1".into());
        for values in [vec![1, 2, 3], vec![9], vec![], vec![5, 4, 7]] {
            let (schema, rows) = plans.run(numbers(&values)).await.unwrap();
            assert_eq!(schema.field(1).name(), "place");
            let mut wanted: Vec<i64> = values.into_iter().filter(|n| *n > 1).collect();
            wanted.sort_by(|a, b| b.cmp(a));
            let found = rows.iter().flat_map(|rows| {
                let (n, place) = (
                    rows.column(0).as_primitive::<Int64Type>(),
                    rows.column(1).as_primitive::<UInt64Type>(),
                );
                n.values()
                    .iter()
                    .copied()
                    .zip(place.values().iter().copied())
                    .collect::<Vec<_>>()
            });
            let mut found: Vec<_> = found.collect();
            found.sort_by_key(|(_, place)| *place);
            assert_eq!(found, wanted.into_iter().zip(1..).collect::<Vec<_>>());
        }
        assert_eq!(plans.idle().values().map(Vec::len).sum::<usize>(), 1);
    }
}
