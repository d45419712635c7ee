//! Tables that keep documents: manifests that come late or change, parts, the shrink guard, and what is said of them.

use std::path::Path;

use anyhow::{Result, ensure};
use marketlake_tests::reports::{key, manifest, report, reports};
use marketlake_tests::{Delivery, LakeUnderTest, instant};
use serde_json::{Value, json};

const TABLE: &str = "reports.daily";

fn rows(lake: &LakeUnderTest) -> Result<Vec<String>> {
    let rows = lake.rows(TABLE)?.of(&["day", "campaign", "clicks"])?;
    let cells = |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Ok(rows.into_iter().map(cells).collect())
}

fn messages(report: &Value) -> String {
    report["messages"].to_string()
}

#[test]
fn a_manifest_that_comes_late_makes_the_rows_right() -> Result<()> {
    let lake = reports()?;
    lake.deliver(&report("first", &["2026-03-01,c1,1", "2026-03-02,c1,2"]))?;
    lake.deliver(&manifest("first", "first", (1, 2), 9, (1, 1)))?;
    // Changed last, so by the time of its object it is the newer one.
    let second = report("second", &["2026-03-01,c1,100"]);
    lake.deliver(&second.at(instant("2026-05-01T00:00:00Z")))?;
    let run = lake.run(&[])?.exits_with(0)?;
    let said = messages(&run.about(TABLE)?);
    ensure!(
        said.contains("1 document does not say when it was made"),
        "{said}"
    );
    ensure!(said.contains("1 document does not say what it covers"), "{said}");
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1", "2026-03-02 c1 2"]);

    lake.deliver(&manifest("second", "second", (1, 2), 10, (1, 1)))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(TABLE, "objects")?, 1);
    assert_eq!(messages(&run.about(TABLE)?), "null");
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 100"]);
    assert_eq!(lake.run(&[])?.outcome(TABLE)?, "unchanged");
    Ok(())
}

#[test]
fn what_is_no_report_takes_nothing_away() -> Result<()> {
    let lake = reports()?;
    lake.deliver(&report("good", &["2026-03-01,c1,1", "2026-03-02,c1,2"]))?;
    lake.deliver(&manifest("good", "good", (1, 2), 9, (1, 1)))?;
    let faulty = [
        ("nothing", "", "the object is empty"),
        ("page", "<html>\n<b>503</b>\n", "names no field"),
        ("line", "<Error>SlowDown</Error>", "names no field"),
        (
            "rejected",
            "day,campaign,clicks\n03/01/2026,c1,1\n03/02/2026,c1,2\n",
            "every row",
        ),
    ];
    for (hour, (name, bytes, _)) in (10..).zip(faulty) {
        lake.deliver(&manifest(name, name, (1, 2), hour, (1, 1)))?;
        lake.deliver(&Delivery::new(key(name), bytes))?;
    }
    let run = lake.run(&[])?.takes_in()?;
    assert_eq!(run.count(TABLE, "objects_rejected")?, faulty.len() as u64);
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1", "2026-03-02 c1 2"]);
    let quarantine = lake.quarantine(TABLE)?;
    for (name, _, reason) in faulty {
        let said = |row: Option<u64>| {
            quarantine
                .iter()
                .filter(|reject| reject.object == key(name) && reject.row == row)
                .map(|reject| reject.reason.as_str())
                .collect::<Vec<_>>()
        };
        ensure!(
            said(None).len() == 1 && said(None)[0].contains(reason),
            "{quarantine:?}"
        );
        let rows = usize::from(name == "rejected");
        ensure!(said(Some(1)).len() == rows, "{quarantine:?}");
    }

    lake.deliver(&manifest("none", "none", (1, 1), 20, (1, 1)))?;
    lake.deliver(&report("none", &[]))?;
    lake.run(&[])?.takes_in()?;
    assert_eq!(rows(&lake)?, ["2026-03-02 c1 2"]);
    Ok(())
}

