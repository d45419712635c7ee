//! What commits changed: whoever follows `marketlake.changes` has what a full read gives.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use marketlake_tests::jwo::{self, ACCOUNT};
use marketlake_tests::reports::{manifest, report, reports};
use marketlake_tests::shop::{Shop, VISITS};
use marketlake_tests::{Delivery, LakeUnderTest, Run, new_lake};
use pipeline::failpoint;
use serde_json::{Value, json};

const DAILY: &str = "reports.daily";

/// Rows of a query, one JSON object each.
fn ask(lake: &LakeUnderTest, sql: &str) -> Result<Vec<Value>> {
    let said = lake.call(&["query", sql])?.exits_with(0)?;
    let lines = said.stdout.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().context("no JSON object a line")
}

/// The changes of a table after a version, without what differs from lake to lake.
fn changes(lake: &LakeUnderTest, table: &str, after: u64) -> Result<Vec<Value>> {
    let mut changes = ask(
        lake,
        &format!(
            "SELECT version, batch, operation, partition_values, scope_values, period, rows_inserted, rows_updated, \
             rows_removed FROM marketlake.changes WHERE table_name = '{table}' AND version > {after}"
        ),
    )?;
    changes.sort_by_cached_key(|change| {
        (
            change["version"].as_u64(),
            text(&change["period"]),
            change.to_string(),
        )
    });
    Ok(changes)
}

/// Operation, period, and rows inserted, updated and removed.
fn brief(changes: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let brief = |change: &Value| {
        format!(
            "{} {} +{} ~{} -{}",
            text(&change["operation"]),
            text(&change["period"]),
            change["rows_inserted"],
            change["rows_updated"],
            change["rows_removed"]
        )
    };
    changes.iter().map(brief).collect()
}

/// Fails unless the rows that commits inserted and removed add up to those that each table has.
pub(crate) fn assert_complete(lake: &LakeUnderTest) -> Result<()> {
    let sums = ask(
        lake,
        "SELECT table_name, sum(rows_inserted) - sum(rows_removed) AS rows FROM marketlake.changes GROUP BY 1",
    )?;
    for name in lake.contracts()?.keys() {
        let name = name.to_string();
        let sum = sums.iter().find(|sum| sum["table_name"] == name.as_str());
        let rows = sum.and_then(|sum| sum["rows"].as_u64()).unwrap_or(0);
        assert_eq!(rows, lake.rows(&name)?.len() as u64, "changes of {name}");
    }
    Ok(())
}

/// Somebody who keeps a copy of a table and reads only what changed.
struct Follower {
    table: &'static str,
    seen: u64,
    copy: Vec<Value>,
}

impl Follower {
    fn of(table: &'static str) -> Self {
        Self {
            table,
            seen: 0,
            copy: Vec::new(),
        }
    }

