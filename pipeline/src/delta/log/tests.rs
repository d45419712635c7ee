use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema};
use deltalake_core::kernel::{Action, Add};
use object_store::memory::InMemory;
use serde_json::json;

use super::*;
use crate::storage::Stores;
use crate::storage::counting::Counting;

async fn commit(log: &DeltaLog, batch: i64) {
    let base = log.load().await.unwrap().unwrap();
    let commit = Commit {
        operation: "CURATE",
        txns: vec![("app".to_owned(), batch)],
        ..Commit::default()
    };
    assert!(matches!(log.commit(&base, commit).await.unwrap(), Landed::At(_)));
}

async fn create(location: &Url, batches: std::ops::RangeInclusive<i64>) -> DeltaLog {
    let log = DeltaLog::at("a.b", location.clone()).unwrap();
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    log.open_or_create(Which::Newest, &schema, &[], &[], "")
        .await
        .unwrap();
    for batch in batches {
        commit(&log, batch).await;
    }
    log
}

#[tokio::test]
async fn what_is_held_goes_on_with_what_others_commit_and_knows_a_log_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let location = Url::from_directory_path(folder.path()).unwrap();
    let log = create(&location, 1..=3).await;
    let held = log.load().await.unwrap().unwrap();
    assert_eq!(held.txn("app"), Some(3));
    assert_eq!(held.txn("other"), None);

    // Beyond a checkpoint, too.
    let other = DeltaLog::at("a.b", location.clone()).unwrap();
    for batch in 4..=CHECKPOINT_EVERY as i64 + 5 {
        commit(&other, batch).await;
        let seen = log.load().await.unwrap().unwrap();
        assert_eq!(seen.version, batch as u64);
        assert_eq!(seen.txn("app"), Some(batch));
    }
    let early = log.load_at(2).await.unwrap();
    assert_eq!((early.version, early.txn("app")), (2, Some(2)));

    // Another table, with more versions than the one that is held; nothing goes on beside any more.
    log.settled().await;
    other.settled().await;
    std::fs::remove_dir_all(folder.path().join("_delta_log")).unwrap();
    let replaced = create(&location, 101..=140).await.load().await.unwrap().unwrap();
    let seen = log.load().await.unwrap().unwrap();
    assert_ne!(held.id, replaced.id);
    assert_eq!((seen.id, seen.version), (replaced.id, 40));
}

#[tokio::test]
async fn what_is_held_goes_on_as_if_all_were_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let location = Url::from_directory_path(folder.path()).unwrap();
    let log = DeltaLog::at("a.b", location.clone()).unwrap();
    let fields = ["day", "n"].map(|name| Field::new(name, DataType::Utf8, true));
    let partition = ["day".to_owned()];
    let schema = Schema::new(fields.to_vec());
    let mut held = log
        .open_or_create(Which::Newest, &schema, &partition, &[], "")
        .await
        .unwrap();
    let add = |name: &str, day: Option<&str>, size| {
        Action::Add(Add {
            path: name.to_owned(),
            partition_values: HashMap::from([("day".to_owned(), day.map(str::to_owned))]),
            size,
            modification_time: 5,
            data_change: true,
            stats: Some(json!({"numRecords": size * 2}).to_string()),
            ..Add::default()
        })
    };
    for number in 1..8 {
        let mut actions = vec![
            add(&format!("day=a b/{number} %.parquet"), Some("a b"), number),
            add(&format!("day=__HIVE_DEFAULT_PARTITION__/{number}"), None, number),
            // The same file again, with other words about it.
            add("again", Some("ä"), number),
        ];
        // The fifth is large enough for a checkpoint, by which the others are read then.
        let many = if number == 5 { CHECKPOINT_ACTIONS as i64 } else { 0 };
        actions.extend((0..many).map(|file| add(&format!("one of many {file}"), Some("c"), 9)));
        let oldest = held.files.iter().min_by_key(|file| file.size);
        actions.extend(oldest.and_then(|file| file.remove()).map(Action::Remove));
        let commit = Commit {
            operation: "CURATE",
            actions,
            ..Commit::default()
        };
        assert!(matches!(log.commit(&held, commit).await.unwrap(), Landed::At(_)));
        log.beside.ended().await;
        held = log.load().await.unwrap().unwrap();
        let anew = DeltaLog::at("a.b", location.clone()).unwrap();
        let anew = anew.load().await.unwrap().unwrap();
        let said = |snapshot: &Snapshot| {
            let said = snapshot.files.iter().map(|file| {
                let mut remove = serde_json::to_value(file.remove().unwrap()).unwrap();
                remove["deletionTimestamp"] = Value::Null;
                let path = file.path.to_string();
                (
                    path,
                    file.size,
                    file.partition.clone(),
                    file.rows(),
                    file.stats(),
                    remove,
                )
            });
            let mut said: Vec<_> = said.collect();
            said.sort_by(|one, other| one.0.cmp(&other.0));
            said
        };
        assert_eq!((held.version, &held.id), (anew.version, &anew.id));
        assert_eq!(said(&held), said(&anew));
        let checkpoint = format!("_delta_log/{number:020}.checkpoint.parquet");
        assert_eq!(folder.path().join(checkpoint).exists(), many > 0);
    }
}

