//! Reports from a strict fake of the API to the raw zone.

use std::sync::Arc;
use std::time::Duration;

use chrono::{Days as SomeDays, NaiveDate, Utc};
use fakes::http::Fault;
use fakes::lwa::Lwa;
use fakes::sp_api::{Made, SpApi as Fake};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::{Value, json};

use super::{Account, Acquisition, Days, SpApi};
use crate::endpoints::{Endpoints, Region, Service};
use crate::manifest::Period;
use crate::place::Place;
use crate::rate::Rates;
use crate::settings::{Settings, Wait};
use crate::token::{Grant, Login, Tokens};
use crate::told::{Outcome, Told};
use crate::transport::{Spool, Transport};

const SALES: &str = "GET_SALES_AND_TRAFFIC_REPORT";
const VENDOR: &str = "GET_VENDOR_SALES_REPORT";
const ORDERS: &str = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL";
const SETTLEMENT: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";
const RESTRICTED: &str = "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING";
const STOCK: &str = "GET_FBA_MYI_UNSUPPRESSED_INVENTORY_DATA";
const CREATE: &str = "/reports/2021-06-30/reports";

/// A fake, and a lake that is filled from it.
struct Shop {
    fake: Fake,
    store: Arc<InMemory>,
    settings: Settings,
    account: Account,
}

impl Shop {
    fn open() -> Self {
        let lwa =
            Lwa::new()
                .application("app", "application-secret")
                .account("app", "Atzr|refresh", "corner");
        let fake = Fake::start(lwa);
        for kind in [SALES, VENDOR] {
            fake.source(kind, |wanted| {
                Made::json(&json!({"options": wanted.options, "from": wanted.from.unwrap().to_rfc3339()}))
            });
        }
        fake.source(ORDERS, |_| Made::text("amazon-order-id\n1\n"));
        fake.source(RESTRICTED, |_| Made::text("buyer-name\nJ\n"));
        fake.source(STOCK, |_| Made::text("sku\nS\n"));
        let account =
            "account = 'corner'\napplication = 'main'\nregion = 'eu'\nrefresh_token = 'Atzr|refresh'\n";
        Self {
            fake,
            store: Arc::new(InMemory::new()),
            settings: Settings {
                poll: Wait(Duration::from_millis(20)),
                wait: Wait(Duration::from_secs(20)),
                ..Settings::default()
            },
            account: toml::from_str(account).unwrap(),
        }
    }

    fn place(&self, path: &str) -> Place {
        Place::new(self.store.clone(), Path::from(path), true)
    }

    /// A process that runs `acquire sp-api reports` once.
    async fn acquire(&self, kinds: &[&str], days: Option<Period>, again: bool) -> Vec<Told> {
        let address = self.fake.url();
        let said = ["LWA_EU", "SP_API_EU"].map(|key| (format!("MARKETLAKE_ENDPOINT_{key}"), address.clone()));
        let endpoints = Endpoints::default().with_variables(said.into_iter()).unwrap();
        let of = |service| endpoints.of(service, Region::Eu).unwrap();
        let transport = Arc::new(Transport::new().unwrap().impatient());
        let remembered = self.place("lake/sp_api/corner/reports");
        let rates = Arc::new(Rates::open(&remembered).await.unwrap());
        let login = Login {
            client_id: "app".to_owned(),
            client_secret: "application-secret".to_owned(),
        };
        let grant = Grant::Refresh {
            refresh_token: "Atzr|refresh".to_owned(),
        };
        let tokens = Tokens::new(transport.clone(), rates.clone(), of(Service::Lwa), login, grant);
        let api = Arc::new(SpApi::new(
            "corner",
            transport,
            rates,
            of(Service::SpApi),
            tokens,
            None,
        ));
        let spool = Spool::new(None);
        let days_of_account = Days {
            zone: chrono_tz::UTC,
            since: None,
            until: None,
            marketplaces: vec!["A1".to_owned(), "A2".to_owned()],
        };
        let places = (self.place("raw/sp_api/corner"), remembered);
        let acquisition = Acquisition::open(
            api,
            &self.settings,
            &self.account,
            days_of_account,
            places,
            &spool,
        )
        .await
        .unwrap()
        .again(again);
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        acquisition.acquire(&kinds, days, None).await.unwrap()
    }

    /// Names of objects below a folder.
    async fn names(&self, folder: &str) -> Vec<String> {
        let listed: Vec<_> = self
            .store
            .list(Some(&Path::from(folder)))
            .try_collect()
            .await
            .unwrap();
        listed
            .into_iter()
            .map(|object| object.location.to_string())
            .collect()
    }

