//! Reports of a profile against a server that behaves as Amazon does.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use chrono::{Days, NaiveDate, Utc};
use fakes::ads::{Ads, Known, REPORTS, Row, documented_columns, profile};
use fakes::http::{Answer, Fault, Wrong};
use fakes::lwa::Lwa;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::{Map, Value, json};

use super::*;
use crate::book::Book;
use crate::endpoints::{Endpoints, Region, Service, VARIABLES};
use crate::place::Place;
use crate::requests::{Calendar, Drive, Request, Want};
use crate::settings::Settings;
use crate::token::{Grant, Login};
use crate::told::{Outcome, Told};
use crate::transport::Spool;

const ZONE: &str = "America/Los_Angeles";
const ID: u64 = 9_007_199_254_740_993;

/// A server, and a lake that outlives those who work on it.
struct World {
    ads: Ads,
    store: Arc<InMemory>,
}

/// A process that works on the lake.
struct Process {
    api: Arc<Api>,
    settings: Settings,
    book: Book<Request>,
    spool: Spool,
    store: Arc<InMemory>,
}

fn yesterday() -> NaiveDate {
    let zone: chrono_tz::Tz = ZONE.parse().unwrap();
    Utc::now().with_timezone(&zone).date_naive() - Days::new(1)
}

/// A row with a value in every column, of which none can pass for another one.
fn row(date: NaiveDate, report: &str, group_by: &str, number: u64) -> Row {
    let columns = documented_columns(report, group_by).into_iter().enumerate();
    let fields = columns.map(|(at, column)| (column.to_owned(), json!(ID + number * 1000 + at as u64)));
    Row {
        date,
        fields: fields.collect::<Map<String, Value>>(),
    }
}

impl World {
    fn new() -> Self {
        let lwa = Lwa::new()
            .application("client", "pepper-of-the-application")
            .account("client", "Atzr|planted", "corner");
        let ads = Ads::start(lwa, "client", vec![profile(ID, "seller", "US", "USD", ZONE)]);
        ads.known().happened(
            &ID.to_string(),
            "spCampaigns",
            vec![row(yesterday(), "spCampaigns", "campaign", 1)],
        );
        Self {
            ads,
            store: Arc::new(InMemory::new()),
        }
    }

    async fn process(&self) -> Process {
        let lake = Place::new(self.store.clone(), Path::from("lake"), true);
        let url = self.ads.server.url();
        let variables = ["LWA_NA", "ADS_NA"].map(|key| (format!("{VARIABLES}{key}"), url.clone()));
        let endpoints = Endpoints::default()
            .with_variables(variables.into_iter())
            .unwrap();
        let transport = Arc::new(Transport::new().unwrap().impatient());
        // Each with buckets of its own, as what is spent ahead by those who die would have to be waited for.
        let own = Place::new(Arc::new(InMemory::new()), Path::from("rates"), true);
        let rates = Arc::new(Rates::open(&own).await.unwrap());
        let login = Login {
            client_id: "client".to_owned(),
            client_secret: "pepper-of-the-application".to_owned(),
        };
        let grant = Grant::Refresh {
            refresh_token: "Atzr|planted".to_owned(),
        };
        let at = endpoints.of(Service::Lwa, Region::Na).unwrap();
        let tokens = Tokens::new(transport.clone(), rates.clone(), at, login, grant);
        let quick = "poll = \"1s\"\npoll_most = \"1s\"\nwait = \"60s\"\n";
        let mut settings: Settings = toml::from_str(quick).unwrap();
        settings.poll.0 = Duration::from_millis(5);
        settings.poll_most.0 = Duration::from_millis(5);
        Process {
            api: Arc::new(Api {
                transport,
                rates,
                tokens: Arc::new(tokens),
                endpoint: endpoints.of(Service::Ads, Region::Na).unwrap(),
                client_id: "client".to_owned(),
            }),
            settings,
            book: Book::open(&lake, "reports").await.unwrap(),
            spool: Spool::new(None),
            store: self.store.clone(),
        }
    }

    /// Names of what lies in the raw zone, without manifests.
    async fn landed(&self) -> BTreeSet<String> {
        let objects: Vec<_> = self
            .store
            .list(Some(&Path::from("raw")))
            .try_collect()
            .await
            .unwrap();
        let names = objects.into_iter().map(|object| object.location.to_string());
        names.filter(|name| !name.ends_with(".manifest.json")).collect()
    }

