//! Merging a batch with the rows that the table has of the same keys.
//!
//! Rows are looked for where they can be: in the partitions that the batch names, then, for tables whose partition
//! can change for a key, in the null partition and in the key window around the batch's periods. All copies that
//! are found are folded with the batch's row, so one row a key remains.

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder, RecordBatch, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use chrono::{Days, NaiveDate};
use futures::{StreamExt, TryStreamExt};

use crate::contract::{Contract, Feed};
use crate::delta::partition::{self, RowPartitions};
use crate::delta::{DataFile, DeltaLog};
use crate::error::{Error, Result};
use crate::layout;
use crate::list::days_before;
use crate::shape::window_column;
use crate::write::Found;

use super::keys::Keys;
use super::plan::{Plan, open};
use super::{Folded, Observations, deciding_columns, fold};

/// Files probed at the same time.
const AT_ONCE: usize = 2;

/// Copies of the batch's keys in the table.
struct Copies {
    /// File (index into `files`) and row in it, in the order of `rows`.
    places: Vec<(usize, u64)>,
    files: Vec<DataFile>,
    /// The rows; where a winner is taken whole, only the columns that decide.
    rows: Vec<RecordBatch>,
}

/// Plans how the folded rows of a batch go into the table. `periods` are the first and the last day that the
/// batch's objects are about.
pub(crate) async fn merge(
    contract: &Contract,
    log: &DeltaLog,
    files: &[DataFile],
    batch: &Folded,
    periods: (NaiveDate, NaiveDate),
) -> Result<Plan> {
    let mut plan = Plan::new(batch.rows.clone());
    plan.counts.rows_absorbed = batch.absorbed;
    plan.counts.rows_conflicting = batch.conflicts;
    if batch.rows.num_rows() == 0 {
        return Ok(plan);
    }
    let copies = copies(contract, log, files, &batch.rows, periods).await?;
    if copies.places.is_empty() {
        plan.homeless = (0..batch.rows.num_rows() as u32).collect();
        plan.counts.rows_inserted = batch.rows.num_rows() as u64;
        return Ok(plan);
    }

    let known = copies.places.len();
    let schema = batch.rows.schema();
    let rows = concat_batches(&schema, copies.rows.iter().chain([&batch.rows]))?;
    let whole = std::iter::repeat_n(false, known)
        .chain(batch.whole.iter().copied())
        .collect();
    let observations = Observations { rows, whole };
    let folded = fold(contract, &observations)?;
    plan.counts.rows_conflicting += folded.conflicts;
    plan.rows = folded.rows.clone();
    let places = RowPartitions::of(&folded.rows, &contract.partition)?;
    for (result, members) in folded.members.iter().enumerate() {
        let row = result as u32;
        let old: Vec<u32> = members
            .iter()
            .copied()
            .filter(|member| (*member as usize) < known)
            .collect();
        if old.is_empty() {
            plan.homeless.push(row);
            plan.counts.rows_inserted += 1;
            continue;
        }
        let file_of = |copy: u32| &copies.files[copies.places[copy as usize].0];
        let home = old
            .iter()
            .copied()
            .find(|copy| file_of(*copy).partition == *places.of_row(row));
        let stays = match folded.winner[result] {
            Some(winner) => home.filter(|_| (winner as usize) < known).map(|_| winner),
            None => home.filter(|copy| says_the_same(&observations.rows, *copy, &folded.rows, row)),
        };
        if stays.is_some() {
            plan.counts.rows_absorbed += 1;
        } else {
            plan.counts.rows_updated += 1;
        }
        // A winner among several copies stays where it is; otherwise the result replaces the copy at home.
        let kept = stays.or(home);
        for copy in old {
            let (file, file_row) = copies.places[copy as usize];
            let edit = plan.edit(&copies.files[file]);
            if Some(copy) != kept {
                edit.deletes.push(file_row);
            } else if stays.is_none() {
                edit.updates.push((file_row, row));
            }
        }
        plan.counts.rows_removed += members.iter().filter(|m| (**m as usize) < known).count() as u64 - 1;
        if kept.is_none() {
            plan.homeless.push(row);
        }
    }
    plan.edits
        .retain(|_, edit| !edit.updates.is_empty() || !edit.deletes.is_empty());
    for edit in plan.edits.values_mut() {
        edit.updates.sort_unstable();
        edit.deletes.sort_unstable();
    }
    Ok(plan)
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

async fn copies(
    contract: &Contract,
    log: &DeltaLog,
    files: &[DataFile],
    rows: &RecordBatch,
    periods: (NaiveDate, NaiveDate),
) -> Result<Copies> {
    let places = RowPartitions::of(rows, &contract.partition)?;
    let named = places.distinct();
    let (first, rest): (Vec<&DataFile>, Vec<&DataFile>) =
        files.iter().partition(|file| named.contains(&file.partition));
    let search = Search {
        contract,
        log,
        rows,
        keys: Keys::new(rows, contract.key(), &contract.partition)?,
    };
    let mut found = search.files(first, None).await?;
    if !contract
        .partition
        .iter()
        .all(|name| contract.key().contains(name))
    {
        let mut missing = BooleanBufferBuilder::new(rows.num_rows());
        missing.append_n(rows.num_rows(), true);
        for row in found.iter().flat_map(|(_, rows)| rows) {
            missing.set_bit(row.key as usize, false);
        }
        let missing = missing.finish();
        if missing.count_set_bits() > 0 {
            let near = rest
                .into_iter()
                .filter(|file| in_window(contract, file, periods))
                .collect();
            found.extend(search.files(near, Some(missing)).await?);
        }
    }

    let mut copies = Copies {
        places: Vec::new(),
        files: Vec::new(),
        rows: Vec::new(),
    };
    let search = &search;
    let mut read = futures::stream::iter(found.into_iter().filter(|(_, found)| !found.is_empty()))
        .map(|(file, found)| async move {
            let rows = search.read(&file, &found).await?;
            Ok::<_, Error>((file, found, rows))
        })
        .buffered(AT_ONCE);
    while let Some((file, found, rows)) = read.try_next().await? {
        copies
            .places
            .extend(found.iter().map(|row| (copies.files.len(), row.file_row)));
        copies.files.push(file);
        copies.rows.push(rows);
    }
    Ok(copies)
}

/// Whether a key of the batch can be in the file although its row names another partition.
fn in_window(contract: &Contract, file: &DataFile, (first, last): (NaiveDate, NaiveDate)) -> bool {
    let Feed::Raw(feed) = &contract.feed else {
        return true;
    };
    let (Some(days), Some(column)) = (feed.key_window_days, window_column(contract)) else {
        return true;
    };
    let Some(Some(date)) = file.partition.get(column) else {
        return true;
    };
    let Ok(date) = date.parse::<NaiveDate>() else {
        return true;
    };
    let latest = last
        .checked_add_days(Days::new(u64::from(days) + 1))
        .unwrap_or(NaiveDate::MAX);
    (days_before(first, 2 * days)..=latest).contains(&date)
}

struct Search<'a> {
    contract: &'a Contract,
    log: &'a DeltaLog,
    rows: &'a RecordBatch,
    keys: Keys,
}

