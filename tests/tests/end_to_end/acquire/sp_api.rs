//! Reports of the Selling Partner API: fake, `acquire`, raw zone, `run`, curated rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate, Utc};
use fakes::http::Fault;
use fakes::lwa::Lwa;
use fakes::sp_api::{Made, SpApi, Wanted};
use marketlake_tests::{LakeUnderTest, Run, new_lake};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{asking, without_secrets};
use crate::s3::{LAKE, ministack};

const SALES: &str = "GET_SALES_AND_TRAFFIC_REPORT";
const VENDOR: &str = "GET_VENDOR_SALES_REPORT";
const ORDERS: &str = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL";
const SETTLEMENT: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";
const CREATE: &str = "/reports/2021-06-30/reports";
/// Texts that nothing may show.
const SECRETS: [&str; 4] = [
    "planted-application-secret",
    "Atzr|planted-refresh",
    "Atza|",
    "X-Amz-Signature",
];
/// Processes that are killed.
const KILLS: usize = 6;

/// What Amazon knows, and a lake that asks for it.
struct Source {
    fake: SpApi,
    lake: LakeUnderTest,
}

impl Source {
    fn open() -> Result<Self> {
        Self::with("poll = \"1s\"\nwait = \"1m\"", "")
    }

    /// With that in the table `acquire`, and more about the account.
    fn with(acquire: &str, account: &str) -> Result<Self> {
        let lwa = Lwa::new()
            .application("app", SECRETS[0])
            .account("app", SECRETS[1], "corner");
        let fake = SpApi::start(lwa);
        fake.source(SALES, |wanted| Made::json(&sales(wanted)));
        fake.source(VENDOR, |wanted| Made::json(&vendor(wanted)));
        fake.source(ORDERS, |wanted| Made::text(orders(wanted)));
        fake.looks(1);
        // Faster than Amazon's, and so slow that nothing is taken ahead of its time.
        for operation in ["createReport", "getReports", "getReportDocument"] {
            fake.rate(operation, 0.09, 200);
        }
        let configuration = format!(
            r#"
            [[account]]
            alias = "corner"
            source = "sp_api"
            marketplaces = ["A1F83G8C2ARO7P"]

            [acquire]
            {acquire}

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
            {account}
            reports = [{{ type = "{VENDOR}", options = {{ distributorView = ["MANUFACTURING", "SOURCING"] }} }}]
            "#,
            url = fake.url(),
        );
        let lake = new_lake(&configuration)?;
        Ok(Self { fake, lake })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        asking(&self.lake, &["sp-api", "reports"], arguments, &SECRETS)
    }

    /// One call, in which no secret is shown.
    fn acquire(&self, arguments: &[&str]) -> Result<Run> {
        without_secrets(self.command(arguments), SECRETS)
    }

    /// What a call said about each request.
    fn told(&self, arguments: &[&str], code: i32) -> Result<Vec<Value>> {
        let document = self.acquire(arguments)?.exits_with(code)?.document()?;
        Ok(document["requests"].as_array().context("no requests")?.clone())
    }

