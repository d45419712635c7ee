//! The templates of `deploy/`: made in an emulator, and jobs run as their task definitions say, on what the intakes land.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use marketlake_tests::program;
use marketlake_tests::s3::Server;
use marketlake_tests::{Delivery, Run};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::oracle;

const REGION: &str = "eu-west-1";
const SCHEDULED: &str = "2026-03-01T04:00:00Z";
const RAW: &str = "marketlake-raw-000000000000-eu-west-1";

#[test]
fn from_the_templates_to_rows() -> Result<()> {
    let python = oracle::environment(&Path::new(env!("CARGO_MANIFEST_DIR")).join("s3"))?;
    let server = Server::ministack(&python, &[])?;
    let endpoint = format!("http://{}", server.address());
    let deployed: Value = serde_json::from_str(&script(&python, "stacks.py", &endpoint)?)?;
    script(&python, "functions.py", &endpoint)?;
    order_report(&server)?;

    let spill = TempDir::new().context("no temporary folder")?;
    let task = |job: &str, command: Option<&[&str]>| -> Result<Run> {
        let task = &deployed["tasks"][job];
        let mut call = Command::new(program()?);
        call.env_clear()
            .current_dir(spill.path())
            .envs(texts(&task["environment"])?)
            // What ECS gives a task, and the volume that it mounts.
            .envs([
                ("AWS_ENDPOINT_URL", endpoint.as_str()),
                ("AWS_ACCESS_KEY_ID", "000000000000"),
                ("AWS_SECRET_ACCESS_KEY", "none"),
            ])
            .env("TMPDIR", spill.path())
            .env("MARKETLAKE_SPILL_DIR", spill.path());
        match command {
            Some(command) => call.args(command),
            None => call
                .args(texts(&task["command"])?.into_values())
                // The Scheduler puts the time there.
                .envs(
                    texts(&deployed["started"][job])?
                        .into_iter()
                        .map(|(name, value)| {
                            (name, value.replace("<aws.scheduler.scheduled-time>", SCHEDULED))
                        }),
                ),
        };
        let run: Run = call.output().context("the program cannot be started")?.into();
        run.exits_with(0)
    };
    task("hand", Some(&["doctor"]))?;
    // As scheduled: the queue tells of the order report, and the first run of a day looks through everything.
    let run = task("jwo", None)?;
    ensure!(run.said().contains("jwo-2026-03-01T04:00:00Z"), "{}", run.said());
    ensure!(
        run.stderr.contains("\"Namespace\":\"marketlake\""),
        "{}",
        run.stderr
    );
    ensure!(!run.stderr.contains("is not a setting"), "{}", run.stderr);
    let again = task("jwo", None)?;
    ensure!(again.said().contains("nothing is done again"), "{}", again.said());
    task("maintain", None)?;
    let reports = texts(&deployed["tasks"]["reports"]["command"])?;
    let mut asked: Vec<&str> = reports.values().map(String::as_str).collect();
    asked.push("--help");
    task("reports", Some(&asked))?;
    task("hand", Some(&["catalog", "diff"]))?;
    for (sql, wanted) in [
        ("SELECT order_id, order_total FROM jwo.orders", "A-1,7.5000"),
        ("SELECT count(*) FROM ams.sp_traffic", "2"),
        (
            "SELECT event_id FROM yojaka.events WHERE otp_present AND event_id < 'e-5' ORDER BY 1",
            "e-0 e-4",
        ),
    ] {
        let said = task("hand", Some(&["query", "--format", "csv", sql]))?.stdout;
        let rows: Vec<_> = said.lines().skip(1).collect();
        ensure!(rows.join(" ") == wanted, "{sql} says {said:?}, not {wanted}");
    }
    Ok(())
}

/// The texts of an object by their names, or of a list by their places.
fn texts(value: &Value) -> Result<BTreeMap<String, String>> {
    let pairs: Vec<_> = match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| (format!("{at:04}"), item))
            .collect(),
        Value::Object(entries) => entries.iter().map(|(name, item)| (name.clone(), item)).collect(),
        other => anyhow::bail!("{other} is neither a list nor an object"),
    };
    let text = |(name, item): (String, &Value)| Some((name, item.as_str()?.to_owned()));
    pairs
        .into_iter()
        .map(text)
        .collect::<Option<_>>()
        .context("not everything is a text")
}

/// Runs one of the scripts of `deploy/check` and gives what it prints.
fn script(python: &Path, name: &str, endpoint: &str) -> Result<String> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/check");
    let said = Command::new(python)
        .arg(folder.join(name))
        .arg(endpoint)
        .output()?;
    let errors = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{name}: {errors}");
    Ok(String::from_utf8(said.stdout)?)
}

/// Delivers the order report of the page.
fn order_report(server: &Server) -> Result<()> {
    let today = chrono::Utc::now().date_naive();
    let lines = format!(
        "order_id,order_date,store_id,order_total,currency_code,line_id,sku,quantity,net_amount\n\
         A-1,{today},S1,7.50,GBP,1,banana,3,1.50\nA-1,{today},S1,7.50,GBP,2,coffee,1,6.00\n"
    );
    let report = Delivery::new(format!("jwo/corner/Order/{today}/10/ALL15.csv000"), lines);
    let store = server.store(RAW, REGION)?;
    Runtime::new()?.block_on(async {
        let path = ObjectPath::parse(&report.key)?;
        store.put(&path, report.bytes.clone().into()).await?;
        Ok(())
    })
}
