//! Which values of `recompute` the changes of an input touch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::row::{RowConverter, SortField};
use object_store::path::Path;
use xxhash_rust::xxh3::xxh3_128;

use crate::blocking::blocking;
use crate::delta::partition::{self, PartitionValues};
use crate::delta::{Change, DeltaLog};
use crate::error::{Error, Result};
use crate::layout;
use crate::write::OpenFile;

/// Collects distinct values of the recompute columns, as long as they are few enough.
pub(crate) struct Collector {
    schema: SchemaRef,
    converter: RowConverter,
    seen: HashSet<Box<[u8]>>,
    /// Bytes of what was seen, and the most that they may be.
    bytes: usize,
    most: usize,
}

/// Bytes that a value takes beside its own, and a count.
const OVERHEAD: usize = 48;

impl Collector {
    /// For columns of these names and types, and values of at most so many bytes.
    pub(crate) fn new(schema: SchemaRef, most: usize) -> Result<Self> {
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

    /// Adds what changed in an input. Where the columns are the input's partition columns the log says it; else the added
    /// and the removed files are read, so that a moved row touches its old and its new value. False when there are too
    /// many, and when a removed file is gone, so that nobody can say what it held.
    pub(crate) async fn add(&mut self, log: &DeltaLog, changes: &[Change]) -> Result<bool> {
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
        // A file that came and went again changed nothing.
        let mut net: BTreeMap<&Path, (i64, &Change)> = BTreeMap::new();
        for change in changes {
            net.entry(&change.path).or_insert((0, change)).0 += if change.is_added { 1 } else { -1 };
        }
        net.retain(|_, (sign, _)| *sign != 0);
        for path in net.keys() {
            if !log.has_file(path).await? {
                return Ok(false);
            }
        }
        let mut counter = Counter::new(&self.schema, self.most)?;
        for (sign, change) in net.values() {
            counter = counter.count(log, change, *sign).await?;
        }
        let counter = Arc::new(counter.changed());
        for (_, change) in net.values() {
            for part in counter.clone().read(log, change).await? {
                if !self.see(&part)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Adds what the texts of rejected rows say; false when one does not say it, or there are too many.
    pub(crate) fn add_texts<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) -> Result<bool> {
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
    pub(crate) fn finish(self) -> Result<RecordBatch> {
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

/// Counts rows by value and by the batch that wrote them last. A file that is written anew holds mostly rows that did not
/// change: they are of the batch that they were of, so their values have as many of them as before. A row that changed, or
/// came, is of a batch that its value had no row of; one that went is missing.
struct Counter {
    /// The values, and the batch.
    schema: SchemaRef,
    converter: RowConverter,
    /// Rows that came less those that went, by hash; none where there are too many to be counted.
    counts: Option<HashMap<u128, i64>>,
    most: usize,
}

impl Counter {
    fn new(values: &Schema, most: usize) -> Result<Self> {
        let batch = Arc::new(Field::new(layout::BATCH, DataType::Int64, true));
        let fields: Vec<FieldRef> = values.fields().iter().cloned().chain([batch]).collect();
        let sorts = fields
            .iter()
            .map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(sorts.collect())?,
            schema: Arc::new(Schema::new(fields)),
            counts: Some(HashMap::new()),
            most,
        })
    }

    /// Counts the rows of a file so many times.
    async fn count(mut self, log: &DeltaLog, change: &Change, sign: i64) -> Result<Self> {
        let file = open(log, change).await?;
        let partition = change.partition.clone();
        blocking(move || {
            for batch in file.batches(&in_file(&self.schema, &partition)) {
                let Some(counts) = &mut self.counts else { break };
                let rows = partition::complete(&batch?, &partition, &self.schema)?;
                for row in &self.converter.convert_columns(rows.columns())? {
                    *counts.entry(xxh3_128(row.as_ref())).or_default() += sign;
                }
                if counts.len() * OVERHEAD > self.most {
                    self.counts = None;
                }
            }
            Ok(self)
        })
        .await
    }

    /// With those counts alone that are not as before.
    fn changed(mut self) -> Self {
        if let Some(counts) = &mut self.counts {
            counts.retain(|_, rows| *rows != 0);
        }
        self
    }

    /// The values in a file of which rows changed.
    async fn read(self: Arc<Self>, log: &DeltaLog, change: &Change) -> Result<Vec<RecordBatch>> {
        if self.counts.as_ref().is_some_and(HashMap::is_empty) {
            return Ok(Vec::new());
        }
        let file = open(log, change).await?;
        let partition = change.partition.clone();
        blocking(move || {
            let values: Vec<usize> = (0..self.schema.fields().len() - 1).collect();
            let mut parts = Vec::new();
            for batch in file.batches(&in_file(&self.schema, &partition)) {
                let rows = partition::complete(&batch?, &partition, &self.schema)?;
                let rows = match &self.counts {
                    None => rows,
                    Some(counts) => {
                        let keys = self.converter.convert_columns(rows.columns())?;
                        let changed = keys
                            .iter()
                            .map(|key| Some(counts.contains_key(&xxh3_128(key.as_ref()))));
                        filter_record_batch(&rows, &changed.collect())?
                    }
                };
                parts.push(distinct(&rows.project(&values)?)?);
            }
            Ok(parts)
        })
        .await
    }
}

/// The columns that a file of a partition holds itself.
fn in_file(schema: &Schema, partition: &PartitionValues) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.filter(|field| !partition.contains_key(field.name()));
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}

async fn open(log: &DeltaLog, change: &Change) -> Result<OpenFile> {
    let size = change
        .size
        .ok_or_else(|| Error::data("file without a size in the log").with("file", &change.path))?;
    OpenFile::open(log.store().clone(), change.path.clone(), size).await
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