    async fn text(&self, name: &str) -> String {
        let bytes = self
            .store
            .get(&Path::from(name))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn created(&self) -> usize {
        self.fake.server().asked_for("POST", CREATE).len()
    }
}

fn day(back: u64) -> NaiveDate {
    Utc::now().date_naive() - SomeDays::new(back)
}

fn days(from: u64, to: u64) -> Option<Period> {
    Some(Period {
        from: day(from),
        to: day(to),
    })
}

fn outcomes(told: &[Told]) -> Vec<Outcome> {
    told.iter().map(|told| told.outcome).collect()
}

#[tokio::test]
async fn reports_land_with_what_is_known_of_them_and_are_asked_for_once() {
    let shop = Shop::open();
    let told = shop.acquire(&[SALES, ORDERS], days(12, 10), false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed; 7], "{told:?}");
    let names = shop.names("raw").await;
    assert_eq!(names.len(), 14);
    let today = day(0);
    let manifest = names
        .iter()
        .find(|name| name.contains(ORDERS) && name.ends_with(".manifest.json"))
        .unwrap();
    assert!(
        manifest.starts_with(&format!("raw/sp_api/corner/{ORDERS}/{today}/50001018")),
        "{manifest}"
    );
    assert!(manifest.ends_with(".txt.manifest.json"));
    let manifest: Value = serde_json::from_str(&shop.text(manifest).await).unwrap();
    assert_eq!(manifest["charset"], "UTF-8");
    assert_eq!(manifest["marketplace_ids"], json!(["A1", "A2"]));
    assert_eq!(manifest["period"], json!({"from": day(12), "to": day(10)}));
    assert!(names.iter().filter(|name| name.ends_with(".json.gz")).count() == 6);
    let sales = names
        .iter()
        .find(|name| name.ends_with(".json.gz.manifest.json"))
        .unwrap();
    let sales: Value = serde_json::from_str(&shop.text(sales).await).unwrap();
    assert_eq!(
        sales["options"],
        json!({"asinGranularity": "SKU", "dateGranularity": "DAY"})
    );
    assert!(sales["generated_at"].is_string() && sales["requested_at"].is_string());
    let asked = shop.fake.server().asked().len();
    assert!(
        shop.acquire(&[SALES, ORDERS], days(12, 10), false)
            .await
            .is_empty()
    );
    assert_eq!(
        shop.fake.server().asked().len(),
        asked,
        "the second call asks for nothing"
    );
    assert_eq!(shop.fake.lwa().given().len(), 1);
}

#[tokio::test]
async fn days_that_amazon_may_not_have_yet_hold_up_no_others_and_those_that_are_not_over_wait() {
    let shop = Shop::open();
    let told = shop.acquire(&[VENDOR], days(6, 0), false).await;
    let mut periods: Vec<_> = told.iter().map(|told| (told.period, told.outcome)).collect();
    periods.sort();
    let landed = |from, to| [(days(from, to), Outcome::Landed); 2];
    let wanted = [&landed(6, 4)[..], &landed(3, 1), &[(days(0, 0), Outcome::NotYet)]].concat();
    assert_eq!(periods, wanted, "{told:?}");
}

#[tokio::test]
async fn what_is_due_is_asked_for_once_a_day() {
    let shop = Shop::open();
    let told = shop.acquire(&[VENDOR], None, false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed; 2], "{told:?}");
    assert_eq!(told[0].period.map(|period| period.days()), Some(15));
    let asked = shop.fake.server().asked().len();
    assert!(shop.acquire(&[VENDOR], None, false).await.is_empty());
    assert_eq!(shop.fake.server().asked().len(), asked);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_found_and_not_made_again() {
    let shop = Shop::open();
    shop.fake.server().plan(Fault::lost().on("POST", CREATE));
    shop.fake.server().plan(Fault::status(503, 1).on("POST", CREATE));
    let told = shop.acquire(&[ORDERS], days(40, 1), false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed; 2], "{told:?}");
    assert_eq!(shop.fake.reports().len(), 2, "each report was made once");
    assert_eq!(shop.created(), 3, "one was answered with 503 and made again");
}

