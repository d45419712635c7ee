//! Random logs, read here and by `deltalake`: both have to understand the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::DeltaTable;
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::{Action, Add, EagerSnapshot, Remove, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::*;

/// Names that are written with escapes in a log, and such that are not.
const NAMES: [&str; 6] = [
    "one.parquet",
    "day=a b/two.parquet",
    "day=ä/three %.parquet",
    "day=a%20b/four.parquet",
    "day=x:y/five#1.parquet",
    "day=__HIVE_DEFAULT_PARTITION__/six",
];
const DAYS: [Option<&str>; 4] = [Some("a b"), Some("ä"), Some("x:y%20"), None];
const APPS: [&str; 4] = ["marketlake:1", "claim:a.b", "record:a.b", "someone else's"];

/// A line of an entry.
#[derive(Debug, Clone)]
enum Line {
    Add {
        name: usize,
        day: usize,
        size: i64,
        is_counted: bool,
    },
    Remove(usize),
    Progress(usize, i64),
    /// Other properties.
    Definition(u8),
}

/// How a checkpoint is kept.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Whole,
    /// In so many files.
    Parts(usize),
    /// In so many files, the last of which its writer did not come to.
    Begun(usize),
}

/// What `_last_checkpoint` says.
#[derive(Debug, Clone, Copy)]
enum Hinted {
    Rightly,
    /// The file is not there.
    Nothing,
    /// A version of before.
    Earlier(usize),
    /// One that is still to come.
    Later,
    /// Half of a document.
    Garbage,
}

#[derive(Debug, Clone)]
struct Story {
    commits: Vec<Vec<Line>>,
    /// For some versions, counted from the last one.
    checkpoints: Vec<(usize, Kept)>,
    hinted: Hinted,
    /// Whether what the newest checkpoint stands for is gone.
    is_cleaned: bool,
    /// Whether others left in the log what is none of its versions.
    is_littered: bool,
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        5 => (0..NAMES.len(), 0..DAYS.len(), 0_i64..1000, any::<bool>()).prop_map(
            |(name, day, size, is_counted)| Line::Add { name, day, size, is_counted }
        ),
        3 => (0..NAMES.len()).prop_map(Line::Remove),
        2 => (0..APPS.len(), 0_i64..100).prop_map(|(app, version)| Line::Progress(app, version)),
        1 => (0_u8..3).prop_map(Line::Definition),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    let kept = prop_oneof![
        2 => Just(Kept::Whole),
        2 => (2_usize..5).prop_map(Kept::Parts),
        1 => (2_usize..5).prop_map(Kept::Begun),
    ];
    let hinted = prop_oneof![
        3 => Just(Hinted::Rightly),
        1 => Just(Hinted::Nothing),
        2 => (1_usize..6).prop_map(Hinted::Earlier),
        1 => Just(Hinted::Later),
        1 => Just(Hinted::Garbage),
    ];
    let commits = vec(vec(line(), 0..5), 1..12);
    let checkpoints = option::of(vec((0_usize..12, kept), 1..4)).prop_map(Option::unwrap_or_default);
    (commits, checkpoints, hinted, any::<bool>(), any::<bool>()).prop_map(
        |(commits, checkpoints, hinted, is_cleaned, is_littered)| Story {
            commits,
            checkpoints,
            hinted,
            is_cleaned,
            is_littered,
        },
    )
}

/// All that a version of a log comes to.
#[derive(Debug, PartialEq)]
struct Understood {
    version: u64,
    /// By path: size, partition values, statistics.
    files: BTreeMap<String, (u64, PartitionMap, Option<Value>)>,
    progress: BTreeMap<&'static str, Option<i64>>,
    metadata: Value,
    protocol: Value,
}

type PartitionMap = BTreeMap<String, Option<String>>;

fn understood(read: &Read) -> Understood {
    let state = &read.state;
    let files = state.files.iter().map(|file| {
        let partition = file.partition.clone().into_iter().collect();
        (file.path.to_string(), (file.size, partition, file.stats()))
    });
    let files: BTreeMap<_, _> = files.collect();
    assert_eq!(files.len(), state.files.len(), "a file is there twice");
    Understood {
        version: read.version,
        files,
        progress: APPS.map(|app| (app, state.txns.get(app).copied())).into(),
        metadata: serde_json::to_value(state.metadata.as_deref().unwrap()).unwrap(),
        protocol: serde_json::to_value(state.protocol.as_deref().unwrap()).unwrap(),
    }
}

