//! Reports about what Amazon sells of a vendor, by item, day or week, and view.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::stock;
use super::{Report, Request, requests};
use crate::Options;
use crate::order::money;
use crate::trade::{Item, Sale, Trade};

const SALES: &str = "GET_VENDOR_SALES_REPORT";
/// The hour (UTC) at which reports are asked for.
const HOUR: i64 = 13;

/// All reports: two days each morning, and a week by itself.
pub(super) fn make(trade: &Trade, options: &Options, rng: &mut ChaCha8Rng) -> Vec<Report> {
    let mut reports = Vec::new();
    for request in requests(options, HOUR, 2) {
        for view in ["MANUFACTURING", "SOURCING"] {
            reports.push(sales(trade, &request, ["DAY", view], rng));
        }
        reports.push(stock::report(trade, &request, rng));
    }
    let first = options.start.and_time(Default::default()).and_utc();
    let week = Request {
        made: first + TimeDelta::hours(HOUR + 1),
        days: (options.start - Days::new(7), options.start - Days::new(1)),
    };
    reports.push(sales(trade, &week, ["WEEK", "MANUFACTURING"], rng));
    reports
}

/// What a report says of one item in one period.
#[derive(Default)]
struct Sold {
    ordered: [i64; 2],
    shipped: [i64; 2],
    cost: i64,
    returned: i64,
}

fn sales(
    trade: &Trade,
    request: &Request,
    [period, view]: [&'static str; 2],
    rng: &mut ChaCha8Rng,
) -> Report {
    let first = |day: NaiveDate| if period == "WEEK" { request.days.0 } else { day };
    let last = |day: NaiveDate| if period == "WEEK" { request.days.1 } else { day };
    let sold = sold(trade, request, first);
    let rows: Vec<Value> = sold
        .iter()
        .map(|((day, asin), sold)| row(trade, view, [*day, last(*day)], asin, sold))
        .collect();
    let mut report = Report::new(trade.advertiser, "sp_api", SALES, request.made, rng);
    report.days = Some(request.days);
    report.options = options(period, view);
    report.text = json!({
        "reportSpecification": updated(&report),
        "salesByAsin": rows,
    })
    .to_string()
    .into_bytes();
    report
}

/// What reports about a vendor are asked for with.
pub(super) fn options(period: &'static str, view: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("reportPeriod", period),
        ("distributorView", view),
        ("sellingProgram", "RETAIL"),
    ]
}

/// The head of a document about a vendor: what was asked for, and as of when it is.
pub(super) fn updated(report: &Report) -> Value {
    let mut specification = specification(report);
    specification["lastUpdatedDate"] = json!(report.made.date_naive().to_string());
    specification
}

/// The head of a document: what was asked for.
pub(super) fn specification(report: &Report) -> Value {
    let options: serde_json::Map<String, Value> = report
        .options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let (from, to) = report.days.unzip();
    json!({
        "reportType": report.kind,
        "reportOptions": options,
        "dataStartTime": from.map(|day| day.to_string()),
        "dataEndTime": to.map(|day| day.to_string()),
        "marketplaceIds": [report.marketplace],
    })
}

fn sold(
    trade: &Trade,
    request: &Request,
    first: impl Fn(NaiveDate) -> NaiveDate,
) -> BTreeMap<(NaiveDate, &'static str), Sold> {
    let mut sold: BTreeMap<(NaiveDate, &'static str), Sold> = BTreeMap::new();
    let mut on = |at: DateTime<Utc>, item: &'static Item, add: &dyn Fn(&mut Sold)| {
        let day = trade.day(at);
        if (request.days.0..=request.days.1).contains(&day) {
            add(sold.entry((first(day), item.asin)).or_default());
        }
    };
    for sale in counted(trade, request.made) {
        let cents = sale.cents();
        on(sale.at, sale.item, &|sold| {
            sold.ordered[0] += sale.units;
            sold.ordered[1] += cents;
        });
        if sale.cancelled.is_none() && sale.shipped < request.made {
            on(sale.shipped, sale.item, &|sold| {
                sold.shipped[0] += sale.units;
                sold.shipped[1] += cents;
                sold.cost += sale.units * sale.item.cost;
            });
        }
        let back = sale.shipped + TimeDelta::days(4);
        if sale.number % 31 == 0 && sale.cancelled.is_none() && back < request.made {
            on(back, sale.item, &|sold| sold.returned += sale.units);
        }
    }
    sold
}

/// Sales that a report of that moment counts: those that are booked and not yet known to be cancelled.
pub(super) fn counted(trade: &Trade, at: DateTime<Utc>) -> impl Iterator<Item = &Sale> {
    trade
        .sales
        .iter()
        .filter(move |sale| sale.booked < at && sale.cancelled.is_none_or(|cancelled| cancelled >= at))
}

/// An amount as vendor reports have it: a JSON number with its digits.
pub(super) fn amount(trade: &Trade, cents: i64) -> Value {
    let number: serde_json::Number = money(cents)
        .parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .unwrap_or_else(|| 0.into());
    json!({"amount": number, "currencyCode": trade.advertiser.currency})
}

fn row(trade: &Trade, view: &str, [from, to]: [NaiveDate; 2], asin: &str, sold: &Sold) -> Value {
    let mut row = json!({
        "startDate": from.to_string(),
        "endDate": to.to_string(),
        "asin": asin,
        "customerReturns": sold.returned,
        "shippedCogs": amount(trade, sold.cost),
        "shippedRevenue": amount(trade, sold.shipped[1]),
        "shippedUnits": sold.shipped[0],
    });
    // Only the view of the manufacturer knows what was ordered.
    if view == "MANUFACTURING" {
        row["orderedRevenue"] = amount(trade, sold.ordered[1]);
        row["orderedUnits"] = json!(sold.ordered[0]);
    }
    row
}
