//! What is printed and published is what its schema says, judged by a validator that is not ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use marketlake_tests::reports::{manifest, report, reports};
use marketlake_tests::shop::Shop;
use marketlake_tests::{LakeUnderTest, empty_lake};
use serde_json::{Value, json};

use crate::authoring::{VISITS, desk};
use crate::oracle;

/// Documents with the names of their schemas.
#[derive(Default)]
struct Documents(Vec<(&'static str, Value)>);

impl Documents {
    fn add(&mut self, name: &'static str, lake: &LakeUnderTest, arguments: &[&str]) -> Result<()> {
        let run = lake.call(arguments)?;
        let document = run
            .document()
            .with_context(|| format!("{arguments:?} printed no document"))?;
        self.0.push((name, document));
        Ok(())
    }

    fn notices(&mut self, lake: &LakeUnderTest) -> Result<()> {
        for line in fs::read_to_string(lake.path().join("notices.jsonl"))?.lines() {
            self.0.push(("notice", serde_json::from_str(line)?));
        }
        Ok(())
    }

    /// Whether all are what their schemas say, and every schema is used; those of `acquire` are by its own tests.
    fn are_valid(&self) -> Result<()> {
        judge(&self.0, &["--all-but", "acquire"])
    }
}

/// Whether a document is what the schema of that name says.
pub(crate) fn is_valid(name: &'static str, document: &Value) -> Result<()> {
    judge(&[(name, document.clone())], &[])
}

fn judge(documents: &[(&'static str, Value)], options: &[&str]) -> Result<()> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = oracle::environment(&tests.join("oracle"))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("documents.json");
    fs::write(&file, serde_json::to_string(documents)?)?;
    let validated = Command::new(python)
        .arg(tests.join("oracle/validate.py"))
        .arg("--schemas")
        .arg(tests.join("../docs/schemas"))
        .args(options)
        .arg(&file)
        .output()?;
    ensure!(
        validated.status.success(),
        "{}{}",
        String::from_utf8_lossy(&validated.stdout),
        String::from_utf8_lossy(&validated.stderr)
    );
    Ok(())
}

#[test]
fn every_document_is_what_its_schema_says() -> Result<()> {
    let mut documents = Documents::default();
    let demo = empty_lake()?;
    documents.add("demo", &demo, &["demo", "--days", "2"])?;
    for (name, arguments) in [
        ("quarantine_list", &["quarantine", "list"][..]),
        ("quarantine_show", &["quarantine", "show", "--limit", "1000"]),
        ("run", &["quarantine", "replay"]),
        ("run", &["run"]),
        ("status", &["status", "--gaps", "--runs"]),
        ("why_rows", &["why", "jwo.orders", "--where", "order_total > 0"]),
        ("tables", &["tables"]),
        ("table", &["tables", "ads.sp_campaigns"]),
        ("table", &["tables", "jwo.order_totals"]),
        ("catalog_diff", &["catalog", "diff"]),
        ("catalog_sync", &["catalog", "sync"]),
        ("doctor", &["doctor"]),
        ("view", &["tables", "retail.ad_share_monthly"]),
        ("config", &["config"]),
        ("check", &["check"]),
        ("schemas", &["schemas"]),
        ("maintain", &["maintain", "--dry-run"]),
        ("maintain", &["maintain"]),
    ] {
        documents.add(name, &demo, arguments)?;
    }
    documents.notices(&demo)?;

    let lake = reports()?;
    lake.deliver_all([
        &report("a", &["2026-03-01,c1,1", "2026-03-09,c1,2"]),
        &manifest("a", "a", (1, 2), 9, (1, 1)),
    ])?;
    let first = ["--from", "2020-01-01"];
    documents.add(
        "run_dry_run",
        &lake,
        &[&["run", "--dry-run"][..], &first].concat(),
    )?;
    ensure!(lake.run_until("after_claim", &[])?.died());
    documents.add(
        "run_dry_run",
        &lake,
        &[&["run", "--dry-run"][..], &first].concat(),
    )?;
    let object = "reports/corner/2026-03-04/a.csv";
    documents.add("why_object", &lake, &["why", object])?;
    documents.add("status", &lake, &["status"])?;
    documents.add("run", &lake, &[&["run"][..], &first].concat())?;
    documents.add("why_object", &lake, &["why", object])?;
    documents.add(
        "why_rows",
        &lake,
        &["why", "reports.daily", "--where", "clicks = 1"],
    )?;
    documents.add("status", &lake, &["status"])?;
    documents.add("run", &lake, &["rebuild", "reports.daily"])?;
    documents.notices(&lake)?;

    let shop = Shop::open()?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\nv2,600,0\n")?;
    documents.add("run", &shop.lake, &[&["run"][..], &first].concat())?;
    shop.write(
        "daily.sql",
        "SELECT day, count(*) AS guests FROM shop.visits GROUP BY day\n",
    )?;
    documents.add("run", &shop.lake, &[&["run"][..], &first].concat())?;
    shop.write("visits.toml", "nonsense = 1\n")?;
    documents.add("check", &shop.lake, &["check"])?;
    documents.notices(&shop.lake)?;

    let desk = desk("visits.csv", VISITS.as_bytes())?;
    let sample = ["new", "shop.visits", "--sample", "visits.csv"];
    documents.add("new", &desk, &sample)?;
    documents.add("test", &desk, &["test"])?;
    fs::write(desk.path().join("fixtures/shop/visits/first/rows.csv"), "day\n")?;
    documents.add("test", &desk, &["test"])?;

    let outcomes: Vec<&Value> = documents
        .0
        .iter()
        .filter(|(name, _)| *name == "notice")
        .map(|(_, notice)| &notice["outcome"])
        .collect();
    for outcome in ["updated", "partly_quarantined", "held"] {
        ensure!(outcomes.contains(&&json!(outcome)), "no notice says {outcome}");
    }
    documents.are_valid()
}
