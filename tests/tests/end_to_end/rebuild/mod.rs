//! A table made anew: the way out that every refusal names.

mod overcome;
mod unfinished;

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use marketlake_tests::demo::{assert_same, fingerprints};
use marketlake_tests::jwo::{ACCOUNT, orders, report, two_batches};
use marketlake_tests::shop::{DAILY, Shop, VISITS};
use marketlake_tests::tree::{actions, log_entries};
use marketlake_tests::{Delivery, LakeUnderTest, Run, new_lake};
use pipeline::failpoint;
use serde_json::{Value, json};

const ORDERS: &str = "jwo.orders";

fn visits(shop: &Shop) -> Result<()> {
    shop.deliver(
        "2026-03-01",
        "a",
        "visit_id,seconds,guests\nv1,90,2\nv2,600,0\nv3,30,1\n",
    )?;
    shop.deliver("2026-03-01", "b", "visit_id,seconds,guests\nv1,95,7\n")?;
    shop.deliver("2026-03-02", "a", "visit_id,seconds,guests\nv1,45,3\n")
}

/// Rules under which the same objects give other rows.
fn changed() -> String {
    VISITS.replace("decimal(10,1)", "decimal(10,3)")
}

/// The shop after its visits were taken in under the old rules.
fn old_shop() -> Result<Shop> {
    let shop = Shop::open()?;
    visits(&shop)?;
    shop.lake.run(&["--batch-objects", "1"])?.exits_with(0)?;
    Ok(shop)
}

/// What the visits give where the changed rules held from the first day.
fn wanted() -> Result<Vec<(String, String)>> {
    let shop = Shop::open()?;
    shop.write("visits.toml", &changed())?;
    visits(&shop)?;
    shop.lake.run(&[])?.exits_with(0)?;
    fingerprints(&shop.lake)
}

fn rebuild(lake: &LakeUnderTest, table: &str) -> Result<Run> {
    lake.call(&["rebuild", table])?.exits_with(0)
}

#[test]
fn after_a_change_of_rules_the_table_is_what_a_fresh_lake_gives() -> Result<()> {
    let shop = old_shop()?;
    shop.write("visits.toml", &changed())?;
    assert_eq!(shop.lake.run(&[])?.exits_with(3)?.outcome("shop.visits")?, "held");
    let done = rebuild(&shop.lake, "shop.visits")?;
    assert_eq!(done.outcome("shop.visits")?, "partly_quarantined");
    assert_eq!(done.count("shop.visits", "objects")?, 3);
    assert_eq!(done.count("shop.visits", "rows_inserted")?, 3);
    shop.lake.run(&[])?.exits_with(0)?;
    assert_same(&wanted()?, &fingerprints(&shop.lake)?);
    ensure!(
        !shop
            .lake
            .path()
            .join("curated/marketlake/rebuild/shop.visits")
            .exists()
    );
    // The protocol goes on from there.
    shop.deliver("2026-03-02", "b", "visit_id,seconds,guests\nv9,60,4\n")?;
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count("shop.visits", "objects")?, 1);
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,guests\n2026-03-01,3\n2026-03-02,7\n"
    );
    assert_eq!(
        shop.lake.run(&[])?.exits_with(0)?.outcome("shop.visits")?,
        "unchanged"
    );
    let why = shop.lake.query("SELECT DISTINCT batch FROM marketlake.ledger WHERE table_name = 'shop.visits' AND entry = 'result' ORDER BY batch")?;
    assert_eq!(
        why.lines().collect::<Vec<_>>(),
        ["batch", "1", "2", "3", "4", "5"]
    );
    Ok(())
}

