//! Tables and ledgers that are not what the last batch left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::jwo::{ACCOUNT, orders, report, two_batches};
use marketlake_tests::shop::{Shop, VISITS};
use marketlake_tests::tree::{actions, again, append, copy, log_entries};
use marketlake_tests::{Delivery, LakeUnderTest, Run, new_lake};
use serde_json::{Value, json};

const ORDERS: &str = "jwo.orders";

/// Takes in one more report, which `jwo.orders` must refuse by name, with the way out, while the others go on.
fn refused(lake: &LakeUnderTest) -> Result<Run> {
    let before = fs::read_dir(lake.table(ORDERS).join("_delta_log"))?.count();
    lake.deliver(&report("07:45", "A-3", "30.00"))?;
    let run = lake.run(&[])?.exits_with(1)?;
    assert_eq!(run.outcome(ORDERS)?, "failed");
    let messages = run.about(ORDERS)?["messages"].to_string();
    ensure!(
        messages.contains("rebuild jwo.orders"),
        "no way out in {messages}"
    );
    assert_eq!(
        fs::read_dir(lake.table(ORDERS).join("_delta_log"))?.count(),
        before,
        "something was written"
    );
    Ok(run)
}

#[test]
fn a_commit_of_somebody_else_that_changes_rows_is_refused_and_other_tables_go_on() -> Result<()> {
    let lake = two_batches()?;
    let mut add = again(&lake, ORDERS)?;
    add["dataChange"] = json!(true);
    append(
        &lake,
        ORDERS,
        &[
            json!({"commitInfo": {"operation": "WRITE", "engineInfo": "another"}}),
            json!({"add": add}),
        ],
    )?;
    let run = refused(&lake)?;
    assert_eq!(run.outcome("jwo.order_rows")?, "updated");
    assert_eq!(run.outcome("jwo.order_lines")?, "updated");
    Ok(())
}

#[test]
fn a_property_that_changes_what_writers_have_to_do_is_refused() -> Result<()> {
    for property in [
        "delta.enableDeletionVectors",
        "delta.enableChangeDataFeed",
        "delta.appendOnly",
    ] {
        let lake = two_batches()?;
        let first = actions(&log_entries(&lake, ORDERS)?[0])?;
        let mut metadata = first
            .iter()
            .find_map(|action| action.get("metaData"))
            .context("no metadata")?
            .clone();
        metadata["configuration"][property] = json!("true");
        append(&lake, ORDERS, &[json!({"metaData": metadata})])?;
        let run = refused(&lake)?;
        let messages = run.about(ORDERS)?["messages"].to_string();
        ensure!(messages.contains(property), "{messages}");
        let status = lake.call(&["status"])?.exits_with(0)?.document()?;
        let tables = status["tables"].as_array().cloned().unwrap_or_default();
        let problems = tables.iter().filter(|table| !table["problem"].is_null());
        assert_eq!(problems.count(), 1, "the other tables are told all the same");
    }
    Ok(())
}

#[test]
fn a_protocol_that_this_program_does_not_write_is_refused() -> Result<()> {
    let lake = two_batches()?;
    append(
        &lake,
        ORDERS,
        &[json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 3}})],
    )?;
    refused(&lake)?;
    Ok(())
}

#[test]
fn a_table_that_lost_its_newest_commit_gets_the_batch_again_and_no_row_twice() -> Result<()> {
    let lake = two_batches()?;
    let wanted = orders(&lake)?;
    fs::remove_file(log_entries(&lake, ORDERS)?.last().context("no log")?)?;
    assert_eq!(orders(&lake)?.len(), 1);
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?, wanted);
    lake.deliver(&report("07:45", "A-3", "30.00"))?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 3);
    Ok(())
}

#[test]
fn a_table_that_was_set_back_by_several_batches_is_refused() -> Result<()> {
    let lake = two_batches()?;
    lake.deliver(&report("08:00", "A-4", "40.00"))?;
    lake.run(&[])?.exits_with(0)?;
    for entry in log_entries(&lake, ORDERS)?.iter().rev().take(2) {
        fs::remove_file(entry)?;
    }
    refused(&lake)?;
    Ok(())
}

#[test]
fn a_ledger_that_is_gone_is_not_replaced_by_an_empty_one() -> Result<()> {
    let lake = two_batches()?;
    let wanted = orders(&lake)?;
    fs::remove_dir_all(lake.table("marketlake.ledger"))?;
    refused(&lake)?;
    assert_eq!(orders(&lake)?, wanted);
    Ok(())
}

#[test]
fn a_ledger_that_was_set_back_is_refused() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    lake.run(&[])?.exits_with(0)?;
    let (ledger, saved) = (lake.table("marketlake.ledger"), lake.path().join("saved"));
    copy(&ledger, &saved)?;
    lake.deliver(&report("07:30", "A-2", "20.00"))?;
    lake.run(&[])?.exits_with(0)?;
    let wanted = orders(&lake)?;
    fs::remove_dir_all(&ledger)?;
    copy(&saved, &ledger)?;
    refused(&lake)?;
    assert_eq!(orders(&lake)?, wanted);
    Ok(())
}

