//! Which values of `recompute` the changes of an input touch.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};

use crate::delta::partition::{self, PartitionValues};
use crate::delta::{Change, DeltaLog};
use crate::error::{Error, Result};
use crate::write::OpenFile;

/// Collects distinct values of the recompute columns.
pub(super) struct Collector {
    schema: SchemaRef,
    parts: Vec<RecordBatch>,
}

impl Collector {
    /// For columns of these names and types.
    pub(super) fn new(recompute: &[String], table: &Schema) -> Result<Self> {
        let fields = recompute
            .iter()
            .map(|name| {
                Ok(Field::new(
                    name,
                    table.field_with_name(name)?.data_type().clone(),
                    true,
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            parts: Vec::new(),
        })
    }

    /// Adds what the changed files of an input hold or held. Where the columns are the input's partition columns
    /// the log says it; else the added and the removed files are read, so that a moved row touches its old and its
    /// new value. False when a removed file is gone, so that nobody can say what it held.
    pub(super) async fn add(&mut self, log: &DeltaLog, changes: &[Change]) -> Result<bool> {
        let names: Vec<String> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let logged = changes
            .iter()
            .all(|change| names.iter().all(|name| change.partition.contains_key(name)));
        if logged {
            let values: BTreeSet<PartitionValues> = changes
                .iter()
                .map(|change| {
                    change
                        .partition
                        .clone()
                        .into_iter()
                        .filter(|(name, _)| names.contains(name))
                        .collect()
                })
                .collect();
            self.parts.push(self.typed(&values)?);
            return Ok(true);
        }
        let mut seen = HashSet::new();
        for change in changes.iter().filter(|change| seen.insert(change.path.clone())) {
            if !log.has_file(&change.path).await? {
                return Ok(false);
            }
            let size = change
                .size
                .ok_or_else(|| Error::data("file without a size in the log").with("file", &change.path))?;
            let file = OpenFile::open(log.store().clone(), change.path.clone(), size).await?;
            let in_file: Vec<Field> = self
                .schema
                .fields()
                .iter()
                .filter(|field| !change.partition.contains_key(field.name()))
                .map(|field| field.as_ref().clone())
                .collect();
            let (schema, partition, in_file) = (
                self.schema.clone(),
                change.partition.clone(),
                Arc::new(Schema::new(in_file)),
            );
            let part = tokio::task::spawn_blocking(move || {
                let mut parts = Vec::new();
                for batch in file.batches(&in_file) {
                    parts.push(distinct(&partition::complete(&batch?, &partition, &schema)?)?);
                }
                Ok::<_, Error>(concat_batches(&schema, &parts)?)
            })
            .await
            .map_err(|error| Error::internal("reading a file panicked").because(error))??;
            self.parts.push(part);
        }
        Ok(true)
    }

    /// The distinct values; rows with a null are left out, since no row of the table has one.
    pub(super) fn finish(self) -> Result<RecordBatch> {
        let all = concat_batches(&self.schema, &self.parts)?;
        let complete = BooleanArray::from_iter(
            (0..all.num_rows()).map(|row| Some(all.columns().iter().all(|column| column.is_valid(row)))),
        );
        distinct(&filter_record_batch(&all, &complete)?)
    }

    fn typed(&self, values: &BTreeSet<PartitionValues>) -> Result<RecordBatch> {
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let texts = values
                    .iter()
                    .map(|values| values.get(field.name()).cloned().flatten());
                let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
                Ok(cast(&texts, field.data_type())?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

fn distinct(rows: &RecordBatch) -> Result<RecordBatch> {
    let fields = rows
        .columns()
        .iter()
        .map(|column| SortField::new(column.data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields)?;
    let keys = converter.convert_columns(rows.columns())?;
    let mut seen = HashSet::new();
    let first = BooleanArray::from_iter(keys.iter().map(|key| Some(seen.insert(key.owned()))));
    Ok(filter_record_batch(rows, &first)?)
}
