//! Objects that are damaged, absurd or no objects at all, between good ones.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use marketlake_tests::{Delivery, LakeUnderTest, gzip, new_lake};

const ACCOUNTS: &str = "[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n[[account]]\nalias = \"maker\"\n\
                        source = \"sp_api\"\nfields = { vendor_id = \"V1\" }\n";
const HEADER: &str = "order_id,order_date,order_total,currency_code\n";
const ORDERS: &str = "jwo.orders";
const MESSAGES: &str = "ams.budget_usage";
const SALES: &str = "sp_api.vendor_sales";

/// What quarantine has to say of an object.
enum Told {
    /// Rejected whole, with these words.
    Whole(&'static str),
    /// This row alone, with these words.
    Row(u64, &'static str),
    /// Nothing.
    Nothing,
}
use Told::{Nothing, Row, Whole};

/// A report of orders, the first of which is good.
fn report(minute: u32, rest: impl AsRef<[u8]>) -> Delivery {
    let mut bytes = format!("{HEADER}good-{minute},2026-03-01,1.00,USD\n").into_bytes();
    bytes.extend_from_slice(rest.as_ref());
    bare_report(minute, bytes)
}

fn bare_report(minute: u32, bytes: impl Into<Vec<u8>>) -> Delivery {
    let (hour, minute) = (minute / 60, minute % 60);
    Delivery::new(
        format!("jwo/corner/Order/2026-03-01/{hour:02}/ALL{minute:02}.csv000"),
        bytes,
    )
}

fn message(id: &str, more: &str) -> String {
    format!(
        "{{\"dataset_id\":\"budget-usage\",\"advertiser_id\":\"A1\",\"marketplace_id\":\"M1\",\"budget_scope_id\":\"{id}\",\
         \"budget_scope_type\":\"CAMPAIGN\",\"advertising_product_type\":\"sp\",\"budget\":10.0,\
         \"budget_usage_percentage\":50.0,\"usage_updated_timestamp\":\"2026-03-01T10:00:00Z\"{more}}}\n"
    )
}

/// Messages of an hour; the first is good.
fn messages(hour: u32, rest: impl AsRef<[u8]>) -> Delivery {
    let mut bytes = message(&format!("good-{hour}"), "").into_bytes();
    bytes.extend_from_slice(rest.as_ref());
    let key = format!("ams/budget-usage/year=2026/month=03/day=01/hour={hour:02}/messages");
    Delivery::new(key, bytes)
}

fn sales(name: &str, asin: &str, rows: &str) -> Delivery {
    let document = format!(
        "{{\"reportSpecification\":{{\"reportOptions\":{{\"reportPeriod\":\"DAY\",\"distributorView\":\"SOURCING\",\
         \"sellingProgram\":\"RETAIL\"}},\"marketplaceIds\":[\"{asin}\"]}},\"salesByAsin\":[{rows}]}}"
    );
    let key = format!("sp_api/maker/GET_VENDOR_SALES_REPORT/2026-03-02/{name}.json");
    Delivery::new(key, document)
}

fn sold(asin: &str) -> String {
    format!(
        "{{\"startDate\":\"2026-03-01\",\"endDate\":\"2026-03-01\",\"asin\":\"{asin}\",\"shippedUnits\":1}}"
    )
}

/// How many good rows there have to be, and what is told of each object.
fn check(lake: &LakeUnderTest, table: &str, good: usize, told: &[(Delivery, Told)]) -> Result<()> {
    let mut quarantine: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for reject in lake.quarantine(table)? {
        quarantine.entry(reject.object.clone()).or_default().push(reject);
    }
    for (delivery, told) in told {
        let rejects = quarantine.remove(&delivery.key).unwrap_or_default();
        let (row, words) = match told {
            Nothing => {
                ensure!(rejects.is_empty(), "{}: {rejects:?}", delivery.key);
                continue;
            }
            Whole(words) => (None, words),
            Row(row, words) => (Some(*row), words),
        };
        ensure!(
            rejects.len() == 1 && rejects[0].row == row && rejects[0].reason.contains(words),
            "{} should say {words:?} of row {row:?}: {rejects:?}",
            delivery.key
        );
        let shown = rejects[0].text.as_ref().map_or(0, String::len);
        ensure!(shown < 1 << 20, "{}: {shown} bytes are shown", delivery.key);
    }
    ensure!(quarantine.is_empty(), "{quarantine:?}");
    assert_eq!(lake.rows(table)?.len(), good, "{table}");
    Ok(())
}

#[test]
fn damaged_and_absurd_reports_cost_themselves_alone() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    let whole = gzip(
        format!("{HEADER}z-1,2026-03-01,1.00,USD\n")
            .repeat(2000)
            .as_bytes(),
    );
    let mut long = b"long-".to_vec();
    long.resize(100 << 20, b'x');
    long.extend_from_slice(b",2026-03-01,1.00,USD\n");
    let huge = format!("b-1,2026-03-01,{},USD\n", "9".repeat(400));
    let told = vec![
        (bare_report(0, &whole[..whole.len() / 2]), Whole("gzip")),
        (report(1, b"b-\xff\xfe,2026-03-01,1.00,USD\n"), Row(2, "UTF-8")),
        (report(2, long), Row(2, "larger than")),
        (report(3, b"b-1,2026-03-01,1\x00.00,USD\n"), Row(2, "order_total")),
        (report(4, "b-1,2026-03-01,1.00\n"), Row(2, "3 cells")),
        (report(5, "b-1,2026-03-01,1.00,USD,more\n"), Row(2, "5 cells")),
        (bare_report(6, ""), Nothing),
        (bare_report(7, HEADER), Nothing),
        (
            bare_report(8, "order_id,order_date,order_id\na,2026-03-01,b\n"),
            Whole("order_id"),
        ),
        (report(9, huge), Row(2, "order_total")),
        (report(10, "b-1,2026-03-01,1e400,USD\n"), Row(2, "order_total")),
        (report(11, "b-1,2026-03-01,NaN,USD\n"), Row(2, "order_total")),
        (report(12, "b-1,2026-02-30,1.00,USD\n"), Row(2, "order_date")),
        (report(13, "b-1,99999-01-01,1.00,USD\n"), Row(2, "order_date")),
        (report(14, "b-1,1926-03-01,1.00,USD\n"), Row(2, "key_window")),
        (report(15, "\"b-1,2026-03-01,1.00,USD\n"), Row(2, "quote")),
    ];
    lake.deliver_all(told.iter().map(|(delivery, _)| delivery))?;
    let run = lake.run(&[ORDERS])?.exits_with(0)?;
    assert_eq!(run.outcome(ORDERS)?, "partly_quarantined");
    check(&lake, ORDERS, 12, &told)
}

#[test]
fn damaged_and_absurd_messages_cost_themselves_alone() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    let nested = format!(",\"deep\":{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let objects = format!(",\"deep\":{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    let mut invalid = message("b", ",\"word\":\"x\"").into_bytes();
    let x = invalid.iter().rposition(|byte| *byte == b'x').context("no x")?;
    invalid[x] = 0xff;
    let told = vec![
        (messages(0, message("b", &nested)), Row(2, "nested")),
        (messages(1, message("b", &objects)), Row(2, "nested")),
        (messages(2, message("b", ",\"budget\":11.0")), Row(2, "budget")),
        (
            messages(3, message("b", "").replace("10.0", &"1".repeat(400))),
            Row(2, "budget"),
        ),
        (
            messages(4, message("b", "").replace("2026-03-01T10", "12026-03-01T10")),
            Row(2, "usage_updated_at"),
        ),
        (messages(5, invalid), Row(2, "UTF-8")),
        (messages(6, "\0\0\0\0\n"), Row(2, "is not an object")),
        (messages(7, &message("b", "")[..60]), Row(2, "cut")),
    ];
    lake.deliver_all(told.iter().map(|(delivery, _)| delivery))?;
    lake.run(&[MESSAGES])?.exits_with(0)?;
    check(&lake, MESSAGES, told.len(), &told)
}

