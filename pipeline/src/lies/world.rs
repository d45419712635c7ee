//! A lake of four tables, what is done to it, and what has to hold afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use object_store::ObjectStore;
use tempfile::TempDir;
use url::Url;

use crate::contract::{SourceFile, TableName, load};
use crate::delta::Patience;
use crate::lake::{Lake, Settings};
use crate::report::{MaintainReport, RunReport, Silent, TableReport};
use crate::request::{MaintainOptions, QuarantineFilter, RebuildOptions, Selection};
use crate::storage::Stores;
use crate::system::ledger::Ledger;

use super::liar::{Liar, Rng};

const VISITS: &str = r#"description = "One visit."
path      = "shop/{account}/visits/{date}/{name}.csv"
format    = "csv"
keep      = "latest_row"
key       = ["visit"]
newest_by = ["_modified", "_row"]
partition = ["day"]
key_window = "1d"
[columns]
day    = { type = "date", from = "_period" }
visit  = "text"
guests = "int"
[checks]
somebody = { sql = "guests > 0", else = "quarantine" }
"#;

const PRICES: &str = r#"description = "Prices of a day."
path      = "shop/{account}/prices/{date}/{name}.csv"
format    = "csv"
keep      = "latest_document"
per       = ["day"]
covers    = "rows"
newest_by = ["_modified"]
partition = ["day"]
[columns]
day   = { type = "date", from = "_period" }
item  = "text"
price = "int"
"#;

const EVENTS: &str = r#"description = "One event."
path      = "shop/{account}/events/{date}/{name}.csv"
format    = "csv"
keep      = "every_row"
key       = ["day", "event"]
partition = ["day"]
[columns]
day   = { type = "date", from = "_period" }
event = "text"
"#;

const DAILY: &str = r#"description = "Guests of a day."
inputs    = ["shop.visits"]
key       = ["day"]
recompute = ["day"]
partition = ["day"]
[columns]
day    = "date"
guests = "int"
"#;

const DAILY_SQL: &str = "SELECT day, sum(guests) AS guests FROM shop.visits GROUP BY day";

const TABLES: [(&str, &str); 4] = [
    ("shop.visits", "day, visit, guests"),
    ("shop.prices", "day, item, price"),
    ("shop.events", "day, event"),
    ("shop.daily", "day, guests"),
];

/// Something that is done to a lake.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Run,
    Replay,
    Maintain,
    Rebuild(&'static str),
}

/// A lake in a store that lies, and the same raw zone for an honest one.
pub(super) struct World {
    folder: TempDir,
    lake: Lake,
    rng: Rng,
    delivered: u64,
}

fn lake_settings(folder: &TempDir, curated: &str) -> Settings {
    let root = Url::from_directory_path(folder.path().canonicalize().unwrap()).unwrap();
    Settings {
        curated: root.join(curated).unwrap(),
        batch_objects: 3,
        ..Settings::of_test(&root)
    }
}

async fn lake(folder: &TempDir, curated: &str) -> Lake {
    let file = |path: &str, text: &str| SourceFile {
        path: format!("shop/{path}"),
        text: text.to_owned(),
    };
    let files = [
        file("visits.toml", VISITS),
        file("prices.toml", PRICES),
        file("events.toml", EVENTS),
        file("daily.toml", DAILY),
        file("daily.sql", DAILY_SQL),
    ];
    let contracts = load(&files, &[]).unwrap();
    Lake::open(
        lake_settings(folder, curated),
        Stores::default(),
        contracts,
        Vec::new(),
    )
    .await
    .unwrap()
}

fn name(table: &str) -> TableName {
    table.parse().unwrap()
}

fn text(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).unwrap().to_string()
}

impl World {
    pub(super) async fn new(seed: u64, liar: Arc<Liar>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(&folder, "curated")
            .await
            .over(liar as Arc<dyn ObjectStore>, Patience::hasty());
        Self {
            folder,
            lake,
            rng: Rng(seed ^ 0xabcd),
            delivered: 0,
        }
    }

    /// The same lake, seen through an honest store.
    async fn seen(&self) -> Lake {
        lake(&self.folder, "curated").await
    }

    /// Delivers an object of each kind, or of two.
    pub(super) fn deliver(&mut self) {
        for kind in ["visits", "prices", "events"] {
            if kind == "visits" || self.rng.below(2) == 0 {
                self.deliver_one(kind);
            }
        }
    }

    pub(super) fn deliver_one(&mut self, kind: &str) {
        // Far enough from each other that a visit can be found twice.
        let day = 1 + 3 * self.rng.below(3);
        self.deliver_on(kind, day);
    }

