//! Tables of a user's own: two files make one, mistakes are found, and a changed rule does not slip in.

use std::fs;

use anyhow::{Result, ensure};
use marketlake_tests::shop::{DAILY, DAILY_SQL, Shop, VISITS, VISITS_SQL};
use marketlake_tests::{Delivery, new_lake};

#[test]
fn two_files_make_a_table_and_two_more_one_computed_from_it() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver(
        "2026-03-01",
        "a",
        "visit_id,seconds,guests\nv1,90,2\ntest1,60,9\nv2,600,0\nv3,30,1\n",
    )?;
    shop.deliver("2026-03-02", "a", "visit_id,seconds,guests,note\nv1,45,3,late\n")?;
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "partly_quarantined");
    assert_eq!(run.count("shop.visits", "rows_filtered")?, 1);
    assert_eq!(
        shop.rows("shop.visits")?,
        "day,shop,visit_id,minutes,guests,extra\n\
         2026-03-01,main,v1,1.5,2,\n\
         2026-03-01,main,v3,0.5,1,\n\
         2026-03-02,main,v1,0.8,3,\"{\"\"note\"\":\"\"late\"\"}\"\n"
    );
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,guests\n2026-03-01,3\n2026-03-02,3\n"
    );
    let rejects = shop.lake.quarantine("shop.visits")?;
    assert_eq!(rejects.len(), 1);
    assert_eq!(
        (rejects[0].row, rejects[0].reason.as_str()),
        (Some(3), "check somebody_came failed")
    );
    Ok(())
}

#[test]
fn sql_that_cannot_be_planned_is_found_before_anything_is_claimed() -> Result<()> {
    let shop = Shop::open()?;
    shop.write("visits.sql", &VISITS_SQL.replace("round(", "raund("))?;
    let check = shop.lake.call(&["check"])?.exits_with(2)?;
    ensure!(
        ["shop/visits.sql", "C040", "raund"]
            .iter()
            .all(|word| check.stdout.contains(word)),
        "{}",
        check.stdout
    );
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\n")?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(1)?;
    assert_eq!(run.outcome("shop.visits")?, "failed");
    shop.write("visits.sql", VISITS_SQL)?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "updated");

    shop.write("daily.sql", &DAILY_SQL.replace("sum(", "summe("))?;
    let check = shop.lake.call(&["check"])?.exits_with(2)?;
    ensure!(check.stdout.contains("shop/daily.sql"), "{}", check.stdout);
    let run = shop.lake.run(&["shop.daily"])?.exits_with(1)?;
    assert_eq!(run.outcome("shop.daily")?, "failed");
    shop.write("daily.sql", DAILY_SQL)?;
    let run = shop.lake.run(&["shop.daily"])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.daily")?, "updated");
    Ok(())
}

#[test]
fn a_field_that_sql_leaves_out_need_not_be_there() -> Result<()> {
    let shop = Shop::open()?;
    let sql = "SELECT * EXCEPT (Junk, minutes), CAST(seconds AS INT) / 60 AS minutes FROM raw";
    shop.write("visits.sql", sql)?;
    shop.lake.call(&["check"])?.exits_with(0)?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests,Junk\nv1,90,2,x\n")?;
    shop.deliver("2026-03-02", "a", "visit_id,seconds,guests\nv2,90,2\n")?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "updated");
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 2);
    Ok(())
}

