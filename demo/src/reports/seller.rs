//! Reports about a seller's days: sales beside visits.

use chrono::NaiveDate;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::vendor::{amount, counted, specification};
use super::{Report, Request, requests};
use crate::Options;
use crate::trade::Trade;

/// The hour (UTC) at which reports are asked for.
const HOUR: i64 = 9;

/// All reports: two days each morning.
pub(super) fn make(trade: &Trade, options: &Options, rng: &mut ChaCha8Rng) -> Vec<Report> {
    requests(options, HOUR, 2)
        .iter()
        .map(|request| report(trade, request, rng))
        .collect()
}

fn report(trade: &Trade, request: &Request, rng: &mut ChaCha8Rng) -> Report {
    let kind = "GET_SALES_AND_TRAFFIC_REPORT";
    let mut report = Report::new(trade.advertiser, "sp_api", kind, request.made, rng);
    report.days = Some(request.days);
    report.options = vec![("dateGranularity", "DAY"), ("asinGranularity", "PARENT")];
    let days = request
        .days
        .0
        .iter_days()
        .take_while(|day| *day <= request.days.1);
    let rows: Vec<Value> = days.map(|day| row(trade, request, day)).collect();
    report.text = json!({
        "reportSpecification": specification(&report),
        "salesAndTrafficByDate": rows,
        "salesAndTrafficByAsin": [],
    })
    .to_string()
    .into_bytes();
    report
}

fn row(trade: &Trade, request: &Request, day: NaiveDate) -> Value {
    let (mut orders, mut units, mut cents) = (0, 0, 0);
    for sale in counted(trade, request.made).filter(|sale| trade.day(sale.at) == day) {
        orders += 1;
        units += sale.units;
        cents += sale.cents();
    }
    let (mut shipped, mut shipped_units, mut shipped_cents) = (0, 0, 0);
    for sale in counted(trade, request.made).filter(|sale| {
        sale.cancelled.is_none() && sale.shipped < request.made && trade.day(sale.shipped) == day
    }) {
        shipped += 1;
        shipped_units += sale.units;
        shipped_cents += sale.cents();
    }
    let clicks: i64 = trade
        .traffic_of((day, day), request.made)
        .map(|one| one.clicks)
        .sum();
    let (browser, app) = (clicks + 7 * orders, 4 * orders);
    let sessions = browser + app;
    json!({
        "date": day.to_string(),
        "salesByDate": {
            "orderedProductSales": amount(trade, cents),
            "unitsOrdered": units,
            "totalOrderItems": orders,
            "averageSalesPerOrderItem": amount(trade, cents / orders.max(1)),
            "shippedProductSales": amount(trade, shipped_cents),
            "unitsShipped": shipped_units,
            "ordersShipped": shipped,
        },
        "trafficByDate": {
            "browserPageViews": 2 * browser,
            "mobileAppPageViews": 2 * app,
            "pageViews": 2 * sessions,
            "browserSessions": browser,
            "mobileAppSessions": app,
            "sessions": sessions,
            "unitSessionPercentage": (units as f64 / sessions.max(1) as f64 * 10_000.0).round() / 100.0,
        },
    })
}
