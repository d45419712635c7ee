//! What an entry of a log or a part of a checkpoint says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deltalake_core::kernel::{DeletionVectorDescriptor, Metadata, Protocol};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::delta::file::{Added, DataFile, key};
use crate::error::{Context, Kind, Result};

/// The actions of one entry, or of a part of a checkpoint.
#[derive(Default)]
pub(in crate::delta) struct Said {
    /// Files that came in.
    pub(super) added: Vec<DataFile>,
    /// Keys of files that went out.
    pub(super) removed: Vec<String>,
    /// App ids and the versions that they committed.
    pub(super) txns: Vec<(String, i64)>,
    pub(super) metadata: Option<Metadata>,
    pub(super) protocol: Option<Protocol>,
    /// Names of further files with actions, below the log.
    pub(super) sidecars: Vec<String>,
    /// What the commit says of itself under `marketlake`.
    pub(super) about: Option<Value>,
    /// Whether rows came or went, and were not only moved to other files.
    pub(super) changes_rows: bool,
}

/// A line of an entry; kinds of actions that say nothing about files, progress and the table itself are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    add: Option<AddLine<'a>>,
    #[serde(borrow)]
    remove: Option<RemoveLine<'a>>,
    txn: Option<TxnLine>,
    protocol: Option<Value>,
    meta_data: Option<Value>,
    commit_info: Option<InfoLine>,
    sidecar: Option<SidecarLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddLine<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(default)]
    partition_values: BTreeMap<String, Option<String>>,
    #[serde(default)]
    size: i64,
    #[serde(borrow, default)]
    stats: Option<Cow<'a, str>>,
    data_change: Option<bool>,
    deletion_vector: Option<DeletionVectorDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveLine<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    data_change: Option<bool>,
    deletion_vector: Option<DeletionVectorDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnLine {
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
struct InfoLine {
    marketlake: Option<Value>,
}

#[derive(Deserialize)]
struct SidecarLine {
    path: String,
}

impl Said {
    /// By the text of an entry: one action a line.
    pub(in crate::delta) fn of_entry(text: &[u8]) -> Result<Self> {
        let mut said = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if !line.trim_ascii().is_empty() {
                let line: Line<'_> = serde_json::from_slice(line)
                    .context(Kind::Foreign, "log has an action that is not one of Delta")?;
                said.say(line)?;
            }
        }
        Ok(said)
    }

    fn say(&mut self, line: Line<'_>) -> Result<()> {
        if let Some(add) = line.add {
            self.changes_rows |= add.data_change.unwrap_or(true);
            self.added.push(DataFile::named(Added {
                path: add.path,
                size: add.size,
                partition: add.partition_values,
                stats: add.stats,
                vector: add.deletion_vector,
            }));
        }
        if let Some(remove) = line.remove {
            self.changes_rows |= remove.data_change.unwrap_or(true);
            let key = key(&remove.path, remove.deletion_vector.as_ref());
            self.removed.push(key.into_owned());
        }
        if let Some(txn) = line.txn {
            self.txns.push((txn.app_id, txn.version));
        }
        if let Some(protocol) = line.protocol {
            self.protocol = Some(protocol_of(protocol)?);
        }
        if let Some(metadata) = line.meta_data {
            self.metadata = Some(metadata_of(metadata)?);
        }
        if let Some(info) = line.commit_info {
            self.about = self.about.take().or(info.marketlake);
        }
        self.sidecars.extend(line.sidecar.map(|sidecar| sidecar.path));
        Ok(())
    }

    /// With what another part of the same checkpoint says.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.added.extend(other.added);
        self.txns.extend(other.txns);
        self.metadata = self.metadata.or(other.metadata);
        self.protocol = self.protocol.or(other.protocol);
        self.sidecars.extend(other.sidecars);
        self
    }
}

/// The action that says who may read and write a table.
pub(super) fn protocol_of(action: Value) -> Result<Protocol> {
    action_of(action)
}

/// The action that says what a table is; what writers may leave out is put in.
pub(super) fn metadata_of(mut action: Value) -> Result<Metadata> {
    if let Some(said) = action.as_object_mut() {
        said.retain(|_, value| !value.is_null());
        let format = json!({"provider": "parquet", "options": {}});
        for (name, default) in [
            ("configuration", json!({})),
            ("partitionColumns", json!([])),
            ("format", format),
        ] {
            said.entry(name).or_insert(default);
        }
        if let Some(format) = said.get_mut("format").and_then(Value::as_object_mut) {
            format.retain(|_, value| !value.is_null());
            format.entry("options").or_insert(json!({}));
        }
    }
    action_of(action)
}

/// An action by its document.
pub(super) fn action_of<T: DeserializeOwned>(action: Value) -> Result<T> {
    T::deserialize(action).context(Kind::Foreign, "log has an action that is not one of Delta")
}
