//! Files that are missing, empty, compressed, cut off or delivered twice, and rows that are broken.

use chrono::{DateTime, TimeDelta, Utc};

use super::busy;
use crate::Options;
use crate::jwo::{self, Sheet, Sheets, Wrapping};
use crate::merchant::Merchant;
use crate::order::{Line, Order, Report};

/// Troubles of files and of single rows.
pub(in super::super) fn plant_in_sheets(
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
