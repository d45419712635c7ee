//! The sources that come through queues. A message is gone once what it says lies in the raw zone, whenever the program dies.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{SecondsFormat, Utc};
use fakes::http::{self, Answer};
use marketlake_tests::s3::{Fault, Messages, Proxy, S3Lake, Server, Waiting};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::s3::{LAKE, THEIRS, ministack};
use crate::schemas::is_valid;

/// How long anything is waited for that comes soon.
const PATIENCE: Duration = Duration::from_secs(60);
const NOTHING: Waiting = Waiting {
    visible: 0,
    hidden: 0,
};
const DELETES: &str = "AmazonSQS.DeleteMessageBatch";
/// What nobody may read anywhere.
const OTP: &str = "zq7xotp4711";
const HEADER: &str = "order_id,order_date,store_id,order_status,order_total,currency_code\n";

struct Here {
    server: Server,
    proxy: Proxy,
    lake: S3Lake,
    runtime: Runtime,
    /// Topics, as far as confirmations go.
    topics: http::Server,
}

impl Here {
    fn new() -> Result<Self> {
        let server = ministack(&[LAKE, THEIRS])?;
        server.keep_versions(THEIRS.0)?;
        let proxy = Proxy::before(server.address(), None)?;
        let messages = server.messages();
        for queue in ["reports", "stream", "events", "dead"] {
            messages.queue(queue, 30)?;
        }
        let at = |queue: &str| format!("{}/000000000000/{queue}", proxy.uri());
        let (reports, stream, events, dead) = (at("reports"), at("stream"), at("events"), at("dead"));
        let configuration = format!(
            r#"
            account = [{{ alias = "corner", source = "jwo" }}]
            [acquire]
            verify_signatures = false
            visibility = "5s"
            [[acquire.jwo]]
            account = "corner"
            queue = "{reports}"
            dead_letters = "{dead}"
            bucket = "theirs"
            region = "eu-west-2"
            [[acquire.ams.queue]]
            url = "{stream}"
            dead_letters = "{dead}"
            [[acquire.yojaka]]
            account = "deccan"
            merchant_id = "A1"
            queue = "{events}"
            dead_letters = "{dead}"
            "#
        );
        let confirmed = "<ConfirmSubscriptionResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
             <ConfirmSubscriptionResult><SubscriptionArn>arn:aws:sns:us-east-1:1:t:s</SubscriptionArn></ConfirmSubscriptionResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ConfirmSubscriptionResponse>";
        Ok(Self {
            lake: S3Lake::new(&server, &proxy, &configuration)?,
            server,
            proxy,
            runtime: Runtime::new()?,
            topics: http::Server::start(move |_| Answer {
                body: confirmed.as_bytes().to_vec(),
                ..Answer::empty(200).with("content-type", "text/xml")
            }),
        })
    }

    fn messages(&self) -> Messages {
        self.server.messages()
    }

    fn queue(&self, name: &str) -> String {
        format!("{}/000000000000/{name}", self.proxy.uri())
    }

    fn send(&self, queue: &str, body: &str) -> Result<()> {
        self.messages().send(&self.queue(queue), body)
    }

    /// Puts an object into Amazon's bucket; its version.
    fn put(&self, key: &str, text: &str) -> Result<String> {
        let store = self.server.store(THEIRS.0, THEIRS.1)?;
        let put = self
            .runtime
            .block_on(store.put(&Path::from(key), text.to_owned().into()))?;
        put.version.context("the bucket keeps no versions")
    }

    /// What `acquire` says, and its exit code.
    fn acquire(&self, source: &str, code: i32) -> Result<Value> {
        let mut command = self.lake.command(&["acquire", source, "--quiet", "1s"]);
        command.env("AWS_ENDPOINT_URL_SNS", self.topics.url());
        let run = self.lake.ended(&mut command)?.exits_with(code)?;
        ensure!(
            !run.stderr.contains(OTP) && !run.stdout.contains(OTP),
            "a password was said"
        );
        let document = run.document()?;
        is_valid("acquire_messages", &document)?;
        Ok(document)
    }