#[tokio::test]
async fn tokens_and_urls_that_end_and_documents_that_break_off_are_replaced() {
    let shop = Shop::open();
    let over = json!({"errors": [{"code": "Unauthorized", "message": "Access to requested resource is denied.",
        "details": "The access token you provided has expired."}]});
    let over = fakes::http::Answer::json(403, &over);
    let fault = Fault::new(fakes::http::Wrong::Answer(over)).on("POST", CREATE);
    shop.fake.server().plan(fault);
    shop.fake
        .server()
        .plan(Fault::status(403, 1).on("GET", "/document/"));
    shop.fake.server().plan(Fault::cut().on("GET", "/document/"));
    let told = shop.acquire(&[ORDERS], days(5, 1), false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed], "{told:?}");
    assert_eq!(shop.fake.lwa().given().len(), 2, "one token was refused");
    assert_eq!(shop.fake.server().asked_for("GET", "/document/").len(), 3);
    assert_eq!(
        shop.fake
            .server()
            .asked_for("GET", "/reports/2021-06-30/documents/")
            .len(),
        2
    );
    assert_eq!(shop.names("raw").await.len(), 2);
}

#[tokio::test]
async fn a_restricted_type_alone_has_a_token_of_its_own() {
    let shop = Shop::open();
    let told = shop.acquire(&[RESTRICTED, ORDERS], days(3, 2), false).await;
    assert_eq!(outcomes(&told), [Outcome::Landed; 2], "{told:?}");
    assert_eq!(shop.fake.server().asked_for("POST", "/tokens/").len(), 1);
}

#[tokio::test]
async fn what_amazon_cancels_or_cannot_make_is_told_apart() {
    let shop = Shop::open();
    for (said, outcome) in [
        (None, Outcome::NoData),
        (
            Some("The data of the requested range is not yet available."),
            Outcome::NotYet,
        ),
        (Some("dataStartTime is invalid"), Outcome::Refused),
        (Some("Internal error"), Outcome::Failed),
    ] {
        let shop = Shop::open();
        shop.fake.source(ORDERS, move |_| match said {
            None => Made::Cancelled,
            Some(said) => Made::Fatal(Some(said.to_owned())),
        });
        let told = shop.acquire(&[ORDERS], days(3, 2), false).await;
        assert_eq!(outcomes(&told), [outcome], "{told:?}");
        assert!(shop.names("raw").await.is_empty());
        let failures = shop.names("lake/sp_api/corner/reports/failures").await;
        assert_eq!(failures.len(), usize::from(said.is_some()));
        assert_eq!(
            told[0].again_at.is_some(),
            matches!(outcome, Outcome::NotYet | Outcome::Failed)
        );
        let asked = shop.fake.server().asked().len();
        shop.acquire(&[ORDERS], days(3, 2), false).await;
        assert_eq!(
            shop.fake.server().asked().len(),
            asked,
            "{outcome:?} is not asked for again at once"
        );
        if outcome != Outcome::NoData {
            shop.acquire(&[ORDERS], days(3, 2), true).await;
            assert_eq!(shop.created(), 2, "a flag says that it is");
        }
    }
    shop.fake.cool_down(STOCK, Duration::from_secs(1800));
    let told = shop.acquire(&[STOCK], None, false).await;
    let mut found = outcomes(&told);
    found.sort();
    assert_eq!(found, [Outcome::Landed, Outcome::CoolDown], "{told:?}");
    assert_eq!(shop.created(), 1, "what would be cancelled is not asked for");
}

#[tokio::test]
async fn settlements_are_listed_and_landed_and_gone_ones_said() {
    let shop = Shop::open();
    let day = Duration::from_secs(86_400);
    let made = || Some(Made::text("settlement-id\n1\n"));
    let fresh = shop.fake.settled("corner", SETTLEMENT, "A1", day * 3, made());
    let gone = shop.fake.settled("corner", SETTLEMENT, "A1", day * 80, None);
    shop.fake.settled("corner", SETTLEMENT, "A1", day * 100, made());
    shop.fake.settled("other", SETTLEMENT, "A1", day, made());
    let told = shop.acquire(&[SETTLEMENT], None, false).await;
    let of = |id: &str| {
        told.iter()
            .find(|told| told.id.as_deref() == Some(id))
            .map(|told| told.outcome)
    };
    assert_eq!(
        (of(&fresh), of(&gone), told.len()),
        (Some(Outcome::Landed), Some(Outcome::Gone), 2),
        "{told:?}"
    );
    assert_eq!((shop.created(), shop.names("raw").await.len()), (0, 2));
    let asked = shop.fake.server().asked().len();
    assert!(shop.acquire(&[SETTLEMENT], None, false).await.is_empty());
    assert_eq!(shop.fake.server().asked().len(), asked);
}
