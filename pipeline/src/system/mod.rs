//! What is written down after a commit: rejected rows, which parts of the table changed, what runs did, and what is to
//! be told of it ([`outbox`]).
//!
//! All but the last are Delta tables of this program's own. Their rows are appended once, in whichever order runners meet.

pub(crate) mod changes;
mod columns;
pub mod done;
mod held;
pub(crate) mod ledger;
mod open_rejects;
pub(crate) mod outbox;
pub(crate) mod quarantine;
pub(crate) mod runs;

pub(crate) use open_rejects::{latest_batches, open_rejects};

use std::sync::Arc;

use deltalake_core::kernel::{Action, Add};
use serde_json::{Map, json};

use crate::curated::Curated;
use crate::delta::{Addition, Append, DeltaLog, Snapshot};
use crate::error::Result;

/// Begins to load the tables to which the record of a batch goes.
pub(crate) fn load_ahead(curated: &Curated) -> Result<()> {
    for table in ["changes", "runs"] {
        curated.system(table)?.load_ahead();
    }
    Ok(())
}

/// Adds files to a table, exactly once: not when `progress` (app id and version) says that it was done before, nor when the
/// files are there.
async fn append(
    log: &DeltaLog,
    base: Snapshot,
    operation: &'static str,
    adds: Vec<Add>,
    progress: Option<(String, i64)>,
) -> Result<()> {
    let about = Map::from_iter([("files".to_owned(), json!(adds.len()))]);
    let plan = move |snapshot: &Snapshot| {
        let is_open = !done(snapshot, &adds, progress.as_ref());
        Ok(is_open.then(|| Addition {
            actions: adds.iter().cloned().map(Action::Add).collect(),
            txns: progress.iter().cloned().collect(),
        }))
    };
    let append = Append {
        operation,
        about,
        base,
        plan: Arc::new(plan),
    };
    log.append(append).await?;
    Ok(())
}

fn done(snapshot: &Snapshot, adds: &[Add], progress: Option<&(String, i64)>) -> bool {
    if let Some((app, version)) = progress
        && snapshot.txn(app).unwrap_or(0) >= *version
    {
        return true;
    }
    // File names are unique, so one of them stands for the commit.
    adds.first()
        .is_some_and(|add| snapshot.files.iter().any(|file| file.path.as_ref() == add.path))
}