    /// Kills `acquire` when it is about to delete messages, and waits until they can be received once more.
    fn dies_before_it_deletes(&self, source: &str, queue: &str, messages: u64) -> Result<()> {
        let deletes = Arc::new(AtomicBool::new(false));
        let seen = deletes.clone();
        self.proxy
            .judge(move |request| match request.asked() == Some(DELETES) {
                true => {
                    seen.store(true, Ordering::SeqCst);
                    Fault::CutWithin
                }
                false => Fault::None,
            });
        let mut command = self.lake.command(&["acquire", source, "--quiet", "1s"]);
        command.env("AWS_ENDPOINT_URL_SNS", self.topics.url());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let begin = Instant::now();
        while !deletes.load(Ordering::SeqCst) {
            ensure!(begin.elapsed() < PATIENCE, "nothing is deleted");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        self.proxy.judge(|_| Fault::None);
        while self.waiting(queue)?.visible < messages {
            ensure!(begin.elapsed() < PATIENCE, "{:?}", self.waiting(queue)?);
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn waiting(&self, queue: &str) -> Result<Waiting> {
        self.messages().waiting(&self.queue(queue))
    }

    /// Bodies of the dead letters.
    fn dead(&self) -> Result<Vec<String>> {
        let taken = self.messages().take(&self.queue("dead"))?;
        let bodies = taken
            .iter()
            .filter_map(|message| message["Body"].as_str().map(str::to_owned));
        Ok(bodies.collect())
    }

    /// Paths and texts below the raw root.
    fn raw(&self) -> Result<Vec<(String, String)>> {
        let raw = self.lake.delivered()?.into_iter();
        Ok(raw
            .map(|object| (object.key, String::from_utf8_lossy(&object.bytes).into_owned()))
            .collect())
    }

    /// How often objects of Amazon's bucket were asked for since the last look.
    fn asked_of_amazon(&self) -> usize {
        let seen = self.proxy.seen().into_iter();
        seen.filter(|request| request.method == "GET" && request.target.starts_with("/theirs/Order"))
            .count()
    }

    /// Rows, each a line of JSON.
    fn rows(&self, sql: &str) -> Result<Vec<Value>> {
        let run = self.lake.call(&["query", sql])?.exits_with(0)?;
        let rows = run.stdout.lines().map(serde_json::from_str);
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What a bucket says of an object.
fn event(key: &str, version: &str, sequencer: &str) -> String {
    let object = json!({ "key": key, "versionId": version, "sequencer": sequencer, "size": 1 });
    let s3 = json!({ "bucket": { "name": "theirs" }, "object": object });
    let record =
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:CompleteMultipartUpload", "s3": s3 });
    json!({ "Records": [record] }).to_string()
}

/// The envelope of SNS around a message.
fn envelope(message: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "34920377-24ac-5f27-8172-5dadc2dd506e",
        "TopicArn": "arn:aws:sns:us-east-1:906013806264:t", "Message": message,
        "Timestamp": "2026-03-01T10:00:00.000Z", "SignatureVersion": "1", "Signature": "x", "SigningCertURL": "x",
    })
    .to_string()
}

#[test]
fn what_queues_say_is_in_tables_once_whenever_the_program_dies() -> Result<()> {
    let here = Here::new()?;
    reports(&here)?;
    stream(&here)?;
    events(&here)?;
    for (path, text) in here.raw()? {
        ensure!(!text.contains(OTP), "{path} has a password");
    }
    here.lake.has_no_secrets()
}

fn reports(here: &Here) -> Result<()> {
    let (one, two) = (
        "Order/2026-03-01/07/ALL15.csv000",
        "Order/2026-03-01/07/ALL30.csv000",
    );
    let older = here.put(one, &format!("{HEADER}A-1,2026-03-01,S1,OPEN,10.00,USD\n"))?;
    let newer = here.put(one, &format!("{HEADER}A-1,2026-03-01,S1,OPEN,11.00,USD\n"))?;
    let other = here.put(two, &format!("{HEADER}A-2,2026-03-01,S1,OPEN,2.00,USD\n"))?;
    // Two versions, the older one told last; a message that comes twice; one without an envelope.
    here.send("reports", &envelope(&event(one, &newer, "0061")))?;
    here.send("reports", &event(two, &other, "0062"))?;
    here.dies_before_it_deletes("jwo", "reports", 2)?;
    assert_eq!(here.asked_of_amazon(), 2);
    here.send("reports", &envelope(&event(one, &older, "0060")))?;
    here.send("reports", &envelope(&event(two, &other, "0062")))?;
    here.send(
        "reports",
        &json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "theirs" }).to_string(),
    )?;
    here.send("reports", "no event")?;
    here.send(
        "reports",
        &event(one, &newer, "0061").replace("theirs", "elsewhere"),
    )?;
    let said = here.acquire("jwo", 3)?;
    let counts = &said["queues"][0]["counts"];
    for (count, wanted) in [
        ("messages", 7),
        ("known", 4),
        ("landed", 0),
        ("nothing", 1),
        ("dead_letters", 1),
        ("left", 1),
        ("deleted", 6),
    ] {
        assert_eq!(counts[count], wanted, "{count}: {said}");
    }
    assert_eq!(here.asked_of_amazon(), 0, "what lies there was asked for");
    assert_eq!(here.dead()?, ["no event"]);
    // What is for others is theirs when its time is over.
    let left = here.waiting("reports")?;
    assert_eq!(left.visible + left.hidden, 1, "{left:?}");
    let raw = here.raw()?;
    let paths: Vec<&str> = raw.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, [format!("jwo/corner/{one}"), format!("jwo/corner/{two}")]);
    ensure!(raw[0].1.contains("11.00"), "{raw:?}");

