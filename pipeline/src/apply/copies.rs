//! Rows of a table with the keys of a batch.
//!
//! They are looked for where they can be: in the partitions that the batch names, then, for tables whose partition can
//! change for a key, in the null partition and in the key window around the batch's periods.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{Days, NaiveDate};
use futures::{StreamExt, TryStreamExt};

use super::keys_by_partition::Keys;
use super::open_files::OpenFiles;
use crate::blocking::blocking;
use crate::contract::{Contract, Feed, Keep, Pick};
use crate::delta::DataFile;
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::error::Result;
use crate::keep::{Folded, deciding_columns, entries, texts};
use crate::layout::days_before;
use crate::layout::{HASH, OBJECT, OLDER, ORDER, ROW, WHOLE};
use crate::write::Found;

/// Copies of the batch's keys in the table.
pub(super) struct Copies {
    /// File (index into `files`) and row in it, in the order of `rows`.
    pub(super) places: Vec<(usize, u64)>,
    /// Which row of the batch each is a copy of.
    pub(super) keys: Vec<u32>,
    pub(super) files: Vec<DataFile>,
    /// The rows, with the columns that are needed to tell what stays.
    pub(super) rows: Vec<RecordBatch>,
}

/// Columns of a table that are needed to tell what stays of a key, in the order of the table.
pub(super) fn columns_wanted(contract: &Contract, schema: &SchemaRef) -> SchemaRef {
    let Some(wanted) = deciding_columns(contract) else {
        return schema.clone();
    };
    filtered(schema, |name| wanted.contains(&name))
}

/// Finds and reads them; `periods` are the first and the last day that the batch's objects are about.
pub(super) async fn copies(
    contract: &Arc<Contract>,
    table: &OpenFiles,
    files: &[DataFile],
    batch: &Arc<Folded>,
    periods: (NaiveDate, NaiveDate),
    at_once: usize,
) -> Result<Copies> {
    let (of_batch, of_contract) = (batch.clone(), contract.clone());
    let (named, keys) = blocking(move || {
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
    pub(super) fn of(found: &[(DataFile, Vec<Found>)]) -> Self {
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

/// What the files of a table are looked into with.
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
        let read = blocking(move || {
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

/// The columns that are wanted.
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
