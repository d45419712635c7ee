//! Merging a batch with the rows that the table has of the same keys: all copies that are found are folded with the
//! batch's row, so one row a key remains.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;

use super::copies::{Copies, columns_wanted, copies};
use super::file_edit::FileEdit;
use super::open_files::OpenFiles;
use super::plan::Plan;
use crate::blocking::blocking;
use crate::contract::Contract;
use crate::delta::DataFile;
use crate::delta::partition::RowPartitions;
use crate::error::Result;
use crate::keep::{Folded, RowsByKey, Stays, key_positions, stays};
use crate::layout;

/// Plans how the folded rows of a batch go into the table. `periods` are the first and the last day that the
/// batch's objects are about; so many files are looked into at the same time, more where they are not on a disk.
pub(crate) async fn merge(
    contract: &Arc<Contract>,
    table: &OpenFiles,
    files: &[DataFile],
    batch: Folded,
    periods: (NaiveDate, NaiveDate),
    at_once: usize,
) -> Result<Plan> {
    if batch.rows.num_rows() == 0 {
        return settled(contract, &batch, &Copies::of(&[]));
    }
    let batch = Arc::new(batch);
    let copies = copies(contract, table, files, &batch, periods, table.at_once(at_once)).await?;
    let contract = contract.clone();
    blocking(move || settled(&contract, &batch, &copies)).await
}

/// The plan, by what the table has.
fn settled(contract: &Contract, batch: &Folded, copies: &Copies) -> Result<Plan> {
    let mut plan = Plan::new(batch.rows.clone());
    plan.counts.rows_absorbed = batch.absorbed;
    plan.counts.rows_conflicting = batch.conflicts;
    let known = copies.keys.len();
    if known == 0 {
        plan.unplaced = (0..batch.rows.num_rows() as u32).collect();
        plan.counts.rows_inserted = batch.rows.num_rows() as u64;
        return Ok(plan);
    }
    let schema = columns_wanted(contract, batch.rows.schema_ref());
    let rows = concat_batches(
        &schema,
        copies.rows.iter().chain([&project(&batch.rows, &schema)?]),
    )?;
    let members = RowsByKey::with_copies(batch.rows.num_rows(), &copies.keys);
    let stays = stays(contract, &rows, &members)?;
    match &stays {
        Stays::Row { conflicts, .. } => plan.counts.rows_conflicting += conflicts,
        Stays::Made(made) => plan.rows = made.clone(),
    }
    let places = RowPartitions::of(&plan.rows, &contract.partition)?;
    let number_of: Vec<_> = copies
        .files
        .iter()
        .map(|file| places.number(&file.partition))
        .collect();
    let mut edits: Vec<FileEdit> = copies.files.iter().map(FileEdit::of).collect();
    for (row, members) in (0..).zip(members.iter()) {
        let (_, old) = members.split_last().unwrap_or((&0, &[]));
        if old.is_empty() {
            plan.unplaced.push(row);
            plan.counts.rows_inserted += 1;
            continue;
        }
        let is_home =
            |copy: &u32| number_of[copies.places[*copy as usize].0] == Some(places.number_of_row(row));
        let home = || old.iter().copied().find(is_home);
        let (kept, is_same) = match &stays {
            // A winner among several copies stays where it is; otherwise the result replaces the copy at home.
            Stays::Row { winners, .. } if (winners[row as usize] as usize) < known => {
                (Some(winners[row as usize]), true)
            }
            Stays::Row { .. } => (home(), false),
            Stays::Made(made) => {
                let home = home();
                let is_same = home.is_some_and(|copy| says_the_same(&rows, copy, made, row));
                (home, is_same)
            }
        };
        if is_same {
            plan.counts.rows_absorbed += 1;
        } else {
            plan.counts.rows_updated += 1;
        }
        for copy in old {
            let (file, file_row) = copies.places[*copy as usize];
            if Some(*copy) != kept {
                edits[file].deletes.push(file_row);
            } else if !is_same {
                edits[file].updates.push((file_row, row));
            }
        }
        plan.counts.rows_removed += old.len() as u64 - 1;
        if kept.is_none() {
            plan.unplaced.push(row);
        }
    }
    for (file, mut edit) in copies.files.iter().zip(edits) {
        if !edit.updates.is_empty() || !edit.deletes.is_empty() {
            edit.updates.sort_unstable();
            edit.deletes.sort_unstable();
            plan.edits.insert(file.path.clone(), edit);
        }
    }
    Ok(plan)
}

fn project(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    Ok(rows.project(&key_positions(rows.schema_ref(), &names)?)?)
}

/// Whether a row of the table already is what the fold gives, the batch that wrote it aside.
fn says_the_same(old: &RecordBatch, old_row: u32, new: &RecordBatch, new_row: u32) -> bool {
    let fields = old.schema_ref().fields().iter();
    let columns = fields.zip(old.columns()).zip(new.columns());
    columns
        .filter(|((field, _), _)| ![layout::BATCH, layout::LOADED_AT].contains(&field.name().as_str()))
        .all(|((_, old), new): ((_, &ArrayRef), &ArrayRef)| {
            old.slice(old_row as usize, 1).as_ref() == new.slice(new_row as usize, 1).as_ref()
        })
}
