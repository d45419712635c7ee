//! Notices on a topic of SNS: one message per table and run, with attributes that subscribers filter by.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws::{LIMIT, Message, Topic};
use futures::stream::{self, StreamExt};
use pipeline::report::{News, Outcome};
use serde_json::{Value, json};

use super::{Around, LISTS, Notice};

/// Tables of which messages are under way at the same time.
const AT_ONCE: usize = 8;

/// Publishes news and gives the places of those that are published; an error where some are not.
pub(super) async fn tell(topic: &Topic, news: &[&News], around: Around<'_>) -> (Vec<usize>, Result<()>) {
    let tables = by_table(news);
    let tables = tables
        .values()
        .map(|runs| tell_of_table(topic, news, runs, around));
    let told: Vec<_> = stream::iter(tables).buffer_unordered(AT_ONCE).collect().await;
    let (mut published, mut result) = (Vec::new(), Ok(()));
    for (places, of_table) in told {
        published.extend(places);
        result = result.and(of_table);
    }
    (published, result)
}

/// Places of news, by table, and there by run; what is late is told apart.
fn by_table<'a>(news: &[&'a News]) -> BTreeMap<&'a str, Vec<Vec<usize>>> {
    let is_late = |news: &News| news.table.outcome == Outcome::Late;
    let mut tables: BTreeMap<&str, Vec<Vec<usize>>> = BTreeMap::new();
    for (place, one) in news.iter().enumerate() {
        let runs = tables.entry(&one.table.table).or_default();
        let same = |places: &&mut Vec<usize>| {
            let first = news[places[0]];
            first.run == one.run && is_late(first) == is_late(one)
        };
        match runs.iter_mut().find(same) {
            Some(places) => places.push(place),
            None => runs.push(vec![place]),
        }
    }
    tables
}

/// Publishes what runs left of one table, one after another: where one cannot be, a later one would come before it.
async fn tell_of_table(
    topic: &Topic,
    news: &[&News],
    runs: &[Vec<usize>],
    around: Around<'_>,
) -> (Vec<usize>, Result<()>) {
    let mut told = Vec::new();
    for places in runs {
        let of_run: Vec<&News> = places.iter().map(|place| news[*place]).collect();
        if let Err(error) = publish(topic, &of_run, around).await {
            return (told, Err(error));
        }
        told.extend(places);
    }
    (told, Ok(()))
}

async fn publish(topic: &Topic, news: &[&News], around: Around<'_>) -> Result<()> {
    let Some(merged) = merged(news) else { return Ok(()) };
    let mut notice = Notice::of(&merged, around);
    notice.ids = news.iter().map(|news| news.id.as_str()).collect();
    let table = merged.table.table.as_str();
    let source = table.split('.').next().unwrap_or_default();
    let attributes = [
        ("source", source),
        ("table", table),
        ("outcome", merged.table.outcome.as_str()),
    ];
    let notice = serde_json::to_value(&notice).context("a notice cannot be written down")?;
    let body = within_limit(notice, |body| {
        let message = Message {
            body,
            attributes: &attributes,
            group: table,
            id: &merged.id,
        };
        message.size() <= LIMIT
    });
    let message = Message {
        body: &body,
        attributes: &attributes,
        group: table,
        id: &merged.id,
    };
    let what = || format!("{table} is not told to subscribers; the next run tells it");
    topic.publish(&message).await.with_context(what)
}

/// What a run left to be told of a table as one, under the id of the last. Its outcome is that which weighs most.
fn merged(news: &[&News]) -> Option<News> {
    let (last, before) = news.split_last()?;
    let mut merged = (*last).clone();
    let report = &mut merged.table;
    let mut messages: Vec<String> = Vec::new();
    for one in before {
        report.outcome = report.outcome.max(one.table.outcome);
        report.batches += one.table.batches;
        report.version = report.version.max(one.table.version);
        report.counts.add(&one.table.counts);
        report.late_objects += one.table.late_objects;
        report.over_budget |= one.table.over_budget;
        report.millis += one.table.millis;
        messages.extend(one.table.messages.clone());
        merged.parts.extend(one.parts.clone());
        merged.late_periods.extend(one.late_periods.clone());
    }
    messages.append(&mut report.messages);
    for message in messages {
        if !report.messages.contains(&message) {
            report.messages.push(message);
        }
    }
    merged.parts.sort();
    merged.parts.dedup();
    merged.late_periods.sort();
    merged.late_periods.dedup();
    Some(merged)
}

