//! Reports that break off, come twice, late, without a word about what was asked for, or tell of other days.

use chrono::{Days, TimeDelta};

use super::busy;
use crate::Options;
use crate::jwo::Wrapping;
use crate::reports::{OrderState, Report, Request, ads_report, order_line};
use crate::trade::{Business, Trade};

/// A day of the seller whose clicks turn out to be worthless on the third day.
pub(in super::super) fn plant_in_trade(trade: &mut Trade, options: &Options, story: &mut Vec<String>) {
    if trade.advertiser.business != Business::Seller || options.days < 3 {
        return;
    }
    let day = options.start - Days::new(6);
    trade.worthless = Some((day, busy(options.day(2), 0)));
    // The stream, which begins with the first day, tells nothing of it.
    let since = busy(options.start, 0);
    trade
        .traffic
        .retain(|one| one.subject.day() != day || one.known < since);
    trade
        .conversions
        .retain(|one| one.subject.day() != day || one.known < since);
    story.push(format!(
        "{} had clicks on {day} in its first reports; on {} Amazon took them all back: the newest reports of that day are empty",
        trade.advertiser.merchant,
        options.day(2)
    ));
}

/// Troubles of reports.
pub(in super::super) fn plant_in_reports(
    trade: &Trade,
    options: &Options,
    reports: &mut Vec<Report>,
    story: &mut Vec<String>,
) {
    match trade.advertiser.business {
        Business::Vendor => {
            come_late(trade, options, reports, story);
            break_off(options, reports, story);
            forget_manifest(reports, story);
            fail(options, reports, story);
            deliver_twice("GET_VENDOR_SALES_REPORT", options, reports, story);
        }
        Business::Seller => {
            tell_of_other_days(trade, options, reports, story);
            deliver_twice("spAdvertisedProduct", options, reports, story);
            list_twice(reports, story);
            state_older(trade, options, reports, story);
            shorten_line(reports, story);
        }
    }
}

/// The report of that kind that was made on the day of that index.
fn made_on<'a>(
    reports: &'a mut [Report],
    kind: &str,
    options: &Options,
    index: u32,
) -> Option<&'a mut Report> {
    let day = options.start + Days::new(u64::from(index));
    reports
        .iter_mut()
        .find(|report| report.kind == kind && report.made.date_naive() == day)
}

/// A report about the first day that was made in the morning after it, and got stuck for a day: a newer one is there.
fn come_late(trade: &Trade, options: &Options, reports: &mut Vec<Report>, story: &mut Vec<String>) {
    let Some(newer) = made_on(reports, "spCampaigns", options, 1).filter(|_| options.days > 2) else {
        return;
    };
    let request = Request {
        made: newer.made - TimeDelta::hours(4),
        days: (options.start, options.start),
    };
    let mut late = ads_report(trade, "spCampaigns", &request, &mut options.rng("late"));
    late.delivered += TimeDelta::hours(25);
    late.filed = late.delivered.date_naive();
    story.push(format!(
        "{} was made before a report of the same day and comes a day after it",
        late.path()
    ));
    reports.push(late);
}

/// A download that broke off, and was done again a day later.
fn break_off(options: &Options, reports: &mut Vec<Report>, story: &mut Vec<String>) {
    let again = made_on(reports, "spSearchTerm", options, 0).map(|report| {
        let again = report.again(24);
        report.wrapping = Wrapping::BrokenGzip;
        story.push(format!(
            "{} breaks off in the middle of its download",
            report.path()
        ));
        again
    });
    reports.extend(again.filter(|_| options.days > 1));
}

/// The report about a week, which somebody took from the console by hand.
fn forget_manifest(reports: &mut [Report], story: &mut Vec<String>) {
    let by_hand = |report: &&mut Report| report.options.contains(&("reportPeriod", "WEEK"));
    if let Some(report) = reports.iter_mut().find(by_hand) {
        report.has_manifest = false;
        story.push(format!("{} has no manifest", report.path()));
    }
}

/// A document that says why there is no report.
fn fail(options: &Options, reports: &mut [Report], story: &mut Vec<String>) {
    if let Some(report) = made_on(reports, "GET_VENDOR_INVENTORY_REPORT", options, 1) {
        report.text = br#"{"errorDetails":"the days that were asked for are not there yet"}"#.to_vec();
        story.push(format!("{} holds an error instead of a report", report.path()));
    }
}

/// The same document under two days.
fn deliver_twice(kind: &str, options: &Options, reports: &mut Vec<Report>, story: &mut Vec<String>) {
    let again = made_on(reports, kind, options, 1).map(|report| report.again(24));
    if let Some(again) = again.filter(|_| options.days > 2) {
        story.push(format!(
            "{} is a document that was delivered the day before",
            again.path()
        ));
        reports.push(again);
    }
}

/// A row about a day that was not asked for.
fn tell_of_other_days(trade: &Trade, options: &Options, reports: &mut [Report], story: &mut Vec<String>) {
    let Some(report) = made_on(reports, "spCampaigns", options, 1) else {
        return;
    };
    let asked = options.start.to_string();
    let before = (options.start - Days::new(1)).to_string();
    let text = String::from_utf8_lossy(&report.text).into_owned();
    let first = text
        .find('}')
        .map(|end| text[1..=end].replacen(&asked, &before, 1));
    if let Some(row) = first {
        report.text = format!("{},{row}]", text.trim_end_matches(']')).into_bytes();
        story.push(format!(
            "{} has a row of {before}, which {} did not ask for",
            report.path(),
            trade.advertiser.merchant
        ));
    }
}

fn list_twice(reports: &[Report], story: &mut Vec<String>) {
    let settlements: Vec<&Report> = reports
        .iter()
        .filter(|report| report.kind.contains("SETTLEMENT"))
        .collect();
    if let [first, second, ..] = settlements[..] {
        story.push(format!(
            "{} is the settlement of {} under another id, with decimal commas and in windows-1252",
            second.path(),
            first.path()
        ));
    }
}

/// A newer report that has an order as it was before: the order's own time of update decides.
fn state_older(trade: &Trade, options: &Options, reports: &mut [Report], story: &mut Vec<String>) {
    let (night, morning) = (busy(options.start, 20), busy(options.start, 30));
    let unshipped = |state: OrderState| (state.status == "Unshipped").then_some(state);
    let shipped = trade.sales.iter().find_map(|sale| {
        let state = OrderState::of(sale, night).and_then(unshipped)?;
        (sale.shipped < morning && sale.cancelled.is_none()).then_some((sale, state))
    });
    let newer = reports
        .iter_mut()
        .find(|report| report.kind.contains("ALL_ORDERS") && report.made > morning);
    if let (Some((sale, state)), Some(report)) = (shipped, newer) {
        let line = order_line(trade.advertiser, sale, &state, sale.units);
        report.text.extend_from_slice((line + "\n").as_bytes());
        story.push(format!(
            "{} states an order as it was before an older report did",
            report.path()
        ));
    }
}

/// A line that lacks most of its cells.
fn shorten_line(reports: &mut [Report], story: &mut Vec<String>) {
    let of_orders = |report: &&mut Report| report.kind.contains("ALL_ORDERS");
    if let Some(report) = reports.iter_mut().find(of_orders) {
        report.text.extend_from_slice(b"304-0000000-0000000\tcut\n");
        story.push(format!("{} ends in a line that is cut short", report.path()));
    }
}
