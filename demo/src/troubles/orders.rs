//! Orders that come in pieces, late, without a date, or not whole.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::busy;
use crate::Options;
use crate::jwo;
use crate::merchant::Merchant;
use crate::order::{Order, PAYMENT, Report};

/// Columns without which nobody can tell the day of an order.
const DATES: &[&str] = &["order_date", "order_created_at", "trip_end_at", "trip_start_at"];

/// Troubles of single orders. Returns merchant id and order id of the one that came in three files.
pub(in super::super) fn plant_in_orders(
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