#[test]
fn a_damaged_document_replaces_nothing() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    let good = sales("a-good", "M0", &sold("B1"));
    let whole = sales("b", "M1", &sold("B1"));
    let with = |name: &str, bytes: &[u8]| Delivery {
        bytes: bytes.to_vec(),
        ..sales(name, "M1", "")
    };
    let manifest =
        |name: &str, text: &str| Delivery::new(format!("{}.manifest.json", sales(name, "", "").key), text);
    let told = vec![
        (good, Nothing),
        (with("c-cut", &whole.bytes[..whole.bytes.len() - 3]), Whole("cut")),
        (with("d-empty", b""), Whole("empty")),
        (with("e-html", b"<html>503</html>"), Whole("JSON")),
        (
            with("f-no-array", b"{\"reportSpecification\":{}}"),
            Whole("salesByAsin"),
        ),
        (
            with("g-error", b"{\"salesByAsin\":\"none\"}"),
            Whole("salesByAsin"),
        ),
        (sales("h-corrupt-manifest", "M2", &sold("B2")), Whole("manifest")),
        (
            sales("i-manifest-of-another", "M3", &sold("B3")),
            Whole("manifest"),
        ),
        (
            sales(
                "j-two-keys",
                "M4",
                &format!("{{\"asin\":\"B1\",\"asin\":\"B2\"}},{}", sold("B3")),
            ),
            Row(1, "asin"),
        ),
    ];
    lake.deliver_all(told.iter().map(|(delivery, _)| delivery))?;
    lake.deliver(&manifest("h-corrupt-manifest", "{\"schema\": 1, \"docu"))?;
    lake.deliver(&manifest(
        "i-manifest-of-another",
        "{\"schema\": 1, \"document_id\": \"d\", \"bytes\": 7}",
    ))?;
    lake.run(&[SALES])?.takes_in()?;
    check(&lake, SALES, 2, &told)
}

