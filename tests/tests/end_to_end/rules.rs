//! What decides about rows and changes afterwards: it holds the table, or no row is another one for it.

use std::fs;

use anyhow::{Result, ensure};
use marketlake_tests::shop::Shop;
use marketlake_tests::tree::{actions, log_entries};
use marketlake_tests::{Delivery, LakeUnderTest};

const VISITS: &str = r#"description = "One visit of a shop."
path      = "shop/{account}/{date}/{name}.csv"
format    = "csv"
csv       = { header = "detect" }
keep      = "latest_value"
key       = ["day", "visit_id"]
newest_by = ["_generated_at", "_modified", "_row"]
partition = ["day"]

[columns]
day      = { type = "date", from = "_period" }
visit_id = "text"
at       = { type = "timestamp", zone = "account" }
guests   = "int"
city     = "text"
currency_code = "text"
"#;

/// A table of somebody else's over the same objects, who knows a field by another spelling.
const NEIGHBOUR: &str = r#"description = "The tier of a visit."
path      = "shop/{account}/{date}/{name}.csv"
format    = "csv"
csv       = { header = "detect" }
keep      = "latest_row"
key       = ["visit_id"]
newest_by = ["_generated_at", "_modified", "_row"]

[columns]
visit_id = "text"
tier     = { type = "text", from = "LOYALTY_TIER" }
"#;

/// The shop after its first visit was taken in.
fn shop() -> Result<Shop> {
    let shop = Shop::open()?;
    let folder = shop.lake.path().join("contracts/shop");
    for name in ["visits.sql", "daily.toml", "daily.sql"] {
        fs::remove_file(folder.join(name))?;
    }
    shop.write("visits.toml", VISITS)?;
    configure(&shop, "")?;
    visit(&shop, "a", "v1,2026-03-01 10:00:00,2,-,gold")?;
    shop.lake.run(&[])?.exits_with(0)?;
    Ok(shop)
}

fn visit(shop: &Shop, name: &str, row: &str) -> Result<()> {
    let text = format!("Visit_ID,at,guests,city,Loyalty_Tier\n{row}\n");
    shop.deliver("2026-03-01", name, &text)
}

/// What the configuration says of the account that delivers.
fn configure(shop: &Shop, account: &str) -> Result<()> {
    let text = format!("[[account]]\nalias = \"main\"\nsource = \"shop\"\n{account}\n");
    Ok(fs::write(shop.lake.path().join("marketlake.toml"), text)?)
}

/// What changes, in the contract (a text and what takes its place) and of the account, and what is said where it holds.
type Case = (
    &'static str,
    (&'static str, &'static str),
    &'static str,
    Option<&'static str>,
);

const CASES: &[Case] = &[
    (
        "zone",
        ("", ""),
        "zone = \"Europe/Berlin\"",
        Some("zone of account main was UTC, is Europe/Berlin"),
    ),
    (
        "currency",
        ("", ""),
        "currency = \"EUR\"",
        Some("field currency_code of account main was nothing, is \\\"EUR\\\""),
    ),
    (
        "a field that the table reads",
        ("", ""),
        "fields = { city = \"Bonn\" }",
        Some("field city of account main was nothing, is"),
    ),
    (
        "a field that it does not read",
        ("", ""),
        "fields = { street = \"Am Hof\" }",
        None,
    ),
    (
        "keep",
        ("", ""),
        "keep = \"latest_row\"",
        Some("keep of account main was latest_value, is latest_row"),
    ),
    (
        "null of the account",
        ("", ""),
        "csv = { null = [\"\", \"-\"] }",
        Some("null of account main was"),
    ),
    (
        "null of the contract",
        ("header = \"detect\"", "header = \"detect\", null = [\"\", \"-\"]"),
        "",
        Some("null of account main was"),
    ),
    (
        "a null of the contract that the account had already",
        ("header = \"detect\"", "header = \"detect\", null = [\"-\"]"),
        "csv = { null = [\"\"] }",
        None,
    ),
    (
        "charset",
        ("keep ", "charset = \"windows-1252\"\nkeep "),
        "",
        Some("charset of account main was UTF-8, is windows-1252"),
    ),
    (
        "delimiter",
        ("", ""),
        "csv = { delimiter = \"|\" }",
        Some("delimiter of account main was"),
    ),
    (
        "a name for a field that was never there",
        ("", ""),
        "csv = { rename = { Ort = \"city\" } }",
        None,
    ),
    (
        "a name for a field that is in extra",
        ("", ""),
        "csv = { rename = { loyalty_tier = \"city\" } }",
        Some("rename of \\\"loyalty_tier\\\": raw field loyalty_tier is in extra"),
    ),
    (
        "another name for a field that a column takes",
        (
            "header = \"detect\"",
            "header = \"detect\", rename = { City = \"place\" }",
        ),
        "",
        Some("rename of \\\"City\\\" is new, and the field was known before"),
    ),
    (
        "a column for a field that is in extra in other letters",
        ("[columns]\n", "[columns]\nloyalty_tier = \"text\"\n"),
        "",
        Some("column loyalty_tier: raw field loyalty_tier is in extra"),
    ),
    (
        "a column for a field that was never there",
        ("[columns]\n", "[columns]\nweather = \"text\"\n"),
        "",
        None,
    ),
    (
        "another account",
        ("", ""),
        "[[account]]\nalias = \"other\"\nsource = \"shop\"\nzone = \"Asia/Tokyo\"\nkeep = \"latest_row\"",
        None,
    ),
];

