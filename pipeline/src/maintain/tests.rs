//! What maintenance asks of a store.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use object_store::local::LocalFileSystem;
use url::Url;

use super::*;
use crate::contract::{SourceFile, load};
use crate::delta::Patience;
use crate::lake::Settings;
use crate::report::Silent;
use crate::request::Selection;
use crate::storage::Stores;
use crate::storage::counting::{Asked, Counting, Requests};

const VISITS: &str = r#"description = "One visit of a shop."
path      = "shop/{account}/{date}/{name}.csv"
format    = "csv"
keep      = "latest_row"
key       = ["day", "visit"]
newest_by = ["_generated_at", "_modified", "_row"]
partition = ["day"]
[columns]
day    = { type = "date", from = "_period" }
visit  = "text"
guests = "int"
"#;

async fn lake(folder: &Path, store: Counting) -> Lake {
    let root = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
    let settings = Settings {
        batch_objects: 1,
        ..Settings::of_test(&root)
    };
    let visits = SourceFile {
        path: "shop/visits.toml".to_owned(),
        text: VISITS.to_owned(),
    };
    let contracts = load(&[visits], &[]).unwrap();
    let lake = Lake::open(settings, Stores::default(), contracts, Vec::new()).await;
    lake.unwrap().over(Arc::new(store), Patience::hasty())
}

fn deliver(folder: &Path, names: std::ops::Range<u32>) {
    let raw = folder.join("raw/shop/main/2026-03-01");
    fs::create_dir_all(&raw).unwrap();
    for name in names {
        fs::write(
            raw.join(format!("{name:02}.csv")),
            format!("visit,guests\nv{name},2\n"),
        )
        .unwrap();
    }
}

/// Maintains the table so many days from now; what that did, and asked of the store.
async fn maintained(lake: &Lake, store: &Counting, days: i64) -> (MaintainedTable, Requests) {
    let options = MaintainOptions {
        tables: ["shop.visits".parse().unwrap()].into(),
        ..MaintainOptions::default()
    };
    store.begin();
    let report = maintain_at(lake, &options, Utc::now() + TimeDelta::days(days)).await;
    (report.unwrap().tables.remove(0), store.end())
}

fn data_files_read(requests: &Requests) -> usize {
    let data = requests.about("visits/day=").into_iter();
    data.filter(|request| request.asked == Asked::Get).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkpoint_remembers_is_not_read_again_and_many_files_go_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Counting::new(Arc::new(LocalFileSystem::new()));
    let lake = lake(folder.path(), store.clone()).await;
    deliver(folder.path(), 0..15);
    lake.run(&Selection::default(), &Silent).await.unwrap();
    let (first, _) = maintained(&lake, &store, 0).await;
    assert!(first.checkpoint.is_some_and(|version| version >= 10), "{first:?}");
    deliver(folder.path(), 15..16);
    lake.run(&Selection::default(), &Silent).await.unwrap();
    let (done, requests) = maintained(&lake, &store, 20).await;
    assert!(
        done.vacuumed_files >= 10,
        "{} {:?}",
        done.vacuumed_files,
        done.messages
    );
    let log = requests.about("visits/_delta_log");
    for version in 1..=10 {
        let entry = format!("{version:020}.json");
        assert!(
            log.iter().all(|request| !request.path.contains(&entry)),
            "{requests}"
        );
    }
    let deletes = requests
        .all
        .iter()
        .filter(|request| request.asked == Asked::Delete);
    assert!(deletes.count() <= 2, "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_within_the_retention_stays_also_where_a_checkpoint_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Counting::new(Arc::new(LocalFileSystem::new()));
    let lake = lake(folder.path(), store.clone()).await;
    deliver(folder.path(), 0..15);
    lake.run(&Selection::default(), &Silent).await.unwrap();
    for (days, goes) in [(0, false), (6, false), (8, true)] {
        let (done, _) = maintained(&lake, &store, days).await;
        assert_eq!(done.vacuumed_files >= 10, goes, "{days}: {}", done.vacuumed_files);
        assert!(goes || done.vacuumed_files == 0, "{days}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_looked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Counting::new(Arc::new(LocalFileSystem::new()));
    let lake = lake(folder.path(), store.clone()).await;
    deliver(folder.path(), 0..2);
    lake.run(&Selection::default(), &Silent).await.unwrap();
    let (_, first) = maintained(&lake, &store, 0).await;
    assert!(data_files_read(&first) > 0, "{first}");
    let (_, second) = maintained(&lake, &store, 0).await;
    assert_eq!(data_files_read(&second), 0, "{second}");
    deliver(folder.path(), 2..3);
    lake.run(&Selection::default(), &Silent).await.unwrap();
    let (_, third) = maintained(&lake, &store, 0).await;
    assert!(data_files_read(&third) > 0, "{third}");
}
