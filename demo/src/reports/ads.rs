//! Reports about Sponsored Products: rows only where something happened, of the days that were asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;

use super::{Report, Request, requests};
use crate::Options;
use crate::jwo::Wrapping;
use crate::message::{null, object, quoted};
use crate::order::money;
use crate::trade::{Business, Subject, TERMS, Trade, WINDOWS};

const KINDS: [&str; 3] = ["spCampaigns", "spSearchTerm", "spAdvertisedProduct"];
/// The hour (UTC) at which reports are asked for.
const HOUR: i64 = 10;

/// What was measured of one thing on one day; purchases by window, first of any item, then of the advertised one.
#[derive(Default)]
struct Measures {
    impressions: i64,
    clicks: i64,
    cost: i64,
    purchases: [[i64; 4]; 2],
    units: [[i64; 4]; 2],
    sales: [[i64; 4]; 2],
}

/// A thing on a day; the numbers tell things of one day apart.
type Key = (NaiveDate, Vec<usize>);

/// All reports: of each kind a week, then each morning a day, then a week again.
pub(super) fn make(trade: &Trade, options: &Options, rng: &mut ChaCha8Rng) -> Vec<Report> {
    let mut reports = Vec::new();
    for kind in KINDS {
        for request in asked(options) {
            reports.push(report(trade, kind, &request, rng));
        }
    }
    reports
}

/// As for every report; on the third day also one day in the middle of the first week.
fn asked(options: &Options) -> Vec<Request> {
    let mut asked = requests(options, HOUR, 1);
    if options.days > 2 {
        let day = options.start - TimeDelta::days(6);
        let made = options.day(2).and_time(Default::default()).and_utc() + TimeDelta::hours(HOUR + 3);
        asked.push(Request {
            made,
            days: (day, day),
        });
    }
    asked
}

/// One report.
pub(crate) fn report(trade: &Trade, kind: &'static str, request: &Request, rng: &mut ChaCha8Rng) -> Report {
    let rows = match kind {
        "spCampaigns" => rows(trade, request, |subject| vec![subject.campaign], campaign),
        "spSearchTerm" => searched(trade, request),
        _ => rows(
            trade,
            request,
            |subject| vec![subject.campaign, subject.ad],
            advertised,
        ),
    };
    let mut report = Report::new(trade.advertiser, "ads", kind, request.made, rng);
    report.days = Some(request.days);
    report.text = format!("[{}]", rows.join(",")).into_bytes();
    // They come compressed; who delivers may unpack what is small.
    if request.days.0 != request.days.1 {
        report.wrapping = Wrapping::NamedGzip;
    }
    report
}