#[test]
fn the_first_commit_of_every_table_has_no_rows_and_the_oldest_protocol() -> Result<()> {
    let lake = two_batches()?;
    let mut tables: Vec<String> = lake.contracts()?.keys().map(ToString::to_string).collect();
    tables.extend(["marketlake.ledger".to_owned(), "marketlake.runs".to_owned()]);
    let mut seen = 0;
    for table in tables.iter().filter(|table| lake.table(table).is_dir()) {
        let first = actions(&log_entries(&lake, table)?[0])?;
        let protocol = first
            .iter()
            .find_map(|action| action.get("protocol"))
            .context("no protocol")?;
        assert_eq!(
            (&protocol["minReaderVersion"], &protocol["minWriterVersion"]),
            (&json!(1), &json!(2)),
            "{table}"
        );
        assert!(first.iter().all(|action| action.get("add").is_none()), "{table}");
        seen += 1;
    }
    ensure!(seen >= 5, "only {seen} tables were made");
    Ok(())
}

#[test]
fn runners_that_make_a_lake_at_the_same_time_make_one() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    let mut runners = Vec::new();
    for _ in 0..6 {
        let mut command = lake.command(&["run", "--from", "2020-01-01", "--busy-wait", "0s"]);
        runners.push(
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()?,
        );
    }
    for runner in runners {
        let run = Run::from(runner.wait_with_output()?);
        ensure!(matches!(run.code, Some(0 | 3)), "{:?} {}", run.code, run.said());
    }
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?, [("A-1".to_owned(), "10.0000".to_owned())]);
    for table in [ORDERS, "jwo.order_lines", "marketlake.ledger"] {
        let logs = log_entries(&lake, table)?;
        let all = logs
            .iter()
            .map(|path| actions(path))
            .collect::<Result<Vec<_>>>()?;
        // One that computes from a table may make it before its first batch does, which then adds whose rows it has.
        let ids = all
            .iter()
            .flatten()
            .filter_map(|action| action["metaData"]["id"].as_str());
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 1, "{table}");
        let made = all
            .iter()
            .flatten()
            .filter(|action| action.get("protocol").is_some());
        assert_eq!(made.count(), 1, "{table}");
    }
    Ok(())
}

/// Some readers leave files out that have no bounds in a column which the log says has some.
#[test]
fn columns_that_a_log_says_have_bounds_are_those_that_have_them() -> Result<()> {
    let lake = two_batches()?;
    lake.deliver(&report("08:00", "A-9", "no price"))?;
    lake.run(&[])?.takes_in()?;
    let mut tables: Vec<String> = lake.contracts()?.keys().map(ToString::to_string).collect();
    tables.extend(["ledger", "runs", "changes", "quarantine"].map(|name| format!("marketlake.{name}")));
    let mut files = 0;
    for table in tables.iter().filter(|table| lake.table(table).is_dir()) {
        let entries = log_entries(&lake, table)?;
        let metadata = actions(&entries[0])?
            .into_iter()
            .find_map(|action| action.get("metaData").cloned())
            .context("no metadata")?;
        let said = metadata["configuration"]["delta.dataSkippingStatsColumns"]
            .as_str()
            .with_context(|| format!("{table} does not say which columns have bounds"))?;
        let said: BTreeSet<&str> = said.split(',').collect();
        for entry in &entries {
            for action in actions(entry)? {
                let Some(stats) = action["add"]["stats"].as_str() else {
                    continue;
                };
                let stats: Value = serde_json::from_str(stats)?;
                for name in &said {
                    ensure!(
                        stats["nullCount"].get(name).is_some(),
                        "{table}: {name} has no bounds in {stats}"
                    );
                }
                files += 1;
            }
        }
    }
    ensure!(files >= 10, "only {files} files were looked at");
    Ok(())
}