#[test]
fn pipes_dangling_links_and_strange_names_disturb_nothing() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    lake.deliver(&report(0, ""))?;
    let folder = lake.raw().join("jwo/corner/Order/2026-03-01/00");
    symlink(folder.join("nothing"), folder.join("ALL31.csv000"))?;
    let pipe = Command::new("mkfifo").arg(folder.join("ALL32.csv000")).status()?;
    ensure!(pipe.success(), "no pipe was made");
    lake.deliver(&Delivery::new("jwo/corner/Order/2026-03-01/00/notes.txt", "x"))?;
    fs::write(folder.join("a b%2F\u{1F600}.csv"), "x")?;
    let run = lake.run(&[ORDERS])?.exits_with(0)?;
    let said = run.about(ORDERS)?["messages"].to_string();
    ensure!(
        said.contains("notes.txt") && said.contains("fits no path pattern"),
        "{said}"
    );
    assert_eq!(lake.rows(ORDERS)?.len(), 1);
    Ok(())
}

#[test]
fn links_in_circles_and_names_of_two_lines_are_told_and_stop_nothing() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    let folder = lake.raw().join("jwo/corner/Order/2026-03-01/00");
    fs::create_dir_all(&folder)?;
    symlink(&folder, folder.join("loop"))?;
    symlink("ALL30.csv000", folder.join("ALL30.csv000"))?;
    for name in ["a\nb.csv", "ALL45.csv000#1"] {
        fs::write(folder.join(name), "x")?;
    }
    lake.deliver_all([&report(0, ""), &messages(0, "")])?;
    let run = lake.run(&[ORDERS, MESSAGES])?.exits_with(0)?;
    assert_eq!((lake.rows(ORDERS)?.len(), lake.rows(MESSAGES)?.len()), (1, 1));
    let said = run.about(ORDERS)?["messages"].to_string();
    let told = [
        "/loop\" is a link that leads in a circle and is left alone",
        "/ALL30.csv000\" is a link that leads nowhere",
        "a\\nb.csv\" has a name that no address can have",
        "ALL45.csv000#1\" looks like a file that is still being written",
    ];
    for wanted in told {
        let found = said.replace("\\\"", "\"").replace("\\\\", "\\").contains(wanted);
        ensure!(found, "{wanted} is not in {said}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_looked_at_fails_the_tables_that_look_there_and_is_named() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    lake.deliver_all([&report(0, ""), &messages(0, "")])?;
    let link = lake.raw().join("jwo/corner/Order/2026-03-01/00/far");
    symlink("x".repeat(4000), &link)?;
    let run = lake.run(&[])?.exits_with(1)?;
    assert_eq!(run.outcome(ORDERS)?, "failed");
    let said = run.about(ORDERS)?["messages"].to_string();
    ensure!(said.contains("00/far"), "{said}");
    assert_eq!(lake.rows(MESSAGES)?.len(), 1, "other tables go on");
    fs::remove_file(link)?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(lake.rows(ORDERS)?.len(), 1);
    Ok(())
}
