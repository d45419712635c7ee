//! What happens to an advertiser: clicks, what is bought after them, and what is bought without. Messages and reports
//! are drawn from this, each with what was known when it was made, so that they tell one story.

mod advertiser;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) use advertiser::{ADVERTISERS, Advertiser, Business, Item};

use super::{Options, at_local};

/// Days before the first one that reports still speak about.
pub(super) const HISTORY: i64 = 13;
/// Days after a click within which a purchase counts, window by window.
pub(super) const WINDOWS: [i64; 4] = [1, 7, 14, 30];
/// An hour of the first day (UTC) in which nobody buys, and one of whose clicks nobody is ever told.
pub(super) const HOUR_WITHOUT_CONVERSIONS: i64 = 9;
pub(super) const HOUR_WITHOUT_TRAFFIC: i64 = 7;
/// Ads of a campaign; each two are about one item.
const ADS: usize = 4;
const PLACEMENTS: usize = 3;
/// Ways in which shoppers type a keyword.
pub(super) const TERMS: usize = 3;

/// What clicks and purchases are about: one ad, keyword, placement and hour.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) advertiser: &'static Advertiser,
    pub(super) campaign: usize,
    pub(super) ad: usize,
    pub(super) keyword: Option<usize>,
    /// What the shopper typed, of the ways that a keyword is typed in.
    pub(super) term: usize,
    pub(super) placement: Option<usize>,
    pub(super) hour: DateTime<Utc>,
}

impl Subject {
    /// Somebody's ad in that hour.
    pub(super) fn any(advertiser: &'static Advertiser, hour: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Self {
        Self {
            advertiser,
            campaign: rng.random_range(0..advertiser.campaigns.len()),
            ad: rng.random_range(0..ADS),
            keyword: rng
                .random_bool(0.97)
                .then(|| rng.random_range(0..advertiser.keywords.len())),
            term: rng.random_range(0..TERMS),
            placement: rng.random_bool(0.98).then(|| rng.random_range(0..PLACEMENTS)),
            hour,
        }
    }

    /// The advertiser's day that the hour belongs to.
    pub(super) fn day(&self) -> NaiveDate {
        self.hour.with_timezone(&self.advertiser.zone).date_naive()
    }

    /// Index of the item that the ad is about.
    pub(super) fn item(&self) -> usize {
        2 * self.campaign + self.ad / 2
    }
}

/// Clicks and impressions that became known, or were taken back.
pub(super) struct Traffic {
    pub(super) subject: Subject,
    pub(super) known: DateTime<Utc>,
    pub(super) clicks: i64,
    pub(super) impressions: i64,
    /// Cost of the clicks in hundredths.
    pub(super) cost: i64,
}

/// A purchase after a click that became known, or that was cancelled: then its numbers are negative.
pub(super) struct Conversion {
    pub(super) subject: Subject,
    pub(super) known: DateTime<Utc>,
    /// Index of the first of [`WINDOWS`] that it lies in.
    pub(super) window: usize,
    pub(super) units: i64,
    /// What was paid, in hundredths.
    pub(super) cents: i64,
    /// Whether the item bought is the one advertised.
    pub(super) same_item: bool,
}

/// An order of one item, after a click or without.
pub(super) struct Sale {
    pub(super) number: u32,
    pub(super) at: DateTime<Utc>,
    /// Since when reports count it.
    pub(super) booked: DateTime<Utc>,
    pub(super) shipped: DateTime<Utc>,
    /// When it was cancelled, which is before it would have been shipped.
    pub(super) cancelled: Option<DateTime<Utc>>,
    pub(super) item: &'static Item,
    pub(super) units: i64,
}

impl Sale {
    /// What was paid, in hundredths.
    pub(super) fn cents(&self) -> i64 {
        self.units * self.item.cents
    }
}

/// Everything that happens to one advertiser from [`HISTORY`] days before the first day on.
pub(super) struct Trade {
    pub(super) advertiser: &'static Advertiser,
    pub(super) traffic: Vec<Traffic>,
    pub(super) conversions: Vec<Conversion>,
    pub(super) sales: Vec<Sale>,
    /// A day of which all clicks turned out not to be from people, and when that was found.
    pub(super) worthless: Option<(NaiveDate, DateTime<Utc>)>,
}

impl Trade {
    /// What happens to an advertiser.
    pub(super) fn of(advertiser: &'static Advertiser, options: &Options) -> Self {
        let mut trade = Self {
            advertiser,
            traffic: Vec::new(),
            conversions: Vec::new(),
            sales: Vec::new(),
            worthless: None,
        };
        let mut rng = options.rng(advertiser.merchant);
        for hour in -24 * HISTORY..24 * i64::from(options.days) {
            trade.add_hour(options, hour, &mut rng);
        }
        let first = options.start - Days::new(HISTORY.unsigned_abs());
        for day in first
            .iter_days()
            .take_while(|day| *day < options.end().date_naive())
        {
            trade.add_organic(options, day, &mut rng);
        }
        trade.sales.sort_by_key(|sale| sale.at);
        for (sale, number) in trade.sales.iter_mut().zip(1..) {
            sale.number = number;
        }
        trade
    }

