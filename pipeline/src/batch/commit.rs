//! The commit of a batch: the only moment at which a table changes.

use std::time::{Duration, Instant};

use deltalake_core::kernel::Action;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::delta::{Commit, Landed};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::ledger::Ledger;

use super::table::Table;
use super::tally::Summary;

/// Half of the time for which files that no commit names are safe from being cleaned up.
pub(crate) const OLDEST_ATTEMPT: Duration = Duration::from_secs(84 * 3600);

/// One try at a batch.
pub(super) struct Attempt {
    /// Unique id; part of the names of its files.
    pub(super) id: String,
    pub(super) batch: i64,
    pub(super) started: Instant,
}

impl Attempt {
    pub(super) fn new(batch: i64) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            batch,
            started: Instant::now(),
        }
    }

    /// How long it has taken so far.
    pub(super) fn millis(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// How a try ended.
pub(super) enum Outcome {
    /// The batch is in, as this version, by this attempt.
    In(u64),
    /// Another writer was first: plan again, if the batch is still open.
    Lost,
}

/// Commits a batch that was planned from the table's snapshot.
pub(super) async fn commit(
    ledger: &Ledger,
    table: &Table,
    attempt: &Attempt,
    side: &str,
    actions: Vec<Action>,
    inputs: Vec<(String, i64)>,
    summary: &Summary,
) -> Result<Outcome> {
    if table.taken != attempt.batch - 1 {
        return Err(Error::internal("batch is not the next one")
            .with("table", table.log.table())
            .with("batch", attempt.batch));
    }
    if attempt.started.elapsed() > OLDEST_ATTEMPT {
        return Err(
            Error::new(Kind::Io, "attempt is too old to be committed; run again")
                .with("table", table.log.table()),
        );
    }
    let mut expected = table.snapshot.files.len();
    for action in &actions {
        match action {
            Action::Add(add) => {
                expected += 1;
                if !table.log.has_file(&Path::from(add.path.as_str())).await? {
                    return Err(
                        Error::new(Kind::NotFound, "file of the batch vanished before the commit")
                            .with("file", &add.path),
                    );
                }
            }
            Action::Remove(_) => expected -= 1,
            _ => {}
        }
    }
    let Value::Object(mut about) = json!(summary) else {
        return Err(Error::internal("summary of a batch has no JSON form"));
    };
    about.insert("batch".to_owned(), json!(attempt.batch));
    about.insert("attempt".to_owned(), json!(attempt.id));
    about.insert("side".to_owned(), json!(side));
    let mut txns = vec![(ledger.app(), attempt.batch)];
    txns.extend(inputs);
    let actions = table.growth.iter().cloned().chain(actions).collect();
    failpoint::pass("before_commit");
    let landed = table
        .log
        .commit(
            &table.snapshot,
            Commit {
                operation: "CURATE",
                actions,
                txns,
                about,
            },
        )
        .await;
    let outcome = match landed {
        Ok(Landed::At(version)) => {
            check_files(table, version, expected).await?;
            Outcome::In(version)
        }
        Ok(Landed::Lost) => settle(table, attempt).await?.map_or(Outcome::Lost, Outcome::In),
        // The write may have been applied although it failed.
        Err(error) => match settle(table, attempt).await? {
            Some(version) => Outcome::In(version),
            None => return Err(error),
        },
    };
    failpoint::pass("after_commit");
    Ok(outcome)
}

/// The version as which this very attempt is in; none when it is not.
async fn settle(table: &Table, attempt: &Attempt) -> Result<Option<u64>> {
    let version = table.snapshot.version + 1;
    let Some(actions) = table.log.entry(version).await? else {
        return Ok(None);
    };
    let ours = actions.iter().any(|action| {
        let about = action.get("commitInfo").and_then(|info| info.get("marketlake"));
        about
            .and_then(|about| about.get("attempt"))
            .and_then(|id| id.as_str())
            == Some(attempt.id.as_str())
    });
    Ok(ours.then_some(version))
}

/// A wrong number of live files after a commit means that the log and this program disagree about it.
async fn check_files(table: &Table, version: u64, expected: usize) -> Result<()> {
    let live = table.log.load_at(version).await?.files.len();
    if live != expected {
        return Err(Error::new(
            Kind::Foreign,
            format!("table has {live} files after the commit instead of {expected}"),
        )
        .with("table", table.log.table())
        .with("version", version));
    }
    Ok(())
}