    /// Everything that anybody could read.
    async fn all_texts(&self) -> String {
        let mut texts = String::new();
        let mut objects = self.store.list(None);
        while let Some(object) = objects.next().await {
            let bytes = self
                .store
                .get(&object.unwrap().location)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            texts.push_str(&String::from_utf8_lossy(&bytes));
        }
        texts
    }

    fn wants(&self) -> (Vec<Definition>, Vec<Want>) {
        let definitions = Definition::all(&[Wanted::named("spCampaigns")]).unwrap();
        let calendar = Calendar {
            now: Utc::now(),
            zone: ZONE.parse().unwrap(),
            since: Some(yesterday() - Days::new(5)),
            until: None,
        };
        let wants = definitions
            .iter()
            .flat_map(|definition| definition.plan().due(&calendar, &[]))
            .collect();
        (definitions, wants)
    }

    async fn run(&self, with: impl FnOnce(ProfileReports) -> ProfileReports, again: bool) -> Vec<Told> {
        let process = self.process().await;
        self.work(&process, with, again).await
    }

    async fn work(
        &self,
        process: &Process,
        with: impl FnOnce(ProfileReports) -> ProfileReports,
        again: bool,
    ) -> Vec<Told> {
        let (definitions, wants) = self.wants();
        let folder = Place::new(process.store.clone(), Path::from("raw/ads/corner"), true);
        let seen = profiles(&process.api).await.unwrap().remove(0);
        let reports = with(ProfileReports::new(
            process.api.clone(),
            "corner",
            seen,
            definitions,
            folder,
        ));
        let drive = Drive {
            account: "corner",
            book: &process.book,
            reports: &reports,
            transport: &process.api.transport,
            spool: &process.spool,
            settings: &process.settings,
            again,
        };
        drive.run(wants).await.unwrap()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.ads.known()
    }
}

fn as_it_is(reports: ProfileReports) -> ProfileReports {
    reports
}

fn outcomes(told: &[Told]) -> Vec<Outcome> {
    told.iter().map(|told| told.outcome).collect()
}

#[tokio::test]
async fn a_report_lands_whole_with_its_manifest_and_is_asked_for_once() {
    let world = World::new();
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed], "{told:?}");
    let report = world.known().reports[0].clone();
    let day = report.generated_at().unwrap().date_naive();
    let name = format!("raw/ads/corner/spCampaigns/{day}/{}.json.gz", report.id);
    assert_eq!(world.landed().await, BTreeSet::from([name.clone()]));
    let manifest = world
        .store
        .get(&Path::from(format!("{name}.manifest.json")))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["document_id"], report.id);
    assert_eq!(manifest["report_type"], "spCampaigns");
    assert_eq!(manifest["profile"], ID.to_string());
    assert_eq!(
        (&manifest["currency"], &manifest["zone"]),
        (&json!("USD"), &json!(ZONE))
    );
    assert_eq!(manifest["marketplace_ids"], json!(["MUS"]));
    assert_eq!(
        manifest["options"],
        json!({"groupBy": "campaign", "timeUnit": "DAILY"})
    );
    assert_eq!(
        manifest["period"],
        json!({"from": report.asked.from, "to": yesterday()})
    );
    let generated_at: chrono::DateTime<Utc> = manifest["generated_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        generated_at.timestamp_millis(),
        report.generated_at().unwrap().timestamp_millis()
    );
    assert_eq!(report.wasted, 0, "its end was told once");
    world.ads.server.forget();
    assert!(world.run(as_it_is, false).await.is_empty());
    assert!(world.ads.server.asked_for("POST", REPORTS).is_empty());
    assert_eq!(world.landed().await.len(), 1);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_known_by_its_duplicate() {
    let world = World::new();
    world.ads.server.plan(Fault::lost().on("POST", REPORTS));
    world.ads.server.plan(Fault::status(503, 1).on("POST", REPORTS));
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed], "{told:?}");
    assert_eq!(world.ads.created(), 1);
    let statuses: Vec<u16> = world
        .ads
        .server
        .asked_for("POST", REPORTS)
        .iter()
        .map(|asked| asked.status)
        .collect();
    assert_eq!(statuses, [200, 503, 425], "made, refused by chance, and known");
}

#[tokio::test]
async fn tokens_that_end_and_answers_that_break_off_cost_no_report() {
    let world = World::new();
    let server = &world.ads.server;
    world.ads.lwa().live(Duration::from_secs(5));
    let patience =
        Answer::json(429, &json!({"code": "429", "details": "Too many requests"})).with("retry-after", "1");
    server.plan(Fault::new(Wrong::Answer(patience)).on("POST", REPORTS));
    let over = Answer::json(401, &json!({"code": "401", "details": "Access token is expired"}));
    server.plan(Fault::new(Wrong::Answer(over)).on("GET", "/reporting/reports/"));
    server.plan(Fault::cut().on("GET", "/documents/"));
    server.plan(Fault::status(500, 1).on("GET", "/documents/"));
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed], "{told:?}");
    assert_eq!((world.ads.created(), server.planned()), (1, 0));
    assert_eq!(
        world.ads.lwa().given().len(),
        2,
        "one token, and one instead of it"
    );
}

