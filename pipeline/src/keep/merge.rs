//! Merging a batch with the rows that the table has of the same keys.
//!
//! Rows are looked for where they can be: in the partitions that the batch names, then, for tables whose partition
//! can change for a key, in the null partition and in the key window around the batch's periods. All copies that
//! are found are folded with the batch's row, so one row a key remains.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{Days, NaiveDate};
use futures::{StreamExt, TryStreamExt};

use crate::contract::{Contract, Feed, Keep, Pick};
use crate::delta::DataFile;
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::error::Result;
use crate::layout::days_before;
use crate::layout::{self, HASH, OBJECT, OLDER, ORDER, ROW, WHOLE};
use crate::write::Found;

use super::keys::Keys;
use super::open_files::OpenFiles;
use super::order_map::entries;
use super::plan::{FileEdit, Plan};
use super::{Folded, Groups, Stays, busy, deciding_columns, key_positions, stays, texts};

/// Copies of the batch's keys in the table.
struct Copies {
    /// File (index into `files`) and row in it, in the order of `rows`.
    places: Vec<(usize, u64)>,
    /// Which row of the batch each is a copy of.
    keys: Vec<u32>,
    files: Vec<DataFile>,
    /// The rows, with the columns that are needed to tell what stays.
    rows: Vec<RecordBatch>,
}

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
    busy(move || settled(&contract, &batch, &copies)).await
}

