//! Products, listings, schedules and notifications of the Selling Partner API: fake, `acquire`, raw zone, `run`, rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use fakes::http::Fault;
use fakes::lwa::Lwa;
use fakes::partner::{Partner, listing, product};
use marketlake_tests::{LakeUnderTest, Run, new_lake};
use serde_json::{Value, json};

use super::{asking, without_secrets};
use crate::schemas::is_valid;

const CATALOG: &str = "/catalog/2022-04-01/items";
const MARKETPLACES: [&str; 2] = ["A1F83G8C2ARO7P", "A1PA6795UKMFR9"];
/// Texts that nothing may show.
const SECRETS: [&str; 3] = ["planted-application-secret", "Atzr|planted-refresh", "Atza|"];
/// Processes that are killed.
const KILLS: usize = 2;

/// A table of the user's own over pages of the catalog.
const PRODUCTS: &str = r#"
description = "Products, as the catalog said last."
path        = "sp_api/{account}/catalog_items/{date}/{name}.json"
format      = "json"
json        = { rows = "items" }
keep        = "latest_row"
key         = ["marketplace_id", "asin"]
newest_by   = ["_generated_at"]
unknown     = "names"

[columns]
marketplace_id = { type = "text", from = "_marketplaces", doc = "Marketplace." }
asin           = { type = "text", doc = "Product." }
summaries      = { type = "text", doc = "What the catalog says in short." }
"#;

/// What Amazon knows, and a lake that asks for it.
struct Source {
    partner: Partner,
    lake: LakeUnderTest,
}

impl Source {
    fn open() -> Result<Self> {
        let lwa = Lwa::new()
            .application("app", SECRETS[0])
            .account("app", SECRETS[1], "corner");
        let partner = Partner::start(lwa, 100.0);
        let configuration = format!(
            r#"
            [[account]]
            alias = "corner"
            source = "sp_api"
            marketplaces = {MARKETPLACES:?}

            [acquire.endpoints]
            lwa_eu = "{url}"
            sp_api_eu = "{url}"

            [acquire.application.main]
            client_id = "app"
            client_secret = "env:APPLICATION_SECRET"

            [[acquire.sp_api]]
            account = "corner"
            application = "main"
            region = "eu"
            refresh_token = "env:REFRESH_TOKEN"
            seller = "S1"
            listings = {{ sellers = ["S1"] }}
            schedules = [{{ type = "GET_MERCHANT_LISTINGS_ALL_DATA", period = "P1D" }}]
            notifications = {{ queue_arn = "arn:aws:sqs:eu-west-1:123456789012:reports" }}
            "#,
            url = partner.server.url(),
        );
        let lake = new_lake(&configuration)?;
        let folder = lake.path().join("contracts");
        fs::create_dir_all(folder.join("sp_api"))?;
        fs::write(folder.join("sp_api/products.toml"), PRODUCTS)?;
        let lake = lake.with_contracts(folder);
        Ok(Self { partner, lake })
    }

    /// Products of both marketplaces, and a list that wants them and one more.
    fn products(&self, count: u32) -> Result<PathBuf> {
        let mut list = String::from("asin\nB999999999\n");
        for i in 0..count {
            for marketplace in MARKETPLACES {
                let product = product(
                    marketplace,
                    &asin(i),
                    &format!("40063813{i:05}"),
                    &format!("sku {i}"),
                );
                self.partner.known().catalog.add(marketplace, product);
            }
            list.push_str(&format!("{}\n", asin(i)));
        }
        let file = self.lake.path().join("asins.txt");
        fs::write(&file, list)?;
        Ok(file)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        asking(&self.lake, &["sp-api"], arguments, &SECRETS)
    }

    /// What one call says, in which no secret is shown.
    fn acquire(&self, arguments: &[&str], code: i32) -> Result<Value> {
        let run = without_secrets(self.command(arguments), SECRETS)?;
        run.exits_with(code)?.document()
    }

    fn asked(&self) -> usize {
        self.partner.server.asked_for("GET", CATALOG).len()
    }

    /// Pages in the raw zone, each of which has a manifest.
    fn pages(&self) -> Result<Vec<PathBuf>> {
        // What is being written, or was when a process was killed, has a number behind a # in its name.
        let whole = files(&self.lake.raw())?
            .into_iter()
            .filter(|file| !file.to_string_lossy().contains('#'));
        let (manifests, pages): (Vec<PathBuf>, Vec<PathBuf>) =
            whole.partition(|file| file.to_string_lossy().ends_with(".manifest.json"));
        for page in &pages {
            let manifest = PathBuf::from(format!("{}.manifest.json", page.display()));
            ensure!(
                manifests.contains(&manifest),
                "{} has no manifest",
                page.display()
            );
        }
        Ok(pages)
    }

    /// No file of the lake has a secret in it.
    fn assert_nothing_leaked(&self) -> Result<()> {
        for file in files(self.lake.path())? {
            let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
            for secret in SECRETS {
                ensure!(!text.contains(secret), "{secret} stands in {}", file.display());
            }
        }
        Ok(())
    }
}

