//! Tables of a bucket in the Data Catalog of Glue, over the wire: what stands there, what is asked for it, and what becomes of
//! a run where Glue does not do it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::s3::{Fault, Proxy, Request, S3Lake, Server};
use marketlake_tests::{Run, shop};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::s3::{LAKE, ministack, visit, visits};

const DATABASE: &str = "marketlake_shop";
const RUN: [&str; 4] = ["run", "shop.visits", "--from", "2020-01-01"];

/// A lake of visits whose catalog is Glue, with the server and the proxy that it sees it through.
struct Catalogued {
    server: Server,
    proxy: Proxy,
    lake: S3Lake,
}

impl Catalogued {
    fn open() -> Result<Self> {
        let server = ministack(&[LAKE])?;
        let proxy = Proxy::before(server.address(), None)?;
        let lake = visits(&server, &proxy, "catalog = \"glue\"")?;
        // With every field, so that a new column holds nothing.
        let sql = "SELECT *, round(CAST(seconds AS DOUBLE) / 60, 1) AS minutes FROM raw\n";
        fs::write(lake.folder().join("sql/shop/visits.sql"), sql)?;
        Ok(Self { server, proxy, lake })
    }

    fn run(&self) -> Result<Run> {
        self.lake.call(&RUN)
    }

    /// What Glue was asked for since the last look.
    fn asked(&self) -> Vec<String> {
        let seen = self.proxy.seen();
        let asked = seen
            .iter()
            .filter_map(|request| request.asked()?.strip_prefix("AWSGlue."));
        asked.map(str::to_owned).collect()
    }

    fn entry(&self) -> Result<Value> {
        let asked = json!({"DatabaseName": DATABASE, "Name": "visits"});
        Ok(self.server.ask("AWSGlue.GetTable", &asked)?["Table"].take())
    }

    /// Writes over the entry, as somebody else would.
    fn write(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut entry = self.entry()?;
        change(&mut entry);
        let mut input = serde_json::Map::new();
        for field in [
            "Name",
            "Description",
            "Owner",
            "Retention",
            "StorageDescriptor",
            "PartitionKeys",
            "TableType",
            "Parameters",
        ] {
            if let Some(value) = entry.get(field) {
                input.insert(field.to_owned(), value.clone());
            }
        }
        let update = json!({"DatabaseName": DATABASE, "TableInput": input});
        self.server.ask("AWSGlue.UpdateTable", &update).map(drop)
    }

    /// What `catalog diff` finds, by what it is about.
    fn differences(&self, code: i32) -> Result<BTreeMap<String, Value>> {
        let told = self
            .lake
            .call(&["catalog", "diff"])?
            .exits_with(code)?
            .document()?;
        let differences = told["entries"][0]["differences"].as_array().context("no entry")?;
        let named = differences.iter().map(|one| {
            (
                one["what"].as_str().unwrap_or_default().to_owned(),
                one["found"].clone(),
            )
        });
        Ok(named.collect())
    }
}

/// What becomes of the first requests for something.
fn first(what: &'static str, faults: Vec<Fault>) -> impl FnMut(&Request) -> Fault + Send {
    let mut faults = faults.into_iter();
    move |request| match request.asked().is_some_and(|asked| asked.ends_with(what)) {
        true => faults.next().unwrap_or(Fault::None),
        false => Fault::None,
    }
}

