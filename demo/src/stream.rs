//! The Amazon Marketing Stream part of the raw zone: additive messages about hours, and campaigns.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use pipeline::account::Account;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::firehose::objects;
use super::message::{Message, campaign, uuid};
use super::order::money;
use super::trade::{ADVERTISERS, HOUR_WITHOUT_CONVERSIONS, HOUR_WITHOUT_TRAFFIC, Subject, Trade, Traffic};
use super::{Options, RawObject};

/// The one account that all stream messages belong to.
pub(super) fn account(since: NaiveDate) -> Account {
    Account {
        since: Some(since),
        marketplaces: ADVERTISERS
            .iter()
            .map(|advertiser| advertiser.marketplace_id.to_owned())
            .collect(),
        ..Account::unconfigured("ams", "marketing_stream")
    }
}

/// The objects of every dataset.
pub(super) fn make(trades: &[Trade], options: &Options, story: &mut Vec<String>) -> [Vec<RawObject>; 3] {
    let mut rng = options.rng("stream");
    let traffic = traffic(trades, options, story, &mut rng);
    let conversions = conversions(trades, options, story, &mut rng);
    [
        objects("sp-traffic", traffic, options, story, &mut rng),
        objects("sp-conversion", conversions, options, story, &mut rng),
        objects("campaigns", campaigns(options, story), options, story, &mut rng),
    ]
}

/// The first instant of the first day: what was known before belongs to nobody who subscribed then.
fn subscribed(options: &Options) -> DateTime<Utc> {
    options.start.and_time(Default::default()).and_utc()
}

fn traffic(
    trades: &[Trade],
    options: &Options,
    story: &mut Vec<String>,
    rng: &mut ChaCha8Rng,
) -> Vec<Message> {
    let mut messages = Vec::new();
    let (mut exponent, mut taken_back, mut twice) = (false, false, false);
    let since = subscribed(options);
    for one in trades.iter().flat_map(|trade| &trade.traffic) {
        if one.known < since || one.known >= options.end() {
            continue;
        }
        let id = uuid(rng);
        let mut cost = money(one.cost);
        if !exponent && one.cost > 0 {
            (exponent, cost) = (true, format!("{}E-2", one.cost));
            story.push(format!("sp-traffic message {id} writes its cost as {cost}"));
        }
        if !taken_back && one.clicks < 0 {
            taken_back = true;
            story.push(format!("sp-traffic message {id} takes a click back"));
        }
        let text = message(one, &id, &cost);
        if rng.random_bool(0.02) {
            let arrives = one.known + TimeDelta::minutes(rng.random_range(1..600));
            let again = arrives < options.end();
            if again && !twice {
                twice = true;
                story.push(format!("sp-traffic message {id} came twice"));
            }
            messages.push(Message {
                arrives,
                text: text.clone(),
            });
        }
        messages.push(Message {
            arrives: one.known,
            text,
        });
    }
    messages.push(nameless(options, story, rng));
    story.push(format!(
        "the hour {} has traffic and no conversions",
        since + TimeDelta::hours(HOUR_WITHOUT_CONVERSIONS)
    ));
    story.push(format!(
        "the hour {} has conversions and no traffic",
        since + TimeDelta::hours(HOUR_WITHOUT_TRAFFIC)
    ));
    messages
}

fn message(one: &Traffic, id: &str, cost: &str) -> String {
    one.subject.traffic(id, one.clicks, one.impressions, cost)
}

fn conversions(
    trades: &[Trade],
    options: &Options,
    story: &mut Vec<String>,
    rng: &mut ChaCha8Rng,
) -> Vec<Message> {
    let since = subscribed(options);
    let conversions = trades.iter().flat_map(|trade| &trade.conversions);
    let delivered: Vec<_> = conversions.filter(|one| one.known >= since).collect();
    if let Some(one) = delivered
        .iter()
        .find(|one| one.window == 2 && one.known < options.end())
    {
        story.push(format!(
            "a click of {} led to a purchase in its second week: the stream, which began later, never told of it",
            one.subject.hour
        ));
    }
    let messages = delivered.into_iter().map(|one| Message {
        arrives: one.known,
        text: one.message(&uuid(rng)),
    });
    messages.collect()
}

/// A message that nobody can tell from its copies.
fn nameless(options: &Options, story: &mut Vec<String>, rng: &mut ChaCha8Rng) -> Message {
    let noon = subscribed(options) + TimeDelta::hours(12);
    let subject = Subject::any(&ADVERTISERS[0], noon, rng);
    story.push(format!(
        "an sp-traffic message about {noon} has no idempotency_id"
    ));
    Message {
        arrives: noon + TimeDelta::minutes(115),
        text: subject
            .traffic("", 1, 5, "0.50")
            .replacen("\"idempotency_id\":\"\",", "", 1),
    }
}

/// Four versions of every campaign; of one the third comes before the second, of another the first comes twice.
fn campaigns(options: &Options, story: &mut Vec<String>) -> Vec<Message> {
    let start = subscribed(options);
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
