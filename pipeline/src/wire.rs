//! How many requests a batch makes of a store that is not local, however long the history is that it goes into.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use crate::contract::{builtin, load};
use crate::lake::{Lake, Settings};
use crate::raw::account::Account;
use crate::report::{Outcome, Silent};
use crate::request::Selection;
use crate::storage::Stores;
use crate::storage::counting::{Counting, Requests};

/// Batches in which the history came in, however many days it has: the batch that is counted is followed by no checkpoint.
const BATCHES: usize = 12;

/// The day of the batch that is counted.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 30).unwrap()
}

fn days_ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

/// A lake in a store that counts.
struct Shop {
    store: Counting,
    tables: Vec<&'static str>,
    accounts: Vec<Account>,
}

impl Shop {
    fn new(tables: &[&'static str], accounts: Vec<Account>) -> Self {
        Self {
            store: Counting::new(Arc::new(InMemory::new())),
            tables: tables.to_vec(),
            accounts,
        }
    }

    async fn deliver(&self, path: String, text: String) {
        let path = Path::from(format!("raw/{path}"));
        self.store.put(&path, text.into()).await.unwrap();
    }

    /// Takes in what was delivered, as a process of its own.
    async fn run(&self, batch_objects: usize) {
        self.run_on(&self.lake(batch_objects).await).await;
    }

    async fn lake(&self, batch_objects: usize) -> Lake {
        let bucket = Url::parse("s3://shop/").unwrap();
        let settings = Settings {
            curated: bucket.join("curated").unwrap(),
            raw: bucket.join("raw").unwrap(),
            batch_objects,
            batch_bytes: 1 << 30,
            lookback_days: 3,
            busy_wait: Duration::ZERO,
            personal_key: Some("a key of thirty-two characters..".into()),
            memory_limit: 1 << 30,
            spill_dir: None,
            spill_limit: None,
        };
        let stores = Stores::default()
            .with(&bucket, Arc::new(self.store.clone()) as Arc<dyn ObjectStore>)
            .unwrap();
        let contracts = load(&builtin(), &[]).unwrap();
        Lake::open(settings, stores, contracts, self.accounts.clone())
            .await
            .unwrap()
    }

    async fn run_on(&self, lake: &Lake) {
        let selection = Selection {
            tables: self.tables.iter().map(|table| table.parse().unwrap()).collect(),
            ..Selection::default()
        };
        let report = lake.run(&selection, &Silent).await.unwrap();
        let outcomes: BTreeMap<_, _> = report
            .tables
            .iter()
            .map(|table| (table.table.as_str(), table.outcome))
            .collect();
        for table in &self.tables {
            assert_eq!(outcomes[table], Outcome::Updated, "{table}: {report:?}");
        }
    }

    /// What the run of one more batch asks.
    async fn counted(&self) -> Requests {
        self.store.begin();
        self.run(2_000).await;
        self.store.end()
    }
}

fn message(id: &str, day: NaiveDate, hour: u64, campaign: u64) -> String {
    format!(
        "{{\"idempotency_id\":\"{id}\",\"dataset_id\":\"sp-traffic\",\"marketplace_id\":\"M\",\"currency\":\"USD\",\
         \"advertiser_id\":\"A\",\"campaign_id\":\"C{campaign}\",\"ad_group_id\":\"G\",\"ad_id\":\"D\",\"keyword_id\":\"K\",\
         \"keyword_text\":\"soap\",\"match_type\":\"BROAD\",\"placement\":\"Top\",\
         \"time_window_start\":\"{day}T{hour:02}:00:00-08:00\",\"clicks\":1,\"impressions\":9,\"cost\":0.5}}\n"
    )
}

/// Requests of a batch of messages into a table with so many days.
async fn stream_after(days: u64) -> Requests {
    let shop = Shop::new(&["ams.sp_traffic", "ams.sp_hourly"], Vec::new());
    for ago in 1..=days {
        let (day, mut text) = (days_ago(ago), String::new());
        for n in 0..50 {
            text += &message(&format!("{day}-{n}"), day, n % 24, n % 7);
        }
        let folder = format!(
            "year={}/month={}/day={}",
            day.format("%Y"),
            day.format("%m"),
            day.format("%d")
        );
        shop.deliver(format!("ams/sp-traffic/{folder}/hour=12/a"), text)
            .await;
    }
    shop.run(days as usize / BATCHES).await;
    for object in 0..3 {
        let mut text = String::new();
        for n in 0..50 {
            text += &message(&format!("new-{object}-{n}"), days_ago(n % 2), n % 24, n % 7);
        }
        shop.deliver(
            format!("ams/sp-traffic/year=2026/month=11/day=30/hour=10/{object}"),
            text,
        )
        .await;
    }
    shop.counted().await
}

/// What is asked, at most so much. A machine that has other work tells turns apart that were one, so that it is counted
/// again; fails with all that was asked where it is always more.
async fn at_most(most: usize, most_in_sequence: usize, asked: impl AsyncFn() -> Requests) -> Requests {
    let mut requests = asked().await;
    for _ in 0..2 {
        println!(
            "{} requests, {} in sequence",
            requests.all.len(),
            requests.in_sequence
        );
        if requests.all.len() <= most && requests.in_sequence <= most_in_sequence {
            return requests;
        }
        requests = asked().await;
    }
    let is_within = requests.all.len() <= most && requests.in_sequence <= most_in_sequence;
    assert!(is_within, "not {most} and {most_in_sequence}: {requests}");
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_messages_costs_the_days_that_it_touches() {
    let short = at_most(120, 25, async || stream_after(10).await).await;
    let long = at_most(120, 25, async || stream_after(400).await).await;
    // Files of a day are as long in both.
    let (few, many) = (short.data_bytes(), long.data_bytes());
    assert!(
        many < few + few / 10,
        "{few} bytes of 10 days, {many} of 400: {long}"
    );
}

/// Order ids have no order.
fn order_id(number: u64) -> String {
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn report(orders: impl Iterator<Item = (u64, NaiveDate, &'static str)>) -> String {
    let mut text =
        "order_id,order_date,store_id,line_id,line_type,sku,quantity,net_amount,currency_code\n".to_owned();
    for (number, day, line_type) in orders {
        for line in 1..=3 {
            let id = order_id(number);
            let _ = writeln!(
                text,
                "{id},{day},S1,{line_type}-{line},{line_type},lamp-{line},1,19.99,USD"
            );
        }
    }
    text
}

/// Requests of a quarter of an hour of order reports into tables with so many days.
async fn orders_after(days: u64) -> Requests {
    let tables = [
        "jwo.order_rows",
        "jwo.orders",
        "jwo.order_lines",
        "jwo.order_totals",
        "jwo.store_hourly",
    ];
    let shop = Shop::new(&tables, vec![Account::unconfigured("jwo", "corner")]);
    let of_day = |ago: u64| ago * 1_000..ago * 1_000 + 40;
    for ago in 1..=days {
        let day = days_ago(ago);
        let text = report(of_day(ago).map(|number| (number, day, "SALE")));
        shop.deliver(format!("jwo/corner/Order/{day}/12/ALL00.csv000"), text)
            .await;
    }
    shop.run((days as usize).div_ceil(BATCHES)).await;
    let today = today();
    let sales = report((0..40).map(|number| (number, today, "SALE")));
    shop.deliver(format!("jwo/corner/Order/{today}/10/ALL00.csv000"), sales)
        .await;
    let refunds = report(of_day(3).take(2).map(|number| (number, days_ago(3), "REFUND")));
    shop.deliver(format!("jwo/corner/Order/{today}/10/ALL15.csv000"), refunds)
        .await;
    shop.counted().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_of_an_hour_of_orders_costs_its_key_window() {
    at_most(250, 30, async || orders_after(35).await).await;
    // Both tables of orders look into 72 days instead of 36, of which 32 are asked at the same time: more than the 250 and 30
    // that are wanted.
    at_most(250 + 2 * 36, 35, async || orders_after(350).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_stays_open_goes_on_where_others_were_and_where_all_was_removed() {
    let shop = Shop::new(&["ams.sp_traffic", "ams.sp_hourly"], Vec::new());
    let lake = shop.lake(2_000).await;
    let deliver = async |name: &str| {
        let day = days_ago(1);
        let folder = format!("ams/sp-traffic/year=2026/month=11/day=29/hour=12/{name}");
        shop.deliver(folder, message(name, day, 3, 1)).await;
    };
    for round in 0..3 {
        deliver(&format!("first-{round}")).await;
        shop.run_on(&lake).await;
        deliver(&format!("second-{round}")).await;
        shop.run(2_000).await;
    }
    let curated = Path::from("curated");
    let all: Vec<_> = shop.store.list(Some(&curated)).try_collect().await.unwrap();
    for object in all {
        shop.store.delete(&object.location).await.unwrap();
    }
    shop.run_on(&lake).await;
    let log = lake.table_log(&"ams.sp_traffic".parse().unwrap()).unwrap();
    let rows = log
        .load()
        .await
        .unwrap()
        .unwrap()
        .files
        .iter()
        .filter_map(|file| file.rows())
        .sum::<u64>();
    assert_eq!(rows, 6);
}