#[test]
fn sql_sees_all_rows_of_a_large_object_where_it_looks_across_them() -> Result<()> {
    const ROWS: usize = 20_000;
    let shop = Shop::open()?;
    let named = |row: usize| if row.is_multiple_of(4) { "test" } else { "v" };
    let rows = (1..=ROWS).map(|row| format!("{}{row},60,{row}\n", named(row)));
    let object = format!("visit_id,seconds,guests\n{}", rows.collect::<String>());
    shop.deliver("2026-03-01", "a", &object)?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    assert_eq!(run.count("shop.visits", "rows_filtered")?, ROWS as u64 / 4);
    let kept = || -> Result<String> {
        let sql =
            "SELECT count(*) AS n, max(guests) AS most, count(DISTINCT _row) AS places FROM shop.visits";
        Ok(shop.lake.call(&["query", sql])?.exits_with(0)?.stdout)
    };
    assert_eq!(kept()?.trim(), r#"{"n":15000,"most":19999,"places":15000}"#);

    let windowed = "SELECT visit_id, 1 AS minutes, row_number() OVER (PARTITION BY _object ORDER BY _row DESC) AS guests \
                    FROM raw";
    shop.write("visits.sql", windowed)?;
    shop.lake.call(&["rebuild", "shop.visits"])?.exits_with(0)?;
    assert_eq!(kept()?.trim(), r#"{"n":20000,"most":20000,"places":20000}"#);
    Ok(())
}

#[test]
fn a_field_that_is_nearly_called_what_the_contract_reads_is_told() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver("2026-03-01", "a", "visit_id,Seconds,guests,note\nv1,90,2,late\n")?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    let messages = &run.about("shop.visits")?["messages"];
    assert_eq!(messages.as_array().map(Vec::len), Some(1), "{messages}");
    let said = messages[0].as_str().unwrap_or_default();
    ensure!(
        said.contains("\"Seconds\"") && said.contains("\"seconds\""),
        "{said}"
    );

    shop.deliver("2026-03-02", "a", "visit_id,Seconds,seconds,guests\nv2,9,90,2\n")?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    ensure!(run.about("shop.visits")?["messages"].is_null());
    Ok(())
}

#[test]
fn a_table_that_is_asked_for_and_finds_nothing_says_where_it_looked() -> Result<()> {
    let shop = Shop::open()?;
    shop.lake
        .deliver(&Delivery::new("shop/main/2026-03-01/a.txt", "x"))?;
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    let said = run.about("shop.visits")?["messages"].to_string();
    ensure!(
        said.contains("no raw object was found at shop/{account}/{date}/{name}.csv"),
        "{said}"
    );
    ensure!(said.contains("a.txt fits no path pattern"), "{said}");
    Ok(())
}

#[test]
fn a_mended_rule_lets_rejected_rows_in_by_replay() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\nv2,600,0\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(shop.lake.quarantine("shop.visits")?.len(), 1);
    shop.write("visits.toml", &VISITS.replace("guests > 0", "guests >= 0"))?;
    shop.lake.run(&[])?.exits_with(0)?;
    shop.lake.call(&["quarantine", "replay"])?.exits_with(0)?;
    shop.lake.run(&[])?.exits_with(0)?;
    assert!(shop.lake.quarantine("shop.visits")?.is_empty());
    assert_eq!(
        shop.rows("shop.visits")?,
        "day,shop,visit_id,minutes,guests\n2026-03-01,main,v1,1.5,2\n2026-03-01,main,v2,10.0,0\n"
    );
    Ok(())
}

#[test]
fn checks_of_a_computed_table_warn_or_hold_it_until_it_is_released() -> Result<()> {
    let shop = Shop::open()?;
    let checked = format!(
        "{DAILY}\n[checks]\nquiet = {{ sql = \"guests < 3\", else = \"warn\" }}\nfits = {{ sql = \"guests < 100\", else = \"hold\" }}\n"
    );
    shop.write("daily.toml", &checked)?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,4\n")?;
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count("shop.daily", "rows_warned")?, 1);
    shop.deliver("2026-03-01", "b", "visit_id,seconds,guests\nv2,90,500\n")?;
    let held = shop.lake.run(&[])?.exits_with(3)?;
    assert_eq!(held.outcome("shop.visits")?, "updated");
    assert_eq!(held.outcome("shop.daily")?, "held");
    assert_eq!(shop.rows("shop.daily")?, "day,guests\n2026-03-01,4\n");
    shop.lake.run(&[])?.exits_with(3)?;
    shop.lake
        .run(&["shop.daily", "--release", "shop.daily"])?
        .exits_with(0)?;
    assert_eq!(shop.rows("shop.daily")?, "day,guests\n2026-03-01,504\n");
    shop.write("daily.toml", &checked.replace("\"hold\"", "\"quarantine\""))?;
    let refused = shop.lake.call(&["check"])?.exits_with(2)?;
    ensure!(refused.said().contains("C034"), "{}", refused.said());
    Ok(())
}