fn searched(trade: &Trade, request: &Request) -> Vec<String> {
    let key = |subject: &Subject| {
        let keyword = subject.keyword.map_or(0, |keyword| keyword + 1);
        let term = if keyword == 0 { 0 } else { subject.term };
        vec![subject.campaign, subject.ad / 2, keyword, term]
    };
    // Only terms with a click are there.
    let mut rows = rows_with(trade, request, key, search_term);
    rows.retain(|(measures, _)| measures.clicks > 0);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn rows(
    trade: &Trade,
    request: &Request,
    key: impl Fn(&Subject) -> Vec<usize>,
    about: impl Fn(&Subject) -> Vec<(&'static str, String)>,
) -> Vec<String> {
    let rows = rows_with(trade, request, key, about);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A row for each key: the day, what `about` says, and the measures.
fn rows_with(
    trade: &Trade,
    request: &Request,
    key: impl Fn(&Subject) -> Vec<usize>,
    about: impl Fn(&Subject) -> Vec<(&'static str, String)>,
) -> Vec<(Measures, String)> {
    let measured = measured(trade, request.days, request.made, key);
    let rows = measured.into_iter().map(|((day, _), (subject, measures))| {
        let mut fields = vec![("date".to_owned(), quoted(&day.to_string()))];
        fields.extend(
            about(&subject)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        fields.extend(measures.fields());
        (measures, object(&fields))
    });
    rows.collect()
}

fn measured(
    trade: &Trade,
    days: (NaiveDate, NaiveDate),
    at: DateTime<Utc>,
    key: impl Fn(&Subject) -> Vec<usize>,
) -> BTreeMap<Key, (Subject, Measures)> {
    let mut measured: BTreeMap<Key, (Subject, Measures)> = BTreeMap::new();
    let mut of = |subject: &Subject, add: &dyn Fn(&mut Measures)| {
        let entry = measured.entry((subject.day(), key(subject)));
        add(&mut entry.or_insert_with(|| (*subject, Measures::default())).1);
    };
    for one in trade.traffic_of(days, at) {
        of(&one.subject, &|measures| {
            measures.impressions += one.impressions;
            measures.clicks += one.clicks;
            measures.cost += one.cost;
        });
    }
    for one in trade.conversions_of(days, at) {
        of(&one.subject, &|measures| {
            for whose in 0..=usize::from(one.same_item) {
                for window in one.window..WINDOWS.len() {
                    measures.purchases[whose][window] += one.units.signum();
                    measures.units[whose][window] += one.units;
                    measures.sales[whose][window] += one.cents;
                }
            }
        });
    }
    measured
}

impl Measures {
    fn fields(&self) -> Vec<(String, String)> {
        let mut fields = vec![
            ("impressions".to_owned(), self.impressions.to_string()),
            ("clicks".to_owned(), self.clicks.to_string()),
            ("cost".to_owned(), money(self.cost)),
        ];
        let click_through = match self.impressions {
            0 => null(),
            impressions => format!("{:.4}", self.clicks as f64 / impressions as f64),
        };
        fields.push(("clickThroughRate".to_owned(), click_through));
        for (index, days) in WINDOWS.iter().enumerate() {
            let named: [(&str, String); 6] = [
                ("purchases", self.purchases[0][index].to_string()),
                ("purchasesSameSku", self.purchases[1][index].to_string()),
                ("unitsSoldClicks", self.units[0][index].to_string()),
                ("unitsSoldSameSku", self.units[1][index].to_string()),
                ("sales", money(self.sales[0][index])),
                ("attributedSalesSameSku", money(self.sales[1][index])),
            ];
            fields.extend(named.map(|(name, value)| (format!("{name}{days}d"), value)));
        }
        fields
    }
}

/// Fields that every report has.
fn campaign(subject: &Subject) -> Vec<(&'static str, String)> {
    let (id, name) = subject.advertiser.campaigns[subject.campaign];
    vec![
        ("campaignId", id.to_owned()),
        ("campaignName", quoted(name)),
        ("campaignStatus", quoted("ENABLED")),
        (
            "campaignBudgetAmount",
            money(5_000 * (subject.campaign as i64 + 1)),
        ),
        ("campaignBudgetType", quoted("DAILY_BUDGET")),
        ("campaignBudgetCurrencyCode", quoted(subject.advertiser.currency)),
    ]
}

fn ad_group(subject: &Subject) -> Vec<(&'static str, String)> {
    let mut fields = campaign(subject);
    let item = &subject.advertiser.items[subject.item()];
    fields.push(("adGroupId", subject.ad_group_id()));
    fields.push(("adGroupName", quoted(item.name)));
    fields
}

fn advertised(subject: &Subject) -> Vec<(&'static str, String)> {
    let mut fields = ad_group(subject);
    let item = &subject.advertiser.items[subject.item()];
    fields.push(("adId", subject.ad_id()));
    fields.push(("advertisedAsin", quoted(item.asin)));
    let sku = match subject.advertiser.business {
        Business::Vendor => null(),
        Business::Seller => quoted(item.sku),
    };
    fields.push(("advertisedSku", sku));
    fields
}

fn search_term(subject: &Subject) -> Vec<(&'static str, String)> {
    let mut fields = ad_group(subject);
    let keyword = subject
        .keyword
        .map(|keyword| subject.advertiser.keywords[keyword]);
    let typed: [fn(&str) -> String; TERMS] = [
        str::to_owned,
        |keyword| format!("{keyword} sale"),
        |keyword| keyword.to_uppercase(),
    ];
    let term = keyword.map_or_else(|| "*".to_owned(), typed[subject.term]);
    fields.push(("keywordId", subject.keyword_id().unwrap_or_else(null)));
    fields.push(("keyword", keyword.map_or_else(null, quoted)));
    fields.push(("searchTerm", quoted(&term)));
    fields.push(("matchType", keyword.map_or_else(null, |_| quoted("BROAD"))));
    fields
}
