//! How long runs take on a store that is far away, and what they ask of it: `just bench --only remote`.
//!
//! Every request takes 40 ms, whatever it is about, and the lake is in memory behind that, so that round trips decide. A lake of
//! some days is made first, at once; then one run finds nothing, one takes in a quarter of an hour of store orders (three
//! tables and two that are computed from them), and one three objects of Marketing Stream. Then processes do the same over the
//! wire, beside peers that merge the same rows into the same tables ([`wire`]).

mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::NaiveDate;
use marketlake_tests::Delivery;
use marketlake_tests::bucket::{Bucket, Slow};
use marketlake_tests::demo::Demo;
use pipeline::report::Silent;
use pipeline::request::Selection;
use tokio::runtime::Runtime;

/// How long a request takes.
const DELAY: Duration = Duration::from_millis(40);
/// Days of the lake.
const DAYS: usize = 4;

fn main() -> Result<()> {
    let demo = Demo::of_days(DAYS)?;
    let (mut orders, rest): (Vec<Delivery>, Vec<Delivery>) = demo
        .deliveries
        .into_iter()
        .partition(|delivery| delivery.key.starts_with("jwo/stadium_east/Order/"));
    let (mut messages, rest): (Vec<Delivery>, Vec<Delivery>) = rest
        .into_iter()
        .partition(|delivery| delivery.key.contains("/sp-traffic/"));
    ensure!(
        orders.len() > 2 && messages.len() > 3,
        "the demo has other objects than this was written for"
    );
    let late_orders = orders.split_off(orders.len() - 2);
    let late_messages = messages.split_off(messages.len() - 3);

    let runtime = Runtime::new()?;
    let bucket = Bucket::configured(&demo.configuration, &runtime)?;
    let slow = Slow::new(bucket.shelf().clone(), DELAY);
    println!(
        "{:<44} {:>8} {:>9} {:>12}",
        "one run over a store at 40 ms", "seconds", "requests", "round trips"
    );
    let arrivals = wire::Arrivals {
        before: rest.iter().chain(&orders).chain(&messages).cloned().collect(),
        orders: late_orders.clone(),
        messages: late_messages.clone(),
    };
    runtime.block_on(async {
        deliver(&bucket, rest.iter().chain(&orders).chain(&messages)).await?;
        bucket
            .run(&bucket.view(None), &since())
            .await?
            .context("it died")?;
        timed(&bucket, &slow, "nothing new").await?;
        deliver(&bucket, &late_orders).await?;
        timed(&bucket, &slow, "a quarter of an hour of store orders").await?;
        deliver(&bucket, &late_messages).await?;
        timed(&bucket, &slow, "three objects of Marketing Stream").await
    })?;
    match std::env::var_os("MARKETLAKE_BENCH_PYTHON") {
        Some(python) => wire::beside_peers(python.as_ref(), &demo.configuration, &arrivals),
        None => Ok(()),
    }
}

async fn deliver<'a>(bucket: &Bucket, deliveries: impl IntoIterator<Item = &'a Delivery>) -> Result<()> {
    for delivery in deliveries {
        bucket
            .shelf()
            .deliver(&format!("raw/{}", delivery.key), delivery)
            .await?;
    }
    Ok(())
}

async fn timed(bucket: &Bucket, slow: &Slow, what: &str) -> Result<()> {
    let lake = bucket.lake_over(Arc::new(slow.clone())).await?;
    slow.requests();
    let started = Instant::now();
    let report = lake.run(&since(), &Silent).await?;
    let (took, requests) = (started.elapsed(), slow.requests());
    ensure!(report.exit_code() != 1, "it failed: {report:?}");
    println!(
        "{what:<44} {:>8.2} {requests:>9} {:>12.1}",
        took.as_secs_f64(),
        took.as_secs_f64() / DELAY.as_secs_f64()
    );
    Ok(())
}

fn since() -> Selection {
    Selection {
        from: NaiveDate::from_ymd_opt(2026, 2, 1),
        ..Selection::default()
    }
}
