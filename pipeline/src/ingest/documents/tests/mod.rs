//! Documents of any width, empty ones, late ones and copies, in batches of any size, against a naive model.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{Date32Type, Int64Type};
use chrono::{DateTime, NaiveDate, TimeDelta};
use proptest::prelude::*;
use url::Url;

use crate::apply::{WorkingSet, supersede};
use crate::contract::{SourceFile, load};
use crate::curated::Curated;
use crate::delta::{Commit, DeltaLog, Which, read_files};
use crate::raw::manifest::Parts;
use crate::system::ledger::{Claim, Draft, Ledger, Left, ObjectResult};

use super::*;
use crate::ingest::portions::put_documents;
use crate::ingest::row_buffer::{Budget, RowBuffer};
use crate::query::Room;
use crate::storage::Place;

/// A document: when it was made, whose it is, first day and number of days, whether a manifest says so, and its rows as
/// day and number.
#[derive(Debug, Clone)]
struct Report {
    at: u8,
    profile: u8,
    first: i32,
    days: i32,
    stated: bool,
    rows: Vec<(i32, i64)>,
}

impl Report {
    /// Days that it speaks about.
    fn covers(&self) -> BTreeSet<i32> {
        if self.stated {
            (self.first..self.first + self.days).collect()
        } else {
            self.rows.iter().map(|(day, _)| *day).collect()
        }
    }
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let row = (0..6_i32, 0..50_i64);
    let report = (
        0..5_u8,
        0..2_u8,
        0..5_i32,
        1..4_i32,
        any::<bool>(),
        proptest::collection::vec(row, 0..6),
    );
    let report = report.prop_map(|(at, profile, first, days, stated, mut rows)| {
        if stated {
            // What lies outside is rejected before documents are put together.
            rows.retain(|(day, _)| (first..first + days).contains(day));
        }
        Report {
            at,
            profile,
            first,
            days,
            stated,
            rows,
        }
    });
    proptest::collection::vec(report, 1..9)
}

fn contract(partition: &str) -> Contract {
    let text = format!(
        "description = \"t\"\npath = \"x/{{date}}/{{name}}\"\nformat = \"csv\"\nkeep = \"latest_document\"\n\
         per = [\"profile\", \"day\"]\ncovers = \"day\"\nnewest_by = [\"_generated_at\"]\nunknown = \"ignore\"\n\
         partition = [{partition}]\n[columns]\nprofile = \"text\"\nday = \"date\"\nn = \"int\"\nsaid_by = \"text\"\n"
    );
    let files = [SourceFile {
        path: "x/t.toml".to_owned(),
        text,
    }];
    let contracts = load(&files, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    contracts.values().next().unwrap().clone()
}

fn date(day: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1).unwrap() + TimeDelta::days(i64::from(day))
}

fn days_since_epoch(day: i32) -> i32 {
    (date(day) - NaiveDate::default()).num_days() as i32
}

/// An object, what it gave, and its rows.
type Delivered = (RawObject, ObjectRows, RecordBatch);

/// The rows of a batch in a buffer of which so many bytes fit into memory.
fn buffered(
    contract: &Contract,
    delivered: Vec<Delivered>,
    in_memory: usize,
) -> (Vec<(RawObject, ObjectRows)>, BufferedRows) {
    let buffer = RowBuffer::new(layout::schema(contract), &[], Budget::new(&Room::of(in_memory)));
    let mut objects = Vec::new();
    for (ordinal, (object, mut gave, rows)) in delivered.into_iter().enumerate() {
        gave.ordinal = ordinal;
        buffer.push(ordinal, 1, rows).unwrap();
        objects.push((object, gave));
    }
    (objects, buffer.close().unwrap())
}