#[test]
fn other_columns_and_another_layout_take_the_place_of_the_old_ones() -> Result<()> {
    let shop = old_shop()?;
    let other = VISITS
        .replace(
            "partition = [\"day\"]",
            "partition = [\"shop\"]\nsort      = [\"minutes\"]\nfile_size = \"64MiB\"",
        )
        .replace("[\"day\", \"visit_id\"]", "[\"shop\", \"day\", \"visit_id\"]")
        .replace("keep      =", "unknown   = \"ignore\"\nkeep      =")
        .replace("guests   = \"int\"\n", "")
        .replace("guests > 0", "minutes > 1.0");
    shop.write("visits.toml", &other)?;
    shop.write("visits.sql", "SELECT visit_id, seconds AS minutes FROM raw\n")?;
    shop.write(
        "daily.sql",
        "SELECT day, count(*) AS guests FROM shop.visits GROUP BY day\n",
    )?;
    rebuild(&shop.lake, "shop.visits")?;
    rebuild(&shop.lake, "shop.daily")?;
    assert_eq!(
        shop.rows("shop.visits")?,
        "day,shop,visit_id,minutes\n2026-03-01,main,v1,90.0\n2026-03-01,main,v2,600.0\n\
         2026-03-01,main,v3,30.0\n2026-03-02,main,v1,45.0\n"
    );
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,guests\n2026-03-01,3\n2026-03-02,1\n"
    );
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "unchanged");
    Ok(())
}

#[test]
fn a_computed_table_is_computed_in_full() -> Result<()> {
    let shop = old_shop()?;
    shop.write(
        "daily.sql",
        "SELECT day, CAST(count(*) AS BIGINT) AS guests FROM shop.visits GROUP BY day\n",
    )?;
    assert_eq!(shop.lake.run(&[])?.exits_with(3)?.outcome("shop.daily")?, "held");
    rebuild(&shop.lake, "shop.daily")?;
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,guests\n2026-03-01,2\n2026-03-02,1\n"
    );
    assert_eq!(
        shop.lake.run(&[])?.exits_with(0)?.outcome("shop.daily")?,
        "unchanged"
    );
    let checked = format!("{DAILY}\n[checks]\nfew = {{ sql = \"guests < 2\", else = \"hold\" }}\n");
    shop.write("daily.toml", &checked)?;
    let held = shop.lake.call(&["rebuild", "shop.daily"])?.exits_with(3)?;
    ensure!(
        held.said().contains("rebuild shop.daily --release"),
        "{}",
        held.said()
    );
    shop.lake
        .call(&["rebuild", "shop.daily", "--release"])?
        .exits_with(0)?;
    Ok(())
}

#[test]
fn a_rebuild_that_dies_anywhere_is_gone_on_with() -> Result<()> {
    let wanted = wanted()?;
    let staged = ["after_claim@2", "after_files", "after_commit@3", "after_record@2"];
    for point in failpoint::REBUILD.iter().chain(&staged) {
        let shop = old_shop()?;
        shop.write("visits.toml", &changed())?;
        let mut command = shop
            .lake
            .command(&["rebuild", "shop.visits", "--batch-objects", "1"]);
        let output = command.env("MARKETLAKE_FAILPOINT", point).output()?;
        ensure!(Run::from(output).died(), "{point} was not passed");
        // Whoever comes between sees a table that is held, or the new one.
        let run = shop.lake.run(&[])?;
        ensure!(matches!(run.code, Some(0 | 3)), "{point}: {}", run.said());
        if run.outcome("shop.visits")? == "held" {
            let messages = run.about("shop.visits")?["messages"].to_string();
            ensure!(messages.contains("rebuild shop.visits"), "{point}: {messages}");
        }
        rebuild(&shop.lake, "shop.visits")?;
        shop.lake.run(&[])?.exits_with(0)?;
        assert_same(&wanted, &fingerprints(&shop.lake)?);
    }
    Ok(())
}

#[test]
fn a_claim_that_a_rebuild_left_open_is_for_a_rebuild_alone() -> Result<()> {
    let shop = old_shop()?;
    let mut command = shop.lake.command(&["rebuild", "shop.visits"]);
    let output = command
        .env("MARKETLAKE_FAILPOINT", "after_rebuild_claim")
        .output()?;
    ensure!(Run::from(output).died());
    let before = fingerprints(&shop.lake)?;
    let held = shop.lake.run(&[])?.exits_with(3)?;
    ensure!(
        held.about("shop.visits")?["messages"]
            .to_string()
            .contains("was begun and not finished"),
        "{}",
        held.said()
    );
    rebuild(&shop.lake, "shop.visits")?;
    shop.lake.run(&[])?.exits_with(0)?;
    assert_same(&before, &fingerprints(&shop.lake)?);
    Ok(())
}

