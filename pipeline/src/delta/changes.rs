//! What the log says happened between two versions of a table.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use serde_json::Value;

use crate::error::{Error, Kind, Result};

use super::log::DeltaLog;

/// Entries that are read at the same time.
const AT_ONCE: usize = 32;

/// A file that came into or went out of a table with its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Path relative to the table's root.
    pub(crate) path: Path,
    /// Whether it came, or went.
    pub(crate) is_added: bool,
    /// Bytes, where the log states them.
    pub(crate) size: Option<u64>,
    /// Partition values of the file.
    pub(crate) partition: BTreeMap<String, Option<String>>,
}

/// Files added or removed by the commits after `from` up to and including `to`, commits that only rearrange
/// files left out; none when the log no longer has one of these commits.
pub(crate) async fn changes(log: &DeltaLog, from: u64, to: u64) -> Result<Option<Vec<Change>>> {
    let mut changes = Vec::new();
    let mut entries = futures::stream::iter(from + 1..=to)
        .map(|version| async move { Ok::<_, Error>((version, log.entry(version).await?)) })
        .buffered(AT_ONCE);
    while let Some((version, entry)) = entries.try_next().await? {
        let Some(actions) = entry else {
            return Ok(None);
        };
        for action in &actions {
            let added = action.get("add");
            let Some(file) = added.or_else(|| action.get("remove")) else {
                continue;
            };
            if file.get("dataChange").and_then(Value::as_bool).unwrap_or(true) {
                changes.push(change(file, added.is_some()).ok_or_else(|| {
                    Error::new(Kind::Foreign, "file action without path")
                        .with("table", log.table())
                        .with("version", version)
                })?);
            }
        }
    }
    Ok(Some(changes))
}

fn change(file: &Value, is_added: bool) -> Option<Change> {
    let path = file.get("path")?.as_str()?;
    let values = file.get("partitionValues").and_then(Value::as_object);
    Some(Change {
        path: Path::from_url_path(path).ok()?,
        is_added,
        size: file.get("size").and_then(Value::as_u64),
        partition: values
            .into_iter()
            .flatten()
            .map(|(column, value)| (column.clone(), value.as_str().map(str::to_owned)))
            .collect(),
    })
}
