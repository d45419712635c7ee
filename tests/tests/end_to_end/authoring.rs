//! Tables of one's own: from a sample to a table, and cases that say what is wrong.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use marketlake_tests::{LakeUnderTest, Run, gzip, new_lake};

pub(crate) const VISITS: &str = "Visit ID;Day;Guests;Sales;Mail\n\
                      0017;2026-03-01;2;10,50;ann@example.com\n\
                      0018;2026-03-01;0;7,00;\n";

/// A folder of work with a sample in it; contracts are where `new` puts them.
pub(crate) fn desk(sample: &str, bytes: &[u8]) -> Result<LakeUnderTest> {
    let lake = new_lake("")?;
    let path = lake.path().join(sample);
    fs::create_dir_all(path.parent().context("the sample has no folder")?)?;
    fs::write(path, bytes)?;
    let contracts = lake.path().join("sql");
    Ok(lake.with_contracts(contracts))
}

fn written(lake: &LakeUnderTest, path: &str) -> Result<String> {
    fs::read_to_string(lake.path().join(path)).with_context(|| format!("{path} is not there"))
}

fn first_case(table: &str) -> PathBuf {
    PathBuf::from("fixtures")
        .join(table.replace('.', "/"))
        .join("first")
}

fn new(lake: &LakeUnderTest, table: &str, sample: &str) -> Result<Run> {
    lake.call(&["new", table, "--sample", sample])
}

#[test]
fn a_sample_becomes_a_table_in_three_commands() -> Result<()> {
    let lake = desk("downloads/visits.csv", VISITS.as_bytes())?;
    let said = new(&lake, "shop.visits", "downloads/visits.csv")?
        .exits_with(0)?
        .document()?;
    assert_eq!(said["outcome"], "updated");
    assert_eq!(said["keys"][0], "shop/sample/visits/2026-03-01/visits.csv");
    lake.call(&["check"])?.exits_with(0)?;
    let tested = lake.call(&["test"])?.exits_with(0)?.document()?;
    assert_eq!((&tested["passed"], &tested["failed"]), (&3.into(), &0.into()));

    let object = lake.raw().join("shop/corner/visits/2026-03-01/visits.csv");
    fs::create_dir_all(object.parent().context("no folder")?)?;
    fs::copy(lake.path().join("downloads/visits.csv"), object)?;
    assert_eq!(
        lake.run(&["shop.visits"])?
            .exits_with(0)?
            .outcome("shop.visits")?,
        "updated"
    );
    let rows = lake
        .rows("shop.visits")?
        .of(&["account", "visit_id", "day", "guests", "sales", "mail"])?;
    let some = |cells: [&str; 5]| {
        cells
            .map(|cell| Some(cell.to_owned()))
            .into_iter()
            .chain([None])
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows,
        [
            some(["corner", "0017", "2026-03-01", "2", "10.5000"]),
            some(["corner", "0018", "2026-03-01", "0", "7.0000"]),
        ]
    );
    Ok(())
}

#[test]
fn personal_values_of_a_sample_are_nowhere_in_what_is_written() -> Result<()> {
    let lake = desk("visits.csv", VISITS.as_bytes())?;
    let said = new(&lake, "shop.visits", "visits.csv")?
        .exits_with(0)?
        .document()?;
    let files = said["written"].as_array().context("nothing is written")?;
    ensure!(files.len() >= 4, "{files:?}");
    for file in files.iter().filter_map(|file| file.as_str()) {
        let text = fs::read_to_string(lake.path().join(file))?;
        ensure!(!text.contains("ann@example.com"), "{file} holds {text}");
    }
    let rows = written(&lake, "fixtures/shop/visits/first/rows.csv")?;
    ensure!(rows.contains("0017") && !rows.contains("masked"), "{rows}");
    Ok(())
}

