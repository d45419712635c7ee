//! Who writes the files of a plan: threads of this process.

use futures::{StreamExt, TryStreamExt};

use super::open_files::OpenFiles;
use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::storage::{Sending, Sent};
use crate::write::{FileJob, FileResult};

/// Threads that are kept busy.
pub(super) const CORES: usize = 2;
/// Files written at the same time, one of which may wait for the disk; each is one blocking task that holds one column
/// of one row group.
const AT_ONCE: usize = CORES + 1;

/// Does the jobs on files of a table; their results in the same order, none where there is no job or no row is left. All
/// files are there then.
pub(super) async fn run(table: &OpenFiles, jobs: Vec<Option<FileJob>>) -> Result<Vec<Option<FileResult>>> {
    let mut results: Vec<Option<FileResult>> = jobs.iter().map(|_| None).collect();
    let jobs = jobs.into_iter().enumerate();
    let jobs = jobs.filter_map(|(index, job)| Some((index, job?)));
    let mut done = futures::stream::iter(jobs)
        .map(|(index, job)| async move { Ok::<_, Error>((index, write(table, job).await?)) })
        .buffer_unordered(AT_ONCE);
    let mut sending = Sending::default();
    while let Some((index, written)) = done.try_next().await? {
        if let Some((result, sent)) = written {
            sending.add(sent).await?;
            results[index] = Some(result);
        }
    }
    sending.all().await?;
    Ok(results)
}

async fn write(table: &OpenFiles, job: FileJob) -> Result<Option<(FileResult, Sent)>> {
    let old = match &job.old {
        Some((path, size)) => Some(table.open_to_rewrite(path, *size).await?),
        None => None,
    };
    let place = table.log().place().clone();
    blocking(move || job.write(&place, old.as_deref())).await
}