#[test]
fn a_part_without_a_good_row_does_not_cost_the_document() -> Result<()> {
    let lake = reports()?;
    for (name, part, row) in [("one", 1, "2026-03-01,c1,1"), ("two", 2, "someday,c2,2")] {
        lake.deliver(&manifest(name, "both", (1, 1), 9, (part, 2)))?;
        lake.deliver(&report(name, &[row]))?;
    }
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(TABLE, "objects_rejected")?, 0);
    assert_eq!(run.count(TABLE, "rows_rejected")?, 1);
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1"]);
    Ok(())
}

#[test]
fn a_manifest_that_changes_after_the_claim_rejects_the_object_until_it_is_taken_as_it_is() -> Result<()> {
    let lake = reports()?;
    lake.deliver(&report("first", &["2026-03-01,c1,1"]))?;
    let said = manifest("first", "first", (1, 1), 9, (1, 1));
    lake.deliver(&said)?;
    ensure!(lake.run_until("after_claim", &[])?.died());
    lake.deliver(&said.at(instant("2026-05-01T00:00:00Z")))?;
    lake.run(&[])?.takes_in()?;
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1"]);
    assert_eq!(
        lake.quarantine(TABLE)?.len(),
        0,
        "the newest state of the object is in"
    );
    let why = lake.call(&["why", &key("first")])?.exits_with(0)?.document()?;
    let states: Vec<&Value> = why["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| &entry["state"])
        .collect();
    assert_eq!(states, [&json!("rejected"), &json!("in_table")]);
    let reason = &why["entries"][0]["reasons"][0]["reason"];
    ensure!(
        reason
            .to_string()
            .contains("manifest first.csv.manifest.json changed"),
        "{reason}"
    );
    assert_eq!(why["entries"][1]["document"], "first");
    assert_eq!(
        why["entries"][1]["covers"],
        "profile corner, 2026-03-01 to 2026-03-01"
    );
    Ok(())
}

#[test]
fn a_document_of_several_parts_waits_for_all_and_is_taken_again_as_a_whole() -> Result<()> {
    let lake = reports()?;
    lake.deliver(&report("old", &["2026-03-01,c1,1"]))?;
    lake.deliver(&manifest("old", "old", (1, 1), 8, (1, 1)))?;
    lake.deliver(&report("new-2", &["2026-03-01,c2,20"]))?;
    lake.deliver(&manifest("new-2", "new", (1, 1), 9, (2, 2)))?;
    let run = lake.run(&[])?.exits_with(0)?;
    let said = messages(&run.about(TABLE)?);
    ensure!(
        said.contains("1 documents wait for parts that have not arrived"),
        "{said}"
    );
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1"]);

    let first = report("new-1", &["2026-03-01,c1,10"]);
    lake.deliver_all([&first, &manifest("new-1", "new", (1, 1), 9, (1, 2))])?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(TABLE, "objects")?, 2);
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 10", "2026-03-01 c2 20"]);

    lake.deliver(&first.at(instant("2026-05-01T00:00:00Z")))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(TABLE, "objects")?, 2, "the other part comes along");
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 10", "2026-03-01 c2 20"]);
    Ok(())
}

#[test]
fn the_same_document_under_another_key_changes_nothing() -> Result<()> {
    let lake = reports()?;
    let lines = ["2026-03-01,c1,1", "2026-03-02,c1,2"];
    lake.deliver(&report("a", &lines))?;
    lake.deliver(&manifest("a", "same", (1, 2), 9, (1, 1)))?;
    lake.run(&[])?.exits_with(0)?;
    lake.deliver(&report("b", &lines))?;
    lake.deliver(&manifest("b", "same", (1, 2), 9, (1, 1)))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(
        (
            run.count(TABLE, "rows_absorbed")?,
            run.count(TABLE, "rows_inserted")?
        ),
        (2, 0)
    );
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1", "2026-03-02 c1 2"]);
    Ok(())
}

