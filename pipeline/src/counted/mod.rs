//! What is asked of a bucket: requests, and answers that have to be waited for one after another. Counts, not times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::json;
use url::Url;

use crate::Stores;
use crate::contract::{PathPattern, SourceFile, builtin, load};
use crate::delta::{Commit, DeltaLog, Landed, Patience, Which};
use crate::lake::{Lake, Settings};
use crate::raw::account::Account;
use crate::report::{Outcome, Silent};
use crate::request::{DayFolder, Selection};
use crate::storage::Place;
use crate::storage::counting::{Asked, Counting, Request, Requests};
use crate::system::ledger::Ledger;

/// Few commits and many, behind which everything costs the same.
const HISTORIES: [u64; 2] = [10, 10_000];
const BUCKET: &str = "s3://retail/";

fn bucket() -> Counting {
    Counting::new(Arc::new(InMemory::new()))
}

fn stores(bucket: &Counting) -> Stores {
    let root = Url::parse(BUCKET).unwrap();
    Stores::default().with(&root, Arc::new(bucket.clone())).unwrap()
}

fn place(bucket: &Counting, path: &str) -> Place {
    let root = Url::parse(BUCKET).unwrap();
    stores(bucket).place(&root.join(path).unwrap()).unwrap()
}

/// Adds commits to a log that say nothing, the last of them as the log itself does.
async fn lengthen(bucket: &Counting, log: &DeltaLog, to: u64) {
    let from = log.load().await.unwrap().unwrap().version + 1;
    for version in from..to {
        let entry = json!({"commitInfo": {"timestamp": version, "operation": "NOTHING"}});
        let path = log
            .place()
            .path()
            .clone()
            .join("_delta_log")
            .join(format!("{version:020}.json"));
        let entry = Bytes::from(entry.to_string());
        bucket.put(&path, entry.into()).await.unwrap();
    }
    let checkpointed = to - to % 20;
    if checkpointed >= from {
        log.checkpoint(checkpointed - 1).await.unwrap();
    }
    let base = log.load().await.unwrap().unwrap();
    assert!(matches!(
        log.commit(&base, Commit::default()).await.unwrap(),
        Landed::At(_)
    ));
    log.settled().await;
}

#[tokio::test]
async fn a_table_is_opened_in_three_round_trips_however_long_its_log_is() {
    for history in HISTORIES {
        let bucket = bucket();
        let place = place(&bucket, "curated/a/b");
        let log = DeltaLog::new("a.b", place.clone(), Patience::default()).unwrap();
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
        log.open_or_create(Which::Newest, &schema, &[], &[], "")
            .await
            .unwrap();
        lengthen(&bucket, &log, history).await;
        bucket.begin();
        let other = DeltaLog::new("a.b", place, Patience::default()).unwrap();
        let seen = other.load().await.unwrap().unwrap();
        let asked = bucket.end();
        assert_eq!(seen.version, history);
        assert!(
            asked.in_sequence <= 3 && asked.all.len() <= 25,
            "{history}: {asked}"
        );
        // Another look asks whether it is still the newest version.
        bucket.begin();
        other.load().await.unwrap();
        let asked = bucket.end();
        assert_eq!((asked.in_sequence, asked.all.len()), (1, 2), "{asked}");
    }
}

#[tokio::test]
async fn a_commit_that_writes_a_checkpoint_waits_for_no_more_answers() {
    let bucket = bucket();
    let log = DeltaLog::new("a.b", place(&bucket, "curated/a/b"), Patience::default()).unwrap();
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    let mut base = log
        .open_or_create(Which::Newest, &schema, &[], &[], "")
        .await
        .unwrap();
    let mut rounds = Vec::new();
    for _ in 1..=20 {
        bucket.begin();
        let Landed::At(next) = log.commit(&base, Commit::default()).await.unwrap() else {
            panic!("nobody else commits");
        };
        rounds.push(bucket.end().in_sequence);
        base = next;
    }
    assert_eq!(rounds, [1; 20]);
    log.settled().await;
    let hint = place(&bucket, "curated/a/b/_delta_log")
        .read("_last_checkpoint")
        .await
        .unwrap();
    assert!(hint.is_some(), "version {} has a checkpoint", base.version);
}

