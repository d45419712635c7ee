//! Stores that do one thing and say another, under everything that commits: rows are those of an honest store, each
//! thing is there once, and what a report says is so.

mod liar;
mod world;

use std::sync::Arc;

use object_store::path::Path;

use crate::report::Outcome;

use liar::{Liar, Lie};
use world::{Step, World};

/// Lies that the lakes have to survive, unless `MARKETLAKE_LIES` says how many.
const LIES: u64 = 100;
/// Steps of one lake.
const STEPS: usize = 16;

fn lies_wanted() -> u64 {
    match std::env::var("MARKETLAKE_LIES") {
        Ok(lies) => lies.parse().expect("MARKETLAKE_LIES is a number"),
        Err(_) => LIES,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_in_a_store_that_lies_holds_what_an_honest_one_holds() {
    let (mut told, mut seed) = (0, 0);
    while told < lies_wanted() {
        println!("lake {seed}");
        let liar = Arc::new(Liar::by_chance(seed, 300));
        let mut world = World::new(seed, liar.clone()).await;
        for _ in 0..STEPS {
            world.deliver();
            let step = world.draw_step();
            world.take(step).await;
        }
        told += liar.told();
        liar.be_honest();
        world.assert_sound().await;
        seed += 1;
    }
    println!("{told} lies to {seed} lakes");
}

fn is_entry_of(table: &'static str) -> impl Fn(&Path) -> bool + Send + Sync {
    move |path: &Path| path.as_ref().contains(&format!("/curated/{table}/_delta_log/"))
}

#[tokio::test]
async fn a_compaction_or_merge_that_landed_and_was_refused_keeps_its_files() {
    for lie in [
        Lie::InButTaken,
        Lie::InButFailed,
        Lie::InButConflict,
        Lie::InButSilent,
    ] {
        // Visits have copies, which are merged first.
        for (table, kind, path) in [
            ("shop.events", "events", "shop/events"),
            ("shop.visits", "visits", "shop/visits"),
        ] {
            let liar = Arc::new(Liar::about(lie, 1, is_entry_of(path)));
            let mut world = World::new(7, liar.clone()).await;
            liar.be_honest();
            for day in [1, 1, 1, 1, 1, 1, 1, 1, 9] {
                world.deliver_on(kind, day);
                world.take(Step::Run).await;
            }
            liar.begin();
            let report = world.maintain().await;
            assert_eq!(liar.told(), 1, "{lie:?}");
            let done = report.tables.iter().find(|done| done.table == table).unwrap();
            assert_eq!(done.outcome, Outcome::Updated, "{lie:?} {:?}", done.messages);
            match kind {
                "events" => assert!(done.partitions > 0 && done.commits == 1, "{lie:?} {done:?}"),
                _ => assert!(done.merged_rows > 0, "{lie:?} {done:?}"),
            }
            world.assert_sound().await;
        }
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_written_does_not_take_its_batch_back() {
    for table in ["marketlake/runs", "marketlake/changes", "marketlake/ledger"] {
        // The claim, the ledger's third entry after its creation, gets in.
        let liar = Arc::new(Liar::about(Lie::NeverIn, u64::MAX, move |path| {
            is_entry_of(table)(path) && !(table.ends_with("ledger") && path.as_ref().ends_with("03.json"))
        }));
        let mut world = World::new(3, liar.clone()).await;
        liar.be_honest();
        world.create().await;
        world.deliver_one("visits");
        liar.begin();
        let report = world.run_of("shop.visits").await;
        let visits = &report.tables[0];
        assert_eq!(
            (visits.outcome, visits.batches),
            (Outcome::Updated, 1),
            "{table}: {report:?}"
        );
        assert!(
            report.unfinished[0].starts_with("shop.visits: batch 1 is in"),
            "{report:?}"
        );
        assert_eq!(report.exit_code(), 1);
        liar.be_honest();
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_after_a_commit_does_not_take_the_batch_back() {
    // After the commit of the batch, and after its record.
    for (table, entry) in [("shop/visits", "01.json"), ("marketlake/ledger", "04.json")] {
        let liar = Arc::new(Liar::about(Lie::InAndUnreadable, 1, move |path| {
            is_entry_of(table)(path) && path.as_ref().ends_with(entry)
        }));
        let mut world = World::new(15, liar.clone()).await;
        liar.be_honest();
        world.create().await;
        world.deliver_on("visits", 1);
        liar.begin();
        let report = world.run_of("shop.visits").await;
        let visits = &report.tables[0];
        assert_eq!((liar.told(), visits.batches), (1, 1), "{table}: {report:?}");
        assert_eq!(visits.outcome.exit_code(), 0, "{table}: {report:?}");
        assert_eq!((report.exit_code(), report.unfinished.is_empty()), (1, false));
        liar.be_honest();
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn a_commit_that_is_not_known_to_be_in_says_so_and_is_settled_by_the_next_run() {
    let liar = Arc::new(Liar::about(Lie::NeverIn, u64::MAX, is_entry_of("shop/visits")));
    let mut world = World::new(5, liar.clone()).await;
    liar.be_honest();
    world.create().await;
    world.deliver_one("visits");
    liar.begin();
    let report = world.run_of("shop.visits").await;
    assert_eq!(report.tables[0].outcome, Outcome::Failed);
    assert!(
        report.tables[0].messages[0].contains("is not known"),
        "{report:?}"
    );
    liar.be_honest();
    world.assert_sound().await;
}

#[tokio::test]
async fn a_batch_that_lost_to_a_commit_that_changed_no_row_keeps_its_files() {
    let liar = Arc::new(Liar::about(Lie::SomebodyFirst, 2, is_entry_of("shop/visits")));
    let mut world = World::new(9, liar.clone()).await;
    liar.be_honest();
    world.create().await;
    world.deliver_one("visits");
    liar.begin();
    let report = world.run_of("shop.visits").await;
    assert_eq!((report.tables[0].outcome, liar.told()), (Outcome::Updated, 2));
    let (written, live) = world.files("shop.visits").await;
    assert_eq!(written, live, "files were written again");
    world.assert_sound().await;
}

#[tokio::test]
async fn a_table_that_others_always_win_is_busy_in_the_end() {
    let liar = Arc::new(Liar::about(
        Lie::SomebodyFirst,
        u64::MAX,
        is_entry_of("shop/visits"),
    ));
    let mut world = World::new(11, liar.clone()).await;
    liar.be_honest();
    world.create().await;
    world.deliver_one("visits");
    liar.begin();
    let report = world.run_of("shop.visits").await;
    assert_eq!(report.tables[0].outcome, Outcome::Busy);
    assert!(
        report.tables[0].messages[0].contains("other writers were first"),
        "{report:?}"
    );
    liar.be_honest();
    world.assert_sound().await;
}

#[tokio::test]
async fn a_rebuild_that_loses_its_commit_begins_again_and_one_that_fails_leaves_the_old_rows() {
    for table in ["shop.visits", "shop.prices", "shop.daily"] {
        let path: &'static str = table.replace('.', "/").leak();
        let liar = Arc::new(Liar::about(Lie::SomebodyFirst, 1, is_entry_of(path)));
        let mut world = World::new(13, liar.clone()).await;
        liar.be_honest();
        for _ in 0..4 {
            world.deliver();
        }
        world.take(Step::Run).await;
        liar.begin();
        let rows = world.rows(table).await;
        let report = world.rebuild(table).await;
        assert_eq!(
            (report.exit_code(), report.tables[0].batches),
            (0, 1),
            "{report:?}"
        );
        assert_eq!(liar.told(), 1);
        assert_eq!(world.rows(table).await, rows);

        liar.tell(Lie::NeverIn, u64::MAX);
        let report = world.rebuild(table).await;
        assert_eq!(report.tables[0].outcome, Outcome::Failed);
        assert_eq!(world.rows(table).await, rows);
        liar.be_honest();
        let report = world.rebuild(table).await;
        assert_eq!(
            (report.exit_code(), report.tables[0].batches),
            (0, 1),
            "{report:?}"
        );
        world.assert_sound().await;
    }
}
