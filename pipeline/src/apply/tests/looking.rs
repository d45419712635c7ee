//! How little of a table is read for the keys of a batch.

use std::sync::Arc;

use object_store::memory::InMemory;
use url::Url;

use super::{Row, Speaks, batch, contract, put};
use crate::apply::{Plan, WorkingSet, merge};
use crate::contract::Contract;
use crate::delta::{DeltaLog, Patience, Snapshot, Which};
use crate::keep::fold;
use crate::layout;
use crate::report::Counts;
use crate::storage::Stores;
use crate::storage::counting::{Asked, Counting, Requests};

/// Days that the table has, a file each.
const DAYS: u8 = 20;

/// The row of a key that names a day, as it was said at a time.
fn row(id: u8, day: u8, at: u8) -> Row {
    (id, at, Some(i64::from(day)), None, None, 0, Speaks::InPieces)
}

/// A table in a bucket, of which the keys `of_day` gives lie in the file of each day.
struct Bucket {
    contract: Arc<Contract>,
    store: Counting,
    log: DeltaLog,
    snapshot: Snapshot,
}

impl Bucket {
    async fn with(of_day: impl Fn(u8) -> [u8; 2]) -> Self {
        let contract = Arc::new(contract("latest_value", true));
        let (store, root) = (
            Counting::new(Arc::new(InMemory::new())),
            Url::parse("s3://x/").unwrap(),
        );
        let stores = Stores::default().with(&root, Arc::new(store.clone())).unwrap();
        let log = DeltaLog::new("x.t", stores.place(&root).unwrap(), Patience::default()).unwrap();
        let schema = layout::schema(&contract);
        let created = log
            .open_or_create(Which::Newest, &schema, &contract.partition, &[], "")
            .await;
        let rows: Vec<Row> = (0..DAYS)
            .flat_map(|day| of_day(day).map(|id| row(id, day, 1)))
            .collect();
        let rows = fold(&contract, &batch(&contract, &rows)).unwrap().rows;
        let plan = Plan {
            unplaced: (0..rows.num_rows() as u32).collect(),
            ..Plan::new(rows)
        };
        let snapshot = put(&contract, &log, &created.unwrap(), plan, 0).await;
        assert_eq!(snapshot.files.len(), usize::from(DAYS));
        Self {
            contract,
            store,
            log,
            snapshot,
        }
    }

    /// What is asked of data files while rows go in whose objects are of the day in the middle.
    async fn merged(&self, rows: &[Row]) -> (Counts, Requests) {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 11).unwrap();
        let mut set = WorkingSet::new(&self.log, self.snapshot.files.to_vec(), "attempt");
        let folded = fold(&self.contract, &batch(&self.contract, rows)).unwrap();
        self.store.begin();
        let plan = merge(
            &self.contract,
            set.open_files(),
            set.files(),
            folded,
            (day, day),
            3,
        );
        set.apply(&self.contract, plan.await.unwrap()).await.unwrap();
        let requests = self.store.end();
        (set.changes().finish(&self.contract).counts, requests)
    }
}

fn count(requests: &Requests, asked: Asked) -> usize {
    let all = requests.all.iter();
    all.filter(|request| request.asked == asked).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_log_rules_out_are_not_opened_and_the_others_once() {
    let bucket = Bucket::with(|day| [100 + 2 * day, 101 + 2 * day]).await;
    // A key of the third day turns up on the last one.
    let (counts, requests) = bucket.merged(&[row(104, DAYS - 1, 2)]).await;
    assert_eq!((counts.rows_inserted, counts.rows_updated), (0, 1));
    // Both files lose or gain a row, and nothing else is looked at.
    assert_eq!(
        (count(&requests, Asked::Get), count(&requests, Asked::Put)),
        (2, 2),
        "{requests}"
    );
    assert_eq!(requests.all.len(), 4, "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_costs_the_end_of_each_file_of_its_window_side_by_side() {
    let bucket = Bucket::with(|day| [100 + day, 150 + day]).await;
    let (counts, requests) = bucket.merged(&[row(125, 5, 2)]).await;
    assert_eq!((counts.rows_inserted, counts.rows_updated), (1, 0));
    let files = usize::from(DAYS);
    assert_eq!(
        (count(&requests, Asked::Get), count(&requests, Asked::Put)),
        (files, 1),
        "{requests}"
    );
    assert_eq!(requests.all.len(), files + 1, "{requests}");
    // The day that the key names, then the others, then the file that it joins; more where the machine is busy.
    assert!((3..8).contains(&requests.in_sequence), "{requests}");
    let mut read: Vec<_> = requests
        .all
        .iter()
        .filter(|request| request.asked == Asked::Get)
        .collect();
    read.sort_by_key(|request| &request.path);
    read.dedup_by_key(|request| &request.path);
    assert_eq!(read.len(), files, "{requests}");
}
