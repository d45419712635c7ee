//! Messages that were taken from a queue: where they say to look, and which of them can go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use anyhow::Result;
use aws::event::{self, Said};
use aws::{Held, Hidden, Queue, Received};
use pipeline::contract::TableName;
use pipeline::lake::Lake;
use pipeline::report::{Outcome, RunReport, TableReport};
use pipeline::request::DayFolder;
use pipeline::{Lacking, NamedObject, RawPlaces};
use schemars::JsonSchema;
use serde::Serialize;

/// Most messages, and folders that they name, that one run is about: what is left is there for the next one.
const MESSAGES: usize = 10_000;
const FOLDERS: usize = 1_000;
/// The longest wait that a queue offers, and the wait that shows that it is empty.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(1);
/// Quiet is waited for at most so many times as long as it should last.
const PATIENCE: u32 = 10;

/// What became of the messages of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct EventCounts {
    /// Events of S3 in raw zones of this configuration that were received, each message once, tests of S3 among them.
    pub(crate) messages: u64,
    /// Those of them that name nothing that a table reads.
    pub(crate) unread: u64,
    /// Folders of an account and a day that were looked at because of them.
    pub(crate) folders: u64,
    /// Messages that were deleted, since what they name is in tables or quarantine.
    pub(crate) deleted: u64,
    /// Messages that come back, since a table lacks what they name, or they could not be deleted.
    pub(crate) kept: u64,
    /// Messages that are no events of S3, or name an object in no raw zone of this configuration: they are left to the queue.
    pub(crate) foreign: u64,
}

/// What is received from a queue for one run.
pub(crate) struct Inbox<'a> {
    queue: &'a Queue,
    places: &'a RawPlaces,
    /// Messages that are hidden from others, with the objects that each names.
    held: Held<Vec<NamedObject>>,
    /// Ids of messages that are none of ours, or not only ours.
    foreign: HashSet<String>,
    /// Folders with the tables that read what is named there.
    folders: BTreeMap<DayFolder, BTreeSet<TableName>>,
    unread: u64,
    hidden: Hidden,
}

impl<'a> Inbox<'a> {
    /// An empty one. What comes into it is hidden from others by `visibility` after `visibility`, as long as this is there.
    pub(crate) fn of(queue: &'a Queue, places: &'a RawPlaces, visibility: Duration) -> Self {
        let held = Held::default();
        Self {
            queue,
            places,
            hidden: Hidden::start(queue.clone(), held.clone(), visibility),
            held,
            foreign: HashSet::new(),
            folders: BTreeMap::new(),
            unread: 0,
        }
    }

    /// Waits for something to come, at most `so_long`. Whether something did.
    pub(crate) async fn wait(&mut self, so_long: Duration) -> Result<bool> {
        let end = Instant::now() + so_long;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.receive(left.clamp(SHORT, LONG)).await? {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    }

    /// Takes in what is there.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        while !self.is_full() && self.receive(SHORT).await? {}
        Ok(())
    }

    /// Takes in what comes until nothing has come for so long; where it never becomes quiet, until ten times that is over.
    pub(crate) async fn until_quiet(&mut self, quiet: Duration) -> Result<()> {
        let end = Instant::now() + quiet * PATIENCE;
        while !self.is_full() && Instant::now() < end && self.wait(quiet).await? {}
        Ok(())
    }

    /// Whether no more fits in. Then more may be there.
    pub(crate) fn is_full(&self) -> bool {
        self.held.all().len() + self.foreign.len() >= MESSAGES || self.folders.len() >= FOLDERS
    }

