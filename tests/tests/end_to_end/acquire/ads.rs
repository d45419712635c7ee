//! Reports of the Ads API: fake, `acquire`, raw zone, `run`, curated rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate, TimeDelta, Utc};
use fakes::ads::{Ads, REPORTS, Row, profile};
use fakes::http::{Answer, Fault, Wrong};
use fakes::lwa::Lwa;
use marketlake_tests::{LakeUnderTest, new_lake};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{asking, without_secrets};
use crate::schemas::is_valid;

/// Texts that nothing may show.
const SECRETS: [&str; 2] = ["planted-application-secret", "Atzr|planted-refresh"];
/// Eight hours behind UTC, all the year.
const ZONE: &str = "Etc/GMT+8";
/// A seller, which has an account here, and a vendor with an id that no float holds, which has none.
const SELLER: &str = "123";
const VENDOR: &str = "9007199254740993";
/// Processes that are killed.
const KILLS: usize = 8;

/// What Amazon knows, and a lake that asks for it.
struct Source {
    ads: Ads,
    lake: LakeUnderTest,
}

impl Source {
    fn open() -> Result<Self> {
        let lwa = Lwa::new()
            .application("app", SECRETS[0])
            .account("app", SECRETS[1], "agent");
        let profiles = vec![
            profile(SELLER.parse()?, "seller", "US", "USD", ZONE),
            profile(VENDOR.parse()?, "vendor", "DE", "EUR", "Europe/Berlin"),
            profile(7, "agency", "US", "USD", ZONE),
        ];
        let ads = Ads::start(lwa, "app", profiles);
        let configuration = format!(
            r#"
            [[account]]
            alias = "corner"
            source = "ads"
            zone = "{ZONE}"
            fields = {{ profile_id = "{SELLER}", account_type = "seller" }}

            [acquire]
            poll = "1s"
            wait = "1m"

            [acquire.endpoints]
            lwa_na = "{url}"
            ads_na = "{url}"

            [acquire.application.main]
            client_id = "app"
            client_secret = "env:APPLICATION_SECRET"

            [[acquire.ads]]
            application = "main"
            region = "na"
            refresh_token = "env:REFRESH_TOKEN"
            "#,
            url = ads.server.url(),
        );
        let lake = new_lake(&configuration)?;
        Ok(Self { ads, lake })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        asking(&self.lake, &["ads"], arguments, &SECRETS)
    }

    /// One call, in which no secret is shown.
    fn acquire(&self, arguments: &[&str], code: i32) -> Result<Value> {
        let run = without_secrets(self.command(arguments), self.secrets())?;
        run.exits_with(code)?.document()
    }

