//! The Smart Connect part of the raw zone: what happens to the orders and returns of an Indian seller, event by event.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use pipeline::account::Account;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::message::uuid;
use super::{Options, RawObject, at_local, troubles};

const ALIAS: &str = "deccan_lights";
const MERCHANT: &str = "A3DECCANLIGHTS";
const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Kolkata;
/// AWS accounts from which Smart Connect sends.
const PRODUCTION: &str = "096882763573";
pub(super) const SANDBOX: &str = "227455371037";
const LOCATIONS: [&str; 2] = [
    "6e0f5a38-2c1d-4b7e-9a44-0d1f8c2b7a10",
    "b21c7d94-5f3a-4e08-8c6d-73e9a0f4c522",
];
/// What is said of an order on its way, and about how many minutes after it was made.
const WAY: [(&str, i64); 6] = [
    ("CREATED", 0),
    ("CONFIRMED", 12),
    ("PACKAGE_CREATED", 50),
    ("INVOICE_GENERATED", 55),
    ("SHIPLABEL_GENERATED", 58),
    ("SHIPPED", 300),
];

/// One event and when it comes in.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) arrives: DateTime<Utc>,
    pub(super) message: Value,
}

/// What was made.
pub(super) struct Made {
    pub(super) objects: Vec<RawObject>,
    /// One-time passwords that are in the objects.
    pub(super) passwords: Vec<String>,
}

/// The one account that all events belong to.
pub(super) fn account(since: NaiveDate) -> Account {
    Account {
        zone: ZONE,
        since: Some(since),
        currency: Some("INR".to_owned()),
        marketplaces: vec!["A21TJRUUN4KGV".to_owned()],
        ..Account::unconfigured("yojaka", ALIAS)
    }
}

/// Makes all events, with troubles.
pub(super) fn make(options: &Options, story: &mut Vec<String>) -> Made {
    let mut rng = options.rng("yojaka");
    let mut events = Vec::new();
    let mut passwords = Vec::new();
    for day in options.all_days() {
        for _ in 0..rng.random_range(18..26) * options.scale {
            add_order(day, &mut events, &mut rng);
        }
        for _ in 0..rng.random_range(3..5) * options.scale {
            passwords.push(add_return(day, &mut events, &mut rng));
        }
        events.push(capacity(day, &mut rng));
    }
    troubles::plant_in_events(options, &mut events, &mut passwords, story, &mut rng);
    Made {
        objects: objects(events, options, &mut rng),
        passwords,
    }
}

/// An event that comes in some seconds after it happened.
pub(super) fn event(kind: &str, at: DateTime<Utc>, mut detail: Value, rng: &mut ChaCha8Rng) -> Event {
    let topic = kind.split('.').next().unwrap_or(kind).to_lowercase();
    detail["merchantId"] = json!(MERCHANT);
    Event {
        arrives: at + TimeDelta::seconds(rng.random_range(2..90)),
        message: json!({
            "version": "0",
            "id": uuid(rng),
            "detail-type": kind,
            "source": format!("com.amazon.yojaka.{topic}"),
            "account": PRODUCTION,
            "time": at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": "eu-west-1",
            "resources": [],
            "detail": detail,
        }),
    }
}

/// The events of one order: updates repeat what the other types say.
fn add_order(day: NaiveDate, events: &mut Vec<Event>, rng: &mut ChaCha8Rng) {
    let made = at_local(ZONE, day, rng.random_range(8 * 3600..22 * 3600));
    let detail = json!({
        "orderId": uuid(rng),
        "locationId": LOCATIONS[rng.random_range(0..LOCATIONS.len())],
    });
    let updated = |status: &str, at, rng: &mut ChaCha8Rng| {
        let mut detail = detail.clone();
        detail["metadata"] = json!({"status": status, "processingSource": "EXTERNAL_PLATFORM"});
        event("Orders.Updated", at, detail, rng)
    };
    let fate = rng.random_range(0..25);
    if fate == 0 {
        events.push(event("Orders.Unfulfillable", made, detail, rng));
        return;
    }
    events.push(event("Orders.Created", made, detail.clone(), rng));
    let steps = if fate < 3 { 2 } else { WAY.len() };
    let mut at = made;
    for (status, minutes) in &WAY[..steps] {
        let slack = if *minutes == 0 {
            0
        } else {
            rng.random_range(0..600)
        };
        at = made + TimeDelta::minutes(*minutes) + TimeDelta::seconds(slack);
        events.push(updated(status, at, rng));
    }
    let (kind, status, later) = if fate < 3 {
        ("Orders.Cancelled", "CANCELLED", rng.random_range(5..40))
    } else {
        (
            "Orders.Delivered",
            "DELIVERED",
            rng.random_range(18 * 60..60 * 60),
        )
    };
    let ended = at + TimeDelta::minutes(later);
    events.push(event(kind, ended, detail.clone(), rng));
    events.push(updated(status, ended + TimeDelta::seconds(2), rng));
}

