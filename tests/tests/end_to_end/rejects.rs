//! What of a batch may be rejected before a person is asked.

use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::Delivery;
use marketlake_tests::shop::{Shop, VISITS};

#[test]
fn a_batch_beyond_its_budget_waits_or_is_told_and_one_without_a_good_row_is_always_told() -> Result<()> {
    let shop = Shop::open()?;
    let visits = |budget: &str| VISITS.replacen("[columns]", &format!("{budget}\n\n[columns]"), 1);
    let rows = |good: usize, bad: usize| {
        let row = |index: usize, guests: &str| format!("v{index},90,{guests}\n");
        let good: String = (0..good).map(|index| row(index, "2")).collect();
        let bad: String = (0..bad).map(|index| row(100 + index, "many")).collect();
        format!("visit_id,seconds,guests\n{good}{bad}")
    };
    let run = |code: i32| shop.lake.run(&["shop.visits"])?.exits_with(code);
    shop.write(
        "visits.toml",
        &visits("quarantine = { rows = 0.1, else = \"hold\" }"),
    )?;
    shop.deliver("2026-03-01", "a", &rows(9, 1))?;
    assert_eq!(run(0)?.outcome("shop.visits")?, "partly_quarantined");

    shop.deliver("2026-03-02", "a", &rows(8, 2))?;
    let held = run(3)?;
    assert_eq!(held.outcome("shop.visits")?, "held");
    let said = held.about("shop.visits")?["messages"].to_string();
    ensure!(
        said.contains("2 of 10 rows in batch 2") && said.contains("--release shop.visits"),
        "{said}"
    );
    assert_eq!(shop.lake.quarantine("shop.visits")?.len(), 1);
    let released = shop
        .lake
        .run(&["shop.visits", "--release", "shop.visits"])?
        .exits_with(3)?;
    assert_eq!(released.count("shop.visits", "rows_inserted")?, 8);
    assert_eq!(shop.lake.quarantine("shop.visits")?.len(), 3);

    // The budget decides about no row, so that it may change at any time.
    shop.write("visits.toml", &visits("quarantine = { rows = 0.5 }"))?;
    shop.deliver("2026-03-03", "a", &rows(1, 2))?;
    let told = run(3)?;
    assert_eq!(told.outcome("shop.visits")?, "partly_quarantined");
    assert_eq!(told.about("shop.visits")?["over_budget"], true);

    shop.write("visits.toml", &visits(""))?;
    shop.deliver("2026-03-04", "a", &rows(1, 9))?;
    run(0)?;
    shop.deliver("2026-03-05", "a", &rows(0, 3))?;
    let said = run(3)?.about("shop.visits")?["messages"].to_string();
    ensure!(
        said.contains("everything in batch 5 was rejected; the first because guests"),
        "{said}"
    );
    run(0)?;
    let notices = fs::read_to_string(shop.lake.path().join("notices.jsonl"))?;
    let last = notices.lines().last().context("no notice")?;
    ensure!(last.contains("\"attention\":true"), "{last}");
    Ok(())
}

#[test]
fn a_period_whose_only_object_was_rejected_is_missing_and_none_is_after_the_account_ended() -> Result<()> {
    let folder_of = |day: &str| format!("shop/corner/{day}/a.csv");
    let account = "[[account]]\nalias = \"corner\"\nsource = \"shop\"\nsince = \"2026-03-01\"\nuntil = \"2026-03-04\"\n";
    let shop = Shop::configured(account)?;
    shop.write(
        "visits.toml",
        &VISITS.replacen(
            "[columns]",
            "expect = { every = \"1d\", within = \"1h\" }\n\n[columns]",
            1,
        ),
    )?;
    for (day, guests) in [("2026-03-01", "2"), ("2026-03-02", "many"), ("2026-03-04", "2")] {
        let text = format!("visit_id,seconds,guests\nv1,90,{guests}\n");
        shop.lake.deliver(&Delivery::new(folder_of(day), text))?;
    }
    shop.lake
        .deliver(&Delivery::new(folder_of("2026-03-03"), vec![0xFF; 9]))?;
    shop.lake.run(&["shop.visits"])?.takes_in()?;
    let status = shop.lake.call(&["status", "--gaps"])?.exits_with(0)?.document()?;
    let periods = status["periods"].as_array().context("no periods")?;
    let missing = periods.iter().filter(|period| period["table"] == "shop.visits");
    let missing: Vec<&str> = missing
        .filter_map(|period| period["period_start"].as_str())
        .collect();
    assert_eq!(missing, ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]);
    Ok(())
}