    /// Takes in what changed and fails where the copy is not the table.
    fn follow(&mut self, lake: &LakeUnderTest) -> Result<Vec<Value>> {
        let changes = changes(lake, self.table, self.seen)?;
        for change in &changes {
            let mut part: BTreeMap<String, Option<String>> =
                serde_json::from_value(change["partition_values"].clone())?;
            if let Value::Object(_) = change["scope_values"] {
                part.extend(serde_json::from_value::<BTreeMap<_, _>>(
                    change["scope_values"].clone(),
                )?);
            }
            self.copy.retain(|row| {
                let mut columns = part.iter();
                !columns.all(|(name, value)| text(&row[name]) == *value)
            });
            let condition = |(name, value): (&String, &Option<String>)| match value {
                Some(value) => format!("CAST({name} AS VARCHAR) = '{value}'"),
                None => format!("{name} IS NULL"),
            };
            let conditions: Vec<String> = part.iter().map(condition).chain(["true".to_owned()]).collect();
            let rows = format!("SELECT * FROM {} WHERE {}", self.table, conditions.join(" AND "));
            self.copy.extend(ask(lake, &rows)?);
            self.seen = change["version"].as_u64().context("no version")?;
        }
        let sorted = |rows: &[Value]| {
            let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
            rows.sort();
            rows
        };
        let all = ask(lake, &format!("SELECT * FROM {}", self.table))?;
        assert_eq!(sorted(&self.copy), sorted(&all), "{}", self.table);
        Ok(changes)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[test]
fn a_restated_document_changes_the_days_that_it_covers_of_its_profile() -> Result<()> {
    let lake = reports()?;
    let mut follower = Follower::of(DAILY);
    let march = ["2026-03-01,c1,1", "2026-03-02,c1,2", "2026-03-03,c1,3"];
    lake.deliver_all([&report("a", &march), &manifest("a", "a", (1, 3), 9, (1, 1))])?;
    let other = "reports/other/2026-03-04/a.csv";
    lake.deliver(&Delivery::new(
        other,
        "day,campaign,clicks\n2026-03-01,c9,1\n2026-03-02,c9,1\n",
    ))?;
    lake.run(&[])?.exits_with(0)?;
    let first = follower.follow(&lake)?;
    assert_eq!(first.len(), 5);
    // The second day is empty now, and the third is not asked for again.
    lake.deliver_all([
        &report("b", &["2026-03-01,c1,10", "2026-03-01,c2,20"]),
        &manifest("b", "b", (1, 2), 10, (1, 1)),
    ])?;
    lake.run(&[])?.exits_with(0)?;
    let second = follower.follow(&lake)?;
    assert_eq!(
        brief(&second),
        ["curate 2026-03-01 +2 ~0 -1", "curate 2026-03-02 +0 ~0 -1"]
    );
    for change in &second {
        assert_eq!(change["scope_values"], json!({"profile": "corner"}));
        assert_eq!(change["partition_values"]["day"], change["period"]);
        assert_eq!(change["batch"], 2);
    }
    // An older one that comes late changes nothing.
    lake.deliver_all([
        &report("old", &["2026-03-01,c1,7"]),
        &manifest("old", "old", (1, 1), 8, (1, 1)),
    ])?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(follower.follow(&lake)?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn documents_by_something_that_is_no_day_are_named_one_by_one() -> Result<()> {
    let lake = reports()?;
    let order = |name: &str, rows: &str| {
        Delivery::new(
            format!("orders/corner/2026-03-04/{name}.csv"),
            format!("order_id,sku,quantity,updated_at\n{rows}"),
        )
    };
    let mut follower = Follower::of("reports.orders");
    lake.deliver(&order(
        "a",
        "A-1,s1,1,2026-03-04T08:00:00Z\nA-1,s2,2,2026-03-04T08:00:00Z\nA-2,s1,1,2026-03-04T08:00:00Z\n",
    ))?;
    lake.run(&[])?.exits_with(0)?;
    follower.follow(&lake)?;
    lake.deliver(&order("b", "A-1,s1,5,2026-03-04T09:00:00Z\n"))?;
    lake.run(&[])?.exits_with(0)?;
    let changes = follower.follow(&lake)?;
    assert_eq!(brief(&changes), ["curate - +1 ~0 -2"]);
    assert_eq!(changes[0]["scope_values"], json!({"order_id": "A-1"}));
    assert_eq!(changes[0]["partition_values"], json!({}));
    Ok(())
}

/// A report with an order of each day of March that is named.
fn days(time: &str, days: &[u32], total: &str) -> Delivery {
    let mut text = "order_id,order_date,order_total,currency_code,line_id,net_amount\n".to_owned();
    for day in days {
        text.push_str(&format!("A-{day},2026-03-{day:02},{total},USD,L1,{total}\n"));
    }
    Delivery::new(format!("jwo/corner/Order/2026-03-03/{time}/ALL00.csv000"), text)
}

#[test]
fn corrections_over_two_days_change_these_days_here_and_in_what_is_computed_from_them() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let mut followers = [
        "jwo.orders",
        "jwo.order_lines",
        "jwo.order_totals",
        "jwo.store_hourly",
    ]
    .map(Follower::of);
    lake.deliver(&days("07", &[1, 2, 3], "10.00"))?;
    lake.run(&[])?.exits_with(0)?;
    for follower in &mut followers {
        follower.follow(&lake)?;
    }
    lake.deliver(&days("08", &[1, 3], "12.00"))?;
    lake.run(&[])?.exits_with(0)?;
    let [orders, _, totals, _] = followers.each_mut().map(|follower| follower.follow(&lake));
    assert_eq!(
        brief(&orders?),
        ["curate 2026-03-01 +0 ~1 -0", "curate 2026-03-03 +0 ~1 -0"]
    );
    assert_eq!(
        brief(&totals?),
        ["curate 2026-03-01 +1 ~0 -1", "curate 2026-03-03 +1 ~0 -1"]
    );
    // A date that is corrected changes the day that the order leaves and the one that it comes to.
    lake.deliver(&Delivery::new(
        "jwo/corner/Order/2026-03-03/09/ALL00.csv000",
        "order_id,order_date\nA-1,2026-03-02\n",
    ))?;
    lake.run(&[])?.exits_with(0)?;
    let [orders, _, totals, _] = followers.each_mut().map(|follower| follower.follow(&lake));
    assert_eq!(
        brief(&orders?),
        ["curate 2026-03-01 +0 ~0 -1", "curate 2026-03-02 +1 ~0 -0"]
    );
    assert_eq!(totals?.len(), 2);
    Ok(())
}

#[test]
fn a_crash_between_commit_and_record_leaves_one_set_of_rows_a_commit() -> Result<()> {
    let deliver = |lake: &LakeUnderTest, hour: usize| {
        lake.deliver(&days(&format!("{hour:02}"), &[1, 2], &format!("{hour}.00")))
    };
    let points = [
        "before_commit",
        "after_commit",
        "after_quarantine",
        "after_changes",
        "after_run_record",
        "after_record",
    ];
    let undisturbed = new_lake(ACCOUNT)?;
    for hour in 0..points.len() {
        deliver(&undisturbed, hour)?;
        undisturbed.run(&[])?.exits_with(0)?;
    }
    let lake = new_lake(ACCOUNT)?;
    for (hour, point) in points.iter().enumerate() {
        deliver(&lake, hour)?;
        // Of the five tables at another one each time.
        let nth = format!("{point}@{}", hour % 5 + 1);
        ensure!(lake.run_until(&nth, &[])?.died(), "{nth} was not passed");
        lake.run(&[])?.exits_with(0)?;
    }
    for table in [
        "jwo.order_rows",
        "jwo.orders",
        "jwo.order_lines",
        "jwo.order_totals",
    ] {
        let changes = changes(&lake, table, 0)?;
        assert_eq!(changes, self::changes(&undisturbed, table, 0)?, "{table}");
        ensure!(changes.len() >= points.len(), "{table}: {changes:?}");
    }
    let nameless =
        "SELECT count(*) AS rows FROM marketlake.changes WHERE run IS NULL OR committed_at IS NULL";
    assert_eq!(ask(&lake, nameless)?, [json!({"rows": 0})]);
    Ok(())
}

#[test]
fn a_compaction_changes_nothing_and_a_table_made_anew_all_of_its_periods() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let mut followers = ["jwo.orders", "jwo.order_totals"].map(Follower::of);
    for hour in 0..6 {
        lake.deliver(&days(&format!("{hour:02}"), &[1, 2, 3], &format!("{hour}.00")))?;
        lake.deliver(&jwo::report(
            &format!("{hour:02}:15"),
            &format!("B-{hour}"),
            "1.00",
        ))?;
    }
    lake.run(&["--batch-objects", "1"])?.exits_with(0)?;
    followers
        .iter_mut()
        .try_for_each(|one| one.follow(&lake).map(drop))?;
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    ensure!(done.about("jwo.order_rows")?["commits"] != 0, "{}", done.said());
    ensure!(
        done.about("marketlake.changes")?["commits"] != 0,
        "{}",
        done.said()
    );
    for follower in &mut followers {
        assert_eq!(follower.follow(&lake)?, Vec::<Value>::new());
    }
    let rebuilt = lake.call(&["rebuild", "jwo.orders"])?.exits_with(0)?;
    let run = rebuilt.document()?["run"].clone();
    let changes = followers[0].follow(&lake)?;
    assert_eq!(
        brief(&changes),
        [
            "rebuild 2026-03-01 +7 ~0 -7",
            "rebuild 2026-03-02 +1 ~0 -1",
            "rebuild 2026-03-03 +1 ~0 -1"
        ]
    );
    let named = "SELECT DISTINCT run FROM marketlake.changes WHERE operation = 'rebuild'";
    assert_eq!(ask(&lake, named)?, [json!({"run": run})]);
    // What is computed from it follows, and so does its reader.
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(followers[1].follow(&lake)?.len(), 3);
    Ok(())
}

#[test]
fn copies_that_maintenance_merged_are_changes_although_it_died_before_it_could_say() -> Result<()> {
    let shop = Shop::open()?;
    let moving = VISITS
        .replace(
            "key       = [\"day\", \"visit_id\"]",
            "key       = [\"visit_id\"]",
        )
        .replace("[\"day\"]\n", "[\"day\"]\nkey_window = \"1d\"\n");
    shop.write("visits.toml", &moving)?;
    let mut follower = Follower::of("shop.visits");
    for (day, rows) in [("2026-03-01", "v1,90,2\nv2,90,1\n"), ("2026-03-09", "v1,90,5\n")] {
        shop.deliver(day, "a", &format!("visit_id,seconds,guests\n{rows}"))?;
        shop.lake.run(&[])?.exits_with(0)?;
    }
    follower.follow(&shop.lake)?;
    let mut command = shop.lake.command(&["maintain"]);
    let output = command.env("MARKETLAKE_FAILPOINT", failpoint::MERGE).output()?;
    ensure!(Run::from(output).died(), "copies were not merged");
    for _ in 0..2 {
        shop.lake.run(&[])?.exits_with(0)?;
    }
    let changes = follower.follow(&shop.lake)?;
    assert_eq!(brief(&changes), ["merge_copies 2026-03-01 +0 ~0 -1"]);
    assert_eq!(changes[0]["batch"], Value::Null);
    Ok(())
}
