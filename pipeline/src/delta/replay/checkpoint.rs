//! A part of a checkpoint: actions as rows of a Parquet file.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde_json::{Map, Value};

use crate::delta::file::{Added, DataFile};
use crate::delta::partition::PartitionValues;
use crate::error::{Error, Kind, Result};

use super::said::{Said, action_of, metadata_of, protocol_of};

/// What is read of a checkpoint: its statistics in columns, say, are not.
const READ: [&str; 9] = [
    "add.path",
    "add.partitionValues",
    "add.size",
    "add.stats",
    "add.deletionVector",
    "txn",
    "protocol",
    "metaData",
    "sidecar.path",
];

impl Said {
    /// By a part of a checkpoint.
    pub(super) fn of_checkpoint(part: Bytes) -> Result<Self> {
        // Plain types, whatever its writer had in memory.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(part, options)?;
        let read = ProjectionMask::columns(builder.parquet_schema(), READ);
        let mut said = Self::default();
        for rows in builder.with_projection(read).build()? {
            said.read(&rows?)?;
        }
        Ok(said)
    }

    fn read(&mut self, rows: &RecordBatch) -> Result<()> {
        self.read_added(rows)?;
        if let Some(txns) = actions(rows, "txn") {
            let (apps, versions) = (texts(txns, "appId")?, column(txns, "version")?);
            let versions = versions
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(|| odd("txn.version"))?;
            let stated = present(txns).filter(|row| apps.is_valid(*row) && versions.is_valid(*row));
            self.txns
                .extend(stated.map(|row| (apps.value(row).to_owned(), versions.value(row))));
        }
        if let Some(documents) = actions(rows, "protocol") {
            for row in present(documents) {
                self.protocol = Some(protocol_of(document(documents, row)?)?);
            }
        }
        if let Some(documents) = actions(rows, "metaData") {
            for row in present(documents) {
                self.metadata = Some(metadata_of(document(documents, row)?)?);
            }
        }
        if let Some(sidecars) = actions(rows, "sidecar") {
            let paths = texts(sidecars, "path")?;
            let named = present(sidecars).filter(|row| paths.is_valid(*row));
            self.sidecars.extend(named.map(|row| paths.value(row).to_owned()));
        }
        Ok(())
    }

    fn read_added(&mut self, rows: &RecordBatch) -> Result<()> {
        let Some(adds) = actions(rows, "add") else {
            return Ok(());
        };
        let paths = texts(adds, "path")?;
        let sizes = column(adds, "size")?;
        let sizes = sizes
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| odd("add.size"))?;
        let partitions = column(adds, "partitionValues")?;
        let partitions = partitions
            .as_map_opt()
            .ok_or_else(|| odd("add.partitionValues"))?;
        let stats = adds
            .column_by_name("stats")
            .and_then(|stats| stats.as_string_opt::<i32>());
        let vectors = adds.column_by_name("deletionVector");
        let vectors = vectors.and_then(|vectors| vectors.as_struct_opt());
        for row in present(adds).filter(|row| paths.is_valid(*row)) {
            let stats = stats.filter(|stats| stats.is_valid(row));
            let vector = vectors.filter(|vectors| is_said(vectors, row));
            let vector = vector
                .map(|vectors| action_of(document(vectors, row)?))
                .transpose()?;
            self.added.push(DataFile::named(Added {
                path: Cow::Borrowed(paths.value(row)),
                size: sizes.value(row),
                partition: values(partitions, row)?,
                stats: stats.map(|stats| Cow::Borrowed(stats.value(row))),
                vector,
            }));
        }
        Ok(())
    }
}

pub(super) fn actions<'a>(rows: &'a RecordBatch, kind: &str) -> Option<&'a StructArray> {
    rows.column_by_name(kind)?.as_struct_opt()
}

pub(super) fn present(actions: &StructArray) -> impl Iterator<Item = usize> {
    (0..actions.len()).filter(|row| actions.is_valid(*row))
}

/// Some writers state a deletion vector without content where there is none.
fn is_said(vectors: &StructArray, row: usize) -> bool {
    let kind = vectors.column_by_name("storageType");
    vectors.is_valid(row) && kind.is_some_and(|kind| kind.is_valid(row))
}

fn column<'a>(actions: &'a StructArray, name: &str) -> Result<&'a ArrayRef> {
    actions.column_by_name(name).ok_or_else(|| odd(name))
}

pub(super) fn texts<'a>(actions: &'a StructArray, name: &str) -> Result<&'a StringArray> {
    column(actions, name)?
        .as_string_opt::<i32>()
        .ok_or_else(|| odd(name))
}

fn odd(column: &str) -> Error {
    Error::new(
        Kind::Foreign,
        "column of a checkpoint is missing or of another type",
    )
    .with("column", column)
}

fn values(of: &MapArray, row: usize) -> Result<PartitionValues> {
    if of.is_null(row) {
        return Ok(PartitionValues::new());
    }
    let entries = of.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let both = keys.as_string_opt::<i32>().zip(values.as_string_opt::<i32>());
    let (keys, values) = both.ok_or_else(|| odd("partitionValues"))?;
    let text = |entry: usize| values.is_valid(entry).then(|| values.value(entry).to_owned());
    Ok((0..keys.len())
        .map(|entry| (keys.value(entry).to_owned(), text(entry)))
        .collect())
}

/// A row of a few types as the document that an entry would have.
fn document(of: &StructArray, row: usize) -> Result<Value> {
    let mut said = Map::new();
    for (field, column) in of.fields().iter().zip(of.columns()) {
        let value = value(column, row)?;
        if !value.is_null() {
            said.insert(field.name().clone(), value);
        }
    }
    Ok(Value::Object(said))
}

fn value(column: &ArrayRef, row: usize) -> Result<Value> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|item| value(&items, item));
            Value::Array(items.collect::<Result<_>>()?)
        }
        DataType::Struct(_) => document(column.as_struct(), row)?,
        DataType::Map(..) => {
            let entries = values(column.as_map(), row)?;
            entries
                .into_iter()
                .map(|(key, value)| (key, Value::from(value)))
                .collect()
        }
        other => return Err(odd("of an action").with("type", other)),
    })
}