/// The text of a notice from which the longest lists were taken until it fits; it says which, and how long they were.
fn within_limit(mut notice: Value, fits: impl Fn(&str) -> bool) -> String {
    loop {
        let body = text(&notice);
        if fits(&body) {
            return body;
        }
        let length = |list: &&&str| text(&notice[**list]).len();
        let is_there = |list: &&&str| notice[**list].as_array().is_some_and(|list| !list.is_empty());
        let Some(longest) = LISTS.iter().filter(is_there).max_by_key(length) else {
            // Everything else is a handful of names and numbers.
            return body;
        };
        let left_out = notice[*longest].as_array().map_or(0, Vec::len);
        notice[*longest] = json!([]);
        notice["left_out"][*longest] = left_out.into();
    }
}

/// JSON in characters that SNS and SQS take: they know no two of those that are none.
fn text(value: &Value) -> String {
    let text = value.to_string();
    match text.contains(['\u{fffe}', '\u{ffff}']) {
        true => text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{around, news, run};
    use super::*;

    #[test]
    fn batches_of_a_run_are_one_message_under_the_id_of_the_last() {
        let mut first = news(Outcome::PartlyQuarantined, 3);
        first.parts = vec!["day=2026-03-02".to_owned()];
        let mut second = news(Outcome::Updated, 4);
        second.parts = vec!["day=2026-03-01".to_owned(), "day=2026-03-02".to_owned()];
        let merged = merged(&[&first, &second]).unwrap();
        assert_eq!(merged.id, second.id);
        let table = &merged.table;
        assert_eq!(
            (
                table.outcome,
                table.batches,
                table.version,
                table.counts.rows_inserted
            ),
            (Outcome::PartlyQuarantined, 2, Some(4), 10)
        );
        assert_eq!(merged.parts, ["day=2026-03-01", "day=2026-03-02"]);
        assert_eq!(table.messages, ["two\nlines"]);
    }

    #[test]
    fn runs_and_what_is_late_are_told_apart_and_in_their_order() {
        let mut other = news(Outcome::Updated, 5);
        other.run = "r-2".to_owned();
        let (first, late, last) = (
            news(Outcome::Updated, 3),
            news(Outcome::Late, 0),
            news(Outcome::Failed, 6),
        );
        let all = [&first, &other, &late, &last];
        assert_eq!(by_table(&all)["jwo.orders"], [vec![0, 3], vec![1], vec![2]]);
    }

    #[test]
    fn a_message_that_is_too_long_leaves_out_its_longest_lists_and_says_so() {
        let mut long = news(Outcome::Updated, 3);
        long.parts = (0..20_000)
            .map(|part| format!("day=2026-03-01/store={part:06}"))
            .collect();
        long.table.messages = vec!["short".to_owned()];
        let notice = serde_json::to_value(Notice::of(&long, around(&run("r-9"), None))).unwrap();
        let body = within_limit(notice.clone(), |body| body.len() <= LIMIT);
        assert!(body.len() <= LIMIT);
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["left_out"], json!({ "parts": 20_000 }));
        assert_eq!(
            (&told["parts"], &told["messages"]),
            (&json!([]), &json!(["short"]))
        );
        // Where nothing is too long nothing is missing.
        let all = within_limit(notice.clone(), |_| true);
        assert_eq!(serde_json::from_str::<Value>(&all).unwrap(), notice);
        // What cannot be made to fit ends, too.
        let nothing = within_limit(notice, |_| false);
        let nothing: Value = serde_json::from_str(&nothing).unwrap();
        assert_eq!(
            nothing["left_out"],
            json!({ "parts": 20_000, "messages": 1, "ids": 1 })
        );
    }

    #[test]
    fn characters_that_are_none_are_escaped() {
        let value = json!({ "messages": ["a\u{ffff}b\u{fffe}\u{1}"] });
        let body = text(&value);
        assert_eq!(body, r#"{"messages":["a\uffffb\ufffe\u0001"]}"#);
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), value);
    }
}
