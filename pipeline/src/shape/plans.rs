//! Plans of a SELECT over `raw`, kept for the next object: planning takes longer than running it on a small one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::{Context, Error, Kind, Result};

/// The plans of one SELECT, by the columns that `raw` has.
pub(super) struct Plans {
    text: String,
    /// Whether the rows have what must not be written down, so that no error may quote them.
    is_quiet: bool,
    idle: Mutex<HashMap<SchemaRef, Vec<Planned>>>,
}

/// A plan whose `raw` can be exchanged between two runs.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    raw: Arc<Raw>,
}

impl Plans {
    pub(super) fn new(text: String, is_quiet: bool) -> Self {
        Self {
            text,
            is_quiet,
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
        let rows = collect(plan, planned.task.clone()).await;
        let columns = planned.plan.schema();
        // Also one that failed: what it failed over is run again in parts.
        self.idle().entry(schema).or_default().push(planned);
        let rows = rows.map_err(|error| self.failed("SQL of the contract failed", &error))?;
        Ok((columns, rows))
    }

    /// That something cannot be done with rows of these plans.
    pub(super) fn failed(&self, what: &str, error: &DataFusionError) -> Error {
        failed(what, error, self.is_quiet)
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

/// Most characters of what the engine says.
const SHOWN: usize = 300;

/// That the engine could not compute something over rows. What it says quotes values, so a quiet error says its kind alone.
fn failed(what: &str, error: &DataFusionError, is_quiet: bool) -> Error {
    if is_quiet {
        let kind = match error.find_root() {
            DataFusionError::ArrowError(error, _) => match error.as_ref() {
                ArrowError::CastError(_) | ArrowError::ParseError(_) => "a value cannot be cast",
                ArrowError::DivideByZero => "a division by zero",
                ArrowError::ArithmeticOverflow(_) => "an overflow",
                _ => "a value cannot be computed",
            },
            DataFusionError::ResourcesExhausted(_) => "the memory does not suffice",
            _ => "a value cannot be computed",
        };
        return Error::data(format!(
            "{what}: {kind}; no more is said, for the table has fields that may be personal"
        ));
    }
    let said = error.to_string();
    let said = match said.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    };
    Error::data(what).because(said)
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
    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::{Int64Type, UInt64Type};

    use super::*;

    fn numbers(values: &[i64]) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[tokio::test]
    async fn an_error_over_rows_that_may_be_personal_quotes_none_and_others_little() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", &"Ann".repeat(500)]));
        let raw = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        for (is_quiet, most) in [(true, 200), (false, 400)] {
            for sql in [
                "SELECT CAST(t AS INT) AS n FROM raw",
                "SELECT CAST(t AS DATE) AS n FROM raw",
                "SELECT 1 / (length(t) - 1) AS n FROM raw",
            ] {
                let plans = Plans::new(sql.into(), is_quiet);
                let reason = plans.run(raw.clone()).await.unwrap_err().reason();
                assert!(reason.starts_with("SQL of the contract failed: "), "{reason}");
                assert!(
                    reason.len() < most && !(is_quiet && reason.contains("Ann")),
                    "{reason}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_kept_plan_sees_only_the_rows_of_its_run() {
        let plans = Plans::new(
            "SELECT n, row_number() OVER (ORDER BY n DESC) AS place FROM raw WHERE n > 1".into(),
            false,
        );
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