#[test]
fn a_batch_that_was_claimed_under_the_old_rules_goes_in_under_the_new_ones() -> Result<()> {
    let shop = Shop::open()?;
    visits(&shop)?;
    ensure!(shop.lake.run_until("after_claim", &["shop.visits"])?.died());
    shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    shop.deliver("2026-03-02", "b", "visit_id,seconds,guests\nv8,60,2\n")?;
    ensure!(shop.lake.run_until("after_claim", &["shop.visits"])?.died());
    shop.write("visits.toml", &changed())?;
    rebuild(&shop.lake, "shop.visits")?;
    assert_eq!(shop.rows("shop.visits")?.lines().count(), 5);
    assert_eq!(
        shop.lake.run(&[])?.exits_with(0)?.outcome("shop.visits")?,
        "unchanged"
    );
    Ok(())
}

#[test]
fn runs_beside_a_rebuild_lose_nothing() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let all: Vec<Delivery> = (0..40)
        .map(|number| {
            let time = format!("{:02}:{:02}", number / 4, number % 4 * 15);
            report(&time, &format!("A-{:02}", number % 25), &format!("{number}.00"))
        })
        .collect();
    lake.deliver_all(&all[..20])?;
    lake.run(&[])?.exits_with(0)?;
    for part in all[20..].chunks(5) {
        let mut rebuild = lake.command(&["rebuild", ORDERS, "--batch-objects", "3"]);
        let rebuild = rebuild.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        lake.deliver_all(part)?;
        let run = lake.run(&["--batch-objects", "1"])?;
        ensure!(matches!(run.code, Some(0 | 3)), "{}", run.said());
        Run::from(rebuild.wait_with_output()?).exits_with(0)?;
    }
    lake.run(&[])?.exits_with(0)?;
    let fresh = new_lake(ACCOUNT)?;
    fresh.deliver_all(&all)?;
    fresh.run(&[])?.exits_with(0)?;
    assert_same(&fingerprints(&fresh)?, &fingerprints(&lake)?);
    Ok(())
}

/// Reports of one order each: the first two are those of [`two_batches`].
fn three() -> [Delivery; 3] {
    [
        report("07:15", "A-1", "10.00"),
        report("07:30", "A-2", "20.00"),
        report("07:45", "A-3", "30.00"),
    ]
}

#[test]
fn raw_objects_that_are_gone_are_named_and_can_be_accepted() -> Result<()> {
    let lake = two_batches()?;
    let before = fingerprints(&lake)?;
    fs::remove_file(lake.raw().join(&three()[0].key))?;
    let refused = lake.call(&["rebuild", ORDERS])?.exits_with(1)?;
    ensure!(
        refused.said().contains(&three()[0].key) && refused.said().contains("--accept-missing"),
        "{}",
        refused.said()
    );
    assert_same(&before, &fingerprints(&lake)?);
    let done = lake
        .call(&["rebuild", ORDERS, "--accept-missing"])?
        .exits_with(0)?;
    assert_eq!(done.count(ORDERS, "objects_rejected")?, 1);
    assert_eq!(orders(&lake)?, [("A-2".to_owned(), "20.0000".to_owned())]);
    let rejects = lake.quarantine(ORDERS)?;
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].object, three()[0].key);
    // It is known now that this object has no rows: nobody misses it again.
    rebuild(&lake, ORDERS)?;
    assert_eq!(lake.run(&[])?.exits_with(0)?.outcome(ORDERS)?, "unchanged");
    Ok(())
}

#[test]
fn rows_of_objects_that_neither_ledger_nor_raw_zone_know_are_missed() -> Result<()> {
    let lake = two_batches()?;
    fs::remove_dir_all(lake.table("marketlake.ledger"))?;
    fs::remove_file(lake.raw().join(&three()[0].key))?;
    let refused = lake.call(&["rebuild", ORDERS])?.exits_with(1)?;
    ensure!(refused.said().contains(&three()[0].key), "{}", refused.said());
    lake.call(&["rebuild", ORDERS, "--accept-missing"])?
        .exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 1);
    Ok(())
}

