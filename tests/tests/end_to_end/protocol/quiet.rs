//! Runs that must not change anything.

use std::fs;

use anyhow::{Result, ensure};
use chrono::{Days, Utc};
use marketlake_tests::jwo::{ACCOUNT, report, two_batches};
use marketlake_tests::shop::{Shop, VISITS};
use marketlake_tests::tree::tree;
use marketlake_tests::{LakeUnderTest, new_lake};

#[test]
fn a_dry_run_names_what_it_would_take_in_and_leaves_no_trace() -> Result<()> {
    let lake = two_batches()?;
    lake.deliver(&report("07:45", "A-3", "30.00"))?;
    let before = tree(lake.path())?;
    let plan = lake
        .call(&["run", "--from", "2020-01-01", "--dry-run"])?
        .exits_with(0)?
        .document()?;
    assert_eq!(tree(lake.path())?, before);
    let tables = plan["tables"].as_array().cloned().unwrap_or_default();
    let orders = tables
        .iter()
        .find(|table| table["table"] == "jwo.orders")
        .cloned()
        .unwrap_or_default();
    let objects = orders["objects"].as_array().cloned().unwrap_or_default();
    ensure!(
        objects.len() == 1 && objects[0]["uri"].to_string().contains("ALL45.csv000"),
        "{orders}"
    );
    assert_eq!(orders["partition"], serde_json::json!(["order_date"]));
    Ok(())
}

#[test]
fn a_dry_run_in_a_new_lake_makes_nothing_and_names_what_fits_no_pattern() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let mut stranger = report("07:15", "A-1", "10.00");
    stranger.key.push_str(".tmp");
    lake.deliver_all([&report("07:15", "A-1", "10.00"), &stranger])?;
    let before = tree(lake.path())?;
    let plan = lake
        .call(&["run", "--from", "2020-01-01", "--dry-run"])?
        .exits_with(0)?;
    assert_eq!(tree(lake.path())?, before);
    ensure!(plan.stdout.contains("ALL15.csv000.tmp"), "{}", plan.said());
    Ok(())
}

#[test]
fn a_dry_run_sees_an_open_claim_and_leaves_it_open() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    ensure!(
        lake.run_until("after_claim", &["jwo.orders"])?.died(),
        "no claim was made"
    );
    let before = tree(lake.path())?;
    let plan = lake
        .call(&["run", "--from", "2020-01-01", "--dry-run", "jwo.orders"])?
        .exits_with(0)?
        .document()?;
    assert_eq!(tree(lake.path())?, before);
    assert_eq!(plan["tables"][0]["open_batch"], 1);
    Ok(())
}

#[test]
fn a_run_that_finds_nothing_commits_nothing() -> Result<()> {
    let lake = two_batches()?;
    let logs = |lake: &LakeUnderTest| -> Result<Vec<_>> {
        let all = tree(&lake.path().join("curated"))?;
        Ok(all
            .into_keys()
            .filter(|path| {
                path.extension()
                    .is_some_and(|end| end == "json" || end == "parquet")
            })
            .collect())
    };
    let before = logs(&lake)?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("jwo.orders")?, "unchanged");
    let after = logs(&lake)?;
    let new: Vec<_> = after.iter().filter(|path| !before.contains(path)).collect();
    ensure!(new.is_empty(), "{new:?}");
    Ok(())
}

/// What is missing is looked for in the look-back: nothing older of the ledger is read.
#[test]
fn a_strict_run_that_finds_nothing_reads_no_history() -> Result<()> {
    let shop = Shop::open()?;
    let expects = "expect    = { every = \"1d\", within = \"12h\" }\nkeep ";
    shop.write("visits.toml", &VISITS.replacen("keep ", expects, 1))?;
    fs::write(shop.lake.path().join("marketlake.toml"), "lookback_days = 3\n")?;
    let day = |days: u64| Utc::now().date_naive() - Days::new(days);
    for days in [100, 4, 3, 1] {
        shop.deliver(&day(days).to_string(), "a", "visit_id,seconds,guests\nv1,90,2\n")?;
    }
    let strict = || shop.lake.call(&["run", "--strict", "shop.visits"]);
    strict()?.exits_with(3)?;
    let ledger = shop.lake.path().join("curated/marketlake/ledger");
    let old = ledger
        .join("table_name=shop.visits")
        .join(format!("period_month={}", day(100).format("%Y-%m")));
    fs::rename(&old, shop.lake.path().join("away"))?;
    let said = strict()?.exits_with(3)?.said();
    ensure!(said.contains("0 periods are overdue and 1 missing"), "{said}");
    Ok(())
}

#[test]
fn queries_read_and_never_write() -> Result<()> {
    let lake = two_batches()?;
    let before = tree(lake.path())?;
    assert_eq!(lake.query("SELECT count(*) AS n FROM jwo.orders")?, "n\n2\n");
    lake.call(&["query", "DROP TABLE jwo.orders"])?.exits_with(2)?;
    lake.call(&["query", "SELECT * FROM jwo.nothing"])?
        .exits_with(2)?;
    assert_eq!(tree(lake.path())?, before);
    Ok(())
}