#[test]
fn a_run_registers_what_it_changed_and_writes_only_what_differs() -> Result<()> {
    let shop = Catalogued::open()?;
    shop.lake.deliver(&[visit(1)])?;
    // The rows are in, and the run says what is missing.
    let told = shop.run()?.exits_with(1)?;
    ensure!(
        told.stderr.contains("shop.visits is not registered") && told.stderr.contains(DATABASE),
        "{told:?}"
    );
    let database = json!({"DatabaseInput": {"Name": DATABASE}});
    shop.server.ask("AWSGlue.CreateDatabase", &database)?;
    shop.asked();
    shop.run()?.exits_with(0)?;
    assert_eq!(
        shop.asked(),
        ["GetTable", "GetDatabase", "CreateTable"],
        "the next run does what is left"
    );
    is_in_the_shape(&shop.entry()?)?;

    shop.asked();
    shop.run()?.exits_with(0)?;
    ensure!(shop.asked().is_empty(), "nothing has changed");
    shop.lake.deliver(&[visit(2)])?;
    shop.run()?.exits_with(0)?;
    assert_eq!(shop.asked(), ["GetTable"], "rows are no news for a catalog");

    shop.write(|entry| {
        entry["Owner"] = json!("somebody");
        entry["Parameters"]["team"] = json!("retail");
    })?;
    let contract = shop.lake.folder().join("sql/shop/visits.toml");
    let grown = shop::VISITS.replace("guests   = \"int\"\n", "guests   = \"int\"\ndogs = \"int\"\n");
    fs::write(&contract, &grown)?;
    shop.lake.deliver(&[visit(3)])?;
    shop.run()?.exits_with(0)?;
    assert_eq!(shop.asked(), ["GetTable", "UpdateTable"]);
    let entry = shop.entry()?;
    let columns = entry["StorageDescriptor"]["Columns"]
        .as_array()
        .context("no columns")?;
    ensure!(columns.iter().any(|column| column["Name"] == "dogs"), "{entry:#}");
    let schema = &entry["Parameters"]["spark.sql.sources.schema.part.0"];
    ensure!(
        schema.as_str().is_some_and(|schema| schema.contains("\"dogs\"")),
        "{schema}"
    );
    ensure!(
        entry["Owner"] == "somebody" && entry["Parameters"]["team"] == "retail",
        "{entry:#}"
    );
    ensure!(shop.differences(0)?.is_empty());
    shop.lake.has_no_secrets()
}

/// Field by field what Athena needs, and what views and people read.
fn is_in_the_shape(entry: &Value) -> Result<()> {
    let location = "s3://lake/prod/curated/shop/visits/";
    assert_eq!(entry["TableType"], "EXTERNAL_TABLE");
    assert_eq!(entry["Description"], "One visit of a shop.");
    assert_eq!(entry["PartitionKeys"], json!([{"Name": "day", "Type": "date"}]));
    let storage = &entry["StorageDescriptor"];
    assert_eq!(storage["Location"], location);
    assert_eq!(
        storage["SerdeInfo"]["Parameters"],
        json!({"path": location, "serialization.format": "1"})
    );
    let columns = storage["Columns"].as_array().context("no columns")?;
    let named: Vec<_> = columns
        .iter()
        .map(|column| (column["Name"].as_str(), column["Type"].as_str()))
        .collect();
    assert_eq!(
        named[..5],
        [
            (Some("shop"), Some("string")),
            (Some("visit_id"), Some("string")),
            (Some("minutes"), Some("decimal(10,1)")),
            (Some("guests"), Some("bigint")),
            (Some("extra"), Some("map<string,string>")),
        ]
    );
    ensure!(
        columns
            .iter()
            .any(|column| column["Name"] == "_object" && column["Comment"].is_string()),
        "{columns:?}"
    );
    let parameters = &entry["Parameters"];
    for (name, value) in [
        ("EXTERNAL", "TRUE"),
        ("table_type", "delta"),
        ("spark.sql.sources.provider", "delta"),
        ("spark.sql.sources.schema.numParts", "1"),
        ("marketlake.table", "shop.visits"),
        ("marketlake.key", "day, visit_id"),
    ] {
        assert_eq!(parameters[name], value, "{name}");
    }
    let schema = parameters["spark.sql.sources.schema.part.0"]
        .as_str()
        .context("no schema")?;
    let schema: Value = serde_json::from_str(schema)?;
    assert_eq!(schema["fields"][0]["name"], "day");
    Ok(())
}