    fn add_hour(&mut self, options: &Options, hour: i64, rng: &mut ChaCha8Rng) {
        let advertiser = self.advertiser;
        let start = options.start.and_time(Default::default()).and_utc() + TimeDelta::hours(hour);
        let awake = (8..23).contains(&start.with_timezone(&advertiser.zone).hour());
        let often = advertiser.clicks[usize::from(!awake)].clone();
        for _ in 0..rng.random_range(often) * options.scale {
            let subject = Subject::any(advertiser, start, rng);
            let clicks = if rng.random_bool(0.4) {
                rng.random_range(1..=4)
            } else {
                0
            };
            if hour != HOUR_WITHOUT_TRAFFIC {
                self.add_traffic(subject, clicks, rng);
            }
            if clicks > 0 && rng.random_bool(0.2) && hour != HOUR_WITHOUT_CONVERSIONS {
                self.add_conversion(subject, rng);
            }
        }
    }

    /// Clicks of one subject; sometimes one is taken back days later, sometimes more of the same come to light.
    fn add_traffic(&mut self, subject: Subject, clicks: i64, rng: &mut ChaCha8Rng) {
        let most = if rng.random_bool(0.05) { 12 * 60 } else { 3 * 60 };
        let known = subject.hour + TimeDelta::minutes(60 + rng.random_range(5..most));
        let (click_cost, impressions) = (rng.random_range(15..240), rng.random_range(clicks..60));
        let mut add = |known, clicks, impressions| {
            self.traffic.push(Traffic {
                subject,
                known,
                clicks,
                impressions,
                cost: clicks * click_cost,
            });
        };
        add(known, clicks, impressions);
        if clicks > 0 && rng.random_bool(0.03) {
            add(known + TimeDelta::hours(rng.random_range(20..70)), -1, 0);
        }
        if rng.random_bool(0.01) {
            add(
                known + TimeDelta::hours(rng.random_range(1..20)),
                clicks,
                impressions,
            );
        }
    }

    /// A purchase after a click: mostly soon, seldom in the second week; some are cancelled.
    fn add_conversion(&mut self, subject: Subject, rng: &mut ChaCha8Rng) {
        let minutes = match rng.random_range(0..10) {
            0 => rng.random_range(7 * 1440..HISTORY * 1440),
            1 | 2 => rng.random_range(1440..6 * 1440),
            _ => rng.random_range(5..20 * 60),
        };
        let same_item = rng.random_bool(0.7);
        let item = if same_item {
            subject.item()
        } else {
            (subject.item() + rng.random_range(1..6)) % 6
        };
        let mut sale = Sale::new(&subject.advertiser.items[item], subject.hour, minutes, rng);
        sale.cancelled = rng
            .random_bool(0.05)
            .then(|| sale.at + TimeDelta::minutes(rng.random_range(180..18 * 60)));
        let mut add = |known, sign| {
            self.conversions.push(Conversion {
                subject,
                known,
                window: WINDOWS.iter().position(|days| minutes < days * 1440).unwrap_or(3),
                units: sign * sale.units,
                cents: sign * sale.cents(),
                same_item,
            });
        };
        add(sale.booked, 1);
        if let Some(at) = sale.cancelled {
            add(sale.booked.max(at) + TimeDelta::hours(2), -1);
        }
        self.sales.push(sale);
    }

    /// A day's orders that no ad can claim.
    fn add_organic(&mut self, options: &Options, day: NaiveDate, rng: &mut ChaCha8Rng) {
        for _ in 0..rng.random_range(self.advertiser.organic.clone()) * options.scale {
            let second = rng.random_range(6 * 3600..23 * 3600);
            let at = at_local(self.advertiser.zone, day, second);
            let item = &self.advertiser.items[rng.random_range(0..6)];
            self.sales.push(Sale::new(item, at, 0, rng));
        }
    }

    /// Whether a report that is made at `at` knows of something about that day that became known at `known`.
    fn tells(&self, day: NaiveDate, known: DateTime<Utc>, at: DateTime<Utc>) -> bool {
        let worthless = self
            .worthless
            .is_some_and(|(worthless, since)| worthless == day && since <= at);
        known < at && !worthless
    }

    /// Traffic of some days as it was known at `at`.
    pub(super) fn traffic_of(
        &self,
        days: (NaiveDate, NaiveDate),
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = &Traffic> {
        self.traffic.iter().filter(move |one| {
            let day = one.subject.day();
            (days.0..=days.1).contains(&day) && self.tells(day, one.known, at)
        })
    }

    /// Conversions after clicks of some days as they were known at `at`.
    pub(super) fn conversions_of(
        &self,
        days: (NaiveDate, NaiveDate),
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = &Conversion> {
        self.conversions.iter().filter(move |one| {
            let day = one.subject.day();
            (days.0..=days.1).contains(&day) && self.tells(day, one.known, at)
        })
    }

    /// The advertiser's day of an instant.
    pub(super) fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.advertiser.zone).date_naive()
    }
}

impl Sale {
    /// An order so many minutes after `after`.
    fn new(item: &'static Item, after: DateTime<Utc>, minutes: i64, rng: &mut ChaCha8Rng) -> Self {
        let at = after + TimeDelta::minutes(minutes) + TimeDelta::seconds(rng.random_range(0..60));
        Self {
            number: 0,
            at,
            booked: at + TimeDelta::minutes(rng.random_range(60..26 * 60)),
            shipped: at + TimeDelta::minutes(rng.random_range(20 * 60..50 * 60)),
            cancelled: None,
            item,
            units: [1, 1, 1, 2, 3][rng.random_range(0..5)],
        }
    }
}
