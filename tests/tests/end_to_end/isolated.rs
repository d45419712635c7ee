//! Objects that kill whoever reads them, batches that kill whoever computes them, and innocent ones that were only in
//! hand when processes ended.

use anyhow::{Result, ensure};
use marketlake_tests::shop::{DAILY, Shop};
use marketlake_tests::{Delivery, LakeUnderTest, new_lake};

const ORDERS: &str = "jwo.orders";
/// Attempts that read side by side, then those that say what they read.
const DEATHS: usize = 6;

/// A lake with three reports of which every run that read the second one has died.
fn with_a_suspect() -> Result<LakeUnderTest> {
    let lake = new_lake("[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n")?;
    for report in 0..3 {
        let rows = format!("order_id,order_date,order_total,currency_code\no-{report},2026-03-01,1.00,USD\n");
        lake.deliver(&Delivery::new(key(report), rows))?;
    }
    for _ in 0..DEATHS {
        ensure!(lake.run_until("reading=ALL01.csv000", &[])?.died());
    }
    Ok(lake)
}

fn key(report: u32) -> String {
    format!("jwo/corner/Order/2026-03-01/00/ALL{report:02}.csv000")
}

#[test]
fn an_object_is_rejected_when_a_process_died_before_the_eyes_of_another() -> Result<()> {
    let lake = with_a_suspect()?;
    let run = lake.run_until("reading=ALL01.csv000", &[])?.takes_in()?;
    assert_eq!(run.count(ORDERS, "objects_rejected")?, 1);
    assert_eq!(lake.rows(ORDERS)?.len(), 2);
    let quarantine = lake.quarantine(ORDERS)?;
    ensure!(
        quarantine.len() == 1
            && quarantine[0].object == key(1)
            && quarantine[0].reason.contains("died of it: signal"),
        "{quarantine:?}"
    );
    Ok(())
}

#[test]
fn an_object_that_was_in_hand_by_chance_is_taken_in() -> Result<()> {
    let lake = with_a_suspect()?;
    lake.run(&[])?.exits_with(0)?;
    ensure!(lake.quarantine(ORDERS)?.is_empty());
    assert_eq!(lake.rows(ORDERS)?.len(), 3);
    Ok(())
}

#[test]
fn a_batch_that_kills_holds_its_table_until_it_no_longer_does() -> Result<()> {
    let shop = Shop::open()?;
    shop.write(
        "weekly.toml",
        &DAILY.replace("Guests of a day", "Guests of a day, again"),
    )?;
    shop.write(
        "weekly.sql",
        "SELECT day, sum(guests) AS guests FROM shop.visits GROUP BY day\n",
    )?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\n")?;
    let deadly = "reading=shop.daily";
    for _ in 0..3 {
        ensure!(shop.lake.run_until(deadly, &[])?.died());
    }
    let run = shop.lake.run_until(deadly, &[])?.exits_with(3)?;
    assert_eq!(run.outcome("shop.daily")?, "held");
    ensure!(run.said().contains("died of it: signal"), "{}", run.said());
    // What is behind it goes on.
    assert_eq!(run.outcome("shop.weekly")?, "updated");
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.daily")?, "updated");
    assert_eq!(shop.rows("shop.daily")?, "day,guests\n2026-03-01,2\n");
    Ok(())
}