/// Some readers take the bounds of decimals for floats. They must find what they look for all the same.
#[test]
fn no_bound_that_is_taken_for_a_float_hides_a_decimal() -> Result<()> {
    let shop = Shop::open()?;
    shop.write(
        "sums.toml",
        r#"description = "Sums of a day."
path      = "sums/{date}.csv"
format    = "csv"
keep      = "latest_row"
key       = ["day", "long", "short"]
newest_by = ["_modified"]
partition = ["day"]

[columns]
day   = { type = "date", from = "_period" }
long  = "decimal(18,0)"
short = "decimal(15,2)"
"#,
    )?;
    let sums = [
        ("2026-03-01", "123456789012345678", "1234567890123.45"),
        ("2026-03-02", "999999999999999999", "0.10"),
        ("2026-03-03", "-100000000000000001", "-9999999999999.99"),
    ];
    for (day, long, short) in sums {
        let text = format!("long,short\n{long},{short}\n");
        shop.lake
            .deliver(&Delivery::new(format!("sums/{day}.csv"), text))?;
    }
    shop.lake.run(&["shop.sums"])?.exits_with(0)?;
    let mut bounds = 0;
    for action in log_entries(&shop.lake, "shop.sums")?
        .iter()
        .map(|entry| actions(entry))
    {
        for action in action? {
            let (Some(path), Some(stats)) = (action["add"]["path"].as_str(), action["add"]["stats"].as_str())
            else {
                continue;
            };
            let stats: Value = serde_json::from_str(stats)?;
            let (_, long, short) = sums
                .iter()
                .find(|(day, ..)| path.contains(day))
                .context("another day")?;
            for (column, value, scale) in [("long", long, 1.0), ("short", short, 100.0)] {
                let value: i128 = value.replace('.', "").parse()?;
                let float = |side: &str| {
                    stats[side][column]
                        .as_f64()
                        .map(|bound| (bound * scale).round() as i128)
                };
                for (bound, is_right) in [
                    (float("minValues"), i128::le as fn(&i128, &i128) -> bool),
                    (float("maxValues"), i128::ge),
                ] {
                    let Some(bound) = bound else { continue };
                    ensure!(
                        is_right(&bound, &value),
                        "{column} {value} lies beyond {bound} in {stats}"
                    );
                    bounds += 1;
                }
            }
        }
    }
    assert_eq!(bounds, 6, "the short ones have bounds");
    Ok(())
}

/// What a log says that a table is.
#[derive(Debug)]
struct Definition {
    description: String,
    /// What each column means.
    columns: BTreeMap<String, String>,
    /// The columns of which every file has bounds, with commas between them.
    bounded: String,
}

/// The definitions of a table, oldest first.
fn definitions(lake: &LakeUnderTest, table: &str) -> Result<Vec<Definition>> {
    let mut definitions = Vec::new();
    for entry in log_entries(lake, table)? {
        for action in actions(&entry)? {
            let Some(metadata) = action.get("metaData") else {
                continue;
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let schema: Value = serde_json::from_str(&text(&metadata["schemaString"]))?;
            let columns = schema["fields"].as_array().context("no fields")?;
            let columns = columns
                .iter()
                .map(|column| (text(&column["name"]), text(&column["metadata"]["comment"])));
            definitions.push(Definition {
                description: text(&metadata["description"]),
                columns: columns.collect(),
                bounded: text(&metadata["configuration"]["delta.dataSkippingStatsColumns"]),
            });
        }
    }
    Ok(definitions)
}

#[test]
fn a_log_tells_other_programs_what_the_contract_says_of_a_table_by_now() -> Result<()> {
    let shop = Shop::open()?;
    let key = r#"key       = ["day", "visit_id", "minutes"]"#;
    let visits = VISITS
        .replace(r#"key       = ["day", "visit_id"]"#, key)
        .replace("decimal(10,1)", "decimal(18,1)")
        .replace("[columns]", "sort = [\"guests\"]\n\n[columns]");
    shop.write("visits.toml", &visits)?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    shop.deliver("2026-03-02", "a", "visit_id,seconds,guests\nv2,90,2\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    let visits = visits.replace("One visit of a shop.", "One visit.").replace(
        r#"guests   = "int""#,
        r#"guests   = { type = "int", doc = "Who came." }"#,
    );
    shop.write("visits.toml", &visits)?;
    let before = shop.rows("shop.visits")?;
    shop.deliver("2026-03-03", "a", "visit_id,seconds,guests\nv3,90,2\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    ensure!(shop.rows("shop.visits")?.starts_with(&before));

    let definitions = definitions(&shop.lake, "shop.visits")?;
    assert_eq!(definitions.len(), 2, "{definitions:?}");
    let (first, second) = (&definitions[0], &definitions[1]);
    let said = |definition: &Definition| {
        (
            definition.description.clone(),
            definition.columns["guests"].clone(),
        )
    };
    assert_eq!(said(first), ("One visit of a shop.".to_owned(), String::new()));
    ensure!(first.columns["_object"].contains("raw object"), "{first:?}");
    assert_eq!(said(second), ("One visit.".to_owned(), "Who came.".to_owned()));
    // A float, for which some readers take them, cannot hold the bounds of minutes.
    assert_eq!(second.bounded, "visit_id,guests,_batch,_loaded_at");

    // What was promised of all files is taken back with the first one that lacks it, and never promised again.
    for (day, sort) in ["visit_id", "guests"].into_iter().enumerate() {
        shop.write(
            "visits.toml",
            &visits.replace(r#"sort = ["guests"]"#, &format!("sort = [{sort:?}]")),
        )?;
        shop.deliver(
            &format!("2026-04-{:02}", day + 1),
            "a",
            "visit_id,seconds,guests\nv4,90,2\n",
        )?;
        shop.lake.run(&[])?.exits_with(0)?;
    }
    let definitions = self::definitions(&shop.lake, "shop.visits")?;
    assert_eq!(definitions.len(), 3, "{definitions:?}");
    assert_eq!(definitions[2].bounded, "visit_id,_batch,_loaded_at");
    Ok(())
}