#[test]
fn a_change_holds_the_table_and_says_so_or_no_row_is_another_one_for_it() -> Result<()> {
    for (name, (from, to), account, held) in CASES {
        let shop = shop()?;
        let contract = if from.is_empty() {
            VISITS.to_owned()
        } else {
            VISITS.replacen(from, to, 1)
        };
        shop.write("visits.toml", &contract)?;
        configure(&shop, account)?;
        visit(&shop, "b", "v2,2026-03-01 11:00:00,3,Bonn,silver")?;
        let run = shop.lake.run(&[])?;
        let messages = run.about("shop.visits")?["messages"].to_string();
        let outcome = run.outcome("shop.visits")?;
        let batches = run.about("shop.visits")?["batches"].clone();
        match held {
            Some(reason) => {
                ensure!(outcome == "held" && batches == 0, "{name}: {outcome} {messages}");
                run.exits_with(3)?;
                ensure!(messages.contains(reason), "{name}: {messages}");
                ensure!(messages.contains("rebuild shop.visits"), "{name}: {messages}");
                for command in ["check", "status"] {
                    let said = shop.lake.call(&[command])?.exits_with(0)?.said();
                    ensure!(said.contains(reason), "{name}, {command}: {said}");
                }
                shop.lake.call(&["rebuild", "shop.visits"])?.takes_in()?;
                shop.lake.run(&[])?.takes_in()?;
                let said = shop.lake.call(&["check"])?.exits_with(0)?.said();
                ensure!(!said.contains(reason), "{name}: {said}");
            }
            None => {
                ensure!(outcome == "updated", "{name}: {outcome} {messages}");
                let rows = shop.rows("shop.visits")?;
                ensure!(rows.contains("v1,") && rows.contains("v2,"), "{name}: {rows}");
                shop.lake.call(&["rebuild", "shop.visits"])?.takes_in()?;
                assert_eq!(rows, shop.rows("shop.visits")?, "{name}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_rule_of_an_account_that_is_put_back_lets_the_table_go_on() -> Result<()> {
    let shop = shop()?;
    configure(&shop, "zone = \"Europe/Berlin\"")?;
    visit(&shop, "b", "v2,2026-03-01 11:00:00,3,Bonn,silver")?;
    shop.lake.run(&[])?.exits_with(3)?;
    configure(&shop, "")?;
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "updated");
    let rows = shop.rows("shop.visits")?;
    ensure!(rows.contains("10:00:00") && rows.contains("11:00:00"), "{rows}");
    Ok(())
}

/// An account whose files are not read as they are has given a table nothing that could become something else.
#[test]
fn an_account_of_which_everything_was_rejected_may_be_mended() -> Result<()> {
    let shop = shop()?;
    configure(&shop, "[[account]]\nalias = \"other\"\nsource = \"shop\"")?;
    shop.lake.deliver(&Delivery::new(
        "shop/other/2026-03-01/a.csv",
        "visit_id|at|guests\nv9|2026-03-01 10:00:00|5\n",
    ))?;
    let run = shop.lake.run(&[])?.takes_in()?;
    assert_eq!(run.outcome("shop.visits")?, "partly_quarantined");
    let mended = "[[account]]\nalias = \"other\"\nsource = \"shop\"\ncsv = { delimiter = \"|\" }";
    configure(&shop, mended)?;
    let replay = shop.lake.call(&["quarantine", "replay"])?.exits_with(0)?;
    assert_eq!(replay.outcome("shop.visits")?, "updated");
    ensure!(shop.rows("shop.visits")?.contains("v9"));
    // By now it has rows in the table.
    configure(&shop, &mended.replace('|', ";"))?;
    visit(&shop, "b", "v2,2026-03-01 11:00:00,3,Bonn,silver")?;
    let held = shop.lake.run(&[])?.exits_with(3)?;
    let messages = held.about("shop.visits")?["messages"].to_string();
    ensure!(messages.contains("delimiter of account other was"), "{messages}");
    Ok(())
}

#[test]
fn what_a_neighbour_knows_of_the_same_objects_changes_no_row_of_another_table() -> Result<()> {
    let shop = shop()?;
    shop.write("tiers.toml", NEIGHBOUR)?;
    visit(&shop, "b", "v2,2026-03-01 11:00:00,3,Bonn,silver")?;
    shop.lake.run(&[])?.exits_with(0)?;
    let rows = shop.rows("shop.visits")?;
    ensure!(
        rows.matches("Loyalty_Tier").count() == 2 && !rows.contains("LOYALTY_TIER"),
        "{rows}"
    );
    assert_eq!(
        shop.rows("shop.tiers")?,
        "visit_id,tier,extra\n\
         v1,gold,\"{\"\"at\"\":\"\"2026-03-01 10:00:00\"\",\"\"city\"\":\"\"-\"\",\"\"guests\"\":\"\"2\"\"}\"\n\
         v2,silver,\"{\"\"at\"\":\"\"2026-03-01 11:00:00\"\",\"\"city\"\":\"\"Bonn\"\",\"\"guests\"\":\"\"3\"\"}\"\n"
    );
    Ok(())
}

/// The rows of a table are read once to find out whether a column can be added, not by every run that finds nothing.
#[test]
fn a_run_that_finds_nothing_reads_no_row_for_a_column_that_waits() -> Result<()> {
    for column in ["weather", "loyalty_tier"] {
        let shop = shop()?;
        shop.write(
            "visits.toml",
            &VISITS.replacen("[columns]\n", &format!("[columns]\n{column} = \"text\"\n"), 1),
        )?;
        let code = if column == "weather" { 0 } else { 3 };
        shop.lake.run(&[])?.exits_with(code)?;
        let away = shop.lake.path().join("away");
        let day = shop.lake.table("shop.visits").join("day=2026-03-01");
        fs::rename(&day, &away)?;
        shop.lake.run(&[])?.exits_with(code)?;
        fs::rename(&away, &day)?;
        visit(&shop, "b", "v2,2026-03-01 11:00:00,3,Bonn,silver")?;
        shop.lake.run(&[])?.exits_with(code)?;
    }
    Ok(())
}

#[test]
fn a_table_says_of_each_account_that_delivered_what_decides_and_of_no_other() -> Result<()> {
    let said = |lake: &LakeUnderTest| -> Result<Vec<String>> {
        let mut said = Vec::new();
        for entry in log_entries(lake, "shop.visits")? {
            let all = actions(&entry)?;
            let metadata = all.iter().find_map(|action| action.get("metaData"));
            said.extend(metadata.map(|metadata| {
                let accounts = &metadata["configuration"]["marketlake.accounts"];
                accounts.as_str().unwrap_or_default().to_owned()
            }));
        }
        Ok(said)
    };
    let shop = shop()?;
    let other = |name: &str| {
        let key = format!("shop/other/2026-03-01/{name}.csv");
        Delivery::new(key, format!("visit_id,guests\n{name},1\n"))
    };
    configure(
        &shop,
        "[[account]]\nalias = \"other\"\nsource = \"shop\"\nzone = \"Asia/Tokyo\"",
    )?;
    visit(&shop, "b", "v2,2026-03-01 11:00:00,3,Bonn,silver")?;
    shop.lake.run(&[])?.exits_with(0)?;
    for name in ["c", "d"] {
        shop.lake.deliver(&other(name))?;
        shop.lake.run(&[])?.exits_with(0)?;
    }
    // Metadata is said with the table, and again when an account comes.
    let said = said(&shop.lake)?;
    assert_eq!(said.len(), 2, "{said:?}");
    ensure!(
        said[0].contains("\"main\"") && !said[0].contains("\"other\""),
        "{said:?}"
    );
    ensure!(
        said[1].contains("\"main\"") && said[1].contains("Asia/Tokyo"),
        "{said:?}"
    );
    Ok(())
}
