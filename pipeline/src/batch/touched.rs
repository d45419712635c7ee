//! Which values of `recompute` the changes of an input touch.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::row::{RowConverter, SortField};

use crate::delta::partition::{self, PartitionValues};
use crate::delta::{Change, DeltaLog};
use crate::error::{Error, Result};
use crate::write::OpenFile;

/// Collects distinct values of the recompute columns, as long as they are few enough.
pub(super) struct Collector {
    schema: SchemaRef,
    converter: RowConverter,
    seen: HashSet<Box<[u8]>>,
    /// Bytes of what was seen, and the most that they may be.
    bytes: usize,
    most: usize,
}

/// Bytes that a value takes beside its own.
const OVERHEAD: usize = 48;

impl Collector {
    /// For columns of these names and types, and values of at most so many bytes.
    pub(super) fn new(schema: SchemaRef, most: usize) -> Result<Self> {
        let fields = schema
            .fields()
            .iter()
            .map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(fields.collect())?,
            schema,
            seen: HashSet::new(),
            bytes: 0,
            most,
        })
    }

    /// Adds what the changed files of an input hold or held. Where the columns are the input's partition columns
    /// the log says it; else the added and the removed files are read, so that a moved row touches its old and its
    /// new value. False when there are too many, and when a removed file is gone, so that nobody can say what it held.
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
            return self.see(&self.typed(&values)?);
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
            let read = tokio::task::spawn_blocking(move || {
                let mut parts = Vec::new();
                for batch in file.batches(&in_file) {
                    parts.push(distinct(&partition::complete(&batch?, &partition, &schema)?)?);
                }
                Ok::<_, Error>(parts)
            });
            let parts = read
                .await
                .map_err(|error| Error::internal("reading a file panicked").because(error))??;
            for part in parts {
                if !self.see(&part)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Adds what the texts of rejected rows say; false when one does not say it, or there are too many.
    pub(super) fn add_texts<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) -> Result<bool> {
        let mut decoder = ReaderBuilder::new(self.schema.clone()).build_decoder()?;
        for text in texts {
            let Some(text) = text else { return Ok(false) };
            if decoder.decode(text.as_bytes()).is_err() {
                return Ok(false);
            }
            let Ok(Some(values)) = decoder.flush() else {
                return Ok(false);
            };
            if !self.see(&values)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds values; false when they are too many.
    fn see(&mut self, values: &RecordBatch) -> Result<bool> {
        for value in &self.converter.convert_columns(values.columns())? {
            if !self.seen.contains(value.as_ref()) {
                self.bytes += value.as_ref().len() + OVERHEAD;
                self.seen.insert(value.as_ref().into());
            }
        }
        Ok(self.bytes <= self.most)
    }

    /// The distinct values in their order; null is one of them.
    pub(super) fn finish(self) -> Result<RecordBatch> {
        let mut seen: Vec<Box<[u8]>> = self.seen.into_iter().collect();
        seen.sort_unstable();
        let parser = self.converter.parser();
        let columns = self
            .converter
            .convert_rows(seen.iter().map(|value| parser.parse(value)))?;
        Ok(RecordBatch::try_new(self.schema, columns)?)
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