/// The events of one return; the password for its handover is the result.
fn add_return(day: NaiveDate, events: &mut Vec<Event>, rng: &mut ChaCha8Rng) -> String {
    let made = at_local(ZONE, day, rng.random_range(8 * 3600..12 * 3600));
    let detail = json!({
        "returnId": uuid(rng),
        "returnLocationId": LOCATIONS[rng.random_range(0..LOCATIONS.len())],
    });
    let with = |field: &str, value: Value| {
        let mut detail = detail.clone();
        detail[field] = value;
        detail
    };
    let password = rng.random_range(100_000..1_000_000).to_string();
    let out = made + TimeDelta::hours(6);
    let status = json!({"returnStatus": "CARRIER_NOTIFIED_TO_PICK_UP_FROM_CUSTOMER"});
    let tracking =
        json!({"reverseLegTrackingId": format!("AWB{}", &password[..4]), "carrierName": "Deccan Express"});
    let soon = TimeDelta::minutes(rng.random_range(5..90));
    events.push(event("Returns.Created", made, detail.clone(), rng));
    events.push(event(
        "Returns.Updated",
        made + soon,
        with("metadata", status),
        rng,
    ));
    events.push(event(
        "Returns.Replanned",
        made + soon + soon,
        with("returnTrackingInfo", tracking),
        rng,
    ));
    // It is said twice that the parcel is on its way: first without the password.
    events.push(event("Returns.OutForDelivery", out, detail.clone(), rng));
    events.push(event(
        "Returns.OutForDelivery",
        out + soon,
        with("otp", json!(password)),
        rng,
    ));
    password
}

fn capacity(day: NaiveDate, rng: &mut ChaCha8Rng) -> Event {
    let limit =
        |limit: i64| json!({"pendingLimit": limit, "channelName": "FBA", "marketplaceName": "AMAZON_IN"});
    let limits = json!([{LOCATIONS[0]: limit(2_147_483_647)}, {LOCATIONS[1]: limit(40)}]);
    event(
        "Locations.Capacity",
        at_local(ZONE, day, 7 * 3600),
        json!({"locationDetails": limits}),
        rng,
    )
}

/// Objects by the hour of arrival, events one after another without anything between them; what arrives after the
/// last day has not been delivered yet.
fn objects(events: Vec<Event>, options: &Options, rng: &mut ChaCha8Rng) -> Vec<RawObject> {
    let mut hours: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
    let since = options.start.and_time(Default::default()).and_utc();
    for event in events {
        if (since..options.end()).contains(&event.arrives) {
            hours
                .entry(event.arrives.timestamp() / 3600)
                .or_default()
                .push(event);
        }
    }
    let mut objects = Vec::new();
    for events in hours.values_mut() {
        events.sort_by_key(|event| event.arrives);
        let first = events[0].arrives;
        let texts: Vec<String> = events.iter().map(|event| event.message.to_string()).collect();
        objects.push(RawObject {
            path: format!(
                "yojaka/{ALIAS}/{}/smart-connect-1-{}-{}",
                first.format("%Y/%m/%d/%H"),
                first.format("%Y-%m-%d-%H-%M-%S"),
                uuid(rng)
            ),
            bytes: texts.concat().into_bytes(),
            delivered: first + TimeDelta::minutes(61),
        });
    }
    objects
}
