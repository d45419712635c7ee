//! Tables computed from tables, over values that nobody thought of.

mod increments;
mod types;

use std::fmt::Write;

use anyhow::{Result, ensure};
use marketlake_tests::shop::Shop;
use marketlake_tests::{Delivery, LakeUnderTest, Rejected, instant};

const SALES: &str = r#"description = "One sale."
path      = "shop/sales/{account}/{date}/{name}.csv"
format    = "csv"
keep      = "latest_row"
key       = ["sale_id"]
newest_by = ["_modified", "_row"]

[columns]
sale_id = "text"
region  = "text"
code    = "text"
amount  = "int"
"#;

const REGIONS: &str = r#"description = "Sales of a region."
inputs    = ["shop.sales"]
key       = ["region"]
recompute = ["region"]
partition = ["region"]

[columns]
region = "text"
sales  = "int"
codes  = "int"
"#;

const REGIONS_SQL: &str = "SELECT region, count(*) AS sales, sum(CAST(code AS BIGINT)) AS codes FROM shop.sales \
                           GROUP BY region\n";

/// As [`REGIONS`], in files that hold several of them.
fn unpartitioned() -> String {
    REGIONS.replace("partition = [\"region\"]\n", "")
}

/// A lake with sales, and a table that is computed from them.
fn regions(contract: &str, sql: &str) -> Result<Shop> {
    let shop = Shop::open()?;
    for (file, text) in [
        ("sales.toml", SALES),
        ("regions.toml", contract),
        ("regions.sql", sql),
    ] {
        shop.write(file, text)?;
    }
    Ok(shop)
}

const TABLE: &str = "shop.regions";

/// Delivers sales with their regions and codes; of two objects that with the greater name is newer.
fn sales(shop: &Shop, name: &str, rows: &[(&str, &str, &str)]) -> Result<()> {
    let mut text = "sale_id,region,code,amount\n".to_owned();
    for (sale, region, code) in rows {
        writeln!(text, "{sale},{region},{code},1")?;
    }
    let hour = name.as_bytes()[0] - b'a';
    let delivery = Delivery::new(format!("shop/sales/main/2026-03-01/{name}.csv"), text);
    let at = instant(&format!("2026-03-02T{hour:02}:00:00Z"));
    shop.lake.deliver(&delivery.at(at))
}

fn run(lake: &LakeUnderTest) -> Result<String> {
    lake.run(&["shop.sales", TABLE])?.takes_in()?.outcome(TABLE)
}

/// Reasons and texts.
fn told(lake: &LakeUnderTest) -> Result<Vec<(String, String)>> {
    let told = |reject: Rejected| (reject.reason, reject.text.unwrap_or_default());
    let mut all: Vec<_> = lake.quarantine(TABLE)?.into_iter().map(told).collect();
    all.sort();
    Ok(all)
}

/// Whether a table made anew from the same inputs has the same rows and rejects.
fn is_as_rebuilt(shop: &Shop) -> Result<()> {
    let before = (shop.rows(TABLE)?, told(&shop.lake)?);
    shop.lake.call(&["rebuild", TABLE])?.exits_with(0)?;
    let after = (shop.rows(TABLE)?, told(&shop.lake)?);
    ensure!(before == after, "{before:?}\nis rebuilt as\n{after:?}");
    Ok(())
}

