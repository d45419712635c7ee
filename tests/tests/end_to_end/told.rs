//! What subscribers hear of what went wrong, over the wire, and what becomes of it where the topic does not take it.

use std::fs;

use anyhow::{Context, Result, ensure};
use marketlake_tests::s3::{Fault, Messages, Proxy, Request, topic_arn};
use serde_json::{Value, json};

use crate::s3::{LAKE, ministack, visit, visits};

const VISITS: &str = "shop.visits";
const RUN: [&str; 2] = ["run", VISITS];

/// The notices that a queue got since the last look. Attributes and bodies of all agree.
fn notices(messages: &Messages, queue: &str) -> Result<Vec<Value>> {
    let mut notices = Vec::new();
    for message in messages.take(queue)? {
        let notice: Value = serde_json::from_str(message["Body"].as_str().context("no body")?)?;
        let attribute = |name: &str| message["MessageAttributes"][name]["StringValue"].clone();
        assert_eq!(
            (attribute("source"), attribute("table"), attribute("outcome")),
            (json!("shop"), json!(VISITS), notice["outcome"].clone()),
            "{message:#}"
        );
        notices.push(notice);
    }
    Ok(notices)
}

fn outcomes(notices: &[Value]) -> Vec<&str> {
    notices
        .iter()
        .filter_map(|notice| notice["outcome"].as_str())
        .collect()
}

fn refuses(is_meant: fn(&Request) -> bool, code: &'static str) -> impl FnMut(&Request) -> Fault + Send {
    move |request| match is_meant(request) {
        true => Fault::Refused(403, code),
        false => Fault::None,
    }
}

#[test]
fn what_went_wrong_is_told_to_subscribers_and_a_held_table_until_it_changes_once() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let proxy = Proxy::before(server.address(), None)?;
    let (topic, messages) = (topic_arn("notices"), server.messages());
    let lake = visits(&server, &proxy, &format!("notice_topic = \"{topic}\""))?;
    messages.topic("notices")?;
    let (all, wrong) = (messages.queue("all", 30)?, messages.queue("wrong", 30)?);
    messages.subscribe(&topic, &all, true, None)?;
    let filter = json!({ "outcome": ["failed", "held"] });
    messages.subscribe(&topic, &wrong, true, Some(&filter))?;

    // What the topic refuses waits for the next run, though that finds nothing new.
    lake.deliver(&[visit(1)])?;
    proxy.judge(refuses(
        |request| request.service() == Some("sns"),
        "AuthorizationError",
    ));
    let run = lake.call(&RUN)?.exits_with(1)?;
    assert_eq!(run.outcome(VISITS)?, "updated");
    ensure!(
        run.stderr.contains("sns:Publish") && run.stderr.contains("the next run tells it"),
        "{}",
        run.stderr
    );
    assert_eq!(messages.take(&all)?, Vec::<Value>::new());
    proxy.judge(|_| Fault::None);
    lake.call(&RUN)?.exits_with(0)?;
    let told = notices(&messages, &all)?;
    assert_eq!(
        (outcomes(&told), &told[0]["counts"]["rows_inserted"]),
        (vec!["updated"], &json!(1))
    );
    lake.call(&RUN)?.exits_with(0)?;
    assert_eq!(notices(&messages, &all)?, Vec::<Value>::new());

    // A table that stays held is told once, and again when it is held anew.
    let contract = lake.folder().join("sql/shop/visits.toml");
    let was = fs::read_to_string(&contract)?;
    for day in [2, 3] {
        fs::write(&contract, was.replace("decimal(10,1)", "decimal(12,2)"))?;
        lake.deliver(&[visit(day)])?;
        for heard in [vec!["held"], Vec::new(), Vec::new()] {
            lake.call(&RUN)?.exits_with(3)?;
            let told = notices(&messages, &all)?;
            assert_eq!(outcomes(&told), heard, "day {day}");
            for notice in &told {
                let why = notice["messages"].to_string();
                ensure!(
                    notice["attention"] == true && why.contains("minutes"),
                    "{notice:#}"
                );
            }
        }
        fs::write(&contract, &was)?;
        lake.call(&RUN)?.exits_with(0)?;
        assert_eq!(outcomes(&notices(&messages, &all)?), ["updated"]);
    }

    proxy.judge(refuses(
        |request| request.target.contains("prefix=prod%2Fraw"),
        "AccessDenied",
    ));
    lake.call(&RUN)?.exits_with(1)?;
    proxy.judge(|_| Fault::None);
    let told = notices(&messages, &all)?;
    let why = told[0]["messages"].to_string();
    ensure!(
        outcomes(&told) == ["failed"] && why.contains("s3:ListBucket"),
        "{told:#?}"
    );
    // Who asked for that alone heard nothing else.
    assert_eq!(outcomes(&notices(&messages, &wrong)?), ["held", "held", "failed"]);
    lake.has_no_secrets()
}
