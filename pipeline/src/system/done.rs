//! Jobs that were given an id by who started them, a file each below `marketlake/done`: a job that is started twice under one
//! id is done once.
//!
//! The id alone does not say which job is meant, as a schedule starts several at one time. What is asked for belongs to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::{Contract, TableName};
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::storage::{Lease, Place};

/// Characters of an id.
const LONGEST: usize = 128;
/// What the names of leases of jobs begin with, as those of tables with their sources.
const LEASES: &str = "job";
/// Who works on a job under its id is waited for as long as it lives.
const FOR_EVER: Duration = Duration::from_secs(366 * 24 * 3600);

/// An id that a job is given by who starts it, such as the time that it is scheduled for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.:+@".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match begins && text.len() <= LONGEST && text.chars().all(is_part) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "an id is a letter or a digit and up to {} more of these and of - _ . : + @, such as 2026-03-01T04:00:00Z",
                LONGEST - 1
            )),
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Its id.
    pub id: JobId,
    /// What was asked for.
    pub asked: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The exit code that it ended with.
    pub exit_code: u8,
    /// What it said that it did.
    pub report: Value,
}

/// Who does a job under an id.
pub enum Turn {
    /// This caller, and nobody else while it holds this.
    Ours(Box<Ours>),
    /// Somebody did it.
    Done(Box<Done>),
}

/// The right to do a job under its id. Who dies with it leaves it to whoever comes next.
pub struct Ours {
    lease: Lease,
    folder: Place,
    file: String,
    id: JobId,
    asked: String,
}

impl Lake {
    /// What else decides what a job does: where it reads, for whom, and by which rules. For a hash only, as accounts may have
    /// secrets.
    fn under(&self) -> String {
        let rules = self.contracts().values().map(Contract::fingerprint);
        let rules: Vec<String> = rules.collect();
        format!(
            "{} {:?} {}",
            self.settings().raw,
            self.accounts(),
            rules.join(" ")
        )
    }

    /// Who is to do what is `asked` for under an id. Another one who is at it is waited for as long as it lives, after `waits`
    /// was called.
    ///
    /// # Errors
    /// When it cannot be found out, or somebody asks for the end meanwhile.
    pub async fn turn(&self, id: &JobId, asked: &str, waits: impl FnOnce()) -> Result<Turn> {
        let what = format!("{asked}\n{}", self.under());
        let file = format!("{id}-{:016x}", xxh3_64(what.as_bytes()));
        let folder = self.curated().own("done")?;
        let (leases, lease) = (self.leases()?, [lease(&file)]);
        let lease = match Lease::take(&leases, &lease, Duration::ZERO).await? {
            Some(lease) => Some(lease),
            None => {
                waits();
                self.stop().unless(Lease::take(&leases, &lease, FOR_EVER)).await?
            }
        };
        let lease = lease.ok_or_else(|| {
            Error::new(Kind::Io, "another one under the same id does not end").with("id", id)
        })?;
        // Only now nobody else can finish it meanwhile.
        let known = folder.read(&format!("{file}.json")).await?;
        match known.and_then(|known| serde_json::from_slice(&known).ok()) {
            Some(done) => {
                lease.end().await;
                Ok(Turn::Done(Box::new(done)))
            }
            None => Ok(Turn::Ours(Box::new(Ours {
                lease,
                folder,
                file,
                id: id.clone(),
                asked: asked.to_owned(),
            }))),
        }
    }
}

impl Ours {
    /// It is done: nobody does it again.
    ///
    /// # Errors
    /// When that cannot be written down: then it is done again, which changes nothing.
    pub async fn done(self, exit_code: u8, report: Value) -> Result<()> {
        let done = Done {
            id: self.id,
            asked: self.asked,
            ended_at: Utc::now(),
            exit_code,
            report,
        };
        let text = serde_json::to_vec(&done).context(Kind::Internal, "what was done has no JSON form")?;
        let written = self.folder.write(&format!("{}.json", self.file), text).await;
        match &written {
            Ok(()) => self.lease.end().await,
            Err(_) => self.lease.release().await,
        }
        written
    }

    /// It is not done: whoever is started under the id next does it.
    pub async fn leave(self) {
        self.lease.release().await;
    }
}

