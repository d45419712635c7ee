//! What is committed, and its entry in the log.

use std::collections::HashMap;

use chrono::Utc;
use deltalake_core::kernel::{Action, CommitInfo, Transaction};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::delta::Snapshot;
use crate::error::{Context, Kind, Result};

/// One commit, planned from a snapshot.
#[derive(Default)]
pub(crate) struct Commit {
    /// What kind of work it was, for the history: `CURATE`, `CLAIM`, `RECORD`.
    pub(crate) operation: &'static str,
    /// Added and removed files, changed metadata.
    pub(crate) actions: Vec<Action>,
    /// Progress of applications: app id and version.
    pub(crate) txns: Vec<(String, i64)>,
    /// Our own entry in the commit's information, under `marketlake`.
    pub(crate) about: Map<String, Value>,
}

/// How a compare-and-swap ended.
pub(crate) enum Landed {
    /// It is in: the version that it made.
    At(Snapshot),
    /// Somebody else's commit took the version: plan again.
    Lost,
}

impl Commit {
    /// The bytes of the log's entry: actions as JSON, one a line.
    pub(super) fn entry(self) -> Result<Vec<u8>> {
        let info = CommitInfo {
            timestamp: Some(Utc::now().timestamp_millis()),
            operation: Some(self.operation.to_owned()),
            engine_info: Some(format!("marketlake:{}", env!("CARGO_PKG_VERSION"))),
            info: HashMap::from([
                ("marketlake".to_owned(), Value::Object(self.about)),
                // No two entries are the same, however alike the commits are.
                ("txnId".to_owned(), json!(Uuid::new_v4())),
            ]),
            ..CommitInfo::default()
        };
        let txns = self
            .txns
            .into_iter()
            .map(|(app, version)| Action::Txn(Transaction::new(app, version)));
        let mut bytes = Vec::new();
        for action in std::iter::once(Action::CommitInfo(info))
            .chain(self.actions)
            .chain(txns)
        {
            serde_json::to_writer(&mut bytes, &action).context(Kind::Internal, "action has no JSON form")?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }
}
