//! The Just Walk Out part of the raw zone: 96 files a day and merchant, each about the preceding hour.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::merchant::Merchant;
use super::order::{Line, Order, PAYMENT, Report};
use super::product::PRODUCTS;
use super::{Options, RawObject, at_local, gzip, troubles};

/// A merchant's raw objects, and merchant id and order id of an order that came in three files.
pub(super) struct Made {
    pub(super) objects: Vec<RawObject>,
    pub(super) split_order: Option<(String, String)>,
}

/// The files of a merchant by quarter of an hour and part.
pub(super) type Sheets = BTreeMap<(DateTime<Utc>, u32), Sheet>;

/// One file before it is written.
#[derive(Default)]
pub(super) struct Sheet {
    pub(super) records: Vec<String>,
    pub(super) wrapping: Wrapping,
    /// Hours after which the same file was delivered once more.
    pub(super) again_after_hours: Option<i64>,
}

/// How a file's text is stored.
#[derive(Default, Clone, Copy, PartialEq)]
pub(super) enum Wrapping {
    #[default]
    Plain,
    /// Gzip under the usual name.
    Gzip,
    /// Gzip with `.gz` at the end of the name.
    NamedGzip,
    /// Gzip that breaks off in the middle.
    BrokenGzip,
    /// Nothing at all, not even the header.
    Nothing,
}

impl Wrapping {
    /// The text as it is stored.
    pub(super) fn around(self, text: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Plain => text,
            Self::Gzip | Self::NamedGzip => gzip(&text),
            Self::BrokenGzip => {
                let whole = gzip(&text);
                whole[..whole.len() / 2].to_vec()
            }
            Self::Nothing => Vec::new(),
        }
    }
}

/// Makes everything that a merchant delivers and says in `story` which troubles are in it.
pub(super) fn make(merchant: &Merchant, options: &Options, story: &mut Vec<String>) -> Made {
    let mut rng = options.rng(merchant.prefix);
    let mut orders = Vec::new();
    for day in options.all_days() {
        orders.extend(orders_of(merchant, day, options.scale, &mut rng));
    }
    let split_order = troubles::plant_in_orders(merchant, options, &mut orders, story);
    let mut sheets = sheets(merchant, options, &orders);
    troubles::plant_in_sheets(merchant, options, &orders, &mut sheets, story);
    let objects = sheets
        .iter()
        .map(|((quarter, part), sheet)| object(merchant, options, *quarter, *part, sheet))
        .collect();
    Made { objects, split_order }
}

/// A day's orders in the order in which the customers came.
fn orders_of(merchant: &Merchant, day: NaiveDate, scale: u32, rng: &mut ChaCha8Rng) -> Vec<Order> {
    let count = rng.random_range(55..=65) * scale;
    let open = merchant.hours.start * 3600..merchant.hours.end * 3600;
    let mut seconds: Vec<u32> = (0..count).map(|_| rng.random_range(open.clone())).collect();
    seconds.sort_unstable();
    seconds
        .iter()
        .zip(1..)
        .map(|(second, number)| order(merchant, day, *second, number, rng))
        .collect()
}

fn order(merchant: &Merchant, day: NaiveDate, second: u32, number: u32, rng: &mut ChaCha8Rng) -> Order {
    let opened = at_local(merchant.zone, day, second);
    let closed = opened + TimeDelta::seconds(rng.random_range(90..1500));
    let captured = closed + TimeDelta::minutes(rng.random_range(4..50));
    let mut lines: Vec<Line> = (1..=rng.random_range(1..=6))
        .map(|index| line(index, rng))
        .collect();
    let mut processed = closed + TimeDelta::minutes(rng.random_range(3..15));
    if number % 33 == 7 {
        processed += TimeDelta::minutes(rng.random_range(6 * 60..46 * 60));
    }
    let mut quarters = quarters_after(processed);
    if number % 20 == 3 {
        let corrected = processed + TimeDelta::minutes(rng.random_range(20..300));
        lines[0].corrected = Some((corrected, lines[0].product.cents * 9 / 10));
        quarters.extend(quarters_after(corrected));
    }
    let mut refunded = None;
    if number % 25 == 5 {
        let since = processed + TimeDelta::minutes(rng.random_range(20 * 60..60 * 60));
        let of = &lines[lines.len() - 1];
        let (id, product, quantity, promoted) =
            (format!("{}-R", of.id), of.product, -of.quantity, of.promoted);
        lines.push(Line {
            id,
            product,
            quantity,
            promoted,
            corrected: None,
            refunded: Some(since),
        });
        quarters.extend(quarters_after(since));
        refunded = Some(since);
    }
    let card = rng.random_range(0..10_000);
    let report = |quarter: DateTime<Utc>| Report {
        quarter,
        lines: (0..lines.len())
            .filter(|index| lines[*index].known(quarter))
            .collect(),
        silent: if card % 2 == 0 && refunded.is_some_and(|since| since <= quarter) {
            PAYMENT
        } else {
            &[]
        },
    };
    let reports = quarters.into_iter().map(report).collect();
    let id = format!("{}{}-{number:05}", merchant.prefix, day.format("%y%m%d"));
    Order {
        id,
        opened,
        closed,
        captured,
        card,
        lines,
        reports,
    }
}