    pub(super) fn deliver_on(&mut self, kind: &str, day: u64) {
        self.delivered += 1;
        let path: PathBuf = self
            .folder
            .path()
            .join(format!("raw/shop/main/{kind}/2026-03-{day:02}"));
        fs::create_dir_all(&path).unwrap();
        let mut lines = String::from(match kind {
            "visits" => "visit,guests\n",
            "prices" => "item,price\n",
            _ => "event\n",
        });
        for _ in 0..1 + self.rng.below(4) {
            let (what, number) = (self.rng.below(12), self.rng.below(6));
            lines += &match kind {
                "events" => format!("e{}\n", self.rng.below(1000)),
                _ => format!("{kind}{what},{number}\n"),
            };
        }
        let file = path.join(format!("{:04}.csv", self.delivered));
        fs::write(&file, lines).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000 + self.delivered);
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }

    pub(super) fn draw_step(&mut self) -> Step {
        match self.rng.below(12) {
            0 => Step::Replay,
            1 | 2 => Step::Maintain,
            3 => Step::Rebuild("shop.visits"),
            4 => Step::Rebuild("shop.prices"),
            5 => Step::Rebuild("shop.daily"),
            _ => Step::Run,
        }
    }

    /// Does it; what the report says has to be so.
    pub(super) async fn take(&mut self, step: Step) {
        let before = self.standing().await;
        let report = match step {
            Step::Run => self.lake.run(&Selection::default(), &Silent).await,
            Step::Replay => {
                self.lake
                    .quarantine_replay(&QuarantineFilter::default(), &Silent)
                    .await
            }
            Step::Rebuild(table) => {
                self.lake
                    .rebuild(&RebuildOptions::whole(name(table)), &Silent)
                    .await
            }
            Step::Maintain => {
                // What it says of a table is asked where only one thing goes wrong.
                let _ = self.lake.maintain(&MaintainOptions::default()).await;
                return;
            }
        };
        // A put that was said to have failed may still be under way.
        tokio::time::sleep(Duration::from_millis(60)).await;
        let after = self.standing().await;
        let tables = report.map(|report| report.tables).unwrap_or_default();
        for (table, now) in after {
            let was = before.get(&table).cloned().unwrap_or_default();
            let told = tables.iter().find(|report| report.table == table);
            assert_true(step, told, &was, &now);
        }
    }

    /// Batches of each table: in the table, and recorded.
    async fn standing(&self) -> BTreeMap<String, Standing> {
        let lake = self.seen().await;
        let mut standing = BTreeMap::new();
        let Some(ledger) = Ledger::open_existing(lake.curated()).await.unwrap() else {
            return standing;
        };
        for (table, _) in TABLES {
            let log = lake.table_log(&name(table)).unwrap();
            if let Some(snapshot) = log.load().await.unwrap() {
                let now = Standing {
                    taken: ledger.taken(&snapshot),
                    recorded: ledger.progress(&name(table)).recorded,
                };
                standing.insert(table.to_owned(), now);
            }
        }
        standing
    }

    /// Makes the ledger and the tables of the record.
    pub(super) async fn create(&mut self) {
        self.deliver_one("events");
        let report = self.run_of("shop.events").await;
        assert_eq!(report.exit_code(), 0, "{report:?}");
    }

    pub(super) async fn run_of(&self, table: &str) -> RunReport {
        let selection = Selection {
            tables: [name(table)].into(),
            ..Selection::default()
        };
        self.lake.run(&selection, &Silent).await.unwrap()
    }

    pub(super) async fn rebuild(&self, table: &str) -> RunReport {
        self.lake
            .rebuild(&RebuildOptions::whole(name(table)), &Silent)
            .await
            .unwrap()
    }

    pub(super) async fn maintain(&self) -> MaintainReport {
        self.lake.maintain(&MaintainOptions::default()).await.unwrap()
    }

    /// Rows of a table as text, through an honest store.
    pub(super) async fn rows(&self, table: &str) -> String {
        rows(&self.seen().await, table).await
    }

    /// How many data files lie in the folder of a table, and how many of them are live.
    pub(super) async fn files(&self, table: &str) -> (usize, usize) {
        let log = self.seen().await.table_log(&name(table)).unwrap();
        let all: Vec<_> = log.store().list(None).try_collect().await.unwrap();
        let is_data = |path: &str| path.ends_with(".parquet") && !path.contains("_delta_log");
        let written = all.iter().filter(|meta| is_data(meta.location.as_ref()));
        let live = log.load().await.unwrap().unwrap().files.len();
        (written.count(), live)
    }

    /// Brings the lake to rest in an honest store, and compares it with one that was never lied to.
    pub(super) async fn assert_sound(&self) {
        let seen = self.seen().await;
        settle(&seen).await;
        let honest = lake(&self.folder, "honest").await;
        settle(&honest).await;
        for (table, _) in TABLES {
            assert_eq!(rows(&seen, table).await, rows(&honest, table).await, "{table}");
        }
        let rejects = async |lake: &Lake| -> Vec<_> {
            let found = lake.quarantine_list(&QuarantineFilter::default()).await.unwrap();
            found
                .into_iter()
                .map(|group| format!("{:?} {:?} {:?}", group.table, group.object, group.reason))
                .collect()
        };
        assert_eq!(rejects(&seen).await, rejects(&honest).await);
        for (what, sql) in [
            (
                "claims and results twice",
                "SELECT table_name, batch, object, entry FROM marketlake.ledger GROUP BY 1, 2, 3, 4 HAVING count(*) > 1",
            ),
            (
                "objects without result",
                "SELECT table_name, object FROM marketlake.ledger GROUP BY 1, 2 \
                 HAVING max(CASE entry WHEN 'result' THEN 1 ELSE 0 END) = 0",
            ),
            (
                "records of one batch",
                "SELECT table_name, version FROM marketlake.runs WHERE batches = 1 GROUP BY 1, 2 HAVING count(*) > 1",
            ),
            (
                "batches without record",
                "SELECT l.table_name, l.n, r.n FROM \
                 (SELECT table_name, count(DISTINCT batch) AS n FROM marketlake.ledger \
                 WHERE entry = 'result' GROUP BY 1) l \
                 LEFT JOIN (SELECT table_name, sum(batches) AS n FROM marketlake.runs GROUP BY 1) r \
                 ON r.table_name = l.table_name WHERE coalesce(r.n, 0) <> l.n",
            ),
            (
                "rejects twice",
                "SELECT table_name, batch, object, \"row\" FROM marketlake.quarantine GROUP BY 1, 2, 3, 4 HAVING count(*) > 1",
            ),
        ] {
            if sql.contains("marketlake.quarantine") && !self.exists(&seen, "marketlake.quarantine").await {
                continue;
            }
            let found = seen.query(sql).await.unwrap();
            let count: usize = found.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(count, 0, "{what}: {}", text(&found));
        }
        for (table, _) in TABLES {
            let sql = format!(
                "SELECT (SELECT count(*) FROM {table}) AS rows, (SELECT sum(rows_inserted - rows_removed) \
                 FROM marketlake.changes WHERE table_name = '{table}') AS changes"
            );
            if self.exists(&seen, table).await {
                let said = text(&seen.query(&sql).await.unwrap());
                let cells: Vec<&str> = said.lines().nth(3).unwrap().split('|').map(str::trim).collect();
                assert!(
                    cells[1] == cells[2] || (cells[1] == "0" && cells[2].is_empty()),
                    "{table}: {said}"
                );
            }
        }
    }

    async fn exists(&self, lake: &Lake, table: &str) -> bool {
        lake.table_log(&name(table)).unwrap().exists().await.unwrap()
    }
}