#[test]
fn thousands_of_touched_pairs_are_computed_as_one_is() -> Result<()> {
    let contract = REGIONS
        .replace(
            "[\"region\"]\npartition = [\"region\"]",
            "[\"region\", \"sale_id\"]",
        )
        .replace("key       = [\"region\"]", "key = [\"region\", \"sale_id\"]")
        .replace("region = \"text\"", "region = \"text\"\nsale_id = \"text\"");
    let sql = REGIONS_SQL
        .replace("SELECT region,", "SELECT region, sale_id,")
        .replace("BY region", "BY region, sale_id");
    let shop = regions(&contract, &sql)?;
    sales(&shop, "a", &[("s", "north", "1"), ("t", "south", "2")])?;
    assert_eq!(run(&shop.lake)?, "updated");
    let ids: Vec<[String; 3]> = (0..6_000_u32)
        .map(|sale| {
            [
                format!("s{sale}"),
                format!("r{}", sale % 7),
                (sale % 11).to_string(),
            ]
        })
        .collect();
    let mut rows: Vec<_> = ids
        .iter()
        .map(|[sale, region, code]| (&**sale, &**region, &**code))
        .collect();
    rows.push(("s", "north", "5"));
    sales(&shop, "b", &rows)?;
    assert_eq!(run(&shop.lake)?, "updated");
    let rows = shop.rows(TABLE)?;
    assert_eq!(rows.lines().count(), 1 + 2 + 6_000);
    ensure!(
        rows.contains("north,s,1,5\n") && rows.contains("south,t,1,2\n"),
        "{rows}"
    );
    is_as_rebuilt(&shop)?;
    assert_eq!(run(&shop.lake)?, "unchanged");
    // Sales that lie in one file with one that changes are not touched by that.
    sales(&shop, "c", &[("s1", "north", "9"), ("u", "west", "1")])?;
    let ran = shop.lake.run(&["shop.sales", TABLE])?.exits_with(0)?;
    assert_eq!(ran.count("shop.sales", "files_removed")?, 1);
    assert_eq!(ran.count(TABLE, "rows_read")?, 2);
    assert_eq!(ran.count(TABLE, "rows_removed")?, 1);
    is_as_rebuilt(&shop)?;
    Ok(())
}

#[test]
fn a_value_that_is_null_is_rejected_alone_whenever_it_comes() -> Result<()> {
    let mut seen = Vec::new();
    for contract in [REGIONS.to_owned(), unpartitioned()] {
        for order in [["a", "b"], ["b", "a"]] {
            let shop = regions(&contract, REGIONS_SQL)?;
            for name in order {
                match name {
                    "a" => sales(&shop, "a", &[("s1", "north", "1"), ("s2", "south", "2")])?,
                    _ => sales(&shop, "b", &[("s3", "", "3"), ("s4", "north", "4")])?,
                }
                run(&shop.lake)?;
            }
            is_as_rebuilt(&shop)?;
            assert_eq!(run(&shop.lake)?, "unchanged");
            seen.push((shop.rows(TABLE)?, told(&shop.lake)?));
        }
    }
    assert_eq!(seen[0].0, "region,sales,codes\nnorth,2,5\nsouth,1,2\n");
    let text = "{\"region\":null,\"sales\":1,\"codes\":3}".to_owned();
    assert_eq!(seen[0].1, [("key column region is null".to_owned(), text)]);
    ensure!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    Ok(())
}

#[test]
fn values_over_which_sql_fails_are_rejected_until_they_are_mended() -> Result<()> {
    for contract in [REGIONS.to_owned(), unpartitioned()] {
        let shop = regions(&contract, REGIONS_SQL)?;
        sales(
            &shop,
            "a",
            &[("s1", "north", "1"), ("s2", "south", "x2"), ("s3", "south", "3")],
        )?;
        assert_eq!(run(&shop.lake)?, "partly_quarantined");
        assert_eq!(shop.rows(TABLE)?, "region,sales,codes\nnorth,1,1\n");
        let rejects = told(&shop.lake)?;
        assert_eq!(rejects.len(), 1);
        ensure!(
            rejects[0].0.contains("x2") && rejects[0].1 == "{\"region\":\"south\"}",
            "{rejects:?}"
        );
        is_as_rebuilt(&shop)?;
        // What is not touched stays rejected, and open.
        sales(&shop, "b", &[("s4", "north", "4"), ("s5", "east", "5")])?;
        assert_eq!(run(&shop.lake)?, "partly_quarantined");
        assert_eq!(told(&shop.lake)?, rejects);
        assert_eq!(shop.rows(TABLE)?, "region,sales,codes\neast,1,5\nnorth,2,5\n");
        // A value that was good goes, too, and comes back.
        sales(&shop, "c", &[("s4", "north", "y")])?;
        assert_eq!(run(&shop.lake)?, "partly_quarantined");
        assert_eq!(shop.rows(TABLE)?, "region,sales,codes\neast,1,5\n");
        assert_eq!(told(&shop.lake)?.len(), 2);
        is_as_rebuilt(&shop)?;
        sales(&shop, "d", &[("s2", "south", "2"), ("s4", "north", "4")])?;
        assert_eq!(run(&shop.lake)?, "updated");
        assert_eq!(told(&shop.lake)?, []);
        assert_eq!(
            shop.rows(TABLE)?,
            "region,sales,codes\neast,1,5\nnorth,2,5\nsouth,2,5\n"
        );
        is_as_rebuilt(&shop)?;
    }
    Ok(())
}

