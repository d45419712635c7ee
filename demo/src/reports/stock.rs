//! Reports about what Amazon has in stock of a vendor's items.

use chrono::{Datelike, NaiveDate, Weekday};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::vendor::{amount, counted, options, updated};
use super::{Report, Request};
use crate::trade::{Item, Trade};

/// Units of every item before the first day that reports speak about.
const AT_FIRST: i64 = 4_000;
/// Units of every item that come on one weekday.
const DELIVERY: (Weekday, i64) = (Weekday::Tue, 400);

/// One report.
pub(super) fn report(trade: &Trade, request: &Request, rng: &mut ChaCha8Rng) -> Report {
    let kind = "GET_VENDOR_INVENTORY_REPORT";
    let mut report = Report::new(trade.advertiser, "sp_api", kind, request.made, rng);
    report.days = Some(request.days);
    report.options = options("DAY", "MANUFACTURING");
    let days = request
        .days
        .0
        .iter_days()
        .take_while(|day| *day <= request.days.1);
    let rows: Vec<Value> = days
        .flat_map(|day| {
            trade
                .advertiser
                .items
                .iter()
                .map(move |item| row(trade, request, day, item))
        })
        .collect();
    report.text = json!({
        "reportSpecification": updated(&report),
        "inventoryByAsin": rows,
    })
    .to_string()
    .into_bytes();
    report
}

fn row(trade: &Trade, request: &Request, day: NaiveDate, item: &'static Item) -> Value {
    let of_item = || {
        counted(trade, request.made).filter(|sale| sale.item.asin == item.asin && sale.cancelled.is_none())
    };
    let shipped_on = |first: NaiveDate, last: NaiveDate| -> i64 {
        let shipped = of_item()
            .filter(|sale| sale.shipped < request.made && (first..=last).contains(&trade.day(sale.shipped)));
        shipped.map(|sale| sale.units).sum()
    };
    let ordered: i64 = of_item()
        .filter(|sale| trade.day(sale.at) <= day)
        .map(|sale| sale.units)
        .sum();
    let shipped = shipped_on(NaiveDate::MIN, day);
    let opened = trade.sales.first().map_or(day, |sale| trade.day(sale.at));
    let deliveries = opened
        .iter_days()
        .take_while(|one| *one <= day)
        .filter(|one| one.weekday() == DELIVERY.0);
    let received = if day.weekday() == DELIVERY.0 {
        DELIVERY.1
    } else {
        0
    };
    let sellable = AT_FIRST + DELIVERY.1 * deliveries.count() as i64 - shipped;
    let today = shipped_on(day, day);
    json!({
        "startDate": day.to_string(),
        "endDate": day.to_string(),
        "asin": item.asin,
        "vendorConfirmationRate": 0.96,
        "netReceivedInventoryCost": amount(trade, received * item.cost),
        "netReceivedInventoryUnits": received,
        "openPurchaseOrderUnits": DELIVERY.1,
        "averageVendorLeadTimeDays": 6.5,
        "sellThroughRate": (today as f64 / (sellable + today) as f64 * 10_000.0).round() / 10_000.0,
        "unfilledCustomerOrderedUnits": ordered - shipped,
        "sellableOnHandInventoryCost": amount(trade, sellable * item.cost),
        "sellableOnHandInventoryUnits": sellable,
        "unsellableOnHandInventoryCost": amount(trade, 12 * item.cost),
        "unsellableOnHandInventoryUnits": 12,
    })
}