/// The line of that number of a new order.
pub(super) fn line(number: usize, rng: &mut ChaCha8Rng) -> Line {
    let product = &PRODUCTS[rng.random_range(0..PRODUCTS.len())];
    let quantity = if product.by_weight {
        rng.random_range(120..1900)
    } else {
        1000 * rng.random_range(1..=3)
    };
    Line {
        id: number.to_string(),
        product,
        quantity,
        promoted: rng.random_bool(0.15),
        corrected: None,
        refunded: None,
    }
}

/// The four files about an hour in which something was processed at `at`.
pub(super) fn quarters_after(at: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
    let past = at.timestamp().rem_euclid(900);
    let first = at + TimeDelta::seconds((900 - past) % 900);
    (0..4)
        .map(|index| first + TimeDelta::minutes(15 * index))
        .collect()
}

/// What an order's row says, cell by cell.
pub(super) fn cells(
    merchant: &Merchant,
    options: &Options,
    order: &Order,
    report: &Report,
    line: &Line,
) -> Vec<String> {
    let columns = merchant.columns(day_index(options, report.quarter));
    let text = |column: &&str| {
        if report.silent.contains(column) {
            String::new()
        } else {
            order.cell(column, line, merchant, report.quarter)
        }
    };
    columns.iter().map(text).collect()
}

fn day_index(options: &Options, quarter: DateTime<Utc>) -> i64 {
    (quarter.date_naive() - options.start).num_days()
}

fn sheets(merchant: &Merchant, options: &Options, orders: &[Order]) -> Sheets {
    let mut sheets = Sheets::new();
    let mut quarter = options.start.and_time(NaiveTime::MIN).and_utc();
    while quarter < options.end() {
        sheets.insert((quarter, 0), Sheet::default());
        quarter += TimeDelta::minutes(15);
    }
    for order in orders {
        for report in &order.reports {
            // Reports beyond the last day have not been delivered yet.
            let Some(sheet) = sheets.get_mut(&(report.quarter, 0)) else {
                continue;
            };
            for index in &report.lines {
                let cells = cells(merchant, options, order, report, &order.lines[*index]);
                sheet.records.push(merchant.record(&cells));
            }
        }
    }
    sheets
}

/// Where a file is delivered, below the raw root.
pub(super) fn path(merchant: &Merchant, quarter: DateTime<Utc>, part: u32, wrapping: Wrapping) -> String {
    let suffix = if wrapping == Wrapping::NamedGzip {
        ".gz"
    } else {
        ""
    };
    format!(
        "jwo/{}/Order/{}.csv{part:03}{suffix}",
        merchant.alias,
        quarter.format("%Y-%m-%d/%H/ALL%M")
    )
}

fn object(
    merchant: &Merchant,
    options: &Options,
    quarter: DateTime<Utc>,
    part: u32,
    sheet: &Sheet,
) -> RawObject {
    let columns = merchant.columns(day_index(options, quarter));
    let text = (merchant.header(&columns) + &sheet.records.concat()).into_bytes();
    let delivered = quarter
        + TimeDelta::seconds(95 + i64::from(part))
        + TimeDelta::hours(sheet.again_after_hours.unwrap_or_default());
    RawObject {
        path: path(merchant, quarter, part, sheet.wrapping),
        bytes: sheet.wrapping.around(text),
        delivered,
    }
}
