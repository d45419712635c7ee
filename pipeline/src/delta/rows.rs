//! Rows of the small tables that this program keeps for itself: written in one go, read whole.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use chrono::Utc;
use deltalake_core::kernel::Add;
use futures::{StreamExt, TryStreamExt};
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

/// Files that are read or written at the same time.
const AT_ONCE: usize = 16;

/// Writes rows as one file a partition and gives the actions that add them. The bounds of the integer and text
/// columns `bounded`, and how many of their values are null, go into the statistics, so that a look-up can skip
/// files.
pub(crate) async fn write_partitioned(
    log: &DeltaLog,
    rows: &RecordBatch,
    partition: &[String],
    bounded: &[&str],
) -> Result<Vec<Add>> {
    let (mut adds, mut files) = (Vec::new(), Vec::new());
    for (values, content) in partition::split(rows, partition)? {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), content.schema(), Some(properties))?;
        writer.write(&content)?;
        let bytes = writer.into_inner()?;
        let path = Path::from(format!(
            "{}{}.parquet",
            partition::folder(&values, partition),
            Uuid::new_v4()
        ));
        let size = bytes.len() as i64;
        files.push((path.clone(), bytes));
        adds.push(Add {
            path: path.to_string(),
            partition_values: values.into_iter().collect(),
            size,
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(statistics(&content, bounded).to_string()),
            ..Add::default()
        });
    }
    futures::stream::iter(files)
        .map(|(path, bytes)| async move { log.store().put(&path, bytes.into()).await })
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(adds)
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
    let files: Vec<&DataFile> = files.into_iter().collect();
    let mut read = futures::stream::iter(files)
        .map(|file| async move {
            let bytes = log.store().get(&file.path).await?.bytes().await?;
            Ok::<_, Error>((file, bytes))
        })
        .buffered(AT_ONCE);
    let mut batches = Vec::new();
    while let Some((file, bytes)) = read.try_next().await? {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
        let wanted = schema.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
        for batch in builder.with_projection(mask).build()? {
            batches.push(partition::complete(&batch?, &file.partition, schema)?);
        }
    }
    Ok(batches)
}