#[test]
fn a_key_is_found_again_when_only_one_of_two_partition_columns_is_part_of_it() -> Result<()> {
    let shop = Shop::open()?;
    let moving = VISITS
        .replace("[\"day\", \"visit_id\"]", "[\"shop\", \"visit_id\"]")
        .replace("[\"day\"]\n", "[\"shop\", \"day\"]\nkey_window = \"10d\"\n");
    shop.write("visits.toml", &moving)?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\nv2,90,1\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    shop.deliver("2026-03-03", "a", "visit_id,seconds,guests\nv1,90,5\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(
        shop.rows("shop.visits")?,
        "day,shop,visit_id,minutes,guests\n2026-03-01,main,v2,1.5,1\n2026-03-03,main,v1,1.5,5\n"
    );
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,guests\n2026-03-01,1\n2026-03-03,5\n"
    );
    Ok(())
}

#[test]
fn a_part_of_a_partition_is_computed_anew() -> Result<()> {
    let shop = Shop::open()?;
    shop.write(
        "daily.toml",
        &DAILY
            .replace("key       = [\"day\"]", "key       = [\"day\", \"visit_id\"]")
            .replace("recompute = [\"day\"]", "recompute = [\"day\", \"visit_id\"]")
            .replace("guests = \"int\"", "visit_id = \"text\"\nguests = \"int\""),
    )?;
    shop.write(
        "daily.sql",
        "SELECT day, visit_id, sum(guests) AS guests FROM shop.visits GROUP BY day, visit_id\n",
    )?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\nv2,90,1\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    shop.deliver("2026-03-01", "b", "visit_id,seconds,guests\nv1,90,5\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,visit_id,guests\n2026-03-01,v1,5\n2026-03-01,v2,1\n"
    );
    Ok(())
}

#[test]
fn every_mistake_has_a_code_a_file_and_a_line_and_exits_with_2() -> Result<()> {
    let shop = Shop::open()?;
    shop.lake.call(&["check"])?.exits_with(0)?;
    shop.write(
        "visits.toml",
        &VISITS
            .replace("format    = ", "fromat    = ")
            .replace("\"int\"", "\"number\""),
    )?;
    shop.write(
        "daily.sql",
        "SELECT day, sum(guests) AS guests, now() AS at FROM shop.visits GROUP BY day\n",
    )?;
    let check = shop.lake.call(&["check"])?.exits_with(2)?;
    let document = check.document()?;
    let mistakes = document["mistakes"].as_array().cloned().unwrap_or_default();
    let found = |file: &str, line: u64, about: &str| {
        mistakes.iter().any(|mistake| {
            let text = |key: &str| mistake[key].as_str().unwrap_or_default().to_owned();
            text("file") == file
                && mistake["line"] == line
                && text("message").contains(about)
                && text("code").len() == 4
        })
    };
    ensure!(found("shop/visits.toml", 3, "fromat"), "{}", check.said());
    ensure!(found("shop/visits.toml", 14, "number"), "{}", check.said());
    ensure!(
        mistakes.iter().any(|mistake| mistake["file"] == "shop/daily.sql"),
        "{}",
        check.said()
    );
    // No command works with contracts that are wrong.
    shop.lake.run(&[])?.exits_with(2)?;
    Ok(())
}

