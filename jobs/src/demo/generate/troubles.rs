//! The troubles of a real Just Walk Out raw zone, planted where the story says.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::Options;
use super::jwo::{self, Sheet, Sheets, Wrapping};
use super::merchant::Merchant;
use super::order::{Line, Order, PAYMENT, Report};

/// The time of day of the first orders that are worth telling about: all three stores are open.
fn busy(day: NaiveDate, hour: i64) -> DateTime<Utc> {
    day.and_time(Default::default()).and_utc() + TimeDelta::hours(hour)
}

/// Columns without which nobody can tell the day of an order.
const DATES: &[&str] = &["order_date", "order_created_at", "trip_end_at", "trip_start_at"];

/// Troubles of single orders. Returns merchant id and order id of the one that came in three files.
pub(super) fn plant_in_orders(
    merchant: &Merchant,
    options: &Options,
    orders: &mut [Order],
    story: &mut Vec<String>,
) -> Option<(String, String)> {
    let mut split_order = None;
    match merchant.alias {
        "corner_shop" => {
            let order = first_after(orders, busy(options.start, 16))?;
            split(order, options.seed);
            story.push(format!(
                "order {} is split over three files: lines 1 to 3, lines 4 and 5 with the payment, line 2 with a new price",
                order.id
            ));
            split_order = Some((merchant.merchant_id.to_owned(), order.id.clone()));
            // 23:50 on the first day in Los Angeles is the second day in UTC.
            let order = first_after(orders, busy(options.start, 21))?;
            let stay = order.closed - order.opened;
            let shift = busy(options.start, 31) + TimeDelta::minutes(50) - order.opened;
            (order.opened, order.closed) = (order.opened + shift, order.opened + shift + stay);
            order.captured += shift;
            order.reports = reports(order, jwo::quarters_after(order.closed + TimeDelta::minutes(5)));
            story.push(format!(
                "order {} came at 23:50 local time: its UTC date is a day later",
                order.id
            ));
        }
        "stadium_east" => {
            let order = first_after(orders, busy(options.start, 18))?;
            for report in order.reports.iter_mut().take(2) {
                report.silent = DATES;
            }
            story.push(format!("order {} has no date in its first two files", order.id));
        }
        _ => {
            let order = orders
                .iter_mut()
                .find(|order| order.reports.len() == 4 && order.lines.len() > 1)?;
            for report in &mut order.reports {
                report.lines.truncate(1);
            }
            story.push(format!("order {} lacks lines that its totals count", order.id));
        }
    }
    let delivered = |order: &Order, since: DateTime<Utc>| {
        order
            .reports
            .iter()
            .any(|report| report.quarter >= since && report.quarter < options.end())
    };
    let corrected = |order: &&Order| {
        order.lines[0]
            .corrected
            .is_some_and(|(since, _)| delivered(order, since))
    };
    if let Some(order) = orders.iter().find(corrected) {
        story.push(format!(
            "order {} of {} got a new price after it was reported",
            order.id, merchant.alias
        ));
    }
    let refunded = |order: &&Order| {
        order
            .lines
            .iter()
            .any(|line| line.refunded.is_some_and(|since| delivered(order, since)))
    };
    if let Some(order) = orders.iter().find(refunded) {
        story.push(format!(
            "order {} of {} was refunded a day or more later",
            order.id, merchant.alias
        ));
    }
    let late = |order: &&Order| {
        let late_by = |report: &Report| report.quarter - order.closed;
        order
            .reports
            .first()
            .is_some_and(|report| late_by(report) > TimeDelta::hours(5) && report.quarter < options.end())
    };
    if let Some(order) = orders.iter().find(late) {
        story.push(format!(
            "order {} of {} was processed hours after it was closed",
            order.id, merchant.alias
        ));
    }
    split_order
}

/// The first plain order after `at`: neither late nor refunded nor corrected.
fn first_after(orders: &mut [Order], at: DateTime<Utc>) -> Option<&mut Order> {
    orders
        .iter_mut()
        .find(|order| order.opened >= at && order.reports.len() == 4 && order.lines[0].corrected.is_none())
}

fn reports(order: &Order, quarters: BTreeSet<DateTime<Utc>>) -> Vec<Report> {
    let all: Vec<usize> = (0..order.lines.len()).collect();
    quarters
        .into_iter()
        .map(|quarter| Report {
            quarter,
            lines: all.clone(),
            silent: &[],
        })
        .collect()
}

fn split(order: &mut Order, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    order.lines = (1..=5).map(|number| jwo::line(number, &mut rng)).collect();
    let quarters: Vec<_> = jwo::quarters_after(order.closed).into_iter().collect();
    order.captured = quarters[1] - TimeDelta::minutes(3);
    order.lines[1].corrected = Some((
        quarters[2] - TimeDelta::minutes(6),
        order.lines[1].product.cents - 10,
    ));
    order.reports = vec![
        Report {
            quarter: quarters[0],
            lines: vec![0, 1, 2],
            silent: PAYMENT,
        },
        Report {
            quarter: quarters[1],
            lines: vec![3, 4],
            silent: &[],
        },
        Report {
            quarter: quarters[2],
            lines: vec![1],
            silent: PAYMENT,
        },
    ];
}