#[tokio::test]
async fn a_report_that_is_never_begun_is_given_up_and_asked_for_again() {
    let world = World::new();
    world.known().stuck = 1;
    let at_once = |reports: ProfileReports| reports.pending_most(Duration::ZERO);
    let told = world.run(at_once, false).await;
    assert_eq!(outcomes(&told), [Outcome::Failed]);
    assert!(told[0].said.as_ref().unwrap().contains("given up"), "{told:?}");
    assert!(world.known().reports[0].is_cancelled());
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Failed], "not before its time");
    let told = world.run(as_it_is, true).await;
    assert_eq!(outcomes(&told), [Outcome::Landed]);
    assert_eq!(world.ads.created(), 2);
}

#[tokio::test]
async fn a_url_that_is_over_is_asked_for_anew_and_a_report_that_failed_later() {
    let world = World::new();
    world.known().url_life = Duration::ZERO;
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Failed]);
    world.known().url_life = Duration::from_secs(600);
    let told = world.run(as_it_is, false).await;
    assert_eq!(
        (outcomes(&told), world.ads.created()),
        (vec![Outcome::Landed], 1),
        "{told:?}"
    );
    let world = World::new();
    world.known().failing = 1;
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Failed]);
    assert!(
        told[0].said.as_ref().unwrap().contains("Internal error") && told[0].again_at.is_some(),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_column_that_is_not_accepted_is_named() {
    let world = World::new();
    world.known().dropped = vec!["spend".to_owned()];
    let told = world.run(as_it_is, false).await;
    assert_eq!(outcomes(&told), [Outcome::Refused]);
    let said = told[0].said.as_ref().unwrap();
    assert!(
        said.contains("without = [\"spend\"]") && said.contains("400"),
        "{said}"
    );
}

/// Goes on with a future so many times, and leaves it then.
async fn at_most<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| match left {
        0 => Poll::Ready(None),
        _ => {
            left -= 1;
            future.as_mut().poll(context).map(Some)
        }
    })
    .await
}

#[tokio::test]
async fn who_comes_after_one_that_died_asks_and_delivers_nothing_twice() {
    let mut died = 0;
    for times in 1.. {
        let world = World::new();
        let process = world.process().await;
        let ended = at_most(times, world.work(&process, as_it_is, false)).await;
        drop(process);
        world.run(as_it_is, false).await;
        assert_eq!(
            (world.ads.created(), world.landed().await.len()),
            (1, 1),
            "died at step {times}"
        );
        if ended.is_some() {
            break;
        }
        died += 1;
    }
    assert!(died > 4, "it died {died} times");
}

#[tokio::test]
async fn nothing_that_is_secret_is_written_or_told() {
    let world = World::new();
    world.ads.server.plan(Fault::cut().on("GET", "/documents/"));
    world.known().url_life = Duration::ZERO;
    let mut told = world.run(as_it_is, false).await;
    world.known().url_life = Duration::from_secs(600);
    told.extend(world.run(as_it_is, false).await);
    let texts = world.all_texts().await + &serde_json::to_string(&told).unwrap();
    let planted = ["pepper-of-the-application".to_owned(), "Atzr|planted".to_owned()];
    let secrets = world.ads.secrets().into_iter().chain(planted);
    for secret in secrets {
        assert!(!texts.contains(&secret), "{secret} stands in {texts}");
    }
}

#[tokio::test]
async fn profiles_of_vendors_are_seen_and_agencies_are_none() {
    let world = World::new();
    let more = [
        profile(2, "vendor", "DE", "EUR", "Europe/Berlin"),
        profile(3, "agency", "DE", "EUR", "Europe/Berlin"),
    ];
    world.known().profiles.extend(more);
    let seen = profiles(&world.process().await.api).await.unwrap();
    let ids: Vec<&str> = seen.iter().map(|profile| profile.id.as_str()).collect();
    assert_eq!(ids, ["2", ID.to_string().as_str()], "ids are not rounded");
    assert_eq!(
        (seen[0].kind.as_str(), seen[0].zone.as_str()),
        ("vendor", "Europe/Berlin")
    );
}