fn asin(i: u32) -> String {
    format!("B{i:09}")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn outcomes(document: &Value, field: &str) -> Vec<String> {
    let all = document[field].as_array().into_iter().flatten();
    let mut all: Vec<String> = all
        .map(|one| one["outcome"].as_str().unwrap_or_default().to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn products_of_a_fake_become_rows_though_calls_are_killed() -> Result<()> {
    let source = Source::open()?;
    let list = source.products(399)?;
    let list = list.to_str().context("a path that is no text")?;
    let arguments = ["catalog", "--asins", list];
    let would = source.acquire(&[&arguments[..], &["--dry-run"]].concat(), 0)?;
    assert_eq!(
        (would["would"]["calls"].as_u64(), source.asked()),
        (Some(40), 0),
        "{would}"
    );

    source
        .partner
        .server
        .plan(Fault::status(429, 1).on("GET", CATALOG).after(3));
    source
        .partner
        .server
        .plan(Fault::cut().on("GET", CATALOG).after(8));
    for killed in 1..=KILLS {
        let mut process = source
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        while source.pages()?.len() < killed * 10 && begun.elapsed() < Duration::from_secs(60) {
            sleep(Duration::from_millis(2));
        }
        process.kill()?;
        process.wait()?;
    }
    let document = source.acquire(&arguments, 0)?;
    let pages = source.pages()?;
    assert_eq!(pages.len(), 40, "20 batches in two marketplaces");
    assert_eq!(
        outcomes(&document, "requests")
            .iter()
            .filter(|word| *word == "no_data")
            .count(),
        2
    );
    // One request for data of vendors, two that went wrong, and of each killed process those that were under way.
    assert!(
        source.asked() <= 40 + 3 + KILLS * 8,
        "{} requests",
        source.asked()
    );

    let asked = source.partner.server.asked().len();
    let again = source.acquire(&arguments, 0)?;
    assert_eq!(outcomes(&again, "requests"), ["no_data"; 2]);
    assert_eq!(
        source.partner.server.asked().len(),
        asked,
        "the second call asks for nothing"
    );

    source.lake.run(&["sp_api.products"])?.takes_in()?;
    let rows = source.lake.query(
        "SELECT marketplace_id, count(*), count(DISTINCT asin), min(asin), max(asin), \
         sum(CAST(strpos(summaries, 'Lamp ' || asin) > 0 AS int)) FROM sp_api.products GROUP BY 1 ORDER BY 1",
    )?;
    let truth: Vec<String> = MARKETPLACES
        .iter()
        .map(|marketplace| format!("{marketplace},399,399,{},{},399", asin(0), asin(398)))
        .collect();
    assert_eq!(rows.lines().skip(1).collect::<Vec<_>>(), truth);

    // The lake itself says what is wanted: two products of one marketplace lie in no batch of today.
    let query = "SELECT asin, marketplace_id FROM sp_api.products WHERE asin < 'B000000002' AND marketplace_id < 'A1G'";
    let document = source.acquire(&["catalog", "--query", query], 0)?;
    assert_eq!(outcomes(&document, "requests"), ["landed"]);
    let nameless = [
        "catalog",
        "--query",
        "SELECT asin AS product FROM sp_api.products",
    ];
    let run: Run = source.command(&nameless).output()?.into();
    let said = run.exits_with(2)?.said();
    ensure!(said.contains("product") && said.contains("AS asin"), "{said}");
    source.assert_nothing_leaked()
}

#[test]
fn what_a_seller_lists_lands_and_what_is_declared_is_made_once() -> Result<()> {
    let source = Source::open()?;
    for i in 0..45 {
        let listing = listing(MARKETPLACES[0], &format!("sku {i}"), &asin(i), Utc::now());
        source.partner.known().listings.add("S1", listing);
    }
    let document = source.acquire(&["listings"], 0)?;
    assert_eq!(
        outcomes(&document, "requests"),
        ["landed"; 4],
        "45 in one marketplace, none in the other"
    );
    let page = fs::read(source.pages()?.first().context("no page")?)?;
    assert!(serde_json::from_slice::<Value>(&page)?["items"].is_array());
    let again = source.acquire(&["listings"], 0)?;
    is_valid("acquire", &again)?;
    assert_eq!(again["calls"], json!(0));

    let planned = source.acquire(&["schedules", "create", "--dry-run"], 0)?;
    assert_eq!(outcomes(&planned, "arranged"), ["wanted"]);
    let lost = Fault::lost().on("POST", "/reports/2021-06-30/schedules");
    source.partner.server.plan(lost);
    let made = source.acquire(&["schedules", "create"], 0)?;
    is_valid("acquire_arranged", &made)?;
    assert_eq!(outcomes(&made, "arranged"), ["created"]);
    let id = made["arranged"][0]["id"].as_str().context("no id")?.to_owned();
    let gone = source.acquire(&["schedules", "delete", &id], 0)?;
    assert_eq!(outcomes(&gone, "arranged"), ["deleted"]);

    let made = source.acquire(&["notifications", "create"], 0)?;
    assert_eq!(outcomes(&made, "arranged"), ["created", "created"]);
    let listed = source.acquire(&["notifications", "list"], 0)?;
    assert_eq!(outcomes(&listed, "arranged"), ["there", "there"]);
    let destination = listed["arranged"][0]["id"].as_str().context("no id")?.to_owned();
    let gone = source.acquire(&["notifications", "delete", "--destination", &destination], 0)?;
    assert_eq!(outcomes(&gone, "arranged"), ["deleted", "deleted"]);
    source.assert_nothing_leaked()
}