#[test]
fn an_object_that_was_delivered_again_is_not_missed() -> Result<()> {
    let lake = two_batches()?;
    let again = three()[0]
        .clone()
        .at(marketlake_tests::instant("2026-05-01T00:00:00Z"));
    lake.deliver(&again)?;
    rebuild(&lake, ORDERS)?;
    let run = lake.run(&[ORDERS])?.exits_with(0)?;
    assert_eq!(run.outcome(ORDERS)?, "unchanged");
    assert_eq!(orders(&lake)?.len(), 2);
    Ok(())
}

#[test]
fn a_range_of_periods_is_made_anew_where_the_table_is_laid_out_by_them() -> Result<()> {
    let shop = old_shop()?;
    let files = |run: &Run, name: &str| run.count("shop.visits", name);
    let before = fingerprints(&shop.lake)?;
    let done = shop
        .lake
        .call(&[
            "rebuild",
            "shop.visits",
            "--from",
            "2026-03-02",
            "--to",
            "2026-03-05",
        ])?
        .exits_with(0)?;
    assert_eq!((files(&done, "objects")?, files(&done, "rows_removed")?), (1, 1));
    shop.lake.run(&[])?.exits_with(0)?;
    assert_same(&before, &fingerprints(&shop.lake)?);
    let refused = shop
        .lake
        .call(&["rebuild", ORDERS, "--from", "2026-03-02"])?
        .exits_with(2)?;
    ensure!(refused.said().contains("only the whole"), "{}", refused.said());
    shop.write("visits.toml", &changed())?;
    let held = shop
        .lake
        .call(&["rebuild", "shop.visits", "--from", "2026-03-02"])?
        .exits_with(3)?;
    ensure!(
        held.said().contains("leave --from and --to away"),
        "{}",
        held.said()
    );
    Ok(())
}

#[test]
fn what_a_check_held_is_not_let_in_by_a_rebuild_unasked() -> Result<()> {
    let shop = old_shop()?;
    let strict = VISITS.replace("else = \"quarantine\"", "else = \"hold\"");
    shop.write("visits.toml", &strict)?;
    shop.deliver("2026-03-02", "b", "visit_id,seconds,guests\nv9,60,0\n")?;
    shop.lake.run(&[])?.exits_with(3)?;
    let held = shop.lake.call(&["rebuild", "shop.visits"])?.exits_with(3)?;
    ensure!(
        held.said().contains("rebuild shop.visits --release"),
        "{}",
        held.said()
    );
    shop.lake
        .call(&["rebuild", "shop.visits", "--release", "--batch-objects", "1"])?
        .exits_with(0)?;
    assert_eq!(shop.rows("shop.visits")?.lines().count(), 6);
    assert_eq!(
        shop.lake.run(&[])?.exits_with(0)?.outcome("shop.visits")?,
        "unchanged"
    );
    Ok(())
}

#[test]
fn a_rebuilt_table_is_one_commit_with_the_oldest_protocol() -> Result<()> {
    let lake = two_batches()?;
    let before = log_entries(&lake, ORDERS)?.len();
    rebuild(&lake, ORDERS)?;
    let entries = log_entries(&lake, ORDERS)?;
    assert_eq!(entries.len(), before + 1);
    let newest = actions(entries.last().context("no log")?)?;
    let protocol = newest
        .iter()
        .find_map(|action| action.get("protocol"))
        .context("no protocol")?;
    assert_eq!(
        (&protocol["minReaderVersion"], &protocol["minWriterVersion"]),
        (&json!(1), &json!(2))
    );
    let count = |kind: &str| {
        newest
            .iter()
            .filter(|action: &&Value| action.get(kind).is_some())
            .count()
    };
    assert_eq!((count("add"), count("remove"), count("metaData")), (1, 1, 1));
    Ok(())
}
