//! A lake in a folder of its own, with claims and results but without any run.

use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use deltalake_core::kernel::Action;
use tempfile::TempDir;
use url::Url;

use crate::contract::{TableName, builtin, load};
use crate::delta::{Commit, DeltaLog, Snapshot, Which, write_partitioned};
use crate::lake::{Lake, Settings};
use crate::layout;
use crate::raw::RawObject;
use crate::raw::account::Account;
use crate::storage::Stores;
use crate::system::ledger::{Claim, Draft, Ledger, Left, ObjectResult};
use crate::system::quarantine::QuarantineRow;

/// The lake, with the built-in contracts and one account.
pub(super) struct TestLake {
    pub(super) lake: Lake,
    _folder: TempDir,
}

impl TestLake {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Url::from_directory_path(folder.path().canonicalize().unwrap()).unwrap();
        let settings = Settings {
            lookback_days: 3,
            ..Settings::of_test(&root)
        };
        let account = Account {
            since: NaiveDate::from_ymd_opt(2026, 3, 1),
            ..Account::unconfigured("jwo", "corner")
        };
        let contracts = load(&builtin(), &[]).unwrap();
        let lake = Lake::open(settings, Stores::default(), contracts, vec![account])
            .await
            .unwrap();
        Self {
            lake,
            _folder: folder,
        }
    }

    /// A raw object of account `corner`; one quarter of an hour after midnight for each letter after `a`.
    pub(super) fn object(&self, name: &str) -> RawObject {
        let midnight = NaiveDate::from_ymd_opt(2026, 3, 1)
            .unwrap()
            .and_hms_opt(0, 0, 0)
            .unwrap();
        let quarters = i64::from(name.as_bytes()[0] - b'a');
        RawObject {
            uri: format!("{}/{name}", self.lake.settings().raw),
            moved_to: None,
            path: name.to_owned(),
            size: 3,
            modified: DateTime::UNIX_EPOCH,
            tag: None,
            account: Some("corner".to_owned()),
            period: midnight + TimeDelta::minutes(15 * quarters),
            part: 0,
            manifest: None,
            document: None,
        }
    }

    pub(super) async fn claim(&self, table: &TableName, batch: i64, objects: &[&str]) -> Claim {
        let mut ledger = Ledger::open(self.lake.curated()).await.unwrap();
        let objects = objects.iter().map(|name| self.object(name)).collect();
        let draft = Draft {
            table: table.clone(),
            batch,
            rules: "r".to_owned(),
            objects,
            inputs: Vec::new(),
        };
        assert!(
            ledger
                .claim(
                    &[draft],
                    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(batch),
                    async { Ok(true) }
                )
                .await
                .unwrap()
        );
        ledger.claim_of(table, batch).await.unwrap().unwrap()
    }

    /// Creates the table if there is none, and commits the batch without any row.
    pub(super) async fn commit(&self, claim: &Claim) {
        let ledger = Ledger::open(self.lake.curated()).await.unwrap();
        let contract = &self.lake.contracts()[&claim.draft.table];
        let log = self.lake.table_log(&claim.draft.table).unwrap();
        let schema = layout::schema(contract);
        let base = log
            .open_or_create(
                Which::Newest,
                &schema,
                &contract.partition,
                &[],
                &contract.description,
            )
            .await
            .unwrap();
        let commit = Commit {
            operation: "CURATE",
            txns: vec![(ledger.app(), claim.draft.batch)],
            ..Commit::default()
        };
        log.commit(&base, commit).await.unwrap();
    }

    /// Records that every object of the claim was taken, three rows each, one of them rejected.
    pub(super) async fn record(&self, claim: &Claim) {
        let mut ledger = Ledger::open(self.lake.curated()).await.unwrap();
        let result = |object| ObjectResult {
            rows_read: 3,
            rows_rejected: 1,
            commit_version: Some(claim.draft.batch as u64),
            ..ObjectResult::of(claim, object, "attempt")
        };
        let results: Vec<ObjectResult> = claim.draft.objects.iter().map(result).collect();
        ledger
            .record(
                &claim.draft.table,
                claim.draft.batch,
                &results,
                Left::default(),
                async { Ok(()) },
            )
            .await
            .unwrap();
    }

    /// A reject of an object of the claim.
    pub(super) fn reject(&self, claim: &Claim, name: &str, row: Option<i64>) -> QuarantineRow {
        let object = self.object(name);
        QuarantineRow {
            table: claim.draft.table.to_string(),
            batch: claim.draft.batch,
            object: object.uri,
            path: object.path,
            account: object.account,
            row,
            reason: format!("n: {name:?} is not an int"),
            raw_text: None,
            rejected_at: claim.claimed_at,
            attempt: "attempt".to_owned(),
        }
    }
}

pub(super) fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

/// Creates a table of these rows; the version that has them. Files are skipped by the `indexed` columns.
pub(super) async fn filled(
    log: &DeltaLog,
    rows: &RecordBatch,
    partition: &[String],
    indexed: &[&str],
) -> Snapshot {
    let base = log
        .open_or_create(Which::Newest, &rows.schema(), partition, &[], "")
        .await
        .unwrap();
    let adds = write_partitioned(log, rows, partition, indexed).await.unwrap();
    let commit = Commit {
        operation: "CURATE",
        actions: adds.into_iter().map(Action::Add).collect(),
        ..Commit::default()
    };
    log.commit(&base, commit).await.unwrap();
    log.load().await.unwrap().unwrap()
}