#[test]
fn the_same_document_of_two_parts_under_other_keys_leaves_the_same_rows_in_any_order() -> Result<()> {
    // The parts of the copy lie between those of the other.
    let copies = [["a-1", "z-2"], ["m-1", "m-2"]];
    let deliver = |lake: &LakeUnderTest, names: [&str; 2]| -> Result<()> {
        for (number, name) in (1..).zip(names) {
            let day = format!("2026-03-{number:02},c1,{number}");
            lake.deliver(&report(name, &[day.as_str(), "2026-03-03,c1,3"]))?;
            lake.deliver(&manifest(name, "same", (1, 3), 9, (number, 2)))?;
        }
        Ok(())
    };
    let mut seen = Vec::new();
    for (order, batches) in [([0, 1], 2), ([1, 0], 2), ([0, 1], 1)] {
        let lake = reports()?;
        for copy in order {
            deliver(&lake, copies[copy])?;
            if batches > 1 {
                lake.run(&[])?.exits_with(0)?;
            }
        }
        lake.run(&[])?.exits_with(0)?;
        let sql = format!("SELECT day, clicks, right(_object, 7) AS part FROM {TABLE} ORDER BY day, part");
        seen.push(lake.call(&["query", &sql])?.exits_with(0)?.stdout);
    }
    ensure!(seen[0].contains("a-1.csv"), "{seen:?}");
    ensure!(seen.iter().all(|rows| *rows == seen[0]), "{seen:?}");
    Ok(())
}

#[test]
fn a_table_that_shrinks_is_held_until_it_is_released() -> Result<()> {
    let lake = reports()?;
    let folder = lake.path().join("contracts/reports");
    std::fs::create_dir_all(&folder)?;
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/reports/daily.toml");
    let contract = std::fs::read_to_string(contract)?;
    let guarded = |word: &str| {
        let guard =
            format!("shrink = {{ below = 0.8, older_than = \"3d\", else = \"{word}\" }}\n\n[columns]");
        std::fs::write(folder.join("daily.toml"), contract.replace("[columns]", &guard))
    };
    guarded("hold")?;
    let folder = lake.path().join("contracts");
    let lake = lake.with_contracts(folder);
    lake.deliver(&report("a", &["2026-03-01,c1,1", "2026-03-02,c1,2"]))?;
    lake.deliver(&manifest("a", "a", (1, 2), 9, (1, 1)))?;
    lake.run(&[])?.exits_with(0)?;
    lake.deliver(&report("b", &["2026-03-01,c1,5"]))?;
    lake.deliver(&manifest("b", "b", (1, 2), 10, (1, 1)))?;
    let held = lake.run(&[])?.exits_with(3)?;
    let said = messages(&held.about(TABLE)?);
    ensure!(
        said.contains("profile corner, day 2026-03-02 from 1 rows to 0"),
        "{said}"
    );
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 1", "2026-03-02 c1 2"]);
    lake.run(&[TABLE, "--release", TABLE])?.exits_with(0)?;
    assert_eq!(rows(&lake)?, ["2026-03-01 c1 5"]);

    guarded("warn")?;
    lake.deliver(&report("c", &[]))?;
    lake.deliver(&manifest("c", "c", (1, 1), 11, (1, 1)))?;
    let warned = lake.run(&[])?.exits_with(0)?;
    let said = messages(&warned.about(TABLE)?);
    ensure!(said.contains("1 part of the table shrank"), "{said}");
    assert!(lake.rows(TABLE)?.is_empty());
    Ok(())
}