/// Forgets jobs that ended before this instant, and those that were begun before and never done; how many files it was.
pub(crate) async fn clean(lake: &Lake, cutoff: DateTime<Utc>, dry_run: bool) -> Result<u64> {
    let mut forgotten = 0;
    for (folder, begin) in [("done", ""), ("locks", "job.")] {
        let folder = lake.curated().own(folder)?;
        let is_old = |file: &ObjectMeta| {
            let name = folder.relative(&file.location);
            file.last_modified <= cutoff && name.starts_with(begin)
        };
        let files = folder.files().await?;
        let old: Vec<Path> = files
            .into_iter()
            .filter(is_old)
            .map(|file| file.location)
            .collect();
        forgotten += old.len() as u64;
        if !dry_run {
            folder.remove(old).await?;
        }
    }
    Ok(forgotten)
}

fn lease(file: &str) -> TableName {
    TableName {
        source: LEASES.to_owned(),
        table: file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use url::Url;

    use super::*;
    use crate::Stores;
    use crate::contract::Contracts;
    use crate::lake::Settings;

    async fn lakes() -> Vec<(Lake, Option<tempfile::TempDir>)> {
        let folder = tempfile::tempdir().unwrap();
        let local = Url::from_directory_path(folder.path()).unwrap();
        let bucket = Url::parse("s3://retail/").unwrap();
        let stores = Stores::default()
            .with(&bucket, Arc::new(InMemory::new()))
            .unwrap();
        let open = async |root: &Url| {
            let settings = Settings::of_test(root);
            let opened = Lake::open(settings, stores.clone(), Contracts::default(), Vec::new());
            opened.await.unwrap()
        };
        vec![(open(&local).await, Some(folder)), (open(&bucket).await, None)]
    }

    fn id() -> JobId {
        "2026-03-01T04:00:00Z".parse().unwrap()
    }

    async fn ours(lake: &Lake, asked: &str) -> Option<Box<Ours>> {
        match lake
            .turn(&id(), asked, || panic!("nobody is at it"))
            .await
            .unwrap()
        {
            Turn::Ours(ours) => Some(ours),
            Turn::Done(_) => None,
        }
    }

    #[tokio::test]
    async fn what_is_done_is_not_done_again_and_what_was_left_is() {
        for (lake, _folder) in lakes().await {
            ours(&lake, "run").await.unwrap().leave().await;
            let first = ours(&lake, "run").await.unwrap();
            first.done(3, serde_json::json!({"run": 1})).await.unwrap();
            let Turn::Done(done) = lake.turn(&id(), "run", || {}).await.unwrap() else {
                panic!("it is done")
            };
            assert_eq!((done.exit_code, &done.report["run"]), (3, &1.into()));
            // What else is scheduled for that time is another job, and so is the same of another raw zone.
            let mut settings = lake.settings().clone();
            settings.raw = Url::parse("file:///elsewhere/").unwrap();
            let stores = lake.stores().clone();
            let elsewhere = Lake::open(settings, stores, Contracts::default(), Vec::new());
            let elsewhere = elsewhere.await.unwrap();
            ours(&elsewhere, "run").await.unwrap().leave().await;
            ours(&lake, "run jwo.orders").await.unwrap().leave().await;
            let locks = lake.curated().own("locks").unwrap().files().await.unwrap();
            let of_done = locks
                .iter()
                .filter(|lock| lock.location.as_ref().contains("job."));
            assert!(of_done.count() <= 2, "{locks:?}");

            let young = Utc::now() - Duration::from_secs(60);
            assert_eq!(clean(&lake, young, false).await.unwrap(), 0);
            let cutoff = Utc::now() + Duration::from_secs(60);
            let would = clean(&lake, cutoff, true).await.unwrap();
            assert!(would >= 1);
            assert_eq!(clean(&lake, cutoff, false).await.unwrap(), would);
            ours(&lake, "run").await.unwrap().leave().await;
        }
    }

    #[tokio::test]
    async fn who_comes_second_waits_and_finds_what_the_first_did() {
        for (lake, _folder) in lakes().await {
            let first = ours(&lake, "run").await.unwrap();
            let (waits, waiting) = tokio::sync::oneshot::channel();
            let id = id();
            let second = lake.turn(&id, "run", || waits.send(()).unwrap());
            let first = async {
                waiting.await.unwrap();
                first.done(0, Value::Null).await.unwrap();
            };
            let (second, ()) = tokio::join!(second, first);
            assert!(matches!(second.unwrap(), Turn::Done(_)));
        }
    }

    #[test]
    fn ids_are_what_a_file_and_a_log_line_can_have() {
        for text in ["2026-03-01T04:00:00Z", "a", "run_7.b@x+1", &"x".repeat(128)] {
            assert_eq!(text.parse::<JobId>().unwrap().as_str(), text);
        }
        for text in [
            "",
            ".",
            "../x",
            "a/b",
            "a b",
            "<aws.scheduler.scheduled-time>",
            &"x".repeat(129),
        ] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