    /// Whether nothing of ours has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.all().is_empty()
    }

    /// The folders that messages name.
    pub(crate) fn folders(&self) -> BTreeSet<DayFolder> {
        self.folders.keys().cloned().collect()
    }

    /// Deletes the messages of which a run has taken in all that they name, and lets go of the others. What could not be deleted
    /// comes back, and is counted as kept.
    pub(crate) async fn settle(self, lake: &Lake, run: &RunReport) -> (EventCounts, Result<()>) {
        let lacking = self.lacking(lake, run).await;
        let (mut receipts, mut kept) = (Vec::new(), 0);
        for (receipt, objects) in self.held.all().values() {
            match objects.iter().any(|object| lacking.names(object)) {
                false => receipts.push(receipt.clone()),
                true => kept += 1,
            }
        }
        let messages = receipts.len() as u64 + kept;
        // First: it would hide what is deleted, or let go of.
        self.hidden.stop().await;
        let (deleted, result) = self.queue.delete(&receipts).await;
        let deleted = deleted as u64;
        let counts = EventCounts {
            messages,
            unread: self.unread,
            folders: self.folders.len() as u64,
            deleted,
            kept: messages - deleted,
            foreign: self.foreign.len() as u64,
        };
        (counts, result.map_err(Into::into))
    }

    /// What tables lack of what messages name, that a run did not get through.
    async fn lacking(&self, lake: &Lake, run: &RunReport) -> Lacking {
        let tables = behind(run, self.folders.values().flatten());
        if tables.is_empty() {
            return Lacking::default();
        }
        let of_those = self.folders.iter().filter(|(_, of)| !of.is_disjoint(&tables));
        let folders = of_those.map(|(folder, _)| folder.clone()).collect();
        let lacking = lake.stop().unless(lake.lacking(&tables, folders)).await;
        lacking.unwrap_or_else(|error| {
            tracing::warn!(%error, "what tables lack is not known, so all messages about them come back");
            Lacking::anything(tables)
        })
    }

    /// Gives back what nothing was done with, so that others find it at once.
    pub(crate) async fn give_back(self) -> Result<()> {
        let receipts = self.held.receipts();
        // First: it would hide them once more.
        self.hidden.stop().await;
        Ok(self.queue.hide(&receipts, Duration::ZERO).await?)
    }

    /// Receives what is there, or comes before the wait is over. Whether anything was new.
    async fn receive(&mut self, wait: Duration) -> Result<bool> {
        let mut is_new = false;
        for received in self.queue.receive(wait).await? {
            is_new |= self.take(received);
        }
        Ok(is_new)
    }

    /// Takes in a message. Whether it was new.
    fn take(&mut self, received: Received) -> bool {
        let Received {
            id, receipt, body, ..
        } = received;
        if self.foreign.contains(&id) {
            return false;
        }
        if let Some((known, _)) = self.held.all().get_mut(&id) {
            *known = receipt;
            return false;
        }
        let objects = match event::read(&body) {
            Said::Objects(objects) => objects,
            Said::Test => Vec::new(),
            Said::Foreign => return self.foreign.insert(id),
        };
        let (mut named, mut is_ours) = (Vec::new(), true);
        for object in &objects {
            match self.places.of(&object.bucket, &object.key) {
                Some(found) => named.extend(found),
                None => is_ours = false,
            }
        }
        for NamedObject { folder, tables, .. } in &named {
            let of_folder = self.folders.entry(folder.clone()).or_default();
            of_folder.extend(tables.iter().cloned());
        }
        // What else it names is for another lake, or for this one once a slip in its configuration is mended.
        if !is_ours {
            return self.foreign.insert(id);
        }
        self.unread += u64::from(named.is_empty() && !objects.is_empty());
        let objects = named;
        self.held.all().insert(id, (receipt, objects));
        true
    }
}

/// Those of these tables of which a run has not taken in all that is there. A table that it says nothing of had nothing new.
fn behind<'a>(run: &RunReport, tables: impl Iterator<Item = &'a TableName>) -> BTreeSet<TableName> {
    let reports = run.tables.iter().filter(|report| !is_all_in(report));
    let names: HashSet<&str> = reports.map(|report| report.table.as_str()).collect();
    let is_behind = |table: &&TableName| !run.unfinished.is_empty() || names.contains(&*table.to_string());
    tables.filter(is_behind).cloned().collect()
}

fn is_all_in(report: &TableReport) -> bool {
    let is_done = match report.outcome {
        Outcome::Unchanged | Outcome::Empty | Outcome::Updated | Outcome::PartlyQuarantined => true,
        Outcome::Late | Outcome::Held | Outcome::Busy | Outcome::Stopped | Outcome::Failed => false,
    };
    is_done && report.waiting_documents == 0
}

#[cfg(test)]
mod tests {
    use aws::Aws;
    use chrono::DateTime;
    use pipeline::lake::Lake;
    use pipeline::report;
    use serde_json::json;

    use super::*;
    use crate::at_aws::AtAws;
    use crate::config::{Config, Options};
    use crate::{buckets, contracts};

