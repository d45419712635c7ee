//! The Amazon Marketing Stream part of the raw zone: additive messages about hours, and campaigns.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};
use pipeline::account::Account;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::firehose::objects;
use super::message::{ADVERTISERS, Advertiser, Message, Subject, campaign, uuid};
use super::order::money;
use super::{Options, RawObject};

/// The one account that all stream messages belong to.
pub(super) fn account(since: NaiveDate) -> Account {
    Account {
        alias: "marketing_stream".to_owned(),
        source: "ams".to_owned(),
        raw: None,
        zone: chrono_tz::Tz::UTC,
        since: Some(since),
        currency: None,
        marketplaces: ADVERTISERS
            .iter()
            .map(|advertiser| advertiser.marketplace_id.to_owned())
            .collect(),
        fields: BTreeMap::new(),
        csv: None,
        keep: Default::default(),
    }
}

/// The objects of every dataset.
pub(super) fn make(options: &Options, story: &mut Vec<String>) -> [Vec<RawObject>; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut performance = Performance::default();
    for advertiser in ADVERTISERS {
        for hour in 0..i64::from(options.days) * 24 {
            performance.add_hour(options, advertiser, hour, &mut rng);
        }
    }
    performance.plant_odd_ones(options, story, &mut rng);
    [
        objects("sp-traffic", performance.traffic, options, story, &mut rng),
        objects("sp-conversion", performance.conversions, options, story, &mut rng),
        objects("campaigns", campaigns(options, story), options, story, &mut rng),
    ]
}

#[derive(Default)]
struct Performance {
    traffic: Vec<Message>,
    conversions: Vec<Message>,
}

/// An hour of the first day (UTC) in which nobody buys, and one of which no traffic is ever reported.
const HOUR_WITHOUT_CONVERSIONS: i64 = 9;
const HOUR_WITHOUT_TRAFFIC: i64 = 7;

impl Performance {
    /// All messages about one hour of an advertiser, whenever they arrive.
    fn add_hour(
        &mut self,
        options: &Options,
        advertiser: &'static Advertiser,
        hour: i64,
        rng: &mut ChaCha8Rng,
    ) {
        let start = options.start.and_time(Default::default()).and_utc() + TimeDelta::hours(hour);
        let awake = (8..23).contains(&start.with_timezone(&advertiser.zone).hour());
        for _ in 0..rng.random_range(if awake { 70..90 } else { 20..35 }) * options.scale {
            let subject = Subject::any(advertiser, start, rng);
            let most = if rng.random_bool(0.05) { 12 * 60 } else { 3 * 60 };
            let arrives = start + TimeDelta::minutes(60 + rng.random_range(5..most));
            let clicks = if rng.random_bool(0.4) {
                rng.random_range(1..=4)
            } else {
                0
            };
            let (click_cost, impressions) = (rng.random_range(15..240), rng.random_range(clicks..60));
            if hour != HOUR_WITHOUT_TRAFFIC {
                self.add_traffic(&subject, arrives, (clicks, impressions, click_cost), rng);
            }
            if clicks > 0 && rng.random_bool(0.2) && hour != HOUR_WITHOUT_CONVERSIONS {
                let arrives = arrives + TimeDelta::minutes(rng.random_range(60..48 * 60));
                let (units, price) = (rng.random_range(1..=3), rng.random_range(999..8999));
                let text = |id: &str, window, units: i64| {
                    subject.conversion(id, window, units, units * price, price % 3 > 0)
                };
                self.conversions.push(Message {
                    arrives,
                    text: text(&uuid(rng), rng.random_range(0..2), units),
                });
                if rng.random_bool(0.05) {
                    let later = arrives + TimeDelta::hours(rng.random_range(3..30));
                    self.conversions.push(Message {
                        arrives: later,
                        text: text(&uuid(rng), 0, -units),
                    });
                }
            }
        }
    }

