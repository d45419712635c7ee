//! Pages of products: each asked for once a day, whatever happens.

use std::sync::Mutex;

use chrono::{TimeDelta, Utc};
use fakes::http::Fault;
use fakes::partner::{Partner, listing, product};
use futures::TryStreamExt;

use super::super::items::{Api, Items, Kind, Pages, Wanted, batches};
use super::{ACCOUNT, folder, partner, process};
use crate::error::Result;
use crate::place::Place;
use crate::settings::Settings;
use crate::told::{Outcome, Told};
use crate::transport::Spool;

const CATALOG: &str = "/catalog/2022-04-01/items";
const LISTINGS: &str = "/listings/2021-08-01/items/S1";

/// A lake whose process may be killed and started anew.
struct Lake {
    partner: Partner,
    raw: Place,
    lake: Place,
    asked: Items,
    settings: Settings,
}

fn lake() -> Lake {
    Lake {
        partner: partner(),
        raw: folder("raw"),
        lake: folder("lake"),
        asked: Items::default(),
        settings: Settings::default(),
    }
}

fn asin(i: u32) -> String {
    format!("B{i:09}")
}

fn asins(range: std::ops::Range<u32>) -> Vec<Wanted> {
    range.map(|i| Wanted::new(Kind::Asin, &asin(i))).collect()
}

impl Lake {
    /// One call of the program for what is wanted in one marketplace.
    async fn call(&self, which: Api, wanted: &[Wanted], again: bool) -> Result<Vec<Told>> {
        let api = process(&self.partner).await;
        let spool = Spool::new(None);
        let (raw, folders) = (self.raw.below(ACCOUNT), (&self.asked, &self.settings));
        let pages = Pages::open(&api, which, folders, (raw, &self.lake), spool, again).await?;
        let told = Mutex::new(Vec::new());
        let all = batches(which, wanted, &["DE".to_owned()], Some("S1")).batches;
        pages.fetch(&all, &|one| told.lock().unwrap().push(one)).await?;
        Ok(told.into_inner().unwrap())
    }

    /// The same, where all has to be well.
    async fn fetch(&self, which: Api, wanted: &[Wanted]) -> Vec<Told> {
        self.call(which, wanted, false).await.unwrap()
    }

    /// Names of what lies in the raw zone, manifests too.
    async fn lies(&self) -> Vec<String> {
        let all = self
            .raw
            .store()
            .list(None)
            .map_ok(|found| found.location.to_string());
        let mut all: Vec<String> = all.try_collect().await.unwrap();
        all.sort();
        all
    }

    async fn json(&self, path: &str) -> serde_json::Value {
        let path = path.strip_prefix("raw/").unwrap();
        let seen = self.raw.below(path).read().await.unwrap().unwrap();
        serde_json::from_slice(&seen.body).unwrap()
    }

    fn has(&self, range: std::ops::Range<u32>) {
        for i in range {
            let product = product("DE", &asin(i), &format!("400638133{i:04}"), &format!("sku {i}"));
            self.partner.known().catalog.add("DE", product);
        }
    }

    fn asked(&self, path: &str) -> usize {
        self.partner.server.asked_for("GET", path).len()
    }
}

fn outcomes(told: &[Told]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = told.iter().map(|told| told.outcome).collect();
    outcomes.sort();
    outcomes
}

#[tokio::test]
async fn twenty_products_are_asked_for_at_once_and_lie_beside_their_manifest() {
    let lake = lake();
    lake.has(0..44);
    let told = lake.fetch(Api::Catalog, &asins(0..45)).await;
    use Outcome::{Landed, NoData};
    assert_eq!(outcomes(&told), [Landed, Landed, Landed, NoData]);
    let missing = told.iter().find(|told| told.outcome == NoData).unwrap();
    assert_eq!(missing.said.as_deref(), Some("not found: B000000044"));
    // The first request shows that a seller asks.
    assert_eq!(lake.asked(CATALOG), 4);
    let lies = lake.lies().await;
    assert_eq!(lies.len(), 6, "{lies:?}");
    let day = Utc::now().date_naive();
    assert!(
        lies[0].starts_with(&format!("raw/corner/catalog_items/{day}/DE-")),
        "{lies:?}"
    );
    assert!(lies[1].ends_with("-0001.json.manifest.json"), "{lies:?}");
    let page = lake.json(&lies[0]).await;
    assert!(page["items"][0]["attributes"].is_object() && page["items"][0].get("vendorDetails").is_none());
    let manifest = lake.json(&lies[1]).await;
    assert_eq!(manifest["account"], ACCOUNT);
    assert_eq!(manifest["marketplace_ids"], serde_json::json!(["DE"]));
    assert_eq!(manifest["options"]["identifiersType"], "ASIN");
    assert_eq!(manifest["report_type"], "catalog_items");
    let id = manifest["document_id"].as_str().unwrap();
    assert_eq!(format!("raw/corner/{id}.json"), lies[0]);
    let size = lake
        .raw
        .below(lies[0].strip_prefix("raw/").unwrap())
        .size()
        .await
        .unwrap();
    assert_eq!(manifest["bytes"].as_u64(), size);
}

