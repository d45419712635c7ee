//! Documents of a batch against the cells of a table: which rows go away, and which come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use futures::{StreamExt, TryStreamExt};
use roaring::RoaringBitmap;

use super::changed::scope_columns;
use super::keys_by_partition::Keys;
use super::open_files::OpenFiles;
use super::plan::Plan;
use crate::blocking::blocking;
use crate::contract::Contract;
use crate::delta::DataFile;
use crate::delta::partition::PartitionValues;
use crate::error::{Error, Result};
use crate::keep::{Cell, Documents, Memory, Recorded, Replaced, insert_ascending, texts};
use crate::layout::{OBJECT, ORDER};
use crate::write::Found;

/// What the table has in a cell.
#[derive(Default)]
struct Present {
    order: String,
    object: String,
    /// The rows in each file (index into the list of files).
    rows: BTreeMap<usize, RoaringBitmap>,
}

/// What the documents of a batch do to a table.
pub(crate) struct Superseded {
    /// The rows that go away; the plan has no new ones.
    pub(crate) away: Plan,
    /// The rows that come, by their ordinals in the batch.
    pub(crate) come: RoaringBitmap,
    /// The cells that change.
    pub(crate) replaced: Vec<Replaced>,
}

/// Plans how the documents of a batch go into the table; so many files are looked into at the same time.
pub(crate) async fn supersede(
    contract: &Contract,
    table: &OpenFiles,
    files: &[DataFile],
    documents: &Documents,
    recorded: &[Recorded],
    at_once: usize,
) -> Result<Superseded> {
    let columns = scope_columns(contract);
    let scope = |cell: &Cell| -> PartitionValues {
        let values = documents.per.iter().cloned().zip(cell.iter().cloned().map(Some));
        values.filter(|(name, _)| columns.contains(name)).collect()
    };
    let mut plan = Plan::without_rows(!columns.is_empty());
    let mut come = RoaringBitmap::new();
    let newest = documents.newest();
    let cells: Vec<&Cell> = newest.keys().collect();
    let (files, mut present) = present(contract, table, files, &documents.per, &cells, at_once).await?;
    let memory = Memory::new(documents, recorded);
    let mut replaced = Vec::new();
    for (index, (cell, candidate)) in newest.iter().enumerate() {
        let there = present.remove(&(index as u32)).unwrap_or_default();
        let beaten = memory
            .newest(cell)
            .is_some_and(|recorded| recorded > candidate.order);
        // Of equal documents the one with the smaller address stays; the same one again may have other rows by now,
        // when a rule that rejected some was mended.
        let older = !there.rows.is_empty()
            && (candidate.order, Reverse(candidate.object))
                < (there.order.as_str(), Reverse(there.object.as_str()));
        if beaten || older {
            continue;
        }
        for (file, rows) in &there.rows {
            let file = &files[*file];
            plan.edit(file).deletes.extend(rows.iter().map(u64::from));
            if let Some(parts) = &mut plan.parts {
                parts.scope(&file.partition, scope(cell)).removed += rows.len();
            }
        }
        if let Some(rows) = candidate.rows {
            come |= rows;
        }
        replaced.push(Replaced {
            cell: cell.clone(),
            before: there.rows.values().map(RoaringBitmap::len).sum(),
            after: candidate.rows.map_or(0, RoaringBitmap::len),
        });
    }
    for edit in plan.edits.values_mut() {
        edit.deletes.sort_unstable();
        plan.counts.rows_removed += edit.deletes.len() as u64;
        let rows = edit.old.as_ref().and_then(DataFile::rows);
        if rows == Some(edit.deletes.len() as u64) {
            edit.deletes.clear();
            edit.dropped = true;
        }
    }
    plan.counts.rows_inserted = come.len();
    plan.counts.rows_absorbed = documents.rows - plan.counts.rows_inserted;
    Ok(Superseded {
        away: plan,
        come,
        replaced,
    })
}

/// What the table has in the cells, by their index.
async fn present(
    contract: &Contract,
    table: &OpenFiles,
    of_table: &[DataFile],
    per: &[String],
    cells: &[&Cell],
    at_once: usize,
) -> Result<(Vec<DataFile>, HashMap<u32, Present>)> {
    let mut present: HashMap<u32, Present> = HashMap::new();
    let mut files = Vec::new();
    // No row is in the partition of an empty text.
    let possible: Vec<u32> = (0..cells.len() as u32)
        .filter(|cell| {
            let values = per.iter().zip(cells[*cell as usize]);
            let mut laid_out = values.filter(|(name, _)| contract.partition.contains(name));
            laid_out.all(|(_, value)| !value.is_empty())
        })
        .collect();
    if possible.is_empty() {
        return Ok((files, present));
    }
    let values = typed(contract, per, possible.iter().map(|cell| cells[*cell as usize]))?;
    let keys = Keys::new(&values, per, &contract.partition)?;
    let keys = &keys;
    let mut read = futures::stream::iter(of_table.to_vec())
        .map(|file| async move {
            let found = keys.find(table, &file, None).await?;
            let places = match found.is_empty() {
                true => None,
                false => Some(read(table, &file, &found).await?),
            };
            Ok::<_, Error>((file, found, places))
        })
        .buffered(table.at_once(at_once));
    while let Some((file, found, places)) = read.try_next().await? {
        let Some(places) = places else { continue };
        let (order, object) = (texts(&places, ORDER)?, texts(&places, OBJECT)?);
        let mut rows = 0..found.len() as u32;
        for found in found.chunk_by(|one, next| one.key == next.key) {
            let cell = present.entry(possible[found[0].key as usize]).or_default();
            for row in rows.by_ref().take(found.len()) {
                let place = (order(row), Reverse(object(row)));
                if cell.object.is_empty() || place > (cell.order.as_str(), Reverse(cell.object.as_str())) {
                    (cell.order, cell.object) = (place.0.to_owned(), place.1.0.to_owned());
                }
            }
            // No file has as many rows as a u32 can count.
            let places = found.iter().map(|found| found.file_row as u32);
            insert_ascending(cell.rows.entry(files.len()).or_default(), places);
        }
        files.push(file);
    }
    Ok((files, present))
}

async fn read(table: &OpenFiles, file: &DataFile, found: &[Found]) -> Result<RecordBatch> {
    let opened = table.open(file, 0).await?;
    let rows: Vec<u64> = found.iter().map(|found| found.file_row).collect();
    let wanted = Arc::new(Schema::new(vec![
        Field::new(ORDER, DataType::Utf8, true),
        Field::new(OBJECT, DataType::Utf8, true),
    ]));
    blocking(move || opened.read_rows(&rows, &wanted)).await
}

/// Cells as columns of the table's types.
fn typed<'a>(
    contract: &Contract,
    per: &[String],
    cells: impl Iterator<Item = &'a Cell> + Clone,
) -> Result<RecordBatch> {
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (index, name) in per.iter().enumerate() {
        let column = contract
            .column(name)
            .ok_or_else(|| Error::internal("column of per is missing").with("column", name))?;
        let texts = StringArray::from_iter_values(cells.clone().map(|cell| &cell[index]));
        columns.push(cast(&texts, &column.ty.arrow())?);
        fields.push(Field::new(name, column.ty.arrow(), true));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
