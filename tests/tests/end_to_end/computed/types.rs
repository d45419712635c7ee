//! Every type at every place of a contract: a value goes in, or its row is rejected; never anything else.

use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::{Delivery, LakeUnderTest, csv_line, new_lake};
use serde_json::Value;

const RAW: &str =
    "description = 'Values.'\npath = 'odd/{account}/{date}/{name}.csv'\nformat = 'csv'\nunknown = 'ignore'\n";
const COMPUTED: &str = "description = 'Computed.'\ninputs = ['odd.plain']\n";

/// Where a value stands in tables of raw rows.
const RAW_PLACES: [(&str, &str); 8] = [
    ("plain", "keep = 'latest_row'\nkey = ['id']\nnewest_by = ['_row']"),
    ("in_key", "keep = 'latest_row'\nkey = ['v']\nnewest_by = ['_row']"),
    (
        "in_partition",
        "keep = 'latest_row'\nkey = ['id', 'v']\nnewest_by = ['_row']\npartition = ['v']",
    ),
    (
        "in_order",
        "keep = 'latest_row'\nkey = ['id']\nnewest_by = ['v', '_row']",
    ),
    ("in_sort", "keep = 'every_row'\nkey = ['id']\nsort = ['v']"),
    (
        "in_value",
        "keep = 'latest_value'\nkey = ['id']\nnewest_by = ['_row']",
    ),
    (
        "in_per",
        "keep = 'latest_document'\nper = ['v']\nnewest_by = ['_modified']",
    ),
    (
        "in_per_partition",
        "keep = 'latest_document'\nper = ['v']\nnewest_by = ['_modified']\npartition = ['v']",
    ),
];

/// Where it stands in tables computed from them.
const COMPUTED_PLACES: [(&str, &str, &str); 4] = [
    ("of_key", "key = ['v']\nrecompute = ['v']", BY_VALUE),
    (
        "of_partition",
        "key = ['v']\nrecompute = ['v']\npartition = ['v']",
        BY_VALUE,
    ),
    (
        "of_part",
        "key = ['id', 'v']\nrecompute = ['id']\npartition = ['v']",
        BY_ROW,
    ),
    (
        "of_sort",
        "key = ['id']\nrecompute = ['id']\nsort = ['v']",
        BY_ROW,
    ),
];
const BY_VALUE: &str = "SELECT v, count(*) AS id FROM odd.plain GROUP BY v";
const BY_ROW: &str = "SELECT id, v FROM odd.plain";

/// Types, the places that they cannot stand at, and values of which the first three are good anywhere.
const TYPES: [(&str, &[&str], &[&str]); 7] = [
    (
        "text",
        &[],
        &[
            "plain",
            "a/b=%2F ?#",
            "é漢🦀",
            " ",
            "..",
            "\u{1}\u{7f}",
            "null",
            "x,\"y\"\nz",
        ],
    ),
    (
        "int",
        &[],
        &[
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "1.5",
            "NaN",
        ],
    ),
    (
        "decimal(38,4)",
        &["partition", "part", "order"],
        &[
            "0",
            "-1.5",
            "1",
            "9999999999999999999999999999999999.9999",
            "99999999999999999999999999999999999",
            "0.00001",
        ],
    ),
    (
        "date",
        &[],
        &[
            "2026-03-01",
            "0001-01-01",
            "9999-12-31",
            "10000-01-01",
            "0000-12-31",
            "2026-02-30",
        ],
    ),
    (
        "timestamp",
        &["partition", "part"],
        &[
            "2026-03-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "10000-01-01T00:00:00Z",
        ],
    ),
    ("bool", &["order"], &["true", "false", "true", "maybe"]),
    (
        "double",
        &["key", "partition", "part", "order", "per"],
        &[
            "0",
            "-0.0",
            "1.7976931348623157e308",
            "5e-324",
            "1e400",
            "inf",
            "NaN",
        ],
    ),
];

fn stands(place: &str, not_at: &[&str]) -> bool {
    !not_at.iter().any(|not| place.ends_with(&format!("_{not}")))
}

/// The one number that a query gives.
fn number(lake: &LakeUnderTest, sql: &str) -> Result<u64> {
    let said = lake.call(&["query", sql])?.exits_with(0)?;
    let row: Value = serde_json::from_str(&said.stdout)?;
    row["n"]
        .as_u64()
        .with_context(|| format!("{sql}: {}", said.stdout))
}

fn rows(lake: &LakeUnderTest, table: &str) -> Result<u64> {
    number(lake, &format!("SELECT count(*) AS n FROM {table}"))
}

