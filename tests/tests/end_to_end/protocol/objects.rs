//! Objects that are gone, changed or no files, and ranges of them.

use std::fs;

use anyhow::{Result, ensure};
use marketlake_tests::jwo::{ACCOUNT, orders, report};
use marketlake_tests::{Delivery, instant, new_lake};

fn total(order: &str, text: &str) -> (String, String) {
    (order.to_owned(), text.to_owned())
}

#[test]
fn an_object_that_is_gone_after_it_was_claimed_is_rejected_and_the_others_go_in() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let gone = report("07:15", "A-1", "10.00");
    lake.deliver_all([&gone, &report("07:30", "A-2", "20.00")])?;
    ensure!(
        lake.run_until("after_claim", &["jwo.orders"])?.died(),
        "no claim was made"
    );
    fs::remove_file(lake.raw().join(&gone.key))?;
    let run = lake.run(&["jwo.orders"])?.takes_in()?;
    assert_eq!(run.outcome("jwo.orders")?, "partly_quarantined");
    assert_eq!(orders(&lake)?, [total("A-2", "20.0000")]);
    let rejects = lake.quarantine("jwo.orders")?;
    assert_eq!((rejects.len(), rejects[0].row), (1, None));
    ensure!(
        rejects[0].object == gone.key && rejects[0].reason.contains("gone"),
        "{rejects:?}"
    );
    Ok(())
}

#[test]
fn what_became_of_an_object_is_told_before_it_is_recorded() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let gone = report("07:15", "A-1", "10.00");
    lake.deliver_all([&gone, &report("07:30", "A-2", "20.00")])?;
    ensure!(lake.run_until("after_claim", &["jwo.orders"])?.died());
    fs::remove_file(lake.raw().join(&gone.key))?;
    ensure!(lake.run_until("after_commit", &["jwo.orders"])?.died());
    let told = || -> Result<_> {
        let said = lake.call(&["why", &gone.key])?.exits_with(0)?.document()?;
        Ok((
            said["entries"][0]["state"].clone(),
            said["entries"][0]["reasons"].clone(),
        ))
    };
    let before = told()?;
    assert_eq!(before.0, "rejected");
    lake.run(&["jwo.orders"])?.takes_in()?;
    assert_eq!(told()?, before);
    Ok(())
}

#[test]
fn an_object_that_was_rewritten_after_it_was_claimed_is_taken_in_as_what_it_is_now() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    ensure!(
        lake.run_until("after_claim", &["jwo.orders"])?.died(),
        "no claim was made"
    );
    lake.deliver(&report("07:15", "A-1", "11.50").at(instant("2026-04-02T00:00:00Z")))?;
    lake.run(&["jwo.orders"])?.takes_in()?;
    assert_eq!(orders(&lake)?, [total("A-1", "11.5000")]);
    assert!(lake.quarantine("jwo.orders")?.is_empty());
    Ok(())
}

#[test]
fn a_folder_with_the_name_of_a_report_disturbs_nothing() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&Delivery::new(
        "jwo/corner/Order/2026-03-01/07/ALL00.csv000/ALL00.csv000",
        "order_id\nA-9\n",
    ))?;
    fs::create_dir_all(lake.raw().join("jwo/corner/Order/2026-03-01/07/ALL45.csv000"))?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    lake.run(&["jwo.orders"])?.exits_with(0)?;
    assert_eq!(orders(&lake)?, [total("A-1", "10.0000")]);
    Ok(())
}

#[test]
fn a_range_takes_in_the_objects_of_its_days_and_a_later_run_the_others() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let on = |day: &str, order: &str| {
        let key = format!("jwo/corner/Order/{day}/07/ALL15.csv000");
        Delivery::new(
            key,
            format!("order_id,order_date,order_total\n{order},{day},1.00\n"),
        )
    };
    lake.deliver_all(&[
        on("2026-03-01", "A-1"),
        on("2026-03-02", "A-2"),
        on("2026-03-03", "A-3"),
        on("2026-03-04", "A-4"),
    ])?;
    lake.call(&["run", "--from", "2026-03-02", "--to", "2026-03-03"])?
        .exits_with(0)?;
    assert_eq!(orders(&lake)?, [total("A-2", "1.0000"), total("A-3", "1.0000")]);
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 4);
    Ok(())
}

#[test]
fn a_run_for_one_account_leaves_the_others_for_later() -> Result<()> {
    let lake = new_lake(&format!(
        "{ACCOUNT}\n[[account]]\nalias = \"arena\"\nsource = \"jwo\"\n"
    ))?;
    let mut other = report("07:15", "A-9", "9.00");
    other.key = other.key.replace("corner", "arena");
    lake.deliver_all([&report("07:15", "A-1", "10.00"), &other])?;
    lake.call(&["run", "--from", "2026-01-01", "--account", "arena"])?
        .exits_with(0)?;
    assert_eq!(orders(&lake)?, [total("A-9", "9.0000")]);
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 2);
    Ok(())
}

#[test]
fn a_claim_whose_contract_is_gone_waits_and_other_tables_go_on() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let folder = lake.path().join("contracts");
    fs::create_dir_all(folder.join("jwo"))?;
    fs::write(folder.join("jwo/mine.toml"), "extends = \"jwo.orders\"\n")?;
    let lake = lake.with_contracts(folder.clone());
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    ensure!(
        lake.run_until("after_claim", &["jwo.mine"])?.died(),
        "no claim was made"
    );
    fs::remove_file(folder.join("jwo/mine.toml"))?;
    let run = lake.run(&[])?.exits_with(3)?;
    assert_eq!(run.outcome("jwo.mine")?, "held");
    assert_eq!(run.outcome("jwo.orders")?, "updated");
    fs::write(folder.join("jwo/mine.toml"), "extends = \"jwo.orders\"\n")?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(lake.rows("jwo.mine")?.len(), 1);
    Ok(())
}

#[test]
fn why_and_status_tell_where_an_object_went() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let delivery = report("07:15", "A-1", "10.00");
    lake.deliver(&delivery)?;
    lake.run(&[])?.exits_with(0)?;
    let document = lake
        .call(&["why", &lake.raw().join(&delivery.key).display().to_string()])?
        .exits_with(0)?
        .document()?;
    let entries = document["entries"].as_array().cloned().unwrap_or_default();
    for table in ["jwo.orders", "jwo.order_lines", "jwo.order_rows"] {
        let entry = entries.iter().find(|entry| entry["table"] == table);
        ensure!(
            entry.is_some_and(|entry| entry["state"] == "in_table" && entry["batch"] == 1),
            "{table}: {document}"
        );
    }
    let status = lake.call(&["status"])?.exits_with(0)?.document()?;
    let tables = status["tables"].as_array().cloned().unwrap_or_default();
    let orders = tables
        .iter()
        .find(|table| table["table"] == "jwo.orders")
        .cloned()
        .unwrap_or_default();
    assert_eq!((&orders["batches"], &orders["rows"]), (&1.into(), &1.into()));
    Ok(())
}