/// Batches of a table.
#[derive(Debug, Clone, Default)]
struct Standing {
    taken: i64,
    recorded: i64,
}

/// A report counts the batches that came in, those before it that it recorded included, and no other.
fn assert_true(step: Step, told: Option<&TableReport>, was: &Standing, now: &Standing) {
    let counted = told.map_or(0, |told| told.batches);
    let unknown = told.is_some_and(|told| told.messages.iter().any(|message| message.contains("not known")));
    // A rebuild passes over numbers that were claimed and never came in.
    let came = match step {
        Step::Rebuild(_) => i64::from(now.taken > was.taken),
        _ => now.taken - was.taken,
    };
    let made_up = i64::from(was.recorded < was.taken);
    let is_true = (came..=came + made_up).contains(&(counted as i64));
    assert!(
        is_true || unknown,
        "{step:?}: {was:?} became {now:?}, and it was told {told:?}"
    );
}

async fn rows(lake: &Lake, table: &str) -> String {
    if !lake.table_log(&name(table)).unwrap().exists().await.unwrap() {
        return String::new();
    }
    let columns = TABLES.iter().find(|(known, _)| *known == table).unwrap().1;
    let sql = format!("SELECT {columns} FROM {table} ORDER BY {columns}");
    text(&lake.query(&sql).await.unwrap())
}

/// Runs, maintains, makes anew what waits for that, until there is nothing to do.
async fn settle(lake: &Lake) {
    for _ in 0..4 {
        let report = lake.run(&Selection::default(), &Silent).await.unwrap();
        for table in &report.tables {
            let begun = table
                .messages
                .iter()
                .any(|message| message.contains("was begun and not finished"));
            if begun {
                let report = lake
                    .rebuild(&RebuildOptions::whole(name(&table.table)), &Silent)
                    .await
                    .unwrap();
                assert_eq!(report.exit_code(), 0, "{report:?}");
            }
        }
        let report = lake.maintain(&MaintainOptions::default()).await.unwrap();
        assert_eq!(report.exit_code(), 0, "{report:?}");
    }
    let report = lake.run(&Selection::default(), &Silent).await.unwrap();
    assert_eq!(report.exit_code(), 0, "{report:?}");
}