/// A path that a pattern takes for one of an account and of this minute.
fn path_of(pattern: &PathPattern, account: &str, number: usize) -> String {
    let now = Utc::now();
    let text = pattern.to_string();
    let text = text
        .replace("[{name}]", "")
        .replace("[.gz]", "")
        .replace("[{part}]", "");
    let named = text
        .replace("{account}", account)
        .replace("{name}", &format!("{account}-{number}"));
    [
        "date/%Y-%m-%d",
        "year/%Y",
        "month/%m",
        "day/%d",
        "hour/%H",
        "minute/%M",
    ]
    .iter()
    .fold(named, |text, word| {
        let (word, format) = word.split_once('/').unwrap();
        text.replace(&format!("{{{word}}}"), &now.format(format).to_string())
    })
}

/// A lake of all built-in tables, with two accounts each.
async fn builtin_lake(bucket: &Counting) -> Lake {
    let contracts = load(&builtin(), &[]).unwrap();
    let sources: std::collections::BTreeSet<&str> =
        contracts.keys().map(|name| name.source.as_str()).collect();
    let account = |source: &str, alias: &str| -> Account {
        serde_json::from_value(json!({"source": source, "alias": alias})).unwrap()
    };
    let accounts = sources
        .iter()
        .flat_map(|source| ["one", "two"].map(|alias| account(source, alias)))
        .collect();
    let root = Url::parse(BUCKET).unwrap();
    let settings = Settings {
        curated: root.join("lake/curated/").unwrap(),
        raw: root.join("lake/raw/").unwrap(),
        batch_objects: 1000,
        batch_bytes: 1 << 30,
        lookback_days: 3,
        busy_wait: Duration::ZERO,
        personal_key: Some("a key".into()),
        memory_limit: 1 << 28,
        spill_dir: None,
        spill_limit: None,
    };
    Lake::open(settings, stores(bucket), contracts, accounts)
        .await
        .unwrap()
}

/// Delivers an object to each raw-fed table and account. What is in it is nothing that a table could read, which is as good a
/// batch as any.
async fn deliver(bucket: &Counting, lake: &Lake, number: usize) {
    for contract in lake.contracts().values() {
        let patterns = contract
            .raw_feed()
            .map(|feed| feed.paths.as_slice())
            .unwrap_or_default();
        for pattern in patterns.iter().take(1) {
            for account in ["one", "two"] {
                let path = path_of(pattern, account, number);
                assert!(pattern.matches(&path).is_some(), "{pattern} does not take {path}");
                let path = Path::from(format!("lake/raw/{path}"));
                bucket.put(&path, "?".into()).await.unwrap();
            }
        }
    }
}

async fn run(lake: &Lake) -> Vec<Outcome> {
    let report = lake.run(&Selection::default(), &Silent).await.unwrap();
    assert!(report.unfinished.is_empty(), "{:?}", report.unfinished);
    report.tables.iter().map(|table| table.outcome).collect()
}

#[tokio::test]
async fn a_quiet_run_asks_the_ledger_and_listings_alone() {
    let bucket = bucket();
    let lake = builtin_lake(&bucket).await;
    for number in 0..2 {
        deliver(&bucket, &lake, number).await;
        let outcomes = run(&lake).await;
        let done = outcomes.iter().filter(|outcome| **outcome != Outcome::Unchanged);
        assert!(done.count() > 15, "{outcomes:?}");
    }
    let log = Ledger::log(lake.curated()).unwrap();
    for history in HISTORIES {
        let newest = log.load().await.unwrap().unwrap().version;
        lengthen(&bucket, &log, newest + history).await;
        bucket.begin();
        // As a process of its own that knows nothing.
        let lake = builtin_lake(&bucket).await;
        let outcomes = run(&lake).await;
        let asked = bucket.end();
        assert!(
            outcomes.iter().all(|outcome| *outcome == Outcome::Unchanged),
            "{outcomes:?}"
        );
        assert!(
            asked.all.len() <= 120 && asked.in_sequence <= 8,
            "{history}: {asked}"
        );
        let is_reading = |request: &Request| match request.asked {
            Asked::List if !request.path.contains("/curated/") => true,
            Asked::Put | Asked::Delete => false,
            _ => request.path.contains("/curated/marketlake/ledger/"),
        };
        assert!(asked.all.iter().all(is_reading), "{asked}");
    }
}

