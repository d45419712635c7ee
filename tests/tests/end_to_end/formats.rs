//! Raw objects in every format, from the contract to the rows.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use marketlake_tests::{Delivery, LakeUnderTest, gzip, new_lake};

/// What the tables share: all but where their objects are and how they are encoded.
const CONTRACT: &str = r#"description = "Units sold of a product on a day."
path      = "DELIVERED"
keep      = "latest_row"
key       = ["day", "asin"]
newest_by = ["_modified", "_row"]
partition = ["day"]
FORMAT
[columns]
day    = { type = "date", from = "_period" }
asin   = "text"
name   = "text"
units  = "int"
amount = { type = "decimal(18,4)", from = ["amount", "revenue.amount"] }
"#;

fn lake(tables: &[(&str, &str, &str)]) -> Result<LakeUnderTest> {
    let lake = new_lake("")?;
    let folder = lake.path().join("contracts");
    fs::create_dir_all(folder.join("sold"))?;
    for (table, path, format) in tables {
        let text = CONTRACT.replace("DELIVERED", path).replace("FORMAT", format);
        fs::write(folder.join("sold").join(format!("{table}.toml")), text)?;
    }
    Ok(lake.with_contracts(folder))
}

#[test]
fn two_arrays_of_a_document_are_two_tables_that_share_its_header() -> Result<()> {
    let path = "report/{date}/{name}";
    let format = |rows: &str| format!("format = 'json'\njson = {{ rows = '{rows}', header = ['spec'] }}");
    let lake = lake(&[
        ("by_asin", path, &format("byAsin")),
        ("in_total", path, &format("total")),
    ])?;
    let report = r#"{"total": [{"asin": "all", "units": 5}],
        "byAsin": [{"asin": "B1", "units": 2, "revenue": {"amount": 0.10}}, {"asin": "B2", "units": "many"}, 7],
        "spec": {"options": {"view": "SOURCING"}, "marketplaceIds": ["A1"]}}"#;
    let nothing = r#"{"spec": {}, "byAsin": [], "total": []}"#;
    for (name, text) in [("a.json.gz", gzip(report.as_bytes())), ("b.json", nothing.into())] {
        lake.deliver(&Delivery::new(format!("report/2026-03-01/{name}"), text))?;
    }
    for (name, text) in [
        ("c", &report[..report.len() - 1]),
        ("d", r#"{"code": "QuotaExceeded"}"#),
    ] {
        lake.deliver(&Delivery::new(format!("report/2026-03-02/{name}.json"), text))?;
    }
    lake.run(&[])?.exits_with(0)?;
    let extra = r#"{"spec.marketplaceIds":"A1","spec.options.view":"SOURCING"}"#.replace('"', "\"\"");
    assert_eq!(
        lake.rows("sold.by_asin")?.to_csv(),
        format!("day,asin,units,amount,extra\n2026-03-01,B1,2,0.1000,\"{extra}\"\n")
    );
    assert_eq!(
        lake.rows("sold.in_total")?.to_csv(),
        format!("day,asin,units,extra\n2026-03-01,all,5,\"{extra}\"\n")
    );
    let rejects = lake.quarantine("sold.by_asin")?;
    let mut said: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.row, reject.reason.as_str()))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            (None, "the document has no array \"byAsin\""),
            (None, "the document is cut short: it ends before what it opened"),
            (Some(2), "units: \"many\" is not an int"),
            (Some(3), "is a number, not an object"),
        ]
    );
    Ok(())
}

#[test]
fn tabbed_text_in_another_charset_keeps_its_quotes_and_its_characters() -> Result<()> {
    let format = "format = 'tsv'\ncharset = 'shift_jis'\ntsv = { rename = { '商品名' = 'name' } }";
    let lake = lake(&[("listed", "listing/{date}/{name}", format)])?;
    let text = b"asin\t\x8F\xA4\x95i\x96\xBC\tunits\tamount\r\nB1\t\"24\" \x87@\t1\t9.5\r\n\r\nB2\tx\xFD\t1\t1\nB3\ty\t1\n";
    lake.deliver(&Delivery::new("listing/2026-03-01/all.txt", text))?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(
        lake.rows("sold.listed")?.to_csv(),
        "day,asin,name,units,amount\n2026-03-01,B1,\"\"\"24\"\" ①\",1,9.5000\n"
    );
    let rejects = lake.quarantine("sold.listed")?;
    let said: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.row, reject.reason.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Some(2), "is not valid Shift_JIS"),
            (Some(3), "has 3 cells, the header has 4"),
        ]
    );
    Ok(())
}

/// The files of a curated table that hold rows.
fn files_of(lake: &LakeUnderTest, table: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![lake.table(table)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("_delta_log") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                files.push(path);
            }
        }
    }
    Ok(files)
}

#[test]
fn the_files_of_a_table_are_raw_objects_of_another() -> Result<()> {
    let lake = lake(&[
        ("first", "first/{date}/{name}", "format = 'csv'"),
        (
            "second",
            "second/{date}/{name}",
            "format = 'parquet'\nunknown = 'ignore'",
        ),
    ])?;
    let text =
        "asin,name,units,amount\nB1,\"a\nb\",-3,0.1000\nB2,é,9007199254740993,12345678901234.5678\nB3,,,\n";
    lake.deliver(&Delivery::new("first/2026-03-01/a.csv", text))?;
    lake.run(&[])?.exits_with(0)?;
    let files = files_of(&lake, "sold.first")?;
    assert_eq!(files.len(), 1);
    let file = fs::read(files.first().context("a file")?)?;
    lake.deliver(&Delivery::new("second/2026-03-01/a.parquet", &file[..]))?;
    lake.deliver(&Delivery::new(
        "second/2026-03-01/b.parquet",
        &file[..file.len() / 2],
    ))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.outcome("sold.second")?, "partly_quarantined");
    assert_eq!(
        lake.rows("sold.second")?.to_csv(),
        lake.rows("sold.first")?.to_csv()
    );
    let rejects = lake.quarantine("sold.second")?;
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].object.ends_with("b.parquet") && rejects[0].row.is_none());
    assert!(
        rejects[0]
            .reason
            .starts_with("the object is no Parquet file that can be read")
    );
    Ok(())
}
