//! Messages as Firehose lands them: objects by the hour of arrival, written in one of several ways.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::message::{Message, enveloped, uuid};
use super::{Options, RawObject, gzip};

/// How the messages of an object are written one after another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writing {
    Lines,
    BlankLines,
    Concatenated,
    Enveloped,
    Gzip,
}

/// Objects of twenty minutes of arrivals each; what arrives after the last day has not been delivered yet.
pub(super) fn objects(
    dataset: &str,
    messages: Vec<Message>,
    options: &Options,
    story: &mut Vec<String>,
    rng: &mut ChaCha8Rng,
) -> Vec<RawObject> {
    let mut slots: BTreeMap<i64, Vec<Message>> = BTreeMap::new();
    for message in messages
        .into_iter()
        .filter(|message| message.arrives < options.end())
    {
        slots
            .entry(message.arrives.timestamp() / 1200)
            .or_default()
            .push(message);
    }
    let mut told = BTreeSet::from([Writing::Lines]);
    let mut broken = dataset != "sp-traffic";
    let mut objects = Vec::new();
    for messages in slots.values_mut() {
        messages.sort_by_key(|message| message.arrives);
        let first = messages[0].arrives;
        let writing = match rng.random_range(0..12) {
            0 => Writing::BlankLines,
            1 => Writing::Concatenated,
            2 => Writing::Enveloped,
            3 => Writing::Gzip,
            _ => Writing::Lines,
        };
        let path = format!(
            "ams/{dataset}/year={}/amz-stream-{dataset}-1-{}-{}",
            first.format("%Y/month=%m/day=%d/hour=%H"),
            first.format("%Y-%m-%d-%H-%M-%S"),
            uuid(rng)
        );
        let mut bytes = write(dataset, messages, writing, rng);
        if writing == Writing::Lines && !broken {
            bytes.extend(b"{\"idempotency_id\":\"broken\",\"dataset_id\":\"sp-traffic\",\"clicks\":3,\n");
            story.push(format!("{path} ends in a message that is not JSON"));
            broken = true;
        }
        if told.insert(writing) {
            story.push(format!("{path} {}", describe(writing)));
        }
        let delivered = first + TimeDelta::minutes(21);
        objects.push(RawObject {
            path,
            bytes,
            delivered,
        });
    }
    objects
}

fn write(dataset: &str, messages: &[Message], writing: Writing, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let end = match writing {
        Writing::Concatenated => "",
        Writing::BlankLines => "\n\n",
        Writing::Lines | Writing::Enveloped | Writing::Gzip => "\n",
    };
    let mut text = String::new();
    for message in messages {
        if writing == Writing::Enveloped {
            text.push_str(&enveloped(message, dataset, &uuid(rng)));
        } else {
            text.push_str(&message.text);
        }
        text.push_str(end);
    }
    if writing == Writing::Gzip {
        gzip(text.as_bytes())
    } else {
        text.into_bytes()
    }
}

fn describe(writing: Writing) -> &'static str {
    match writing {
        Writing::Lines => "has a message a line",
        Writing::BlankLines => "has blank lines between its messages",
        Writing::Concatenated => "has no line ends between its messages",
        Writing::Enveloped => "has its messages in SNS envelopes",
        Writing::Gzip => "is gzip, though its name does not say so",
    }
}