async fn understood_by_others(log: &LogStoreRef, version: u64) -> Understood {
    let eager = EagerSnapshot::try_new(log.as_ref(), Some(version)).await.unwrap();
    let files = eager.try_log_data().unwrap();
    let files = files.iter().map(|file| {
        let stats = file.stats().and_then(|stats| serde_json::from_str(&stats).ok());
        // It makes an empty document of none.
        let stats = stats.filter(|stats| *stats != json!({}));
        let partition = file.partition_values_map().into_iter().collect();
        (
            file.object_store_path().to_string(),
            (file.size() as u64, partition, stats),
        )
    });
    let files = files.collect();
    let mut progress = BTreeMap::new();
    for app in APPS {
        progress.insert(app, eager.transaction_version(log.as_ref(), app).await.unwrap());
    }
    Understood {
        version: eager.version(),
        files,
        progress,
        metadata: serde_json::to_value(eager.metadata()).unwrap(),
        protocol: serde_json::to_value(eager.protocol()).unwrap(),
    }
}

fn log_of(store: &Arc<dyn ObjectStore>) -> LogStoreRef {
    let top = Url::parse("file:///").unwrap();
    default_logstore(store.clone(), store.clone(), &top, &StorageConfig::default())
}

fn in_log(name: &str) -> Path {
    Path::from_iter(["_delta_log"].into_iter().chain(name.split('/')))
}

async fn put(store: &dyn ObjectStore, name: &str, content: impl Into<Bytes>) {
    store.put(&in_log(name), content.into().into()).await.unwrap();
}

fn definition(number: u8) -> Action {
    let schema = json!({"type": "struct", "fields": [
        {"name": "day", "type": "string", "nullable": true, "metadata": {}},
        {"name": "n", "type": "long", "nullable": true, "metadata": {"comment": "A number."}},
    ]});
    let metadata = json!({
        "id": "11111111-1111-4111-8111-111111111111",
        "name": "a.b",
        "description": format!("Version {number} of what it means."),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema.to_string(),
        "partitionColumns": ["day"],
        "configuration": {"marketlake.number": number.to_string()},
        "createdTime": 1_770_000_000_000_i64,
    });
    Action::Metadata(serde_json::from_value(metadata).unwrap())
}

fn entry(version: usize, lines: &[Line]) -> Bytes {
    let mut actions = Vec::new();
    if version == 0 {
        let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
        actions.push(Action::Protocol(serde_json::from_value(protocol).unwrap()));
        actions.push(definition(0));
    }
    // What a commit says twice of the same thing has no meaning.
    let (mut named, mut defined) = (BTreeSet::new(), version == 0);
    for line in lines {
        let file = |name: usize| NAMES[name].to_owned();
        match *line {
            Line::Add {
                name,
                day,
                size,
                is_counted,
            } if named.insert(file(name)) => {
                let stats = json!({"numRecords": size, "minValues": {"n": 1}, "maxValues": {"n": size}});
                actions.push(Action::Add(Add {
                    path: file(name),
                    partition_values: HashMap::from([("day".to_owned(), DAYS[day].map(str::to_owned))]),
                    size,
                    modification_time: 1_770_000_000_000,
                    data_change: true,
                    stats: is_counted.then(|| stats.to_string()),
                    ..Add::default()
                }));
            }
            Line::Remove(name) if named.insert(file(name)) => actions.push(Action::Remove(Remove {
                path: file(name),
                data_change: true,
                deletion_timestamp: Some(1_770_000_000_000),
                ..Remove::default()
            })),
            Line::Progress(app, of) if named.insert(APPS[app].to_owned()) => {
                actions.push(Action::Txn(Transaction::new(APPS[app], of)));
            }
            Line::Definition(number) if !std::mem::replace(&mut defined, true) => {
                actions.push(definition(number));
            }
            _ => {}
        }
    }
    let lines = actions
        .iter()
        .map(|action| serde_json::to_string(action).unwrap() + "\n");
    lines.collect::<String>().into()
}

/// Puts a checkpoint as the first few of many files, each with some of its rows.
async fn split(store: &dyn ObjectStore, version: u64, content: Bytes, parts: usize, written: usize) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content).unwrap();
    let schema = reader.schema().clone();
    let rows: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let rows = arrow::compute::concat_batches(&schema, &rows).unwrap();
    for part in 0..written {
        let (from, to) = (
            rows.num_rows() * part / parts,
            rows.num_rows() * (part + 1) / parts,
        );
        let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), None).unwrap();
        writer.write(&rows.slice(from, to - from)).unwrap();
        let name = format!("{version:020}.checkpoint.{:010}.{parts:010}.parquet", part + 1);
        put(store, &name, writer.into_inner().unwrap()).await;
    }
}