    /// What became of each request of a call.
    fn outcomes(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let document = self.acquire(arguments, 0)?;
        let requests = document["requests"].as_array().context("no requests")?;
        Ok(requests
            .iter()
            .map(|told| told["outcome"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    fn secrets(&self) -> Vec<String> {
        let planted = SECRETS.map(str::to_owned).into_iter();
        planted.chain(self.ads.secrets()).collect()
    }

    fn happened(&self, of: &str, report: &str, rows: Vec<Row>) {
        self.ads.known().happened(of, report, rows);
    }

    /// Lines of a SELECT, without its header.
    fn lines(&self, sql: &str) -> Result<Vec<String>> {
        Ok(self.lake.query(sql)?.lines().skip(1).map(str::to_owned).collect())
    }

    /// Ids of the reports that lie in the raw zone, each as often as it does.
    fn landed(&self) -> Result<Vec<String>> {
        let names = files(&self.lake.raw())?
            .into_iter()
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        Ok(names
            .filter_map(|name| Some(name.strip_suffix(".json.gz")?.to_owned()))
            .collect())
    }

    /// No file of the lake has a secret in it.
    fn assert_nothing_leaked(&self) -> Result<()> {
        for file in files(self.lake.path())? {
            let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
            for secret in self.secrets() {
                ensure!(!text.contains(&secret), "{secret} stands in {}", file.display());
            }
        }
        Ok(())
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

/// So many days before today, where the seller is.
fn day(back: u64) -> NaiveDate {
    (Utc::now() - TimeDelta::hours(8)).date_naive() - Days::new(back)
}

/// What happened in a campaign: its clicks, and cents.
fn row(date: NaiveDate, campaign: u64, clicks: u64, cents: u32) -> Row {
    let fields = json!({
        "campaignId": campaign, "campaignName": format!("Campaign {campaign}"), "adGroupId": campaign + 1,
        "keywordId": campaign + 2, "adId": campaign + 3, "searchTerm": "lamp", "advertisedAsin": "B0CORNER01",
        "impressions": clicks * 10, "clicks": clicks, "cost": f64::from(cents) / 100.0,
        "campaignBudgetCurrencyCode": "USD",
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    Row { date, fields }
}

#[test]
fn reports_of_a_fake_become_curated_rows_also_when_they_are_restated() -> Result<()> {
    let source = Source::open()?;
    let (old, recent, newest) = (day(40), day(5), day(1));
    let rows = vec![
        row(old, 10, 1, 110),
        row(recent, 10, 2, 225),
        row(recent, 20, 3, 330),
    ];
    source.happened(SELLER, "spCampaigns", rows);
    let seen = source.acquire(&["profiles"], 0)?;
    is_valid("acquire_profiles", &seen)?;
    let seen: Vec<&str> = seen["profiles"]
        .as_array()
        .context("none")?
        .iter()
        .filter_map(|seen| seen["account"].as_str())
        .collect();
    assert_eq!(seen, [VENDOR, "corner"]);

    // A range that is longer than a report may be, asked for while everything goes wrong once.
    let (from, to) = (old.to_string(), day(3).to_string());
    let dated = [
        "reports",
        "spCampaigns",
        "--account",
        "corner",
        "--from",
        &from,
        "--to",
        &to,
    ];
    let would = source.acquire(&[&dated[..], &["--dry-run"]].concat(), 0)?;
    assert_eq!((&would["would"]["calls"], source.ads.created()), (&json!(6), 0));
    let server = &source.ads.server;
    let patience =
        Answer::json(429, &json!({"code": "429", "details": "Too many requests"})).with("retry-after", "1");
    server.plan(Fault::lost().on("POST", REPORTS));
    server.plan(Fault::new(Wrong::Answer(patience)).on("POST", REPORTS));
    server.plan(Fault::cut().on("GET", "/documents/"));
    server.plan(Fault::status(503, 1).on("GET", "/reporting/reports/"));
    assert_eq!(source.outcomes(&dated)?, ["landed", "landed"]);
    assert_eq!((source.ads.created(), server.planned()), (2, 0));
    source.lake.run(&[])?.takes_in()?;
    let sql =
        "SELECT profile_id, activity_date, campaign_id, clicks, cost FROM ads.sp_campaigns ORDER BY 1, 2, 3";
    let line = |profile: &str, date: NaiveDate, rest: &str| format!("{profile},{date},{rest}");
    let of_old = line(SELLER, old, "10,1,1.1000");
    assert_eq!(
        source.lines(sql)?,
        [
            of_old.clone(),
            line(SELLER, recent, "10,2,2.2500"),
            line(SELLER, recent, "20,3,3.3000")
        ]
    );

    // One campaign is restated, one has no activity any more, and a day is new; the vendor has a campaign, too.
    source.happened(
        SELLER,
        "spCampaigns",
        vec![row(recent, 10, 4, 475), row(newest, 30, 5, 550)],
    );
    source.happened(SELLER, "spSearchTerm", vec![row(newest, 30, 5, 550)]);
    source.happened(SELLER, "spAdvertisedProduct", vec![row(newest, 30, 5, 550)]);
    source.happened(
        VENDOR,
        "spCampaigns",
        vec![row(recent, 9_007_199_254_740_995, 6, 1)],
    );
    let outcomes = source.outcomes(&["reports"])?;
    assert!(
        outcomes.len() > 6 && outcomes.iter().all(|outcome| outcome == "landed"),
        "{outcomes:?}"
    );
    let asked = server.asked().len();
    assert!(source.outcomes(&["reports"])?.is_empty());
    assert_eq!(server.asked().len(), asked, "the second call asks for nothing");
    assert!(source.ads.known().reports.iter().all(|report| report.wasted == 0));

    source.lake.run(&[])?.takes_in()?;
    assert_eq!(
        source.lines(sql)?,
        [
            of_old,
            line(SELLER, recent, "10,4,4.7500"),
            line(SELLER, newest, "30,5,5.5000"),
            line(VENDOR, recent, "9007199254740995,6,0.0100"),
        ]
    );
    let sql = "SELECT search_term, keyword_id, clicks FROM ads.sp_search_term";
    assert_eq!(source.lines(sql)?, ["lamp,32,5"]);
    let sql = "SELECT ad_id, marketplace_id, clicks FROM ads.sp_advertised_product";
    assert_eq!(source.lines(sql)?, ["33,MUS,5"]);
    source.assert_nothing_leaked()
}

#[test]
fn a_process_that_is_killed_again_and_again_asks_for_each_report_once() -> Result<()> {
    let source = Source::open()?;
    source.happened(SELLER, "spCampaigns", vec![row(day(2), 10, 1, 110)]);
    let mut rng = ChaCha8Rng::seed_from_u64(16);
    let arguments = ["reports", "--account", "corner"];
    for _ in 0..KILLS {
        let mut process = source
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        sleep(Duration::from_millis(rng.random_range(100..2500)));
        process.kill()?;
        process.wait()?;
    }
    let outcomes = source.outcomes(&arguments)?;
    assert!(outcomes.iter().all(|outcome| outcome == "landed"), "{outcomes:?}");
    assert!(source.outcomes(&arguments)?.is_empty());
    let made: Vec<String> = source
        .ads
        .known()
        .reports
        .iter()
        .map(|report| report.id.clone())
        .collect();
    let landed = source.landed()?;
    assert_eq!(landed.len(), made.len());
    assert_eq!(BTreeSet::from_iter(landed), BTreeSet::from_iter(made.clone()));
    let different: BTreeSet<String> = source
        .ads
        .known()
        .reports
        .iter()
        .map(|report| format!("{} {}", report.asked.report, report.asked.from))
        .collect();
    assert_eq!(different.len(), made.len(), "nothing is asked for twice");
    source.assert_nothing_leaked()
}
