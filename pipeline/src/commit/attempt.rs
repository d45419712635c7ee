//! One try to change a table, of a batch as of anything else: its files, and the commit that names them.

use std::time::{Duration, Instant};

use deltalake_core::kernel::{Action, Add};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use serde_json::json;
use uuid::Uuid;

use crate::delta::{Commit, DeltaLog, Landed, Snapshot};
use crate::error::{Error, Kind, Result};

/// For so long the store's answer that a file is there is as good as a look.
const TRUSTED: Duration = Duration::from_secs(3600);
/// Files that are looked for at the same time.
const LOOKS: usize = 16;
/// Half of the time for which files that no commit names are safe from being cleaned up.
const OLDEST: Duration = Duration::from_secs(84 * 3600);

/// A try, with a name of its own.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Unique id; part of the names of its files.
    pub(crate) id: String,
    started: Instant,
}

/// How a commit ended.
#[derive(Debug)]
pub(crate) enum Attempted {
    /// It is in.
    In {
        /// As this version.
        version: u64,
        /// What was found wrong afterwards, which takes nothing back.
        doubt: Option<String>,
    },
    /// Another writer was first, and no version names the files of this attempt: plan again.
    Lost,
}

impl Attempt {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self {
            id: Uuid::new_v4().simple().to_string(),
            started: Instant::now(),
        }
    }

    /// How long it has taken so far.
    pub(crate) fn millis(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Commits at the version after `base`, or not at all.
    ///
    /// # Errors
    /// When nothing was tried, or it is not known whether the commit is in: the files have to stay.
    pub(crate) async fn land(
        &self,
        log: &DeltaLog,
        base: &Snapshot,
        mut commit: Commit,
    ) -> Result<Attempted> {
        if self.started.elapsed() > OLDEST {
            return Err(
                Error::new(Kind::Io, "attempt is too old to be committed; run it again")
                    .with("table", log.table()),
            );
        }
        let added = || {
            commit.actions.iter().filter_map(|action| match action {
                Action::Add(add) => Some(add),
                _ => None,
            })
        };
        let is_removal = |action: &&Action| matches!(action, Action::Remove(_));
        let removed = commit.actions.iter().filter(is_removal).count();
        let expected = (base.files.len() + added().count()).saturating_sub(removed);
        if self.started.elapsed() > TRUSTED {
            are_there(log, added()).await?;
        }
        commit.about.insert("attempt".to_owned(), json!(self.id));
        Ok(match log.commit(base, commit).await? {
            Landed::At(snapshot) => Attempted::In {
                version: snapshot.version,
                doubt: doubt(&snapshot, expected),
            },
            Landed::Lost => Attempted::Lost,
        })
    }

    /// Removes files of the attempt that no commit names: none was tried, or each one is known to be lost. What fails is
    /// left for the next cleaning.
    pub(crate) async fn discard<'a>(&self, log: &DeltaLog, files: impl IntoIterator<Item = &'a Add>) {
        let paths = files.into_iter().map(|add| Path::from(add.path.as_str()));
        log.discard(paths.collect()).await;
    }
}

/// Fails unless all these files are there: somebody may have taken them for leftovers.
async fn are_there(log: &DeltaLog, files: impl Iterator<Item = &Add>) -> Result<()> {
    futures::stream::iter(files.map(|add| add.path.as_str()))
        .map(|path| async move {
            if log.has_file(&Path::from(path)).await? {
                return Ok(());
            }
            Err(Error::new(Kind::NotFound, "new file vanished before the commit")
                .with("table", log.table())
                .with("file", path))
        })
        .buffer_unordered(LOOKS)
        .try_collect()
        .await
}

/// A wrong number of live files after a commit means that the log and this program disagree about it.
fn doubt(snapshot: &Snapshot, expected: usize) -> Option<String> {
    let (version, files) = (snapshot.version, snapshot.files.len());
    (files != expected).then(|| {
        format!("version {version} is in and has {files} files instead of {expected}: look at its commit")
    })
}
