//! A settlement: what Amazon pays out for a week of orders, as Europe writes it.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;

use super::Report;
use super::orders::order_id;
use crate::Options;
use crate::order::money;
use crate::trade::Trade;

pub(super) const KIND: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";

const COLUMNS: [&str; 24] = [
    "settlement-id",
    "settlement-start-date",
    "settlement-end-date",
    "deposit-date",
    "total-amount",
    "currency",
    "transaction-type",
    "order-id",
    "merchant-order-id",
    "adjustment-id",
    "shipment-id",
    "marketplace-name",
    "amount-type",
    "amount-description",
    "amount",
    "fulfillment-id",
    "posted-date",
    "posted-date-time",
    "order-item-code",
    "merchant-order-item-id",
    "merchant-adjustment-item-id",
    "sku",
    "quantity-purchased",
    "promotion-id",
];

/// The settlement of the week before the first day, listed under one report, and two days later under another.
pub(super) fn make(trade: &Trade, options: &Options, rng: &mut ChaCha8Rng) -> Vec<Report> {
    let noon = options.start.and_time(Default::default()).and_utc() + TimeDelta::hours(12);
    let text = windows_1252(&text(trade, options.start, noon));
    let days: &[i64] = if options.days > 2 { &[0, 2] } else { &[0] };
    let report = |later: &i64| {
        let made = noon + TimeDelta::days(*later);
        let mut report = Report::new(trade.advertiser, "sp_api", KIND, made, rng);
        report.charset = Some("Cp1252");
        report.text = text.clone();
        report
    };
    days.iter().map(report).collect()
}

fn text(trade: &Trade, end: NaiveDate, at: DateTime<Utc>) -> String {
    let start = end - Days::new(7);
    let days = (start, end - Days::new(1));
    let mut amounts = Vec::new();
    let shipped = trade.sales.iter().filter(|sale| {
        sale.cancelled.is_none() && (days.0..=days.1).contains(&trade.day(sale.shipped)) && sale.shipped < at
    });
    for sale in shipped {
        let order = [
            ("transaction-type", "Order".to_owned()),
            ("order-id", order_id(sale)),
            ("marketplace-name", trade.advertiser.channel.to_owned()),
            ("fulfillment-id", "AFN".to_owned()),
            ("sku", sale.item.sku.to_owned()),
            ("quantity-purchased", sale.units.to_string()),
        ];
        for (kind, description, cents) in [
            ("ItemPrice", "Principal", sale.cents()),
            ("ItemFees", "Commission", -sale.cents() * 15 / 100),
        ] {
            amounts.push((sale.shipped, order.to_vec(), kind, description, cents));
        }
    }
    let advertising: i64 = trade.traffic_of(days, at).map(|one| one.cost).sum();
    let closing = end.and_time(Default::default()).and_utc();
    let other = vec![("transaction-type", "other-transaction".to_owned())];
    amounts.push((
        closing,
        other,
        "CostOfAdvertising",
        "TransactionTotalAmount",
        -advertising,
    ));
    let total = amounts.iter().map(|(.., cents)| cents).sum();
    let head = [
        (
            "settlement-start-date",
            dotted(start.and_time(Default::default()).and_utc()),
        ),
        ("settlement-end-date", dotted(closing)),
        ("deposit-date", dotted(closing + TimeDelta::hours(8))),
        ("total-amount", comma(total)),
        ("currency", trade.advertiser.currency.to_owned()),
    ];
    let mut lines = vec![COLUMNS.join("\t"), line(&head)];
    for (posted, mut cells, kind, description, cents) in amounts {
        cells.extend([
            ("amount-type", kind.to_owned()),
            ("amount-description", description.to_owned()),
            ("amount", comma(cents)),
            ("posted-date", posted.format("%d.%m.%Y").to_string()),
            ("posted-date-time", dotted(posted)),
        ]);
        lines.push(line(&cells));
    }
    lines.join("\n") + "\n"
}

fn line(cells: &[(&str, String)]) -> String {
    let cell = |column: &&str| match *column {
        "settlement-id" => "19008844771".to_owned(),
        column => cells
            .iter()
            .find(|(name, _)| *name == column)
            .map_or_else(String::new, |(_, text)| text.clone()),
    };
    COLUMNS.iter().map(cell).collect::<Vec<_>>().join("\t")
}

/// `28.02.2026 17:45:00 UTC`
fn dotted(at: DateTime<Utc>) -> String {
    at.format("%d.%m.%Y %H:%M:%S UTC").to_string()
}

/// `-1.234,56`
fn comma(cents: i64) -> String {
    let text = money(cents.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), "00"));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    format!("{}{grouped},{fraction}", if cents < 0 { "-" } else { "" })
}

/// The characters of the demo's texts that are not ASCII have the same number in windows-1252 as in Unicode.
fn windows_1252(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
        .collect()
}
