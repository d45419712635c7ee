//! Tables with inputs: the touched values of `recompute` are replaced by what the SQL gives for them now.
//!
//! Invariant: for every value of `recompute`, the table's rows are those of the SQL over the inputs at the versions
//! that the table last took in. Which rows go away depends on the touched values alone, never on the new rows.

use std::collections::BTreeSet;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::{StreamExt, TryStreamExt};

use crate::contract::{Contract, Feed, InputFeed};
use crate::delta::DataFile;
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::error::{Error, Result};

use super::changed::{Parts, Scopes, scope_columns};
use super::keys_by_partition::Keys;
use super::open_files::OpenFiles;
use super::plan::Plan;

/// The files that hold rows of these values of `recompute` and no others; none where a file can hold both.
pub(crate) fn whole_files(
    contract: &Contract,
    feed: &InputFeed,
    files: &[DataFile],
    values: &RecordBatch,
) -> Result<Option<Vec<DataFile>>> {
    let is_laid_by = |name| contract.partition.contains(name);
    if !feed.recompute.iter().all(is_laid_by) {
        return Ok(None);
    }
    let places = RowPartitions::of(&partition::fit(values, &feed.recompute)?, &feed.recompute)?;
    let places: BTreeSet<&PartitionValues> = places.distinct();
    let goes = |file: &&DataFile| {
        let mut own = file.partition.clone();
        own.retain(|name, _| feed.recompute.contains(name));
        places.contains(&own)
    };
    Ok(Some(files.iter().filter(goes).cloned().collect()))
}

/// Plans the replacement of the rows of these values of `recompute`, which are distinct, by the rows computed for them.
pub(crate) async fn replace(
    contract: &Contract,
    table: &OpenFiles,
    files: &[DataFile],
    values: &RecordBatch,
    rows: RecordBatch,
) -> Result<Plan> {
    let Feed::Inputs(feed) = &contract.feed else {
        return Err(Error::internal("only tables with inputs are recomputed").with("table", &contract.name));
    };
    let mut plan = of_new(contract, rows)?;
    // `recompute` is in the key, so the table has no row of a value that is null.
    let present = |row| values.columns().iter().all(|column| column.is_valid(row));
    let present = BooleanArray::from_iter((0..values.num_rows()).map(|row| Some(present(row))));
    let values = filter_record_batch(values, &present)?;
    let values = partition::fit(&values, &contract.partition)?;
    let columns = scope_columns(contract);
    let scopes = Scopes::of(&values, &columns)?;
    let keys = Keys::new(&values, &feed.recompute, &contract.partition)?;
    let keys = &keys;
    let mut looked_into = futures::stream::iter(files)
        .map(|file| async move { Ok::<_, Error>((file, keys.find(table, file, None).await?)) })
        .buffered(table.at_once(1));
    while let Some((file, found)) = looked_into.try_next().await? {
        if let Some(parts) = &mut plan.parts {
            for row in &found {
                parts.scope(&file.partition, scopes.of_row(row.key)).removed += 1;
            }
        }
        if !found.is_empty() {
            plan.counts.rows_removed += found.len() as u64;
            plan.edit(file).deletes = found.iter().map(|found| found.file_row).collect();
        }
    }
    Ok(plan)
}

/// Plans that computed rows come, and none go.
pub(crate) fn of_new(contract: &Contract, rows: RecordBatch) -> Result<Plan> {
    let mut plan = Plan::new(rows);
    plan.counts.rows_inserted = plan.rows.num_rows() as u64;
    plan.unplaced = (0..plan.rows.num_rows() as u32).collect();
    let mut parts = Parts::default();
    parts.count_new(contract, &plan.rows, &plan.unplaced)?;
    plan.parts = Some(parts);
    Ok(plan)
}