/// The plan, by what the table has.
fn settled(contract: &Contract, batch: &Folded, copies: &Copies) -> Result<Plan> {
    let mut plan = Plan::new(batch.rows.clone());
    plan.counts.rows_absorbed = batch.absorbed;
    plan.counts.rows_conflicting = batch.conflicts;
    let known = copies.keys.len();
    if known == 0 {
        plan.homeless = (0..batch.rows.num_rows() as u32).collect();
        plan.counts.rows_inserted = batch.rows.num_rows() as u64;
        return Ok(plan);
    }
    let schema = columns_wanted(contract, batch.rows.schema_ref());
    let rows = concat_batches(
        &schema,
        copies.rows.iter().chain([&project(&batch.rows, &schema)?]),
    )?;
    let members = Groups::with_copies(batch.rows.num_rows(), &copies.keys);
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
            plan.homeless.push(row);
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
            plan.homeless.push(row);
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

/// Columns of a table that are needed to tell what stays of a key, in the order of the table.
fn columns_wanted(contract: &Contract, schema: &SchemaRef) -> SchemaRef {
    let Some(wanted) = deciding_columns(contract) else {
        return schema.clone();
    };
    filtered(schema, |name| wanted.contains(&name))
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

async fn copies(
    contract: &Arc<Contract>,
    table: &OpenFiles,
    files: &[DataFile],
    batch: &Arc<Folded>,
    periods: (NaiveDate, NaiveDate),
    at_once: usize,
) -> Result<Copies> {
    let (of_batch, of_contract) = (batch.clone(), contract.clone());
    let (named, keys) = busy(move || {
        let (rows, contract) = (&of_batch.rows, of_contract);
        let named = RowPartitions::of(rows, &contract.partition)?;
        let named: BTreeSet<PartitionValues> = named.distinct().into_iter().cloned().collect();
        Ok((named, Keys::new(rows, contract.key(), &contract.partition)?))
    })
    .await?;
    let rows = &batch.rows;
    let (first, rest): (Vec<&DataFile>, Vec<&DataFile>) =
        files.iter().partition(|file| named.contains(&file.partition));
    let wanted = columns_wanted(contract, rows.schema_ref());
    let search = Search {
        table,
        contract,
        batch,
        wanted,
        keys,
        at_once,
    };
    let mut found = search.files(first, None).await?;
    if !contract.keys_stay() {
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
    found.retain(|(_, found)| !found.is_empty());

    let mut copies = Copies::of(&found);
    let search = &search;
    copies.rows = futures::stream::iter(found)
        .map(|(file, found)| async move { search.read(&file, found).await })
        .buffered(at_once)
        .try_collect()
        .await?;
    Ok(copies)
}

impl Copies {
    /// Those that were found, before they are read.
    fn of(found: &[(DataFile, Vec<Found>)]) -> Self {
        let places = found.iter().enumerate();
        let places = places.flat_map(|(file, (_, rows))| rows.iter().map(move |row| (file, row.file_row)));
        Self {
            places: places.collect(),
            keys: found
                .iter()
                .flat_map(|(_, rows)| rows)
                .map(|row| row.key)
                .collect(),
            files: found.iter().map(|(file, _)| file.clone()).collect(),
            rows: Vec::new(),
        }
    }
}

/// Whether a key of the batch can be in the file although its row names another partition.
fn in_window(contract: &Contract, file: &DataFile, (first, last): (NaiveDate, NaiveDate)) -> bool {
    let Feed::Raw(feed) = &contract.feed else {
        return true;
    };
    let (Some(days), Some(column)) = (feed.key_window_days, contract.window_column()) else {
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
    table: &'a OpenFiles,
    contract: &'a Arc<Contract>,
    batch: &'a Arc<Folded>,
    /// The columns that are needed of the rows that are found.
    wanted: SchemaRef,
    keys: Keys,
    /// How many files are looked into at the same time.
    at_once: usize,
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
                let found = self.keys.find(self.table, &file, only).await?;
                Ok((file, found))
            })
            .buffered(self.at_once)
            .try_collect()
            .await
    }

    /// The rows found in a file; columns that cannot decide anything any more are null.
    async fn read(&self, file: &DataFile, found: Vec<Found>) -> Result<RecordBatch> {
        let partition = &self.contract.partition;
        let in_file = filtered(&self.wanted, |name| {
            !partition.iter().any(|column| column == name)
        });
        let opened = self.table.open(file, 0).await?;
        let (contract, batch) = (self.contract.clone(), self.batch.clone());
        let read = busy(move || {
            let rows: Vec<u64> = found.iter().map(|row| row.file_row).collect();
            if in_file.column_with_name(ORDER).is_none() {
                return opened.read_rows(&rows, &in_file);
            }
            let is_age = |name: &str| [ORDER, OLDER].contains(&name);
            let ages = opened.read_rows(&rows, &filtered(&in_file, is_age))?;
            let are_older = are_older(&ages, &found, &batch.rows)?;
            let adds = |name: &str| !are_older || adds_to(&contract, name, &batch.rows, &found);
            let rest = filtered(&in_file, |name| !is_age(name) && adds(name));
            match rest.fields().is_empty() {
                true => Ok(ages),
                false => beside(ages, opened.read_rows(&rows, &rest)?),
            }
        });
        partition::complete(&read.await?, &file.partition, &self.wanted)
    }
}

fn filtered(schema: &SchemaRef, wants: impl Fn(&str) -> bool) -> SchemaRef {
    let columns = schema.fields().iter().filter(|field| wants(field.name()));
    Arc::new(Schema::new(columns.cloned().collect::<Vec<_>>()))
}

/// The columns of both, whose rows are the same.
fn beside(one: RecordBatch, other: RecordBatch) -> Result<RecordBatch> {
    let of_both = [one.schema(), other.schema()];
    let fields = of_both.iter().flat_map(|schema| schema.fields().iter().cloned());
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let columns = [one.columns(), other.columns()].concat();
    let options = RecordBatchOptions::new().with_row_count(Some(one.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(schema),
        columns,
        &options,
    )?)
}

/// Whether all copies come before the rows of the batch that they are copies of, and no cell of either has an age of its
/// own.
fn are_older(copies: &RecordBatch, found: &[Found], batch: &RecordBatch) -> Result<bool> {
    let (old, new) = (texts(copies, ORDER)?, texts(batch, ORDER)?);
    let (is_old_even, is_new_even) = (is_of_one_age(copies), is_of_one_age(batch));
    let mut pairs = (0..).zip(found);
    Ok(pairs.all(|(copy, found)| {
        old(copy) < new(found.key) && is_old_even(copy as usize) && is_new_even(found.key as usize)
    }))
}

/// Says of a row whether no value of it is older than the row. When a whole record was stated last is no value's age: it
/// is never after the row.
fn is_of_one_age(rows: &RecordBatch) -> impl Fn(usize) -> bool + use<'_> {
    let ages = rows.column_by_name(OLDER).map(|column| column.as_map());
    move |row| ages.is_none_or(|ages| entries(ages, row).keys().all(|cell| *cell == WHOLE))
}

/// Whether a column of copies that are older can say something that the rows of the batch do not.
fn adds_to(contract: &Contract, name: &str, batch: &RecordBatch, found: &[Found]) -> bool {
    let values_stay =
        matches!(&contract.feed, Feed::Raw(feed) if matches!(feed.keep, Keep::LatestValue { .. }));
    if !values_stay || [HASH, OBJECT, ROW].contains(&name) || contract.key().iter().any(|key| key == name) {
        return false;
    }
    let column = contract.column(name).filter(|column| column.pick == Pick::Newest);
    column.is_none()
        || batch
            .column_by_name(name)
            .is_none_or(|values| found.iter().any(|found| values.is_null(found.key as usize)))
}