#[test]
fn samples_of_every_format_give_contracts_whose_case_comes_out() -> Result<()> {
    let document = r#"{"spec": {"view": "ALL"}, "rows": [{"asin": "B1", "day": "2026-03-01", "sum": {"amount": 1.50}}]}"#;
    let messages = r#"{"id": "a", "at": "2026-03-01T10:00:00Z", "n": 1}{"id": "b", "at": "2026-03-01T11:00:00Z", "n": 2}"#;
    let (japanese, western) = (
        b"\x8F\xA4\x95i\t\x83}\x83O\n\x90\xD4\t1\n".to_vec(),
        b"k\xF6rper,n\nGr\xF6\xDFe,1\n".to_vec(),
    );
    let samples: [(&str, Vec<u8>, &str); 7] = [
        ("shop.report", document.into(), "json"),
        ("shop.zipped", gzip(document.as_bytes()), "json"),
        ("shop.events", messages.into(), "json_rows"),
        ("shop.flat", "sku\tstock-level\nA\t5\nB\t\n".into(), "tsv"),
        (
            "shop.bare",
            "17,2026-03-01,Mug\n18,2026-03-01,Cup\n".into(),
            "csv",
        ),
        ("shop.japanese", japanese, "tsv"),
        ("shop.western", western, "csv"),
    ];
    for (table, bytes, format) in samples {
        let lake = desk("sample.dat", &bytes)?;
        let said = new(&lake, table, "sample.dat")?
            .exits_with(0)
            .context(table)?
            .document()?;
        assert_eq!(
            (&said["format"], &said["outcome"]),
            (&format.into(), &"updated".into()),
            "{table}"
        );
        assert_eq!(said["failure"], serde_json::Value::Null, "{table}");
    }
    Ok(())
}

#[test]
fn a_table_of_parquet_is_made_of_the_files_of_another() -> Result<()> {
    let lake = desk("visits.csv", VISITS.as_bytes())?;
    new(&lake, "shop.visits", "visits.csv")?.exits_with(0)?;
    let object = lake.raw().join("shop/corner/visits/2026-03-01/visits.csv");
    fs::create_dir_all(object.parent().context("no folder")?)?;
    fs::write(object, VISITS)?;
    lake.run(&["shop.visits"])?.exits_with(0)?;
    let partition = lake.table("shop.visits").join("day=2026-03-01");
    let file = fs::read_dir(partition)?
        .next()
        .context("the table has no file")??
        .path();
    let said = new(&lake, "shop.copies", &file.display().to_string())?
        .exits_with(0)?
        .document()?;
    assert_eq!(
        (&said["format"], &said["outcome"]),
        (&"parquet".into(), &"updated".into())
    );
    Ok(())
}

#[test]
fn what_is_there_is_replaced_only_when_asked_to() -> Result<()> {
    let lake = desk("visits.csv", VISITS.as_bytes())?;
    new(&lake, "shop.visits", "visits.csv")?.exits_with(0)?;
    let contract = lake.path().join("sql/shop/visits.toml");
    fs::write(
        &contract,
        fs::read_to_string(&contract)?.replace("One row of visits.", "Mine."),
    )?;
    let refused = new(&lake, "shop.visits", "visits.csv")?.exits_with(2)?;
    ensure!(refused.stderr.contains("--force"), "{}", refused.stderr);
    ensure!(written(&lake, "sql/shop/visits.toml")?.contains("Mine."));
    lake.call(&["new", "shop.visits", "--sample", "visits.csv", "--force"])?
        .exits_with(0)?;
    ensure!(!written(&lake, "sql/shop/visits.toml")?.contains("Mine."));
    let built_in = new(&lake, "jwo.orders", "visits.csv")?.exits_with(2)?;
    ensure!(built_in.stderr.contains("built in"), "{}", built_in.stderr);
    Ok(())
}

