//! What refuses or holds a table is overcome by making it anew.

use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::demo::{assert_same, fingerprints};
use marketlake_tests::jwo::{ACCOUNT, orders, report, two_batches};
use marketlake_tests::tree::{actions, again, append, copy, log_entries};
use marketlake_tests::{Delivery, LakeUnderTest, new_lake};
use serde_json::json;

use super::{ORDERS, rebuild, three};

/// What a lake holds that never knew anything but these reports.
fn fresh(reports: &[Delivery]) -> Result<Vec<(String, String)>> {
    let fresh = new_lake(ACCOUNT)?;
    fresh.deliver_all(reports)?;
    fresh.run(&[])?.exits_with(0)?;
    fingerprints(&fresh)
}

/// Tables to which something was delivered.
fn every_table(lake: &LakeUnderTest) -> Result<Vec<String>> {
    let names = lake
        .contracts()?
        .keys()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    Ok(names
        .into_iter()
        .filter(|name| lake.table(name).exists())
        .collect())
}

/// The table is refused; a rebuild of these tables is the way out, after which all is as in a fresh lake.
fn is_released(lake: &LakeUnderTest, tables: &[&str]) -> Result<()> {
    lake.deliver(&three()[2])?;
    let refused = lake.run(&[])?.exits_with(1)?;
    for table in tables {
        let messages = refused.about(table)?["messages"].to_string();
        ensure!(messages.contains(&format!("rebuild {table}")), "{messages}");
    }
    for table in tables {
        rebuild(lake, table)?;
    }
    lake.run(&[])?.exits_with(0)?;
    assert_same(&fresh(&three())?, &fingerprints(lake)?);
    // And it goes on.
    lake.deliver(&report("08:15", "A-1", "11.00"))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(ORDERS, "rows_updated")?, 1);
    lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(orders(lake)?[0], ("A-1".to_owned(), "11.0000".to_owned()));
    Ok(())
}

#[test]
fn a_commit_of_somebody_else_is_overcome() -> Result<()> {
    let lake = two_batches()?;
    let add = again(&lake, ORDERS)?;
    append(
        &lake,
        ORDERS,
        &[json!({"commitInfo": {"operation": "WRITE"}}), json!({"add": add})],
    )?;
    is_released(&lake, &[ORDERS])
}

#[test]
fn a_property_and_a_protocol_of_somebody_else_are_overcome() -> Result<()> {
    let lake = two_batches()?;
    let first = actions(&log_entries(&lake, ORDERS)?[0])?;
    let mut metadata = first
        .iter()
        .find_map(|action| action.get("metaData"))
        .context("no metadata")?
        .clone();
    metadata["configuration"]["delta.appendOnly"] = json!("true");
    append(&lake, ORDERS, &[json!({"metaData": metadata})])?;
    append(
        &lake,
        ORDERS,
        &[json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 3}})],
    )?;
    is_released(&lake, &[ORDERS])
}

#[test]
fn a_table_that_was_set_back_is_overcome() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    for delivery in [
        report("07:00", "A-1", "9.00"),
        three()[0].clone(),
        three()[1].clone(),
    ] {
        lake.deliver(&delivery)?;
        lake.run(&[])?.exits_with(0)?;
    }
    for entry in log_entries(&lake, ORDERS)?.iter().rev().take(2) {
        fs::remove_file(entry)?;
    }
    lake.deliver(&three()[2])?;
    lake.run(&[])?.exits_with(1)?;
    rebuild(&lake, ORDERS)?;
    lake.run(&[])?.exits_with(0)?;
    let all: Vec<Delivery> = [report("07:00", "A-1", "9.00")]
        .into_iter()
        .chain(three())
        .collect();
    assert_same(&fresh(&all)?, &fingerprints(&lake)?);
    Ok(())
}

#[test]
fn a_table_whose_folder_is_gone_is_overcome() -> Result<()> {
    let lake = two_batches()?;
    fs::remove_dir_all(lake.table(ORDERS))?;
    is_released(&lake, &[ORDERS])
}

#[test]
fn a_ledger_that_is_gone_is_overcome_table_by_table() -> Result<()> {
    let lake = two_batches()?;
    fs::remove_dir_all(lake.table("marketlake.ledger"))?;
    let all = every_table(&lake)?;
    is_released(&lake, &all.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_ledger_that_was_set_back_is_overcome() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&three()[0])?;
    lake.run(&[])?.exits_with(0)?;
    let (ledger, saved) = (lake.table("marketlake.ledger"), lake.path().join("saved"));
    copy(&ledger, &saved)?;
    lake.deliver(&three()[1])?;
    lake.run(&[])?.exits_with(0)?;
    fs::remove_dir_all(&ledger)?;
    copy(&saved, &ledger)?;
    let all = [
        "jwo.order_rows",
        ORDERS,
        "jwo.order_lines",
        "jwo.order_totals",
        "jwo.store_hourly",
    ];
    is_released(&lake, &all)
}

#[test]
fn another_key_for_personal_columns_is_overcome() -> Result<()> {
    let order = Delivery::new(
        "jwo/corner/Order/2026-03-01/07/ALL15.csv000",
        "order_id,order_date,shopper_ref\nA-1,2026-03-01,somebody\n",
    );
    let lakes = ["one", "another"].map(|key| new_lake(&format!("personal_key = \"{key}\"\n")));
    let [lake, fresh] = lakes;
    let (lake, fresh) = (lake?, fresh?);
    for one in [&lake, &fresh] {
        one.deliver(&order)?;
        one.run(&[])?.exits_with(0)?;
    }
    fs::write(
        lake.path().join("marketlake.toml"),
        "personal_key = \"another\"\n",
    )?;
    assert_eq!(lake.run(&[])?.exits_with(3)?.outcome(ORDERS)?, "held");
    rebuild(&lake, ORDERS)?;
    rebuild(&lake, "jwo.order_rows")?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(lake.rows(ORDERS)?, fresh.rows(ORDERS)?);
    Ok(())
}
