//! A lake in a bucket and several runners of which some die.

use std::time::Duration;

use anyhow::{Result, ensure};
use cases::CaseLake;
use chrono::NaiveDate;
use futures::future::try_join_all;
use marketlake_tests::bucket::{Bucket, LONG_AGO};
use marketlake_tests::demo::{Demo, assert_same, of_tables};
use pipeline::report::{Outcome, RunReport, Silent};
use pipeline::request::{MaintainOptions, RebuildOptions, Selection};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Runtime;

/// Runners at a time.
const RUNNERS: usize = 3;
/// Portions in which objects arrive.
const PORTIONS: usize = 4;
/// Writes of a runner before it dies at the latest.
const WRITES: usize = 80;

#[test]
fn runners_in_a_bucket_of_which_some_die_give_what_one_local_run_gives() -> Result<()> {
    let demo = Demo::of_days(1)?;
    let wanted = demo.undisturbed()?;
    let runtime = Runtime::new()?;
    let mut bucket = Bucket::configured(&demo.configuration, &runtime)?;
    bucket.settings().batch_objects = 40;
    bucket.settings().busy_wait = Duration::from_secs(2);
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut deliveries = demo.deliveries.clone();
    deliveries.shuffle(&mut random);
    let mut portions = deliveries.chunks(deliveries.len() / PORTIONS + 1);
    let mut deaths = 0;
    runtime.block_on(async {
        for round in 0.. {
            ensure!(round < 40, "the runners still find something new");
            let portion = portions.next();
            for delivery in portion.into_iter().flatten() {
                bucket
                    .shelf()
                    .deliver(&format!("raw/{}", delivery.key), delivery)
                    .await?;
            }
            let runners = (0..RUNNERS).map(|_| {
                let dies_at =
                    portion.and_then(|_| random.random_bool(0.6).then(|| random.random_range(1..WRITES)));
                let (view, bucket) = (bucket.view(dies_at), &bucket);
                async move { bucket.run(&view, &everything()).await }
            });
            let reports = try_join_all(runners.collect::<Vec<_>>()).await?;
            deaths += reports.iter().filter(|report| report.is_none()).count();
            bucket.shelf().wait_for_the_dead().await?;
            if portion.is_none() && reports.iter().flatten().all(is_quiet) {
                break;
            }
        }
        anyhow::Ok(())
    })?;
    ensure!(deaths > 0, "nobody died, which proves nothing");
    let tables = || bucket.contracts().keys().cloned();
    let look = |table: &str| Ok((bucket.rows(table)?, bucket.quarantine(table)?));
    assert_same(&wanted, &of_tables(tables(), &look)?);

    // What is made anew from the same objects and maintained is the same, and all leases are given back.
    runtime.block_on(async {
        let lake = bucket.lake(&bucket.view(None)).await?;
        for table in ["jwo.orders", "ams.sp_hourly"] {
            let options = RebuildOptions::whole(table.parse().map_err(anyhow::Error::msg)?);
            let report = lake.rebuild(&options, &Silent).await?;
            ensure!(report.exit_code() == 0, "{report:?}");
        }
        lake.maintain(&MaintainOptions::default()).await?;
        // Those of the dead stay until somebody has work there.
        let mut held = bucket.shelf().held().await?;
        held.retain(|(_, lease)| lease["beaten_at"] != LONG_AGO);
        ensure!(held.is_empty(), "leases were not given back: {held:?}");
        anyhow::Ok(())
    })?;
    assert_same(&wanted, &of_tables(tables(), &look)?);
    Ok(())
}

fn everything() -> Selection {
    Selection {
        from: NaiveDate::from_ymd_opt(2020, 1, 1),
        ..Selection::default()
    }
}

/// Whether nothing was left to do, and nobody else was at it.
fn is_quiet(report: &RunReport) -> bool {
    report
        .tables
        .iter()
        .all(|table| table.outcome == Outcome::Unchanged)
}