#[test]
fn samples_that_tell_nothing_are_refused_with_what_to_do() -> Result<()> {
    let samples: [(&[u8], &str); 4] = [
        (b"", "is empty"),
        (b"a,b\n", "take a file with rows"),
        (b"words and words\n", "formats are CSV, TSV, JSON and Parquet"),
        (b"\x28\xB5\x2F\xFD\x00\x00", "zstd"),
    ];
    for (bytes, why) in samples {
        let lake = desk("sample.csv", bytes)?;
        let refused = new(&lake, "shop.visits", "sample.csv")?.exits_with(2)?;
        ensure!(
            refused.stderr.contains("sample.csv") && refused.stderr.contains(why),
            "{}",
            refused.stderr
        );
        ensure!(!lake.path().join("sql").exists());
    }
    let lake = desk("sample.csv", b"a,b\n1,2\n")?;
    let refused = new(&lake, "shop.visits", "other.csv")?.exits_with(2)?;
    ensure!(
        refused.stderr.contains("other.csv cannot be read"),
        "{}",
        refused.stderr
    );
    let refused = new(&lake, "Shop.Visits", "sample.csv")?.exits_with(2)?;
    ensure!(refused.stderr.contains("small letters"), "{}", refused.stderr);
    Ok(())
}

#[test]
fn a_case_that_does_not_come_out_says_what_where_and_in_which_way() -> Result<()> {
    let lake = desk("visits.csv", VISITS.as_bytes())?;
    new(&lake, "shop.visits", "visits.csv")?.exits_with(0)?;
    let rows = lake.path().join(first_case("shop.visits")).join("rows.csv");
    let right = fs::read_to_string(&rows)?;
    fs::write(&rows, right.replace("10.5000", "11.5000"))?;

    let failed = lake.call(&["test", "shop.visits"])?.exits_with(1)?.document()?;
    assert_eq!(failed["failed"], 3);
    let ways = &failed["cases"][0]["ways"];
    for (index, way) in ["as_is", "reversed_one_by_one", "twice"].into_iter().enumerate() {
        assert_eq!(ways[index]["way"], way);
        let message = ways[index]["message"].as_str().context("no message")?;
        ensure!(
            message.contains("rows.csv differs")
                && message.contains("sales is \"10.5000\", wanted \"11.5000\""),
            "{message}"
        );
    }

    lake.call(&["test", "--bless"])?.exits_with(0)?;
    assert_eq!(fs::read_to_string(&rows)?, right);
    let crashed = lake.call(&["test", "--crash"])?.exits_with(0)?.document()?;
    assert_eq!(crashed["passed"], 4);
    Ok(())
}

#[test]
fn without_a_case_there_is_nothing_to_pass() -> Result<()> {
    let lake = desk("visits.csv", VISITS.as_bytes())?;
    fs::create_dir(lake.path().join("sql"))?;
    let refused = lake.call(&["test"])?.exits_with(2)?;
    ensure!(
        refused.stderr.contains("there is no case in") && refused.stderr.contains("marketlake new"),
        "{}",
        refused.stderr
    );
    let refused = lake.call(&["test", "shop.visits"])?.exits_with(2)?;
    ensure!(
        refused.stderr.contains("there is no table shop.visits"),
        "{}",
        refused.stderr
    );

    new(&lake, "shop.visits", "visits.csv")?.exits_with(0)?;
    fs::rename(lake.path().join("sql/shop"), lake.path().join("shop"))?;
    let failed = lake.call(&["test"])?.exits_with(1)?.document()?;
    let message = failed["cases"][0]["ways"][0]["message"]
        .as_str()
        .context("no message")?;
    ensure!(
        message.contains("there is no contract of shop.visits"),
        "{message}"
    );

    fs::rename(lake.path().join("shop"), lake.path().join("sql/shop"))?;
    fs::write(
        lake.path().join(first_case("shop.visits")).join("case.toml"),
        "proves = \"x\"\nspeed = 1\n",
    )?;
    let failed = lake.call(&["test"])?.exits_with(1)?.document()?;
    let message = failed["cases"][0]["ways"][0]["message"]
        .as_str()
        .context("no message")?;
    ensure!(
        message.contains("case.toml is wrong") && message.contains("speed"),
        "{message}"
    );
    Ok(())
}