/// What the report with that number gives, delivered for the `copy`th time.
fn delivered(contract: &Contract, number: usize, report: &Report, copy: usize) -> Delivered {
    let object = RawObject {
        uri: format!("file:///raw/{copy}/{number}"),
        moved_to: None,
        path: format!("{copy}/{number}"),
        size: 1,
        modified: DateTime::UNIX_EPOCH,
        tag: None,
        account: None,
        period: date(0).into(),
        part: 0,
        manifest: None,
        document: None,
    };
    let order = format!("{:03}.", report.at);
    let rows = report.rows.len();
    let text = |value: String| Arc::new(StringArray::from(vec![value; rows])) as ArrayRef;
    let schema = layout::schema(contract);
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "profile" => text(format!("p{}", report.profile)),
        "said_by" => text(number.to_string()),
        "day" => Arc::new(Date32Array::from_iter_values(
            report.rows.iter().map(|(day, _)| days_since_epoch(*day)),
        )),
        "n" => Arc::new(Int64Array::from_iter_values(report.rows.iter().map(|(_, n)| *n))),
        layout::ORDER => text(order.clone()),
        layout::OBJECT => text(object.uri.clone()),
        _ => new_null_array(field.data_type(), rows),
    });
    let rows = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    let fixed = BTreeMap::from([("profile".to_owned(), format!("p{}", report.profile))]);
    let declared = Declared {
        id: Some(format!("d{number}")),
        made: Some(DateTime::UNIX_EPOCH),
        parts: Parts::default(),
        order: order.clone(),
        fixed,
        otherwise: BTreeMap::new(),
        days: report
            .stated
            .then(|| (date(report.first), date(report.first + report.days - 1))),
        wrong: None,
    };
    let mut gave = ObjectRows {
        declared: Some(declared),
        ..ObjectRows::default()
    };
    gave.content.update(&number.to_le_bytes());
    (object, gave, rows)
}

/// Profile, day, number and report of each row that has to be there.
fn wanted(reports: &[Report]) -> Vec<(String, i32, i64, String)> {
    let mut newest: BTreeMap<(u8, i32), (u8, usize)> = BTreeMap::new();
    for (number, report) in reports.iter().enumerate() {
        for day in report.covers() {
            let known = newest.entry((report.profile, day)).or_insert((report.at, number));
            *known = (*known).max((report.at, number));
        }
    }
    let mut rows = Vec::new();
    for ((profile, day), (_, number)) in newest {
        for (_, n) in reports[number].rows.iter().filter(|(of, _)| *of == day) {
            rows.push((
                format!("p{profile}"),
                days_since_epoch(day),
                *n,
                number.to_string(),
            ));
        }
    }
    rows.sort();
    rows
}

/// A table and its ledger in a folder, without the rest of a lake.
struct Bench {
    contract: Contract,
    log: DeltaLog,
    ledger: Ledger,
    batch: i64,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(partition: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Url::from_directory_path(folder.path()).unwrap();
        let contract = contract(partition);
        let log = DeltaLog::at("x.t", root.join("t/").unwrap()).unwrap();
        log.open_or_create(
            Which::Newest,
            &layout::schema(&contract),
            &contract.partition,
            &[],
            "",
        )
        .await
        .unwrap();
        Self {
            contract,
            log,
            ledger: Ledger::open(&Curated::at(Place::of_folder(folder.path())))
                .await
                .unwrap(),
            batch: 0,
            _folder: folder,
        }
    }

    async fn take(&mut self, delivered: Vec<Delivered>) {
        self.batch += 1;
        let (mut objects, buffered) = buffered(&self.contract, delivered, 4000 * self.batch as usize % 9000);
        let gathered = gather(&self.contract, &mut objects, &buffered, 2)
            .unwrap()
            .unwrap();
        let (buffered, gathered) = (Arc::new(buffered), Arc::new(gathered));
        let snapshot = self.log.load().await.unwrap().unwrap();
        let (order, days) = gathered.documents.reach();
        let name = &self.contract.name;
        let recorded = self.ledger.documents(name, &order, days).await.unwrap();
        let working = WorkingSet::new(&self.log, snapshot.files.to_vec(), "a");
        let superseded = supersede(
            &self.contract,
            working.open_files(),
            working.files(),
            &gathered.documents,
            &recorded,
            2,
        )
        .await
        .unwrap();
        let portion = [1, usize::MAX][self.batch as usize % 2];
        let changes = put_documents(&self.contract, working, &buffered, portion, &gathered, superseded)
            .await
            .unwrap();
        let applied = changes.finish(&self.contract);
        let commit = Commit {
            operation: "CURATE",
            actions: applied.actions,
            ..Commit::default()
        };
        self.log.commit(&snapshot, commit).await.unwrap();
        let claim = Claim {
            draft: Draft {
                table: name.clone(),
                batch: self.batch,
                rules: String::new(),
                objects: Vec::new(),
                inputs: Vec::new(),
            },
            claimed_at: DateTime::UNIX_EPOCH,
        };
        let results: Vec<ObjectResult> = objects
            .iter()
            .zip(gathered.results.clone())
            .map(|((object, _), document)| ObjectResult {
                document,
                ..ObjectResult::of(&claim, object, "a")
            })
            .collect();
        self.ledger
            .record(name, self.batch, &results, Left::default(), async { Ok(()) })
            .await
            .unwrap();
    }