#[test]
fn a_value_of_any_type_goes_in_or_its_row_is_rejected() -> Result<()> {
    for (ty, not_at, values) in TYPES {
        let lake = new_lake("")?;
        let folder = lake.path().join("contracts");
        let lake = lake.with_contracts(folder.clone());
        fs::create_dir_all(folder.join("odd"))?;
        let columns = format!("\n[columns]\nid = 'int'\nv = '{ty}'\n");
        let raw: Vec<_> = RAW_PLACES
            .into_iter()
            .filter(|(place, _)| stands(place, not_at))
            .collect();
        for (place, rules) in &raw {
            fs::write(
                folder.join(format!("odd/{place}.toml")),
                format!("{RAW}{rules}\n{columns}"),
            )?;
        }
        let computed = COMPUTED_PLACES
            .into_iter()
            .filter(|(place, _, _)| stands(place, not_at));
        let computed: Vec<_> = computed.collect();
        for (place, rules, sql) in &computed {
            fs::write(
                folder.join(format!("odd/{place}.toml")),
                format!("{COMPUTED}{rules}\n{columns}"),
            )?;
            fs::write(folder.join(format!("odd/{place}.sql")), sql)?;
        }
        let long = ["x".repeat(300), "x".repeat(1_024), "x".repeat(1_025)];
        let all: Vec<&str> = values
            .iter()
            .copied()
            .chain(long.iter().map(String::as_str))
            .collect();
        let deliver = |day: u32, first: usize, values: &[&str]| {
            let ids: Vec<String> = (first..)
                .map(|id| id.to_string())
                .take(values.len() + 1)
                .collect();
            let mut text = "id,v\n".to_owned();
            for (id, value) in ids.iter().zip(values.iter().copied().map(Some).chain([None])) {
                text.push_str(&csv_line([Some(id.as_str()), value].into_iter()));
            }
            lake.deliver(&Delivery::new(format!("odd/main/2026-03-{day:02}/a.csv"), text))
        };
        // The second delivery touches what the first one brought, and the other way round.
        deliver(1, 0, &all[2..])?;
        lake.run(&[])?.exits_with(0)?;
        deliver(2, 100, &all)?;
        let run = lake.run(&[])?.exits_with(0)?;
        let again = lake.run(&[])?.exits_with(0)?;
        let delivered = (all.len() * 2) as u64;
        for (place, rules) in &raw {
            let table = format!("odd.{place}");
            let rejects = lake.quarantine(&table)?;
            let good = number(&lake, &format!("SELECT count(DISTINCT id) AS n FROM {table}"))?;
            // Of rows that take each other's place fewer are there than came.
            if !rules.contains("= ['v']\nnewest_by") {
                assert_eq!(
                    good + rejects.len() as u64,
                    delivered,
                    "{table} of {ty}: {rejects:?}"
                );
            }
            ensure!(good >= 2, "{table} of {ty}: {good} rows");
            ensure!(rejects.iter().all(|reject| !reject.reason.is_empty()));
            assert_eq!(again.outcome(&table)?, "unchanged", "{table} of {ty}");
        }
        for (place, _, sql) in &computed {
            let table = format!("odd.{place}");
            let rejects = lake.quarantine(&table)?;
            let wanted = number(&lake, &format!("SELECT count(*) AS n FROM ({sql})"))?;
            let held = rows(&lake, &table)?;
            assert_eq!(
                held + rejects.len() as u64,
                wanted,
                "{table} of {ty}: {rejects:?}"
            );
            ensure!(held >= 2, "{table} of {ty}: {held} rows");
            ensure!(["updated", "partly_quarantined"].contains(&run.outcome(&table)?.as_str()));
            assert_eq!(again.outcome(&table)?, "unchanged", "{table} of {ty}");
            let before = (lake.rows(&table)?.to_csv(), reasons(&lake, &table)?);
            lake.call(&["rebuild", &table])?.exits_with(0)?;
            assert_eq!(
                (lake.rows(&table)?.to_csv(), reasons(&lake, &table)?),
                before,
                "{table} of {ty}"
            );
        }
    }
    Ok(())
}

fn reasons(lake: &LakeUnderTest, table: &str) -> Result<Vec<(String, Option<String>)>> {
    let rejects = lake.quarantine(table)?.into_iter();
    let mut reasons: Vec<_> = rejects.map(|reject| (reject.reason, reject.text)).collect();
    reasons.sort();
    Ok(reasons)
}