/// A table in a bucket, and what counts its requests.
async fn in_bucket() -> (DeltaLog, Counting) {
    let root = Url::parse("s3://shop/a/b").unwrap();
    let store = Counting::new(Arc::new(InMemory::new()));
    let stores = Stores::default().with(&root, Arc::new(store.clone())).unwrap();
    let log = DeltaLog::new("a.b", stores.place(&root).unwrap(), Patience::default()).unwrap();
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    log.open_or_create(Which::Newest, &schema, &[], &[], "")
        .await
        .unwrap();
    (log, store)
}

/// An append that counts an application up to a number, once.
async fn append(log: &DeltaLog, app: String, to: i64) -> Appended {
    let base = log.known().await.unwrap().unwrap();
    let plan = move |snapshot: &Snapshot| {
        let is_next = snapshot.txn(&app).unwrap_or(0) == to - 1;
        Ok(is_next.then(|| Addition {
            txns: vec![(app.clone(), to)],
            ..Addition::default()
        }))
    };
    let append = Append {
        operation: "COUNT",
        about: serde_json::Map::new(),
        base,
        plan: Arc::new(plan),
    };
    log.append(append).await.unwrap()
}

#[tokio::test]
async fn appends_at_the_same_time_go_together_and_each_is_in_once() {
    let (log, _) = in_bucket().await;
    let all = (0..20).map(|app| append(&log, format!("app{app}"), 1));
    for appended in futures::future::join_all(all).await {
        assert!(matches!(appended, Appended::In(_)));
    }
    let seen = log.load().await.unwrap().unwrap();
    assert!((0..20).all(|app| seen.txn(&format!("app{app}")) == Some(1)));
    assert_eq!(seen.version, 1);
    // The same progress is stated by one commit after another, and what was done before by none.
    let (one, other, before) = tokio::join!(
        append(&log, "app0".to_owned(), 2),
        append(&log, "app0".to_owned(), 3),
        append(&log, "app1".to_owned(), 1),
    );
    assert!(matches!(
        (one, other),
        (Appended::In(_), Appended::Not(_) | Appended::In(_))
    ));
    assert!(matches!(before, Appended::Not(_)));
}

#[tokio::test]
async fn an_append_that_is_stopped_takes_no_other_along_and_others_commits_do_not_harm() {
    let (log, store) = in_bucket().await;
    store.begin();
    let mut first = Box::pin(append(&log, "first".to_owned(), 1));
    // It has the turn, and its commit waits for the store.
    let begun = tokio::time::timeout(std::time::Duration::from_millis(20), &mut first).await;
    assert!(begun.is_err());
    let second = append(&log, "second".to_owned(), 1);
    let second = async {
        tokio::join!(second, async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            drop(first);
        })
    };
    assert!(matches!(second.await.0, Appended::In(_)));
    store.end();
    // Another process commits: what is known here is old.
    let other = DeltaLog::new("a.b", log.place().clone(), Patience::default()).unwrap();
    append(&other, "other".to_owned(), 1).await;
    assert!(matches!(
        append(&log, "second".to_owned(), 2).await,
        Appended::In(_)
    ));
    let seen = log.load().await.unwrap().unwrap();
    assert_eq!((seen.txn("second"), seen.txn("other")), (Some(2), Some(1)));
}

#[tokio::test]
async fn a_checkpoint_in_a_bucket_reads_what_is_remembered_once() {
    let (log, store) = in_bucket().await;
    for batch in 1..=25 {
        commit(&log, batch).await;
    }
    log.settled().await;
    store.begin();
    log.checkpoint(25).await.unwrap();
    let requests = store.end();
    // Hint, listing, the checkpoint before, the new one and the new hint.
    assert!(requests.all.len() <= 5, "{requests}");
    let other = DeltaLog::new("a.b", log.place().clone(), Patience::default()).unwrap();
    assert_eq!(other.load().await.unwrap().unwrap().txn("app"), Some(25));
}

#[tokio::test]
async fn a_version_that_was_asked_for_by_number_is_not_taken_for_the_newest() {
    let (log, _) = in_bucket().await;
    let other = DeltaLog::new("a.b", log.place().clone(), Patience::default()).unwrap();
    commit(&other, 1).await;
    commit(&other, 2).await;
    let since = Instant::now();
    assert_eq!(log.load_at(1).await.unwrap().version, 1);
    assert_eq!(log.load_since(since).await.unwrap().unwrap().version, 2);
    // What is known from before the job is looked at again.
    commit(&other, 3).await;
    assert_eq!(log.known().await.unwrap().unwrap().version, 2);
    log.trusted.begin();
    assert_eq!(log.known().await.unwrap().unwrap().version, 3);
}