    // What no message told of is found by listing the day.
    here.put("Order/2026-03-01/08/ALL00.csv000", HEADER)?;
    let day = here
        .lake
        .call(&["acquire", "jwo", "--date", "2026-03-01"])?
        .exits_with(0)?;
    let day = day.document()?;
    assert_eq!(day["days"][0]["reports"], 3, "{day}");
    assert_eq!(
        day["queues"][0]["objects"].as_array().map(Vec::len),
        Some(1),
        "{day}"
    );
    assert_eq!(here.asked_of_amazon(), 1);

    here.lake
        .call(&["run", "jwo.orders", "--from", "2020-01-01"])?
        .takes_in()?;
    let orders = here.rows("SELECT order_id, order_total FROM jwo.orders ORDER BY order_id")?;
    let wanted = [
        json!({ "order_id": "A-1", "order_total": 11.0 }),
        json!({ "order_id": "A-2", "order_total": 2.0 }),
    ];
    assert_eq!(orders, wanted);
    Ok(())
}

fn stream(here: &Here) -> Result<()> {
    let message = |id: &str, clicks: i64| {
        json!({
            "idempotency_id": id, "dataset_id": "sp-traffic", "marketplace_id": "MP1", "currency": "USD",
            "advertiser_id": "ADV1", "campaign_id": "C1", "ad_group_id": "G1", "ad_id": "D1", "keyword_id": "K1",
            "keyword_text": "car", "match_type": "BROAD", "placement": "Other", "clicks": clicks, "impressions": 10,
            "time_window_start": "2026-03-01T01:00:00-08:00", "cost": 2.25,
        })
    };
    let pretty = serde_json::to_string_pretty(&message("a", 3))?;
    here.send("stream", &pretty)?;
    here.send("stream", &pretty)?;
    here.send("stream", &envelope(&message("b", -1).to_string()))?;
    here.dies_before_it_deletes("ams", "stream", 3)?;
    let topic = "arn:aws:sns:us-east-1:906013806264:sp-traffic";
    let confirmation = |topic: &str, host: &str| {
        let url = format!("https://{host}/?Action=ConfirmSubscription&TopicArn={topic}&Token=zq7xconfirm");
        json!({
            "Type": "SubscriptionConfirmation", "MessageId": "1", "Token": "zq7xconfirm", "TopicArn": topic,
            "Message": "You have chosen to subscribe", "SubscribeURL": url, "Timestamp": "2026-03-01T10:00:00.000Z",
            "SignatureVersion": "1", "Signature": "x", "SigningCertURL": "x",
        })
        .to_string()
    };
    here.send("stream", &confirmation(topic, "sns.us-east-1.amazonaws.com"))?;
    let strangers = topic.replace("906013806264", "111122223333");
    let forged = [
        confirmation(&strangers, "sns.us-east-1.amazonaws.com"),
        confirmation(topic, "sns.us-east-1.amazonaws.com.evil.example"),
        "hello".to_owned(),
    ];
    for body in &forged {
        here.send("stream", body)?;
    }
    let said = here.acquire("ams", 3)?;
    let counts = &said["queues"][0]["counts"];
    for (count, wanted) in [
        ("messages", 7),
        ("landed", 3),
        ("confirmed", 1),
        ("dead_letters", 3),
        ("deleted", 7),
    ] {
        assert_eq!(counts[count], wanted, "{count}: {said}");
    }
    assert_eq!(here.waiting("stream")?, NOTHING);
    let mut dead = here.dead()?;
    dead.sort();
    let mut wanted = forged.to_vec();
    wanted.sort();
    assert_eq!(dead, wanted);
    // One call of SNS, by token and topic; nothing else of the message was called.
    let asked = here.topics.asked();
    assert_eq!(asked.len(), 1);
    let form = String::from_utf8_lossy(&asked[0].request.body).into_owned();
    for part in ["Action=ConfirmSubscription", "Token=zq7xconfirm", "906013806264"] {
        ensure!(form.contains(part), "{form}");
    }
    // Who died had laid the same object down.
    let objects: Vec<(String, String)> = here
        .raw()?
        .into_iter()
        .filter(|(path, _)| path.starts_with("ams/"))
        .collect();
    for (path, text) in &objects {
        let parts: Vec<&str> = path.split('/').collect();
        let [_, "sp-traffic", year, month, day, hour, name] = parts[..] else {
            anyhow::bail!("{path}");
        };
        let is_folder = [(year, "year="), (month, "month="), (day, "day="), (hour, "hour=")];
        ensure!(
            is_folder.iter().all(|(folder, name)| folder.starts_with(name)),
            "{path}"
        );
        ensure!(name.starts_with("marketlake-1-"), "{path}");
        ensure!(
            text.lines()
                .all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object())),
            "{text}"
        );
    }
    here.lake
        .call(&["run", "ams.sp_traffic", "--from", "2020-01-01"])?
        .takes_in()?;
    let rows = here.rows("SELECT count(*) AS messages, sum(clicks) AS clicks FROM ams.sp_traffic")?;
    assert_eq!(rows, [json!({ "messages": 2, "clicks": 2 })]);
    Ok(())
}