#[test]
fn what_others_change_is_told_and_mended_and_what_is_theirs_stays() -> Result<()> {
    let shop = Catalogued::open()?;
    shop.lake.deliver(&[visit(1)])?;
    let database = json!({"DatabaseInput": {"Name": DATABASE}});
    shop.server.ask("AWSGlue.CreateDatabase", &database)?;
    shop.run()?.exits_with(0)?;
    ensure!(shop.differences(0)?.is_empty());

    shop.write(|entry| {
        entry["Parameters"]["crawler"] = json!("theirs");
        entry["Parameters"]["table_type"] = json!("hive");
        entry["StorageDescriptor"]["Columns"][0]["Type"] = json!("int");
    })?;
    let found = shop.differences(3)?;
    assert_eq!(
        found,
        [("column shop", "int"), ("parameter table_type", "hive")]
            .map(|(what, found)| (what.to_owned(), json!(found)))
            .into()
    );
    let mended = shop
        .lake
        .call(&["catalog", "sync", "shop.visits"])?
        .exits_with(0)?
        .document()?;
    ensure!(mended["entries"][0]["change"] == "updated", "{mended:#}");
    ensure!(shop.differences(0)?.is_empty());
    let entry = shop.entry()?;
    ensure!(entry["Parameters"]["crawler"] == "theirs", "{entry:#}");

    // A run does not take an entry away from a lake elsewhere; whoever has moved the lake says so.
    let elsewhere = "s3://other/visits/";
    shop.write(|entry| {
        entry["StorageDescriptor"]["Location"] = json!(elsewhere);
        entry["StorageDescriptor"]["SerdeInfo"]["Parameters"]["path"] = json!(elsewhere);
    })?;
    shop.lake.deliver(&[visit(2)])?;
    let told = shop.run()?.exits_with(1)?.stderr;
    ensure!(
        told.contains(elsewhere) && told.contains("catalog sync"),
        "{told}"
    );
    shop.lake.call(&["catalog", "sync"])?.exits_with(0)?;
    ensure!(shop.differences(0)?.is_empty());
    // What this program did not make it leaves alone.
    shop.write(|entry| {
        entry["StorageDescriptor"]["SerdeInfo"]["Parameters"]["path"] = json!(elsewhere);
        entry["Parameters"]["marketlake.table"].take();
        let parameters = entry["Parameters"].as_object_mut();
        parameters.map(|parameters| parameters.remove("marketlake.table"));
    })?;
    let told = shop.lake.call(&["catalog", "sync"])?.exits_with(1)?.stdout;
    ensure!(told.contains("did not register"), "{told}");
    Ok(())
}

#[test]
fn a_catalog_that_is_busy_is_asked_again_and_what_it_refuses_is_named() -> Result<()> {
    let shop = Catalogued::open()?;
    shop.lake.deliver(&[visit(1)])?;
    let made = shop.lake.call(&["catalog", "sync", "--create-databases"])?;
    let made = made.exits_with(0)?.document()?;
    let made = made["databases"].as_array().context("nothing was made")?;
    ensure!(made.contains(&json!(DATABASE)), "{made:?}");
    let concurrent = Fault::Refused(400, "ConcurrentModificationException");
    let throttled = Fault::Refused(400, "ThrottlingException");
    // Made, but who made it is not told: the entry is there by then.
    shop.proxy.judge(first(
        "CreateTable",
        vec![Fault::DoneAndRefused(500, "InternalServiceException")],
    ));
    shop.run()?.exits_with(0)?;
    ensure!(shop.differences(0)?.is_empty());

    shop.write(|entry| entry["TableType"] = json!("MANAGED_TABLE"))?;
    shop.proxy
        .judge(first("UpdateTable", vec![concurrent, throttled, concurrent]));
    shop.lake.call(&["catalog", "sync"])?.exits_with(0)?;
    ensure!(shop.differences(0)?.is_empty());

    for what in ["GetTable", "UpdateTable"] {
        shop.write(|entry| entry["TableType"] = json!("MANAGED_TABLE"))?;
        let denied = vec![Fault::Refused(400, "AccessDeniedException"); 9];
        shop.proxy.judge(first(what, denied));
        let told = shop.lake.call(&["catalog", "sync"])?.exits_with(1)?.stdout;
        ensure!(
            told.contains(&format!("the program needs glue:{what}"))
                && told.contains("marketlake_shop.visits"),
            "{told}"
        );
    }
    shop.proxy.judge(|_| Fault::None);

    // A table that somebody has put beyond what Athena reads is not registered.
    let store = shop.server.store(LAKE.0, LAKE.1)?;
    let protocol = "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"v2Checkpoint\"],\
                    \"writerFeatures\":[\"v2Checkpoint\"]}}\n";
    let next = Path::from("prod/curated/shop/visits/_delta_log/00000000000000000002.json");
    tokio::runtime::Runtime::new()?.block_on(store.put(&next, protocol.into()))?;
    shop.asked();
    let told = shop.lake.call(&["catalog", "sync"])?.exits_with(1)?.stdout;
    ensure!(told.contains("table needs reader 3"), "{told}");
    ensure!(shop.asked().is_empty());
    shop.lake.has_no_secrets()
}
