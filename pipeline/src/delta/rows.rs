//! Rows of the small tables that this program keeps for itself: written in one go, read whole.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use chrono::Utc;
use deltalake_core::kernel::Add;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::{Error, Result};

use super::file::DataFile;
use super::log::DeltaLog;
use super::partition;

/// Files that are read or written side by side.
const AT_ONCE: usize = 32;
/// Bytes that files which are read side by side have together; one that has more is read alone.
const BYTES_AT_ONCE: u64 = 32 << 20;

/// Writes rows as one file a partition and gives the actions that add them. The bounds of the integer and text
/// columns `bounded`, and how many of their values are null, go into the statistics, so that a look-up can skip
/// files.
pub(crate) async fn write_partitioned(
    log: &DeltaLog,
    rows: &RecordBatch,
    partition: &[String],
    bounded: &[&str],
) -> Result<Vec<Add>> {
    let parts = partition::split(rows, partition)?.into_iter();
    let written = parts.map(|(values, content)| async move {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), content.schema(), Some(properties))?;
        writer.write(&content)?;
        let bytes = writer.into_inner()?;
        let folder = partition::folder(&values, partition);
        let path = Path::from(format!("{folder}{}.parquet", Uuid::new_v4()));
        let size = bytes.len() as i64;
        log.store().put(&path, bytes.into()).await?;
        Ok(Add {
            path: path.to_string(),
            partition_values: values.into_iter().collect(),
            size,
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(statistics(&content, bounded).to_string()),
            ..Add::default()
        })
    });
    stream::iter(written).buffered(AT_ONCE).try_collect().await
}

fn statistics(content: &RecordBatch, bounded: &[&str]) -> Value {
    let (mut mins, mut maxes, mut nulls) = (Map::new(), Map::new(), Map::new());
    for name in bounded {
        let Some(column) = content.column_by_name(name) else {
            continue;
        };
        let (min, max): (Value, Value) = match column.data_type() {
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>();
                (compute::min(values).into(), compute::max(values).into())
            }
            DataType::Utf8 => {
                let values = column.as_string::<i32>();
                (
                    compute::min_string(values).into(),
                    compute::max_string(values).into(),
                )
            }
            _ => continue,
        };
        if !min.is_null() {
            mins.insert((*name).to_owned(), min);
            maxes.insert((*name).to_owned(), max);
        }
        nulls.insert((*name).to_owned(), column.null_count().into());
    }
    json!({
        "numRecords": content.num_rows(),
        "minValues": mins,
        "maxValues": maxes,
        "nullCount": nulls,
    })
}

/// Reads the named columns of some files, partition columns included.
pub(crate) async fn read_files(
    log: &DeltaLog,
    files: impl IntoIterator<Item = &DataFile>,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    let (mut some, mut bytes) = (Vec::new(), 0);
    for file in files {
        if some.len() == AT_ONCE || (bytes + file.size > BYTES_AT_ONCE && !some.is_empty()) {
            batches.extend(read_at_once(log, &some, schema).await?);
            (some, bytes) = (Vec::new(), 0);
        }
        some.push(file);
        bytes += file.size;
    }
    batches.extend(read_at_once(log, &some, schema).await?);
    Ok(batches)
}

async fn read_at_once(log: &DeltaLog, files: &[&DataFile], schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let contents = files
        .iter()
        .map(|file| async { Ok::<_, Error>(log.store().get(&file.path).await?.bytes().await?) });
    let contents = try_join_all(contents).await?;
    let mut batches = Vec::new();
    for (file, content) in files.iter().zip(contents) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(content)?;
        let wanted = schema.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
        for batch in builder.with_projection(mask).build()? {
            batches.push(partition::complete(&batch?, &file.partition, schema)?);
        }
    }
    Ok(batches)
}