    /// Objects of the raw zone; what a killed process left half written has another name, which nobody lists.
    fn raw(&self) -> Result<Vec<PathBuf>> {
        let mut files = files(&self.lake.raw())?;
        files.retain(|file| !file.to_string_lossy().contains('#'));
        Ok(files)
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

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}

fn day(back: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(back)
}

/// Days of a request.
fn days(wanted: &Wanted) -> impl Iterator<Item = NaiveDate> {
    let of = |at: Option<chrono::DateTime<Utc>>| at.unwrap_or_default().date_naive();
    let (from, to) = (of(wanted.from), of(wanted.to));
    from.iter_days().take_while(move |day| *day <= to)
}

/// A number that is another one each day.
fn number(day: NaiveDate) -> i64 {
    day.to_epoch_days().into()
}

fn specification(wanted: &Wanted) -> Value {
    json!({
        "reportType": wanted.kind,
        "reportOptions": wanted.options,
        "dataStartTime": wanted.from.map(|at| at.date_naive().to_string()),
        "dataEndTime": wanted.to.map(|at| at.date_naive().to_string()),
        "marketplaceIds": wanted.marketplaces,
    })
}

fn sales(wanted: &Wanted) -> Value {
    let rows = days(wanted).map(|day| {
        json!({"date": day.to_string(), "salesByDate": {"unitsOrdered": number(day)}, "trafficByDate": {"pageViews": 2 * number(day)}})
    });
    json!({"reportSpecification": specification(wanted), "salesAndTrafficByDate": rows.collect::<Vec<_>>(), "salesAndTrafficByAsin": []})
}

fn vendor(wanted: &Wanted) -> Value {
    let money = |day| json!({"amount": number(day), "currencyCode": "GBP"});
    let rows = days(wanted).map(|day| {
        json!({"startDate": day.to_string(), "endDate": day.to_string(), "asin": "B0CORNER01", "shippedUnits": number(day),
            "shippedCogs": money(day), "shippedRevenue": money(day)})
    });
    json!({"reportSpecification": specification(wanted), "salesAggregate": [], "salesByAsin": rows.collect::<Vec<_>>()})
}

fn orders(wanted: &Wanted) -> String {
    let head = "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tsku\tasin\tquantity\tcurrency\titem-price\n";
    let rows = days(wanted).map(|day| {
        format!(
            "026-{}\t{day}T08:00:00+00:00\t{day}T09:00:00+00:00\tShipped\tS-1\tB0CORNER01\t1\tGBP\t{}.50\n",
            number(day),
            number(day)
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

fn settlement(id: u32) -> Made {
    let head = "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\ttotal-amount\tcurrency\ttransaction-type\t\
                order-id\tmarketplace-name\tamount-type\tamount-description\tamount\tposted-date\tposted-date-time\tsku\tquantity-purchased\n";
    let total = format!(
        "{id}\t2026-02-15T00:00:00+00:00\t2026-03-01T00:00:00+00:00\t2026-03-03T00:00:00+00:00\t7.50\tGBP{}\n",
        "\t".repeat(10)
    );
    let row = |amount: &str| {
        format!(
            "{id}\t\t\t\t\t\tOrder\t026-1\tAmazon.co.uk\tItemPrice\tPrincipal\t{amount}\t2026-02-20\t2026-02-20T07:01:02+00:00\tS-1\t1\n"
        )
    };
    Made::text([head.to_owned(), total, row("10.00"), row("-2.50")].concat())
}

#[test]
fn reports_of_a_fake_become_curated_rows() -> Result<()> {
    let source = Source::open()?;
    let two_weeks = Duration::from_secs(14 * 86_400);
    source.fake.settled(
        "corner",
        SETTLEMENT,
        "A1F83G8C2ARO7P",
        two_weeks,
        Some(settlement(4711)),
    );
    let gone = source
        .fake
        .settled("corner", SETTLEMENT, "A1F83G8C2ARO7P", two_weeks * 5, None);
    let (from, to) = (day(12), day(9));
    let (from_text, to_text) = (from.to_string(), to.to_string());
    let dated = [SALES, VENDOR, ORDERS, "--from", &from_text, "--to", &to_text];

    let would = source.told(&[&dated[..], &["--dry-run"]].concat(), 0)?;
    assert_eq!(would.len(), 4 + 2 + 1);
    assert!(would.iter().all(|told| told["outcome"] == "wanted") && source.fake.server().asked().is_empty());

    // Everything that Amazon may do goes wrong once.
    let server = source.fake.server();
    server.plan(Fault::lost().on("POST", CREATE));
    server.plan(Fault::status(429, 1).on("GET", &format!("{CREATE}/")));
    server.plan(Fault::cut().on("GET", "/document/"));
    server.plan(Fault::status(403, 1).on("GET", "/document/"));
    server.plan(Fault::status(500, 1).on("GET", CREATE));
    let told = source.told(&dated, 0)?;
    let landed = told.iter().filter(|told| told["outcome"] == "landed").count();
    assert_eq!(
        (landed, source.fake.reports().len(), server.planned()),
        (7, 9, 0),
        "{told:?}"
    );
    let told = source.told(&[SETTLEMENT], 0)?;
    let of_gone = told
        .iter()
        .find(|told| told["id"] == gone.as_str())
        .context("not told")?;
    assert_eq!((told.len(), &of_gone["outcome"]), (2, &json!("gone")));

    let asked = server.asked().len();
    assert!(source.told(&dated, 0)?.is_empty() && source.told(&[SETTLEMENT], 0)?.is_empty());
    assert_eq!(server.asked().len(), asked, "the second call asks for nothing");

    source.lake.run(&[])?.takes_in()?;
    let lines = |sql: &str| -> Result<Vec<String>> {
        Ok(source
            .lake
            .query(sql)?
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect())
    };
    let truth = |line: &dyn Fn(NaiveDate) -> String| -> Vec<String> {
        from.iter_days().take_while(|day| *day <= to).map(line).collect()
    };
    assert_eq!(
        lines("SELECT activity_date, units_ordered, page_views FROM sp_api.sales_traffic_daily ORDER BY 1")?,
        truth(&|day| format!("{day},{},{}", number(day), 2 * number(day)))
    );
    for view in ["MANUFACTURING", "SOURCING"] {
        let sql = format!(
            "SELECT activity_date, shipped_units FROM sp_api.vendor_sales WHERE distributor_view = '{view}' ORDER BY 1"
        );
        assert_eq!(lines(&sql)?, truth(&|day| format!("{day},{}", number(day))));
    }
    assert_eq!(
        lines("SELECT purchase_date, amazon_order_id, item_price FROM sp_api.orders ORDER BY 1")?,
        truth(&|day| format!("{day},026-{},{}.5000", number(day), number(day)))
    );
    assert_eq!(
        lines("SELECT settlement_id, count(*), sum(amount) FROM sp_api.settlement GROUP BY 1")?,
        ["4711,3,7.5000"]
    );
    source.assert_nothing_leaked()
}

#[test]
fn a_process_that_is_killed_again_and_again_asks_for_each_report_once() -> Result<()> {
    let source = Source::with("poll = \"1s\"\nparallel = 2", "")?;
    let mut rng = ChaCha8Rng::seed_from_u64(16);
    let (from, to) = (day(9).to_string(), day(5).to_string());
    let arguments = [SALES, VENDOR, ORDERS, "--from", &from, "--to", &to];
    let asked = || source.fake.server().asked().len();
    let mut kills = 0;
    loop {
        let mut process = source
            .command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // A few requests a process, so that there is something left for each that is killed, however fast the machine is.
        let until = asked() + rng.random_range(1..=3);
        while kills < KILLS && process.try_wait()?.is_none() && asked() < until {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(rng.random_range(0..3000)));
        if kills < KILLS && process.try_wait()?.is_none() {
            process.kill()?;
            process.wait()?;
            kills += 1;
            continue;
        }
        let run: Run = process.wait_with_output()?.into();
        let document = run.exits_with(0)?.document()?;
        if document["requests"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
    }
    ensure!(kills == KILLS, "only {kills} processes were killed");
    let reports = source.fake.reports();
    let asked: BTreeMap<String, &Value> = reports
        .iter()
        .map(|report| (report["reportId"].as_str().unwrap_or_default().to_owned(), report))
        .collect();
    let days_of = |kind: &str| -> Vec<String> {
        let of = asked.values().filter(|report| report["reportType"] == kind);
        of.map(|report| report["dataStartTime"].to_string()).collect()
    };
    let sales = days_of(SALES);
    assert_eq!(
        (sales.len(), sales.iter().collect::<BTreeSet<_>>().len()),
        (5, 5),
        "each day once"
    );
    assert_eq!((days_of(VENDOR).len(), days_of(ORDERS).len()), (2, 1));
    let raw = source.raw()?;
    let objects = raw
        .iter()
        .filter(|file| !file.to_string_lossy().ends_with(".manifest.json"));
    let ids: Vec<String> = objects
        .filter_map(|file| Some(file.file_name()?.to_str()?.split('.').next()?.to_owned()))
        .collect();
    assert_eq!(ids.len(), 8);
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>(),
        asked.keys().collect::<BTreeSet<_>>()
    );
    assert_eq!(raw.len(), 16, "each with its manifest");
    source.assert_nothing_leaked()
}

#[test]
fn a_notification_ends_the_wait_for_a_report_and_goes_when_it_has_landed() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let messages = server.messages();
    let queue = messages.queue("finished", 30)?;
    // Nobody looks by itself before five minutes have passed.
    let source = Source::with("poll = \"5m\"\nwait = \"10m\"", &format!("queue = \"{queue}\""))?;
    let day = day(3).to_string();
    let mut command = source.command(&[ORDERS, "--from", &day, "--to", &day]);
    command
        .env("AWS_ENDPOINT_URL_SQS", format!("http://{}", server.address()))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "key");
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    while source.fake.reports().is_empty() {
        sleep(Duration::from_millis(50));
    }
    let id = source.fake.reports()[0]["reportId"].clone();
    let tell = |id: &Value| {
        let about = json!({"accountId": "amzn1.vg.6213651", "sellerId": null, "reportId": id, "reportType": ORDERS,
            "processingStatus": "DONE"});
        let said = json!({"notificationVersion": "2020-09-04", "notificationType": "REPORT_PROCESSING_FINISHED",
            "payload": {"reportProcessingFinishedNotification": about}});
        messages.send(&queue, &said.to_string())
    };
    tell(&json!("of another account"))?;
    tell(&id)?;
    let run: Run = process.wait_with_output()?.into();
    let document = run.exits_with(0)?.document()?;
    assert_eq!(document["requests"][0]["outcome"], "landed", "{document}");
    let looks = source.fake.server().asked_for("GET", &format!("{CREATE}/"));
    assert_eq!(looks.len(), 1);
    let waiting = messages.waiting(&queue)?;
    assert_eq!(waiting.visible + waiting.hidden, 1, "the other account's stays");
    Ok(())
}