    async fn rows(&self) -> Vec<(String, i32, i64, String)> {
        let snapshot = self.log.load().await.unwrap().unwrap();
        let mut rows = Vec::new();
        for batch in read_files(&self.log, snapshot.files.iter(), &snapshot.schema)
            .await
            .unwrap()
        {
            let column = |name: &str| batch.column_by_name(name).unwrap().clone();
            let (profiles, days, numbers, by) =
                (column("profile"), column("day"), column("n"), column("said_by"));
            rows.extend((0..batch.num_rows()).map(|row| {
                (
                    profiles.as_string::<i32>().value(row).to_owned(),
                    days.as_primitive::<Date32Type>().value(row),
                    numbers.as_primitive::<Int64Type>().value(row),
                    by.as_string::<i32>().value(row).to_owned(),
                )
            }));
        }
        rows.sort();
        rows
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn each_cell_has_the_rows_of_its_newest_document(
        reports in reports(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        cuts in proptest::collection::vec(1..4_usize, 1..9),
        keys in any::<u64>(),
        layout in 0..3_usize,
    ) {
        // Every report once in any order, some of them again.
        let mut deliveries: Vec<(u64, usize, usize)> = (0..reports.len())
            .map(|number| (keys.rotate_left(number as u32 * 7), number, 0))
            .collect();
        deliveries.extend(order.iter().enumerate().map(|(copy, index)| {
            let number = index.index(reports.len());
            (keys.rotate_left(copy as u32 * 11 + 5), number, copy % 2)
        }));
        deliveries.sort_unstable();
        let partition = ["", "\"day\"", "\"profile\", \"day\""][layout];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let found = runtime.block_on(async {
            let mut bench = Bench::new(partition).await;
            let mut rest = deliveries.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (batch, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                let batch: BTreeSet<(usize, usize)> = batch.iter().map(|(_, number, copy)| (*number, *copy)).collect();
                let batch = batch.into_iter().map(|(number, copy)| delivered(&bench.contract, number, &reports[number], copy));
                let batch: Vec<_> = batch.collect();
                bench.take(batch).await;
            }
            bench.rows().await
        });
        prop_assert_eq!(found, wanted(&reports));
    }
}

#[test]
fn rows_that_disagree_about_what_should_be_one_value_are_all_that_is_covered() {
    let contract = contract("\"day\"");
    let report = |profile| Report {
        at: 1,
        profile,
        first: 0,
        days: 2,
        stated: true,
        rows: vec![(0, 1)],
    };
    let (object, mut mixed, rows) = delivered(&contract, 0, &report(0), 0);
    let both = [rows, delivered(&contract, 0, &report(1), 0).2];
    let rows = arrow::compute::concat_batches(&layout::schema(&contract), &both).unwrap();
    mixed.declared.as_mut().unwrap().fixed.clear();
    let (mut objects, rows) = buffered(&contract, vec![(object, mixed, rows)], 0);
    let gathered = gather(&contract, &mut objects, &rows, 2).unwrap().unwrap();
    let document = &gathered.documents.list[0];
    assert_eq!((document.covers.is_none(), document.cells.len()), (true, 2));
    assert_eq!(gathered.notes.coverage_guessed, 1);

    let (object, mut one, rows) = delivered(&contract, 0, &report(0), 0);
    one.declared.as_mut().unwrap().fixed.clear();
    let (mut objects, rows) = buffered(&contract, vec![(object, one, rows)], 0);
    let gathered = gather(&contract, &mut objects, &rows, 2).unwrap().unwrap();
    let covers = gathered.documents.list[0].covers.clone().unwrap();
    assert_eq!(covers.fixed["profile"], "p0");
    assert_eq!(covers.days, Some((date(0), date(1))));
}