#[test]
fn rows_with_one_key_are_all_rejected() -> Result<()> {
    let sql = "SELECT region, 1 AS sales, CAST(code AS BIGINT) AS codes FROM shop.sales\n";
    // In the second the rows of a key are not beside each other in the order of the files.
    let by_code = format!(
        "{}\n",
        unpartitioned().replace("\n[columns]", "sort = [\"codes\"]\n\n[columns]")
    );
    for contract in [unpartitioned(), by_code] {
        let shop = regions(&contract, sql)?;
        let rows = [
            ("s1", "north", "1"),
            ("s2", "south", "2"),
            ("s3", "north", "3"),
            ("s4", "east", "2"),
        ];
        sales(&shop, "a", &rows)?;
        assert_eq!(run(&shop.lake)?, "partly_quarantined");
        assert_eq!(shop.rows(TABLE)?, "region,sales,codes\neast,1,2\nsouth,1,2\n");
        let rejects = told(&shop.lake)?;
        assert_eq!(rejects.len(), 2);
        ensure!(
            rejects
                .iter()
                .all(|(reason, _)| reason == "SQL gives several rows with this key")
        );
        is_as_rebuilt(&shop)?;
        sales(&shop, "b", &[("s3", "west", "3"), ("s5", "south", "4")])?;
        assert_eq!(run(&shop.lake)?, "partly_quarantined");
        assert_eq!(
            shop.rows(TABLE)?,
            "region,sales,codes\neast,1,2\nnorth,1,1\nwest,1,3\n"
        );
        is_as_rebuilt(&shop)?;
    }
    Ok(())
}

#[test]
fn a_partition_is_named_by_any_text_that_is_not_absurd() -> Result<()> {
    let shop = regions(REGIONS, REGIONS_SQL)?;
    let placed = SALES
        .replace("[\"sale_id\"]", "[\"region\", \"sale_id\"]")
        .replace("\n[columns]", "partition = [\"region\"]\n\n[columns]");
    shop.write("sales.toml", &placed)?;
    let (long, absurd) = ("x".repeat(300), "y".repeat(1_025));
    let rows = [
        ("s1", long.as_str(), "1"),
        ("s2", absurd.as_str(), "2"),
        ("s3", "a/b%20=é", "3"),
        ("s4", "north", "4"),
    ];
    sales(&shop, "a", &rows)?;
    let ran = shop.lake.run(&["shop.sales", TABLE])?.exits_with(0)?;
    assert_eq!(ran.count("shop.sales", "rows_rejected")?, 1);
    assert_eq!(
        shop.rows(TABLE)?,
        format!("region,sales,codes\na/b%20=é,1,3\nnorth,1,4\n{long},1,1\n")
    );
    let rejects = shop.lake.quarantine("shop.sales")?;
    assert_eq!(
        rejects[0].reason,
        "partition column region is a text of more than 1024 bytes"
    );
    is_as_rebuilt(&shop)?;
    let other = regions(REGIONS, REGIONS_SQL)?;
    sales(&other, "a", &rows)?;
    assert_eq!(run(&other.lake)?, "partly_quarantined");
    assert_eq!(shop.rows(TABLE)?, other.rows(TABLE)?);
    assert_eq!(
        told(&other.lake)?[0].0,
        "partition column region is a text of more than 1024 bytes"
    );
    is_as_rebuilt(&other)?;
    Ok(())
}