impl Search<'_> {
    /// Rows with a key of the batch, file by file.
    async fn files(
        &self,
        files: Vec<&DataFile>,
        only: Option<BooleanBuffer>,
    ) -> Result<Vec<(DataFile, Vec<Found>)>> {
        let only = only.as_ref();
        futures::stream::iter(files.into_iter().cloned().collect::<Vec<_>>())
            .map(|file| async move {
                let found = self.keys.find(self.log, &file, only).await?;
                Ok((file, found))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// The rows found in a file in the table's schema; columns that nobody asks for are null.
    async fn read(&self, file: &DataFile, found: &[Found]) -> Result<RecordBatch> {
        let schema = self.rows.schema();
        let wanted = deciding_columns(self.contract);
        let columns = schema.fields().iter().filter(|field| {
            let name = field.name().as_str();
            !self.contract.partition.contains(field.name())
                && wanted.as_ref().is_none_or(|wanted| wanted.contains(&name))
        });
        let wanted: SchemaRef = arrow::datatypes::Schema::new(columns.cloned().collect::<Vec<_>>()).into();
        let opened = open(self.log, file).await?;
        let rows: Vec<u64> = found.iter().map(|row| row.file_row).collect();
        let read = tokio::task::spawn_blocking(move || opened.read_rows(&rows, &wanted))
            .await
            .map_err(|error| Error::internal("reading a file panicked").because(error))??;
        let missing = schema.fields().iter().filter(|field| {
            read.column_by_name(field.name()).is_none() && !self.contract.partition.contains(field.name())
        });
        let mut fields: Vec<_> = read.schema_ref().fields().iter().cloned().collect();
        let mut values = read.columns().to_vec();
        for field in missing {
            fields.push(field.clone());
            values.push(new_null_array(field.data_type(), read.num_rows()));
        }
        let read = RecordBatch::try_new(arrow::datatypes::Schema::new(fields).into(), values)?;
        partition::complete(&read, &file.partition, &schema)
    }
}