/// Troubles of files and of single rows.
pub(super) fn plant_in_sheets(
    merchant: &Merchant,
    options: &Options,
    orders: &[Order],
    sheets: &mut Sheets,
    story: &mut Vec<String>,
) {
    let path = |quarter, part, wrapping| jwo::path(merchant, quarter, part, wrapping);
    match merchant.alias {
        "corner_shop" => {
            let missing = busy(options.day(1), 20) + TimeDelta::minutes(30);
            sheets.remove(&(missing, 0));
            story.push(format!(
                "{} was never delivered",
                path(missing, 0, Wrapping::Plain)
            ));
            let quiet: Vec<_> = sheets
                .iter()
                .filter(|(_, sheet)| sheet.records.is_empty())
                .map(|(key, _)| *key)
                .collect();
            if let [empty, header_only, ..] = quiet[..] {
                sheets
                    .entry(empty)
                    .and_modify(|sheet| sheet.wrapping = Wrapping::Nothing);
                story.push(format!("{} has no bytes", path(empty.0, 0, Wrapping::Plain)));
                story.push(format!(
                    "{} has a header and no rows",
                    path(header_only.0, 0, Wrapping::Plain)
                ));
            }
            break_rows(merchant, options, orders, sheets, story);
        }
        "stadium_east" => {
            for (day, hour, wrapping, what) in [
                (0, 19, Wrapping::Gzip, "is gzip, though its name does not say so"),
                (0, 20, Wrapping::NamedGzip, "is gzip"),
                (
                    1,
                    21,
                    Wrapping::BrokenGzip,
                    "is gzip that breaks off in the middle",
                ),
            ] {
                if let Some(((quarter, _), sheet)) = first_full(sheets, busy(options.day(day), hour)) {
                    sheet.wrapping = wrapping;
                    story.push(format!("{} {what}", path(quarter, 0, wrapping)));
                }
            }
            if let Some(((quarter, _), sheet)) = first_full(sheets, busy(options.day(1), 19)) {
                let rest = sheet.records.split_off(sheet.records.len() / 2);
                sheets.insert(
                    (quarter, 1),
                    Sheet {
                        records: rest,
                        ..Sheet::default()
                    },
                );
                story.push(format!(
                    "{} is the second part of a report",
                    path(quarter, 1, Wrapping::Plain)
                ));
            }
            if let Some(((quarter, _), sheet)) = first_full(sheets, busy(options.start, 17)) {
                sheet.again_after_hours = Some(26);
                story.push(format!(
                    "{} was delivered again a day later",
                    path(quarter, 0, Wrapping::Plain)
                ));
            }
            if options.days > 2 {
                story.push(format!(
                    "stadium_east has a new column basket_mood from {} on",
                    options.day(2)
                ));
            }
        }
        _ => story.push(format!(
            "{} writes pipes, no header and its own column names",
            merchant.alias
        )),
    }
}

/// The first file at or after `at` that holds more than one row.
fn first_full(sheets: &mut Sheets, at: DateTime<Utc>) -> Option<((DateTime<Utc>, u32), &mut Sheet)> {
    sheets
        .range_mut((at, 0)..)
        .find(|(_, sheet)| sheet.records.len() > 1)
        .map(|(key, sheet)| (*key, sheet))
}

/// Adds broken copies of good rows to some files of the first day.
fn break_rows(
    merchant: &Merchant,
    options: &Options,
    orders: &[Order],
    sheets: &mut Sheets,
    story: &mut Vec<String>,
) {
    let columns = merchant.columns(0);
    let set = |cells: &mut Vec<String>, column: &str, text: &str| {
        for (cell, _) in cells
            .iter_mut()
            .zip(&columns)
            .filter(|(_, name)| **name == column)
        {
            *cell = text.to_owned();
        }
    };
    type Break<'a> = &'a dyn Fn(&mut Vec<String>);
    let breaks: [(&str, Break); 4] = [
        ("has a cell too many", &|cells| cells.push("surplus".to_owned())),
        ("has the quantity 12,5", &|cells| set(cells, "quantity", "12,5")),
        ("has no order id", &|cells| set(cells, "order_id", "")),
        ("has the order date 2026-02-30", &|cells| {
            set(cells, "order_date", "2026-02-30")
        }),
    ];
    let mut at = busy(options.start, 19);
    for (what, apply) in breaks {
        let Some(((quarter, _), sheet)) = first_full(sheets, at) else {
            return;
        };
        let Some((order, report, line)) = first_row(orders, quarter) else {
            return;
        };
        let mut cells = jwo::cells(merchant, options, order, report, line);
        apply(&mut cells);
        sheet.records.push(merchant.record(&cells));
        let path = jwo::path(merchant, quarter, 0, Wrapping::Plain);
        story.push(format!("{path} row {} {what}", sheet.records.len()));
        at = quarter + TimeDelta::minutes(15);
    }
}

fn first_row(orders: &[Order], quarter: DateTime<Utc>) -> Option<(&Order, &Report, &Line)> {
    orders.iter().find_map(|order| {
        let report = order.reports.iter().find(|report| report.quarter == quarter)?;
        Some((order, report, &order.lines[*report.lines.first()?]))
    })
}
