//! Several rows of one key in a table, merged into one.
//!
//! Rule by rule this cannot happen; it does where a source broke the assumption of a `key_window`. What is kept is a
//! maximum, so the copies fold to the row that a single one would have become.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use crate::contract::Contract;
use crate::delta::Snapshot;
use crate::delta::partition::{self, RowPartitions};
use crate::error::Result;
use crate::layout;

use super::keys_by_partition::Keys;
use super::open_files::OpenFiles;
use super::plan::Plan;
use crate::blocking::blocking;
use crate::keep::fold;

/// Plans the merge of all rows of the table that have one of the keys, which are distinct rows of the key columns.
pub(crate) async fn merge_copies(
    contract: &Contract,
    table: &OpenFiles,
    snapshot: &Snapshot,
    keys: &RecordBatch,
) -> Result<Plan> {
    let schema = layout::schema(contract);
    let keys = Keys::new(keys, contract.key(), &contract.partition)?;
    let mut places: Vec<(usize, u64)> = Vec::new();
    let mut rows: Vec<RecordBatch> = Vec::new();
    for (index, file) in snapshot.files.iter().enumerate() {
        let found = keys.find(table, file, None).await?;
        if found.is_empty() {
            continue;
        }
        let ordinals: Vec<u64> = found.iter().map(|found| found.file_row).collect();
        places.extend(ordinals.iter().map(|row| (index, *row)));
        let opened = table.open(file, 0).await?;
        let content = layout::file_schema(&schema, &contract.partition);
        let read = blocking(move || opened.read_rows(&ordinals, &content)).await?;
        rows.push(partition::complete(&read, &file.partition, &schema)?);
    }
    let rows = concat_batches(&schema, &rows)?;
    let folded = fold(contract, &rows)?;
    let homes = RowPartitions::of(&folded.rows, &contract.partition)?;
    let mut plan = Plan::new(folded.rows);
    for (result, members) in folded.members.iter().enumerate().filter(|(_, m)| m.len() > 1) {
        let file_of = |copy: u32| &snapshot.files[places[copy as usize].0];
        let home = folded.winner[result].or_else(|| {
            let mut members = members.iter().copied();
            members.find(|copy| file_of(*copy).partition == *homes.of_row(result as u32))
        });
        for &copy in members {
            let file_row = places[copy as usize].1;
            let edit = plan.edit(file_of(copy));
            if Some(copy) != home {
                edit.deletes.push(file_row);
            } else if folded.winner[result].is_none() {
                edit.updates.push((file_row, result as u32));
            }
        }
        if home.is_none() {
            plan.unplaced.push(result as u32);
        }
        plan.counts.rows_removed += members.len() as u64 - 1;
    }
    plan.edits
        .retain(|_, edit| !edit.updates.is_empty() || !edit.deletes.is_empty());
    for edit in plan.edits.values_mut() {
        edit.updates.sort_unstable();
        edit.deletes.sort_unstable();
    }
    Ok(plan)
}
