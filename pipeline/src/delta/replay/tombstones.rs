//! Files that went, as a checkpoint remembers them.

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::error::{Context, Kind, Result};

use super::checkpoint::{actions, present, texts};
use super::get;

/// A file that went.
pub(crate) struct Tombstone {
    /// Path relative to the table's root.
    pub(crate) path: Path,
    /// When, as its writer says; none where it does not.
    pub(crate) removed_at: Option<DateTime<Utc>>,
}

/// Those of a checkpoint that is one Parquet file with all that it remembers; none of any other.
pub(in crate::delta) async fn tombstones(
    store: &dyn ObjectStore,
    checkpoint: &Path,
) -> Result<Option<Vec<Tombstone>>> {
    if checkpoint.extension() != Some("parquet") {
        return Ok(None);
    }
    let bytes = get(store, checkpoint).await?;
    let read = tokio::task::spawn_blocking(move || read(bytes)).await;
    read.context(Kind::Internal, "reading a checkpoint ended early")?
        .map_err(|error| error.with("checkpoint", checkpoint))
}

fn read(bytes: Bytes) -> Result<Option<Vec<Tombstone>>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)?;
    let wanted = ["remove.path", "remove.deletionTimestamp", "sidecar.path"];
    let read = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let mut tombstones = Vec::new();
    for rows in builder.with_projection(read).build()? {
        let rows = rows?;
        if actions(&rows, "sidecar").is_some_and(|sidecars| present(sidecars).next().is_some()) {
            return Ok(None);
        }
        let Some(removes) = actions(&rows, "remove") else {
            continue;
        };
        let paths = texts(removes, "path")?;
        let times = removes
            .column_by_name("deletionTimestamp")
            .and_then(|times| times.as_primitive_opt::<Int64Type>());
        for row in present(removes).filter(|row| paths.is_valid(*row)) {
            let at = times
                .filter(|times| times.is_valid(row))
                .map(|times| times.value(row));
            let Ok(path) = Path::from_url_path(paths.value(row)) else {
                continue;
            };
            tombstones.push(Tombstone {
                path,
                removed_at: at.and_then(DateTime::from_timestamp_millis),
            });
        }
    }
    Ok(Some(tombstones))
}