#[tokio::test]
async fn a_second_call_asks_for_nothing_and_one_after_a_crash_for_what_is_missing() {
    let lake = lake();
    lake.has(0..60);
    lake.fetch(Api::Catalog, &asins(0..60)).await;
    let asked = lake.asked(CATALOG);
    let told = lake.fetch(Api::Catalog, &asins(0..60)).await;
    assert_eq!(lake.asked(CATALOG), asked);
    assert!(told.is_empty(), "{told:?}");
    // As after a process that was killed between a manifest and its page.
    let lies = lake.lies().await;
    let page = lake.raw.below(lies[2].strip_prefix("raw/").unwrap());
    object_store::ObjectStoreExt::delete(&**page.store(), page.path())
        .await
        .unwrap();
    lake.fetch(Api::Catalog, &asins(0..60)).await;
    assert_eq!((lake.asked(CATALOG), lake.lies().await), (asked + 1, lies));
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_is_made_good_without_wasted_requests() {
    let lake = lake();
    lake.has(0..100);
    lake.partner.known().catalog.is_vendor = true;
    let plan = |fault: Fault| lake.partner.server.plan(fault.on("GET", CATALOG));
    plan(Fault::status(429, 2));
    plan(Fault::status(503, 1));
    plan(Fault::lost());
    plan(Fault::cut());
    let told = lake.fetch(Api::Catalog, &asins(0..100)).await;
    assert_eq!(outcomes(&told), [Outcome::Landed; 5]);
    assert_eq!((lake.asked(CATALOG), lake.partner.server.planned()), (10, 0));
    assert_eq!(lake.lies().await.len(), 10);
    assert_eq!(lake.partner.lwa().given().len(), 1);
}

#[tokio::test]
async fn a_token_that_ends_early_is_replaced_once() {
    let lake = lake();
    lake.has(0..40);
    lake.partner.known().catalog.is_vendor = true;
    let api = process(&lake.partner).await;
    let (raw, folders) = (lake.raw.below(ACCOUNT), (&lake.asked, &lake.settings));
    let pages = Pages::open(
        &api,
        Api::Catalog,
        folders,
        (raw, &lake.lake),
        Spool::new(None),
        false,
    );
    let pages = pages.await.unwrap();
    let all = batches(Api::Catalog, &asins(0..40), &["DE".to_owned()], None).batches;
    pages.fetch(&all[..1], &|_| ()).await.unwrap();
    lake.partner.lwa().end_all();
    pages.fetch(&all[1..], &|_| ()).await.unwrap();
    assert_eq!(
        (lake.partner.lwa().given().len(), lake.lies().await.len()),
        (2, 4)
    );
    assert_eq!(lake.asked(CATALOG), 3);
}

#[tokio::test]
async fn a_batch_that_is_refused_or_fails_waits_and_the_others_go_on() {
    let lake = lake();
    lake.has(0..60);
    lake.partner.known().catalog.is_vendor = true;
    let on = |fault: Fault| lake.partner.server.plan(fault.on("GET", CATALOG));
    on(Fault::status(400, 1).after(1));
    on(Fault::status(500, 6));
    let told = lake.fetch(Api::Catalog, &asins(0..60)).await;
    use Outcome::{Failed, Landed, Refused};
    assert_eq!(outcomes(&told), [Landed, Refused, Failed]);
    let asked = lake.asked(CATALOG);
    let told = lake.fetch(Api::Catalog, &asins(0..60)).await;
    assert_eq!(
        (outcomes(&told), lake.asked(CATALOG)),
        (vec![Refused, Failed], asked)
    );
    assert!(
        told.iter()
            .all(|told| told.again_at.is_some() == (told.outcome == Failed))
    );
    let told = lake.call(Api::Catalog, &asins(0..60), true).await.unwrap();
    assert_eq!(
        (outcomes(&told), lake.asked(CATALOG)),
        (vec![Landed; 2], asked + 2)
    );
}

#[tokio::test]
async fn an_account_that_may_not_ask_is_refused_once() {
    let lake = lake();
    lake.partner.server.plan(Fault::status(403, 1).on("GET", CATALOG));
    let told = lake.fetch(Api::Catalog, &asins(0..100)).await;
    assert_eq!(
        (outcomes(&told), lake.asked(CATALOG)),
        (vec![Outcome::Refused; 2], 1)
    );
    assert!(
        told[1]
            .said
            .as_deref()
            .unwrap()
            .starts_with("4 batches were not asked for")
    );
    lake.has(0..100);
    let told = lake.fetch(Api::Catalog, &asins(0..100)).await;
    assert_eq!(
        outcomes(&told),
        [Outcome::Landed; 5],
        "what was mended is seen at once"
    );
}

#[tokio::test]
async fn other_identifiers_find_their_products() {
    let lake = lake();
    lake.has(0..3);
    let wanted = [
        Wanted::new(Kind::Ean, "4006381330001"),
        Wanted::new(Kind::Ean, "4006381339999"),
        Wanted::new(Kind::Sku, "sku 2"),
    ];
    let told = lake.fetch(Api::Catalog, &wanted).await;
    use Outcome::{Landed, NoData};
    assert_eq!(outcomes(&told), [Landed, Landed, NoData]);
    let said: Vec<&str> = told.iter().filter_map(|told| told.said.as_deref()).collect();
    assert_eq!(said, ["not found: 4006381339999"]);
}

#[tokio::test]
async fn listings_come_by_their_skus_whatever_stands_in_them() {
    let lake = lake();
    let skus = ["plain", "with space", "a/b?c&d=1", "größe", "comma,ed", "50%"];
    for (i, sku) in skus.iter().enumerate() {
        let listing = listing("DE", sku, &asin(i as u32), Utc::now());
        lake.partner.known().listings.add("S1", listing);
    }
    let mut wanted: Vec<Wanted> = skus.iter().map(|sku| Wanted::new(Kind::Sku, sku)).collect();
    wanted.push(Wanted::new(Kind::Sku, "no such, alone"));
    wanted.push(Wanted::new(Kind::Sku, "no such"));
    let told = lake.fetch(Api::Listings, &wanted).await;
    use Outcome::{Landed, NoData};
    assert_eq!(outcomes(&told), [Landed, Landed, NoData, NoData]);
    let single = told
        .iter()
        .find(|told| told.kind == "listings_item" && told.outcome == Landed);
    let page = lake.json(single.unwrap().object.as_deref().unwrap()).await;
    assert_eq!(page["sku"], "comma,ed");
    let asked = lake.partner.server.asked().len();
    lake.fetch(Api::Listings, &wanted).await;
    assert_eq!(
        lake.partner.server.asked().len(),
        asked,
        "what is not there is not asked for again that day"
    );
}

#[tokio::test]
async fn all_that_a_seller_lists_comes_beyond_what_the_api_pages_through() {
    let lake = lake();
    lake.partner.known().listings.reach = 60;
    for i in 0..130_u32 {
        let created = Utc::now() - TimeDelta::days(1) + TimeDelta::seconds(i64::from(i / 3));
        let listing = listing("DE", &format!("sku {i:03}"), &asin(i), created);
        lake.partner.known().listings.add("S1", listing);
    }
    let told = lake.fetch(Api::Listings, &[Wanted::all_of("S1")]).await;
    assert!(
        told.iter().all(|told| told.outcome == Outcome::Landed),
        "{told:?}"
    );
    let mut skus = std::collections::BTreeSet::new();
    for told in &told {
        let page = lake.json(told.object.as_deref().unwrap()).await;
        let items = page["items"].as_array().unwrap().clone();
        skus.extend(items.iter().map(|item| item["sku"].as_str().unwrap().to_owned()));
    }
    assert_eq!(skus.len(), 130);
    // The last page is missing, and the tokens of the others are over.
    let last = told.last().unwrap().object.clone().unwrap();
    let page = lake.raw.below(last.strip_prefix("raw/").unwrap());
    let before = page.read().await.unwrap().unwrap().body;
    object_store::ObjectStoreExt::delete(&**page.store(), page.path())
        .await
        .unwrap();
    lake.partner.known().listings.expire_tokens();
    let told = lake.fetch(Api::Listings, &[Wanted::all_of("S1")]).await;
    assert!(
        told.iter().all(|told| told.outcome == Outcome::Landed),
        "{told:?}"
    );
    assert_eq!(page.read().await.unwrap().unwrap().body, before);
    assert!(lake.asked(LISTINGS) > 0);
}

#[tokio::test]
async fn more_listings_of_one_second_than_can_be_paged_through_are_said() {
    let lake = lake();
    lake.partner.known().listings.reach = 40;
    let created = Utc::now();
    for i in 0..50_u32 {
        let listing = listing("DE", &format!("sku {i:03}"), &asin(i), created);
        lake.partner.known().listings.add("S1", listing);
    }
    let told = lake.fetch(Api::Listings, &[Wanted::all_of("S1")]).await;
    let failed = told.iter().find(|told| told.outcome == Outcome::Failed).unwrap();
    assert!(
        failed.said.as_deref().unwrap().contains("give SKUs instead"),
        "{failed:?}"
    );
}