    fn run(tables: &[(&str, Outcome, u64)]) -> RunReport {
        let table = |(table, outcome, waiting_documents): &(&str, Outcome, u64)| TableReport {
            table: (*table).to_owned(),
            outcome: *outcome,
            batches: 0,
            version: None,
            counts: report::Counts::default(),
            late_objects: 0,
            over_budget: true,
            waiting_documents: *waiting_documents,
            messages: Vec::new(),
            millis: 0,
        };
        RunReport {
            schema: 1,
            run: "r".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
            tables: tables.iter().map(table).collect(),
            unfinished: Vec::new(),
        }
    }

    async fn places() -> RawPlaces {
        let flags = Options {
            lake: Some("s3://lake/prod".to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..Options::default()
        };
        let config = Config::load(&flags, None).unwrap();
        let stores = buckets::stores(&config, &AtAws::new(None)).await.unwrap();
        let contracts = contracts::load(None).unwrap();
        let lake = Lake::open(config.settings, stores, contracts, Vec::new()).await;
        lake.unwrap().raw_places().unwrap()
    }

    #[tokio::test]
    async fn many_messages_are_few_folders_and_only_the_newest_receipt_of_each_counts() {
        let queue = Aws::load(Some("eu-west-1")).await.unwrap();
        let (queue, places) = (queue.queue("http://127.0.0.1:9/1/intake"), places().await);
        let mut inbox = Inbox::of(&queue, &places, Duration::from_secs(3600));
        let event = |key: &str| {
            let s3 = json!({ "bucket": { "name": "lake" }, "object": { "key": key } });
            json!({ "Records": [{ "eventSource": "aws:s3", "s3": s3 }] }).to_string()
        };
        let mut take = |id: &str, receipt: &str, body: String| {
            inbox.take(Received {
                id: id.to_owned(),
                receipt: receipt.to_owned(),
                body,
                sent: None,
            })
        };
        for quarter in 0..96 {
            let (hour, minute) = (quarter / 4, quarter % 4 * 15);
            let key = format!("prod/raw/jwo/corner/Order/2026-03-01/{hour:02}/ALL{minute:02}.csv000");
            assert!(take(&format!("m{quarter}"), "first", event(&key)));
        }
        let key = "prod/raw/jwo/corner/Order/2026-03-01/07/ALL45.csv000";
        assert!(!take("m31", "second", event(key)));
        assert!(take("nowhere", "first", event("prod/raw/x")));
        // What is none of ours is new once, and neither hidden nor deleted.
        for (id, body) in [
            ("foreign", "hello".to_owned()),
            ("elsewhere", event("prod/curated/x")),
        ] {
            assert!(take(id, "first", body.clone()), "{id}");
            assert!(!take(id, "second", body), "{id}");
        }
        // Nor is what is ours and somebody else's, of which we look at ours.
        let records = [
            ("lake", "prod/raw/jwo/corner/Order/2026-03-02/07/ALL45.csv000"),
            ("other", "x"),
        ];
        let records = records.map(|(bucket, key)| {
            let s3 = json!({ "bucket": { "name": bucket }, "object": { "key": key } });
            json!({ "eventSource": "aws:s3", "s3": s3 })
        });
        assert!(take("both", "first", json!({ "Records": records }).to_string()));
        assert_eq!(
            (inbox.folders().len(), inbox.unread, inbox.foreign.len()),
            (2, 1, 3)
        );
        let held = inbox.held.all();
        assert_eq!((held.len(), held["m31"].0.as_str()), (97, "second"));
    }

    #[test]
    fn a_run_is_through_with_a_table_that_has_all_that_is_there() {
        let tables: [TableName; 2] = ["shop.visits", "shop.guests"].map(|table| table.parse().unwrap());
        let is_done = |report: &RunReport| behind(report, tables.iter()).is_empty();
        let with = |outcome| run(&[("shop.visits", Outcome::Updated, 0), ("shop.guests", outcome, 0)]);
        for outcome in [Outcome::Unchanged, Outcome::Empty, Outcome::PartlyQuarantined] {
            assert!(is_done(&with(outcome)), "{outcome:?}");
        }
        for outcome in [Outcome::Held, Outcome::Busy, Outcome::Stopped, Outcome::Failed] {
            assert!(!is_done(&with(outcome)), "{outcome:?}");
        }
        assert!(is_done(&run(&[])));
        assert!(!is_done(&run(&[("shop.visits", Outcome::Unchanged, 1)])));
        // What becomes of other tables does not matter, and what is not written down does.
        assert!(is_done(&run(&[("shop.days", Outcome::Failed, 0)])));
        let mut unfinished = run(&[]);
        unfinished.unfinished.push("a record".to_owned());
        assert!(!is_done(&unfinished));
    }
}