fn events(here: &Here) -> Result<()> {
    // What is older than its table looks back for is no new event.
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let event = |id: &str, merchant: &str, kind: &str, detail: Value| {
        let mut event = json!({
            "version": "0", "id": id, "detail-type": kind, "source": "com.amazon.yojaka.orders", "account": "096882763573",
            "time": time, "region": "eu-west-1", "resources": [], "detail": detail,
        });
        event["detail"]["merchantId"] = merchant.into();
        event.to_string()
    };
    let order = json!({ "orderId": "O-1", "locationId": "L-1" });
    let back = json!({ "returnId": "R-1", "returnLocationId": "L-1", "otp": OTP });
    here.send("events", &event("e01", "A1", "Orders.Created", order.clone()))?;
    here.send(
        "events",
        &event("e02", "A1", "Returns.OutForDelivery", back.clone()),
    )?;
    here.dies_before_it_deletes("yojaka", "events", 2)?;
    here.send(
        "events",
        &event("e02", "A1", "Returns.OutForDelivery", back.clone()),
    )?;
    here.send("events", &event("e03", "A9", "Orders.Created", order))?;
    // No event, but a letter is written down somewhere, too.
    here.send("events", &json!({ "detail": back }).to_string())?;
    let said = here.acquire("yojaka", 3)?;
    let counts = &said["queues"][0]["counts"];
    for (count, wanted) in [
        ("messages", 5),
        ("landed", 3),
        ("left", 1),
        ("dead_letters", 1),
        ("deleted", 4),
    ] {
        assert_eq!(counts[count], wanted, "{count}: {said}");
    }
    let dead = here.dead()?;
    ensure!(
        dead.len() == 1 && dead[0].contains("R-1") && !dead[0].contains(OTP),
        "{dead:?}"
    );
    here.lake
        .call(&["run", "yojaka.events", "--from", "2020-01-01"])?
        .takes_in()?;
    let rows = here.rows("SELECT event_id, otp_present FROM yojaka.events ORDER BY event_id")?;
    let wanted = [
        json!({ "event_id": "e01", "otp_present": null }),
        json!({ "event_id": "e02", "otp_present": true }),
    ];
    assert_eq!(rows, wanted);
    Ok(())
}