#[test]
fn a_changed_rule_holds_the_table_and_nothing_else_until_it_is_undone() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    let before = shop.rows("shop.visits")?;
    shop.write("visits.toml", &VISITS.replace("decimal(10,1)", "decimal(10,3)"))?;
    shop.deliver("2026-03-01", "b", "visit_id,seconds,guests\nv2,60,4\n")?;
    shop.lake.deliver(&Delivery::new(
        "jwo/corner/Order/2026-03-01/07/ALL15.csv000",
        "order_id,order_date\nA-1,2026-03-01\n",
    ))?;
    let held = shop.lake.run(&[])?.exits_with(3)?;
    assert_eq!(held.outcome("shop.visits")?, "held");
    let messages = held.about("shop.visits")?["messages"].to_string();
    ensure!(
        messages.contains("minutes: decimal(10,1) became decimal(10,3)"),
        "{messages}"
    );
    ensure!(messages.contains("rebuild shop.visits"), "{messages}");
    assert_eq!(held.outcome("jwo.orders")?, "updated");
    assert_eq!(shop.rows("jwo.orders")?.lines().count(), 2);

    shop.write("visits.toml", VISITS)?;
    assert_eq!(shop.rows("shop.visits")?, before);
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "updated");
    assert_eq!(shop.rows("shop.daily")?, "day,guests\n2026-03-01,6\n");
    Ok(())
}

/// A shop whose visits have a column for the weather only after these were taken in; a dry one waits.
fn with_weather_after(visits: &str) -> Result<Shop> {
    let shop = Shop::open()?;
    fs::remove_file(shop.contracts().join("visits.sql"))?;
    let plain = VISITS.replace("minutes  = \"decimal(10,1)\"\n", "");
    shop.write("visits.toml", &plain)?;
    shop.deliver("2026-03-01", "a", visits)?;
    shop.lake.run(&[])?.exits_with(0)?;
    let grown = plain.replace("guests   = ", "weather  = \"text\"\nguests   = ");
    shop.write("visits.toml", &grown)?;
    shop.deliver("2026-03-01", "b", "visit_id,guests,weather\nv2,4,dry\n")?;
    Ok(shop)
}

#[test]
fn a_column_for_a_field_that_was_never_seen_comes_with_the_next_batch() -> Result<()> {
    let shop = with_weather_after("visit_id,guests\nv1,2\n")?;
    let run = shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "updated");
    assert_eq!(
        shop.rows("shop.visits")?,
        "day,shop,visit_id,weather,guests\n2026-03-01,main,v1,,2\n2026-03-01,main,v2,dry,4\n"
    );
    Ok(())
}

#[test]
fn a_column_for_a_field_that_rows_already_have_in_extra_holds_the_table() -> Result<()> {
    let shop = with_weather_after("visit_id,guests,weather\nv1,2,wet\n")?;
    let held = shop.lake.run(&[])?.exits_with(3)?;
    assert_eq!(held.outcome("shop.visits")?, "held");
    let messages = held.about("shop.visits")?["messages"].to_string();
    ensure!(messages.contains("weather is in extra of rows"), "{messages}");
    Ok(())
}

#[test]
fn another_key_for_personal_columns_holds_the_tables_that_have_them() -> Result<()> {
    let order = |minute: &str| {
        let key = format!("jwo/corner/Order/2026-03-01/07/ALL{minute}.csv000");
        Delivery::new(key, "order_id,order_date,shopper_ref\nA-1,2026-03-01,somebody\n")
    };
    let lake = new_lake("personal_key = \"one\"\n")?;
    lake.deliver(&order("15"))?;
    lake.run(&[])?.exits_with(0)?;
    let before = lake.rows("jwo.orders")?;
    fs::write(
        lake.path().join("marketlake.toml"),
        "personal_key = \"another\"\n",
    )?;
    lake.deliver(&order("30"))?;
    let run = lake.run(&[])?.exits_with(3)?;
    assert_eq!(
        (
            run.outcome("jwo.orders")?.as_str(),
            run.outcome("jwo.order_lines")?.as_str()
        ),
        ("held", "empty")
    );
    assert_eq!(lake.rows("jwo.orders")?, before);
    Ok(())
}
