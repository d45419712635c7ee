//! Tables that are made anew while something of them is begun and not ended, or was delivered again.

use std::fs;

use anyhow::{Result, ensure};
use marketlake_tests::reports::{manifest, report, reports};
use marketlake_tests::{Run, instant};

use super::{Shop, rebuild, visits};

const SECOND: [&str; 6] = [
    "rebuild",
    "shop.visits",
    "--from",
    "2026-03-02",
    "--to",
    "2026-03-02",
];

#[test]
fn some_days_are_not_made_anew_over_an_open_batch_of_others() -> Result<()> {
    let shop = Shop::open()?;
    visits(&shop)?;
    shop.lake.run(&[])?.exits_with(0)?;
    shop.deliver("2026-03-03", "a", "visit_id,seconds,guests\nv7,60,1\n")?;
    ensure!(shop.lake.run_until("after_claim", &["shop.visits"])?.died());
    let refused = shop.lake.call(&SECOND)?.exits_with(3)?;
    ensure!(
        refused.said().contains("batch 2 is begun") && refused.said().contains("run shop.visits"),
        "{}",
        refused.said()
    );
    shop.lake.run(&[])?.exits_with(0)?;
    ensure!(shop.rows("shop.visits")?.contains("2026-03-03,main,v7"));
    shop.lake.call(&SECOND)?.exits_with(0)?;
    ensure!(shop.rows("shop.visits")?.contains("2026-03-03,main,v7"));
    Ok(())
}

#[test]
fn a_batch_that_is_in_is_recorded_before_its_table_is_made_anew() -> Result<()> {
    let whole = ["rebuild", "shop.visits"];
    for again in [&SECOND[..], &whole] {
        let shop = Shop::open()?;
        visits(&shop)?;
        shop.lake.run(&[])?.exits_with(0)?;
        shop.deliver(
            "2026-03-03",
            "a",
            "visit_id,seconds,guests\nv7,60,1\nv8,60,none\n",
        )?;
        ensure!(shop.lake.run_until("after_commit", &["shop.visits"])?.died());
        shop.lake.call(again)?.exits_with(0)?;
        let rejects = shop.lake.quarantine("shop.visits")?;
        ensure!(
            rejects.iter().any(|reject| reject.reason.contains("guests")),
            "{rejects:?}"
        );
        let recorded = shop.lake.query(
            "SELECT DISTINCT version FROM marketlake.changes WHERE table_name = 'shop.visits' ORDER BY 1",
        )?;
        assert_eq!(recorded.lines().collect::<Vec<_>>(), ["version", "1", "2", "3"]);
        let notices = fs::read_to_string(shop.lake.path().join("notices.jsonl"))?;
        let told = notices
            .lines()
            .filter(|line| line.contains("\"table\":\"shop.visits\""));
        ensure!(
            told.filter(|line| line.contains("\"version\":2")).count() == 1,
            "{notices}"
        );
    }
    Ok(())
}

#[test]
fn rows_that_a_held_table_rejected_before_are_recorded() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver(
        "2026-03-03",
        "a",
        "visit_id,seconds,guests\nv7,60,1\nv8,60,none\n",
    )?;
    ensure!(shop.lake.run_until("after_commit", &["shop.visits"])?.died());
    shop.write("visits.toml", &super::changed())?;
    shop.lake.run(&["shop.visits"])?.exits_with(3)?;
    assert_eq!(shop.lake.quarantine("shop.visits")?.len(), 1);
    Ok(())
}

#[test]
fn a_damaged_object_that_was_mended_is_no_reject_again() -> Result<()> {
    let shop = Shop::open()?;
    visits(&shop)?;
    shop.deliver(
        "2026-03-03",
        "a",
        &format!("nothing that is known{}\n", ",x".repeat(99)),
    )?;
    shop.lake.run(&["--batch-objects", "1"])?.takes_in()?;
    assert_eq!(
        shop.lake
            .quarantine("shop.visits")?
            .iter()
            .filter(|one| one.row.is_none())
            .count(),
        1
    );
    shop.deliver(
        "2026-03-03",
        "a",
        "visit_id,seconds,guests\nv7,60,1\nv8,60,none\n",
    )?;
    shop.lake.run(&[])?.exits_with(0)?;
    let before = shop.lake.quarantine("shop.visits")?;
    ensure!(before.iter().all(|reject| reject.row.is_some()), "{before:?}");
    let done = shop
        .lake
        .call(&["rebuild", "shop.visits", "--batch-objects", "1"])?
        .exits_with(0)?;
    assert_eq!(done.count("shop.visits", "objects_rejected")?, 0);
    assert_eq!(shop.lake.quarantine("shop.visits")?, before);
    let object = shop.lake.raw().join("shop/main/2026-03-03/a.csv");
    let why = shop
        .lake
        .call(&["why", &object.to_string_lossy()])?
        .exits_with(0)?
        .document()?;
    let states: Vec<&str> = why["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["state"].as_str())
        .collect();
    assert_eq!(states, ["rejected", "in_table", "in_table"]);
    Ok(())
}

#[test]
fn parts_that_came_beside_a_rebuild_go_in_with_their_document() -> Result<()> {
    const TABLE: &str = "reports.daily";
    let lake = reports()?;
    let part = |name: &str, number: u32, rows: &[&str]| {
        [report(name, rows), manifest(name, "r", (1, 3), 9, (number, 2))]
    };
    lake.deliver_all(&part("one", 1, &["2026-03-01,c1,1"]))?;
    lake.deliver_all(&part("two", 2, &["2026-03-02,c1,2"]))?;
    lake.run(&[])?.exits_with(0)?;
    let output = lake
        .command(&["rebuild", TABLE])
        .env("MARKETLAKE_FAILPOINT", "after_staging")
        .output()?;
    ensure!(Run::from(output).died());
    let [object, said] = part("three", 1, &["2026-03-01,c1,100", "2026-03-03,c1,3"]);
    lake.deliver_all(&[object.at(instant("2026-05-01T00:00:00Z")), said])?;
    lake.run(&[])?.exits_with(0)?;
    let wanted = lake.rows(TABLE)?.to_csv();
    ensure!(wanted.contains("100"), "{wanted}");
    rebuild(&lake, TABLE)?;
    assert_eq!(lake.rows(TABLE)?.to_csv(), wanted);
    Ok(())
}

#[test]
fn what_was_rejected_before_a_field_was_personal_is_forgotten_with_the_old_rows() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver(
        "2026-03-01",
        "a",
        "visit_id,seconds,guests,mail\nv1,60,none,eve@planted.example\nv2,60,1,eve@planted.example\n",
    )?;
    shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    let rejects = "SELECT reason, raw_text FROM marketlake.quarantine";
    ensure!(shop.lake.query(rejects)?.contains("eve@planted"));
    let personal = "mail     = { type = \"text\", personal = \"drop\" }\nguests   = \"int\"";
    shop.write(
        "visits.toml",
        &marketlake_tests::shop::VISITS.replace("guests   = \"int\"", personal),
    )?;
    shop.write(
        "visits.sql",
        "SELECT visit_id, seconds AS minutes, guests, mail FROM raw\n",
    )?;
    rebuild(&shop.lake, "shop.visits")?;
    let left = shop.lake.query(rejects)?;
    ensure!(!left.contains("planted") && left.lines().count() == 3, "{left}");
    assert_eq!(shop.lake.quarantine("shop.visits")?.len(), 1);
    Ok(())
}
