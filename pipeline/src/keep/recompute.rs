//! Tables with inputs: the touched values of `recompute` are replaced by what the SQL gives for them now.
//!
//! Invariant: for every value of `recompute`, the table's rows are those of the SQL over the inputs at the versions
//! that the table last took in. Which rows go away depends on the touched values alone, never on the new rows.

use arrow::array::RecordBatch;

use crate::contract::{Contract, Feed};
use crate::delta::partition::RowPartitions;
use crate::delta::{DeltaLog, Snapshot};
use crate::error::{Error, Result};

use super::changed::{Parts, Scopes, scope_columns};
use super::keys::Keys;
use super::plan::Plan;

/// Which values of `recompute` are computed anew.
pub(crate) enum Touched {
    /// All of them.
    Everything,
    /// These: one distinct row each, columns as `recompute` names them. Nulls are values that the table never has.
    Values(RecordBatch),
}

/// Plans the replacement of the touched values by the rows computed for them.
pub(crate) async fn replace(
    contract: &Contract,
    log: &DeltaLog,
    snapshot: &Snapshot,
    touched: &Touched,
    rows: RecordBatch,
) -> Result<Plan> {
    let Feed::Inputs(feed) = &contract.feed else {
        return Err(Error::internal("only tables with inputs are recomputed").with("table", &contract.name));
    };
    let mut plan = Plan::new(rows);
    plan.counts.rows_read = plan.rows.num_rows() as u64;
    plan.counts.rows_inserted = plan.rows.num_rows() as u64;
    plan.homeless = (0..plan.rows.num_rows() as u32).collect();
    let by_partition = feed
        .recompute
        .iter()
        .all(|name| contract.partition.contains(name));
    match touched {
        Touched::Everything => {
            for file in snapshot.files.iter() {
                plan.edit(file).dropped = true;
                plan.counts.rows_removed += file.rows().unwrap_or(0);
            }
        }
        Touched::Values(values) if by_partition => {
            let places = RowPartitions::of(values, &feed.recompute)?;
            let values = places.distinct();
            for file in snapshot.files.iter() {
                let mut own = file.partition.clone();
                own.retain(|name, _| feed.recompute.contains(name));
                if values.contains(&own) {
                    plan.edit(file).dropped = true;
                    plan.counts.rows_removed += file.rows().unwrap_or(0);
                }
            }
        }
        Touched::Values(values) => {
            let columns = scope_columns(contract);
            let (mut parts, scopes) = (Parts::default(), Scopes::of(values, &columns)?);
            let values = Keys::new(values, &feed.recompute, &contract.partition)?;
            for file in snapshot.files.iter() {
                let found = values.find(log, file, None).await?;
                for row in &found {
                    parts.scope(&file.partition, scopes.of_row(row.key)).removed += 1;
                }
                if !found.is_empty() {
                    plan.counts.rows_removed += found.len() as u64;
                    plan.edit(file).deletes = found.iter().map(|found| found.file_row).collect();
                }
            }
            parts.count_new(contract, &plan.rows, &plan.homeless)?;
            plan.parts = Some(parts);
        }
    }
    Ok(plan)
}