    /// A message about clicks, impressions and the cost of one click in hundredths; sometimes twice, or with a
    /// correction or a restatement afterwards.
    fn add_traffic(
        &mut self,
        subject: &Subject,
        arrives: DateTime<Utc>,
        (clicks, impressions, click_cost): (i64, i64, i64),
        rng: &mut ChaCha8Rng,
    ) {
        let text = |id: &str, clicks, impressions| {
            subject.traffic(id, clicks, impressions, &money(clicks * click_cost))
        };
        let message = Message {
            arrives,
            text: text(&uuid(rng), clicks, impressions),
        };
        if rng.random_bool(0.02) {
            let arrives = arrives + TimeDelta::minutes(rng.random_range(1..600));
            self.traffic.push(Message {
                arrives,
                text: message.text.clone(),
            });
        }
        if clicks > 0 && rng.random_bool(0.03) {
            let arrives = arrives + TimeDelta::hours(rng.random_range(20..70));
            self.traffic.push(Message {
                arrives,
                text: text(&uuid(rng), -1, 0),
            });
        }
        if rng.random_bool(0.01) {
            let arrives = arrives + TimeDelta::hours(rng.random_range(1..20));
            self.traffic.push(Message {
                arrives,
                text: text(&uuid(rng), clicks, impressions),
            });
        }
        self.traffic.push(message);
    }

    fn plant_odd_ones(&mut self, options: &Options, story: &mut Vec<String>, rng: &mut ChaCha8Rng) {
        let noon = options.start.and_time(Default::default()).and_utc() + TimeDelta::hours(12);
        let subject = Subject::any(&ADVERTISERS[0], noon, rng);
        let arrives = noon + TimeDelta::minutes(90);
        let id = uuid(rng);
        self.traffic.push(Message {
            arrives,
            text: subject.traffic(&id, 4, 100, "1E1"),
        });
        story.push(format!("sp-traffic message {id} writes its cost as 1E1"));
        let id = uuid(rng);
        let late = arrives + TimeDelta::minutes(25);
        self.traffic.push(Message {
            arrives,
            text: subject.traffic(&id, 3, 10, "2.25"),
        });
        self.traffic.push(Message {
            arrives: late,
            text: subject.traffic(&id, 3, 10, "2.25"),
        });
        story.push(format!("sp-traffic message {id} came twice"));
        let id = uuid(rng);
        self.traffic.push(Message {
            arrives: late,
            text: subject.traffic(&id, -1, 0, "-0.75"),
        });
        story.push(format!("sp-traffic message {id} takes a click back"));
        let nameless = subject
            .traffic("", 1, 5, "0.50")
            .replacen("\"idempotency_id\":\"\",", "", 1);
        self.traffic.push(Message {
            arrives: late,
            text: nameless,
        });
        story.push(format!(
            "an sp-traffic message about {noon} has no idempotency_id"
        ));
        let at = |hour: i64| noon + TimeDelta::hours(hour - 12);
        story.push(format!(
            "the hour {} has traffic and no conversions",
            at(HOUR_WITHOUT_CONVERSIONS)
        ));
        story.push(format!(
            "the hour {} has conversions and no traffic",
            at(HOUR_WITHOUT_TRAFFIC)
        ));
    }
}

/// Four versions of every campaign; of one the third comes before the second, of another the first comes twice.
fn campaigns(options: &Options, story: &mut Vec<String>) -> Vec<Message> {
    let start = options.start.and_time(Default::default()).and_utc();
    let mut messages = Vec::new();
    for advertiser in ADVERTISERS {
        for index in 0..advertiser.campaigns.len() {
            let changed =
                |version: i64| start + TimeDelta::minutes(20 + 50 * index as i64 + (version - 1) * 7 * 60);
            for version in 1..=4 {
                let text = campaign(advertiser, index, version, changed(1), changed(version));
                let detour = if index == 0 && version == 2 {
                    TimeDelta::hours(9)
                } else {
                    TimeDelta::minutes(2)
                };
                let message = Message {
                    arrives: changed(version) + detour,
                    text,
                };
                if index == 1 && version == 1 {
                    let arrives = message.arrives + TimeDelta::hours(3);
                    messages.push(Message {
                        arrives,
                        ..message.clone()
                    });
                }
                messages.push(message);
            }
        }
        story.push(format!(
            "campaign {}: version 3 comes before version 2",
            advertiser.campaigns[0].0
        ));
    }
    messages
}
