//! Notices: every batch is told at least once, also by a run that died.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::jwo::{ACCOUNT, report};
use marketlake_tests::{LakeUnderTest, new_lake};
use pipeline::failpoint;
use serde_json::Value;

const ORDERS: &str = "jwo.orders";

/// The notices of a lake.
fn told(lake: &LakeUnderTest) -> Result<Vec<Value>> {
    match fs::read_to_string(lake.path().join("notices.jsonl")) {
        Ok(text) => Ok(text
            .lines()
            .map(serde_json::from_str)
            .collect::<serde_json::Result<_>>()?),
        Err(_) => Ok(Vec::new()),
    }
}

/// Ids of the notices of batches of a table, with how often each was told and what it said but for the run's own words.
fn batches(lake: &LakeUnderTest, table: &str) -> Result<BTreeMap<String, (usize, BTreeSet<String>)>> {
    let mut batches: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for notice in told(lake)? {
        if notice["table"] == table && notice["batches"] == 1 {
            let id = notice["id"].as_str().context("no id")?.to_owned();
            let (often, said) = batches.entry(id).or_default();
            *often += 1;
            said.insert(format!("{} {}", notice["version"], notice["counts"]));
        }
    }
    Ok(batches)
}

fn untold(lake: &LakeUnderTest) -> Result<usize> {
    Ok(fs::read_dir(lake.table("marketlake.outbox"))?.count())
}

#[test]
fn what_a_run_did_that_died_before_it_could_tell_is_told_by_the_next_one() -> Result<()> {
    for point in ["after_run_record", "after_record", "before_runs", failpoint::TOLD] {
        let lake = new_lake(ACCOUNT)?;
        for (time, order) in [("07:15", "A-1"), ("07:30", "A-2")] {
            lake.deliver(&report(time, order, "10.00"))?;
        }
        ensure!(
            lake.run_until(point, &["--batch-objects", "1"])?.died(),
            "{point} was not passed"
        );
        let often = if point == failpoint::TOLD { 2 } else { 1 };
        ensure!(
            batches(&lake, ORDERS)?.len() == if often == 2 { 2 } else { 0 },
            "{point}"
        );
        // One that finds nothing new tells it as well.
        lake.run(&["--batch-objects", "1"])?.exits_with(0)?;
        lake.run(&[])?.exits_with(0)?;
        let found = batches(&lake, ORDERS)?;
        ensure!(
            found.len() == 2
                && found
                    .values()
                    .all(|(told, said)| *told == often && said.len() == 1),
            "{point}: {found:?}"
        );
        assert_eq!(untold(&lake)?, 0);
    }
    Ok(())
}

#[test]
fn a_run_that_did_not_get_through_to_a_table_tells_that_once() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    ensure!(lake.run_until("before_runs", &[])?.died());
    fs::write(lake.path().join("notices.jsonl"), "")?;
    let entry = lake.table(ORDERS).join("_delta_log/00000000000000000001.json");
    fs::write(entry, "nonsense")?;
    lake.run(&[])?.exits_with(1)?;
    let told = told(&lake)?;
    let of_orders = |outcome: &str| {
        told.iter()
            .filter(|notice| notice["table"] == ORDERS && notice["outcome"] == outcome)
            .count()
    };
    assert_eq!((of_orders("updated"), of_orders("failed")), (1, 1), "{told:?}");
    Ok(())
}

#[test]
fn a_notice_that_cannot_be_written_is_told_later() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    let file = lake.path().join("notices.jsonl");
    fs::create_dir(&file)?;
    let run = lake.run(&[])?.exits_with(1)?;
    assert_eq!(run.outcome(ORDERS)?, "updated");
    fs::remove_dir(&file)?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(batches(&lake, ORDERS)?.len(), 1);
    Ok(())
}