/// What others leave in a log that is at `newest`; none of it is in the table.
async fn litter(store: &dyn ObjectStore, newest: u64) {
    let next = newest + 1;
    let lie = entry(
        1,
        &[
            Line::Add {
                name: 0,
                day: 0,
                size: 77,
                is_counted: false,
            },
            Line::Progress(0, 77),
        ],
    );
    for name in [
        format!("{:020}.{newest:020}.compacted.json", newest.saturating_sub(3)),
        format!("{next:020}.json.tmp"),
        format!("{next:020}.crc"),
        format!(".{next:020}.json.crc"),
        format!("_staged_commits/{next:020}.0b0b0b0b-0000-4000-8000-000000000000.json"),
        format!(".tmp/{next:020}.json"),
        "_commit_0b0b0b0b-0000-4000-8000-000000000000.json.tmp".to_owned(),
    ] {
        put(store, &name, lie.clone()).await;
    }
}

/// The checkpoint that others write of a version, from nothing but the entries.
async fn checkpoint(log: &LogStoreRef, store: &dyn ObjectStore, version: u64) -> Bytes {
    let mut table = DeltaTable::new(log.clone());
    table.load_version(version).await.unwrap();
    create_checkpoint(&table, None).await.unwrap();
    let path = in_log(&format!("{version:020}.checkpoint.parquet"));
    let content = store.get(&path).await.unwrap().bytes().await.unwrap();
    store.delete(&path).await.unwrap();
    store.delete(&in_log("_last_checkpoint")).await.unwrap();
    content
}

async fn check(story: Story) {
    let (plain, store): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), InMemory::new());
    let log = log_of(&plain);
    for (version, lines) in story.commits.iter().enumerate() {
        let (name, entry) = (format!("{version:020}.json"), entry(version, lines));
        put(&plain, &name, entry.clone()).await;
        put(&store, &name, entry).await;
    }
    let newest = story.commits.len() as u64 - 1;
    let mut wanted = Vec::new();
    for version in 0..=newest {
        wanted.push(understood_by_others(&log, version).await);
    }

    let mut oldest = None;
    let checkpoints: BTreeMap<u64, Kept> = (story.checkpoints.iter())
        .filter_map(|(before, kept)| Some((newest.checked_sub(*before as u64)?, *kept)))
        .collect();
    for (version, kept) in checkpoints {
        let content = checkpoint(&log, &plain, version).await;
        match kept {
            Kept::Whole => put(&store, &format!("{version:020}.checkpoint.parquet"), content).await,
            Kept::Parts(parts) => split(&store, version, content, parts, parts).await,
            Kept::Begun(parts) => split(&store, version, content, parts, parts - 1).await,
        }
        if !matches!(kept, Kept::Begun(_)) {
            oldest = Some(version);
        }
    }
    let hint = match story.hinted {
        Hinted::Rightly => oldest.map(|version| json!({"version": version, "size": 1}).to_string()),
        Hinted::Nothing => None,
        Hinted::Earlier(before) => {
            let version = newest.saturating_sub(before as u64);
            Some(json!({"version": version, "size": 1}).to_string())
        }
        Hinted::Later => Some(json!({"version": newest + 7, "size": 1}).to_string()),
        Hinted::Garbage => Some("{\"version\":".to_owned()),
    };
    if let Some(text) = hint {
        put(&store, "_last_checkpoint", text).await;
    }
    let oldest = oldest.filter(|_| story.is_cleaned).unwrap_or(0);
    for version in 0..oldest {
        store
            .delete(&in_log(&format!("{version:020}.json")))
            .await
            .unwrap();
    }
    if story.is_littered {
        litter(&store, newest).await;
    }

    let found = read(&store, None).await.unwrap().unwrap();
    assert_eq!(understood(&found), wanted[newest as usize]);
    for version in oldest..=newest {
        let found = read(&store, Some(version)).await.unwrap().unwrap();
        assert_eq!(understood(&found), wanted[version as usize]);
        let later = read_on(&store, version, &found.state, None).await.unwrap();
        match later {
            Some(later) => assert_eq!(understood(&later), wanted[newest as usize]),
            None => assert_eq!(version, newest),
        }
    }
    assert!(read(&store, Some(newest + 1)).await.unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_understood_as_others_understand_it(story in story()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(story));
    }
}

#[tokio::test]
async fn a_place_without_a_log_has_no_version() {
    let store = InMemory::new();
    assert!(read(&store, None).await.unwrap().is_none());
    put(&store, "_last_checkpoint", r#"{"version": 3, "size": 1}"#).await;
    assert!(read(&store, None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_log_that_lacks_an_entry_is_refused() {
    let store = InMemory::new();
    for version in [0_usize, 1, 3] {
        put(&store, &format!("{version:020}.json"), entry(version, &[])).await;
    }
    let error = read(&store, None).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Foreign);
    assert!(error.to_string().contains("lacks an entry"), "{error}");
    assert_eq!(read(&store, Some(1)).await.unwrap().unwrap().version, 1);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 3);
}