#[test]
fn a_row_tells_which_documents_spoke_about_it_and_a_table_what_it_keeps() -> Result<()> {
    let lake = reports()?;
    for (name, lines, hour) in [
        ("a", vec!["2026-03-01,c1,1", "2026-03-02,c1,2"], 9),
        ("b", vec!["2026-03-01,c1,5", "2026-03-01,c2,6"], 11),
        ("c", vec![], 10),
    ] {
        lake.deliver(&report(name, &lines))?;
        lake.deliver(&manifest(
            name,
            name,
            (1, 1 + u32::from(name == "a")),
            hour,
            (1, 1),
        ))?;
    }
    lake.run(&[])?.exits_with(0)?;
    let why = lake
        .call(&["why", TABLE, "--where", "campaign = 'c1' and clicks = 5"])?
        .exits_with(0)?
        .document()?;
    let row = &why["rows"][0];
    assert_eq!(row["key"]["day"], "2026-03-01");
    let seen: Vec<(Value, Value)> = row["observations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|seen| (seen["rows"].clone(), seen["values"]["clicks"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!(1), json!("1")),
            (json!(0), Value::Null),
            (json!(2), json!("5"))
        ]
    );
    let order = row["observations"][2]["order"].to_string();
    ensure!(
        order.contains("_generated_at=2026-03-04T11:00:00Z, _document=b"),
        "{order}"
    );
    let clicks = row["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|column| column["column"] == "clicks");
    ensure!(
        clicks.is_some_and(|column| column["why"] == "newest of 3 documents" && column["from_row"] == 1),
        "{row}"
    );

    let described = lake
        .call(&["tables", TABLE])?
        .exits_with(0)?
        .document()?
        .to_string();
    ensure!(
        described.contains("\"covers\":\"day\"") && described.contains("\"per\":[\"profile\",\"day\"]"),
        "{described}"
    );
    let sql = lake.call(&["tables", TABLE, "--sql"])?.exits_with(0)?.stdout;
    ensure!(sql.contains("PARTITION BY profile, day"), "{sql}");
    let status = lake.call(&["status"])?.exits_with(0)?.document()?;
    let about = status["tables"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|table| table["table"] == TABLE);
    ensure!(
        about.is_some_and(|table| table["covered_until"] == "2026-03-02"),
        "{status}"
    );
    Ok(())
}

#[test]
fn a_table_made_anew_has_the_same_rows_and_the_same_memory() -> Result<()> {
    let lake = reports()?;
    for (name, lines, days, hour) in [
        ("first", vec!["2026-03-01,c1,1", "2026-03-02,c1,2"], (1, 2), 9),
        ("empty", vec![], (2, 2), 11),
    ] {
        lake.deliver(&report(name, &lines))?;
        lake.deliver(&manifest(name, name, days, hour, (1, 1)))?;
        lake.run(&[])?.exits_with(0)?;
    }
    for part in [1, 2] {
        let name = format!("parts-{part}");
        lake.deliver(&report(&name, &[&format!("2026-03-03,c{part},{part}")]))?;
        lake.deliver(&manifest(&name, "parts", (3, 3), 9, (part, 2)))?;
    }
    // Taken in before anybody says that the second day was never asked for.
    lake.deliver(&report("late", &["2026-03-04,c1,4", "2026-03-05,c1,5"]))?;
    lake.run(&[])?.exits_with(0)?;
    lake.deliver(&manifest("late", "late", (4, 4), 9, (1, 1)))?;
    lake.run(&[])?.exits_with(0)?;
    let kept = [
        "2026-03-01 c1 1",
        "2026-03-03 c1 1",
        "2026-03-03 c2 2",
        "2026-03-04 c1 4",
    ];
    assert_eq!(rows(&lake)?[..4], kept);
    assert_eq!(rows(&lake)?[4..], ["2026-03-05 c1 5"]);
    lake.call(&["rebuild", TABLE])?.exits_with(0)?;
    assert_eq!(rows(&lake)?, kept);
    assert_eq!(lake.quarantine(TABLE)?.len(), 1);

    lake.deliver(&report("older", &["2026-03-02,c1,7"]))?;
    lake.deliver(&manifest("older", "older", (2, 2), 10, (1, 1)))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(TABLE, "rows_absorbed")?, 1);
    assert_eq!(rows(&lake)?, kept);
    lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(rows(&lake)?, kept);
    Ok(())
}
