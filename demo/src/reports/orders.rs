//! Reports about a seller's orders: whatever changed since the report before, each order as it was then.

use chrono::{DateTime, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;

use super::Report;
use crate::Options;
use crate::order::money;
use crate::trade::{Advertiser, Sale, Trade};

pub(super) const KIND: &str = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL";
/// Hours (UTC) at which reports are made.
const HOURS: [i64; 2] = [6, 18];

/// The columns of a report.
const COLUMNS: [&str; 22] = [
    "amazon-order-id",
    "merchant-order-id",
    "purchase-date",
    "last-updated-date",
    "order-status",
    "fulfillment-channel",
    "sales-channel",
    "ship-service-level",
    "product-name",
    "sku",
    "asin",
    "item-status",
    "quantity",
    "currency",
    "item-price",
    "item-tax",
    "item-promotion-discount",
    "ship-city",
    "ship-postal-code",
    "ship-country",
    "is-business-order",
    "order-item-id",
];

/// What an order is at a moment, and since when.
pub(crate) struct State {
    pub(crate) status: &'static str,
    pub(crate) since: DateTime<Utc>,
}

impl State {
    /// The state at that moment; none before the order is made.
    pub(crate) fn of(sale: &Sale, at: DateTime<Utc>) -> Option<Self> {
        let paid = sale.at + TimeDelta::minutes(30);
        let last = match sale.cancelled {
            Some(cancelled) => ("Cancelled", cancelled),
            None => ("Shipped", sale.shipped),
        };
        let states = [last, ("Unshipped", paid), ("Pending", sale.at)];
        let (status, since) = states.into_iter().find(|(_, since)| *since <= at)?;
        Some(Self { status, since })
    }
}

/// All reports: two a day, the first about two days.
pub(super) fn make(trade: &Trade, options: &Options, rng: &mut ChaCha8Rng) -> Vec<Report> {
    let midnights = options
        .all_days()
        .into_iter()
        .map(|day| day.and_time(Default::default()).and_utc());
    let times = midnights.flat_map(|midnight| HOURS.map(|hour| midnight + TimeDelta::hours(hour)));
    let mut reports = Vec::new();
    let mut since = options.start.and_time(Default::default()).and_utc() - TimeDelta::days(2);
    for made in times {
        reports.push(report(trade, since, made, rng));
        since = made;
    }
    reports
}

fn report(trade: &Trade, since: DateTime<Utc>, made: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Report {
    let mut lines = vec![COLUMNS.join("\t")];
    for sale in &trade.sales {
        let Some(state) = State::of(sale, made).filter(|state| state.since > since) else {
            continue;
        };
        // Some orders are of two equal items, which are two equal rows.
        let rows = if sale.units == 2 && sale.number.is_multiple_of(5) {
            2
        } else {
            1
        };
        for _ in 0..rows {
            lines.push(line(trade.advertiser, sale, &state, sale.units / rows));
        }
    }
    let mut report = Report::new(trade.advertiser, "sp_api", KIND, made, rng);
    report.charset = Some("UTF-8");
    report.text = (lines.join("\n") + "\n").into_bytes();
    report
}

/// One row of an order.
pub(crate) fn line(advertiser: &Advertiser, sale: &Sale, state: &State, units: i64) -> String {
    let cancelled = state.status == "Cancelled";
    let priced = !cancelled && state.status != "Pending";
    let cents = units * sale.item.cents;
    let if_priced = |text: String| if priced { text } else { String::new() };
    let cell = |column: &&str| match *column {
        "amazon-order-id" => order_id(sale),
        "purchase-date" => sale.at.to_rfc3339(),
        "last-updated-date" => state.since.to_rfc3339(),
        "order-status" | "item-status" => state.status.to_owned(),
        "fulfillment-channel" => "Amazon".to_owned(),
        "sales-channel" => advertiser.channel.to_owned(),
        "ship-service-level" => "Expedited".to_owned(),
        "product-name" => sale.item.name.to_owned(),
        "sku" => sale.item.sku.to_owned(),
        "asin" => sale.item.asin.to_owned(),
        "quantity" => if cancelled { 0 } else { units }.to_string(),
        "currency" => if_priced(advertiser.currency.to_owned()),
        "item-price" => if_priced(money(cents)),
        "item-tax" => if_priced(money(cents - cents * 100 / 119)),
        "ship-city" => ["Köln", "Jena", "Ulm"][sale.number as usize % 3].to_owned(),
        "ship-postal-code" => format!("{:05}", 10_000 + sale.number % 80_000),
        "ship-country" => "DE".to_owned(),
        "is-business-order" => "false".to_owned(),
        "order-item-id" => format!("{}", 44_000_000_000_000 + u64::from(sale.number)),
        _ => String::new(),
    };
    COLUMNS.iter().map(cell).collect::<Vec<_>>().join("\t")
}

/// The order's id.
pub(super) fn order_id(sale: &Sale) -> String {
    format!(
        "304-{:07}-{:07}",
        1_000_000 + sale.number,
        sale.number * 37 % 10_000_000
    )
}
