//! Events that come twice, late, broken or from elsewhere.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::busy;
use crate::Options;
use crate::events::{Event, SANDBOX, event};
use crate::message::uuid;

/// Troubles of events. Passwords of events that are added go to `passwords`.
pub(in super::super) fn plant_in_events(
    options: &Options,
    events: &mut Vec<Event>,
    passwords: &mut Vec<String>,
    story: &mut Vec<String>,
    rng: &mut ChaCha8Rng,
) {
    repeat(options, events, story, rng);
    delay(options, events, story);
    if let Some(password) = passwords.first() {
        story.push(format!(
            "a return of {} comes with the one-time password {password}, which nobody may keep",
            options.start
        ));
    }
    let noon = busy(options.start, 9);
    let order = json!({"orderId": uuid(rng), "locationId": uuid(rng)});
    let mut sandbox = event("Orders.Created", noon, order, rng);
    sandbox.message["account"] = json!(SANDBOX);
    story.push(format!("event {} is from the sandbox", id(&sandbox)));
    events.push(sandbox);

    let status = json!({"status": "HANDED_TO_DRONE"});
    let order = json!({"orderId": uuid(rng), "locationId": uuid(rng), "metadata": status});
    let unknown = event("Orders.Updated", noon + TimeDelta::minutes(20), order, rng);
    story.push(format!(
        "event {} has a state that nobody documented",
        id(&unknown)
    ));
    events.push(unknown);

    let password = rng.random_range(100_000..1_000_000).to_string();
    let nameless = json!({"returnLocationId": uuid(rng), "otp": password});
    let nameless = event(
        "Returns.OutForDelivery",
        noon + TimeDelta::minutes(40),
        nameless,
        rng,
    );
    story.push(format!(
        "event {} has a one-time password and no return: it is rejected, and not even so may the password be kept",
        id(&nameless)
    ));
    passwords.push(password);
    events.push(nameless);

    let mut sellerless = event("Orders.Created", noon, json!({"orderId": uuid(rng)}), rng);
    if let Some(detail) = sellerless.message["detail"].as_object_mut() {
        detail.remove("merchantId");
    }
    story.push(format!("event {} has no seller", id(&sellerless)));
    events.push(sellerless);
}

/// Some events are delivered again, with the id that they had.
fn repeat(options: &Options, events: &mut Vec<Event>, story: &mut Vec<String>, rng: &mut ChaCha8Rng) {
    let mut copies = Vec::new();
    for one in events.iter().filter(|one| one.arrives < options.end()) {
        if rng.random_bool(0.04) {
            copies.push(Event {
                arrives: one.arrives + TimeDelta::minutes(rng.random_range(1..300)),
                ..one.clone()
            });
        }
    }
    if let Some(copy) = copies.iter().find(|copy| copy.arrives < options.end()) {
        story.push(format!("event {} came twice", id(copy)));
    }
    events.extend(copies);
}

/// The first order that was packed tells so after it was shipped.
fn delay(options: &Options, events: &mut [Event], story: &mut Vec<String>) {
    let since = busy(options.start, 0);
    let packed = |one: &&mut Event| {
        let status = &one.message["detail"]["metadata"]["status"];
        status == "PACKAGE_CREATED" && arrived(one, since)
    };
    if let Some(one) = events.iter_mut().find(packed) {
        one.arrives += TimeDelta::hours(9);
        story.push(format!("event {} comes in nine hours after it happened", id(one)));
    }
}

fn arrived(one: &Event, since: DateTime<Utc>) -> bool {
    (since..since + TimeDelta::hours(12)).contains(&one.arrives)
}

fn id(event: &Event) -> &str {
    event.message["id"].as_str().unwrap_or_default()
}