/// A lake of two tables that read the same objects, in the second of which a number is of this type.
async fn shops(bucket: &Counting, number: &str) -> Lake {
    let contract = |table: &str, number: &str| SourceFile {
        path: format!("shop/{table}.toml"),
        text: format!(
            "description = \"One.\"\npath = \"shop/{{account}}/{{date}}/{{name}}.csv\"\nformat = \"csv\"\nkeep = \"every_row\"\n\
             key = [\"id\"]\n[columns]\nid = \"text\"\nguests = \"{number}\"\n"
        ),
    };
    let files = [contract("visits", "int"), contract("held", number)];
    let root = Url::parse(BUCKET).unwrap().join("lake/").unwrap();
    let settings = Settings {
        curated: root.join("curated/").unwrap(),
        raw: root.join("raw/").unwrap(),
        ..Settings::of_test(&root)
    };
    let contracts = load(&[], &files).unwrap();
    Lake::open(settings, stores(bucket), contracts, Vec::new())
        .await
        .unwrap()
}

/// A run of which events have told of these days: how many objects tables took in, and what was listed of the raw zone.
async fn told_of(
    bucket: &Counting,
    lake: &Lake,
    days: &[u32],
) -> (BTreeMap<String, (Outcome, u64)>, Requests) {
    let folders = days.iter().map(|day| DayFolder {
        source: "shop".to_owned(),
        account: Some("corner".to_owned()),
        day: NaiveDate::from_ymd_opt(2026, 3, *day).unwrap(),
    });
    let selection = Selection {
        folders: Some(Arc::new(folders.collect())),
        ..Selection::default()
    };
    bucket.begin();
    let report = lake.run(&selection, &Silent).await.unwrap();
    let mut asked = bucket.end();
    asked
        .all
        .retain(|request| request.asked == Asked::List && request.path.contains("/raw/"));
    let tables = report.tables.into_iter();
    let tables = tables.map(|table| (table.table, (table.outcome, table.counts.objects)));
    (tables.collect(), asked)
}

#[tokio::test]
async fn while_a_table_is_held_only_what_events_name_is_listed_and_it_catches_up_when_it_goes_on() {
    let bucket = bucket();
    let deliver = async |day: u32| {
        let path = Path::from(format!("lake/raw/shop/corner/2026-03-{day:02}/v.csv"));
        let rows = format!("id,guests\nv{day},1\n");
        bucket.put(&path, rows.into()).await.unwrap();
    };
    deliver(1).await;
    let lake = shops(&bucket, "int").await;
    let of_an_account = Selection {
        account: Some("corner".to_owned()),
        ..Selection::default()
    };
    lake.run(&of_an_account, &Silent).await.unwrap();
    // A number that becomes a text holds the table.
    let lake = shops(&bucket, "text").await;
    deliver(2).await;
    deliver(3).await;
    // It is time to look through everything, for the table that goes on.
    let (tables, asked) = told_of(&bucket, &lake, &[2]).await;
    assert_eq!(tables["shop.visits"], (Outcome::Updated, 2));
    assert_eq!(tables["shop.held"], (Outcome::Held, 0));
    assert!(!asked.all.is_empty());
    for day in [4, 5] {
        deliver(day).await;
        let (tables, asked) = told_of(&bucket, &lake, &[day]).await;
        assert_eq!(tables["shop.visits"], (Outcome::Updated, 1));
        assert_eq!(tables["shop.held"], (Outcome::Held, 0));
        let paths: Vec<&str> = asked.all.iter().map(|request| request.path.as_str()).collect();
        let folder = format!("lake/raw/shop/corner/2026-03-{day:02}");
        assert!(
            matches!(&paths[..], [path] if path.starts_with(&folder)),
            "{paths:?}"
        );
    }
    let (_, asked) = told_of(&bucket, &lake, &[]).await;
    assert!(asked.all.is_empty(), "{asked}");
    // As it was it goes on, with all that events told of meanwhile.
    let lake = shops(&bucket, "int").await;
    let (tables, _) = told_of(&bucket, &lake, &[]).await;
    assert_eq!(tables["shop.visits"], (Outcome::Unchanged, 0));
    assert_eq!(tables["shop.held"], (Outcome::Updated, 4));
    let (_, asked) = told_of(&bucket, &lake, &[]).await;
    assert!(asked.all.is_empty(), "{asked}");
}
