//! Events of a bucket, and notices, over the wire: from an object that is put to the message in the queue of a subscriber.

use std::fs;
use std::path::Path as FilePath;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use marketlake_tests::Run;
use marketlake_tests::reports::{manifest, report};
use marketlake_tests::s3::{
    Fault, Messages, PASS, Proxy, Request, S3Lake, SECRET, Server, TOKEN, Waiting, topic_arn,
};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use pipeline::failpoint;
use serde_json::{Value, json};

use crate::s3::{LAKE, THEIRS, ministack, visit, visits};

/// How long anything is waited for that comes soon.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long messages are hidden that come back in a test.
const HIDDEN: Duration = Duration::from_secs(4);
const NOTHING: Waiting = Waiting {
    visible: 0,
    hidden: 0,
};

/// A lake of which the raw zone tells the topic `uploads`, which the queue `intake` is subscribed to.
struct Intake {
    server: Server,
    proxy: Proxy,
    lake: S3Lake,
    intake: String,
}

impl Intake {
    /// With more of a configuration; messages are hidden for so many seconds.
    fn new(more: &str, hides: u32) -> Result<Self> {
        let server = ministack(&[LAKE, THEIRS])?;
        let proxy = Proxy::before(server.address(), None)?;
        let lake = visits(&server, &proxy, more)?;
        let messages = server.messages();
        let uploads = messages.topic("uploads")?;
        let intake = messages.queue("intake", hides)?;
        messages.subscribe(&uploads, &intake, false, None)?;
        messages.notify(LAKE.0, "prod/raw/", &uploads)?;
        Ok(Self {
            server,
            proxy,
            lake,
            intake,
        })
    }

    fn messages(&self) -> Messages {
        self.server.messages()
    }

    fn run(&self) -> Result<Run> {
        self.run_with(&[])
    }

    fn run_with(&self, more: &[&str]) -> Result<Run> {
        self.lake
            .call(&[&["run", "--events", &self.intake], more].concat())
    }

    /// Sends what a bucket says of an object, without an envelope.
    fn send_event(&self, bucket: &str, key: &str) -> Result<()> {
        let event = json!({ "Records": [{
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key } },
        }] });
        self.messages().send(&self.intake, &event.to_string())
    }

    fn waiting(&self) -> Result<Waiting> {
        self.messages().waiting(&self.intake)
    }

    /// Waits until messages come back.
    fn come_back(&self, messages: u64) -> Result<()> {
        let begin = Instant::now();
        while self.waiting()?.visible < messages {
            ensure!(begin.elapsed() < PATIENCE, "{:?}", self.waiting()?);
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The days and guests of all visits, as text.
    fn rows(&self) -> Result<Vec<String>> {
        let tables = self.lake.fingerprints()?;
        let visits = tables.iter().find(|(name, _)| name == "shop.visits");
        let rows = visits.context("no visits")?.1.lines().skip(1);
        Ok(rows
            .filter_map(|row| row.rsplit(',').next().map(str::to_owned))
            .collect())
    }
}

fn events(run: &Run) -> Result<Value> {
    Ok(run.document()?["events"].clone())
}

/// What notices say that a subscriber got.
fn notices(messages: &Messages, queue: &str) -> Result<Vec<Value>> {
    let taken = messages.take(queue)?;
    let body = |message: &Value| -> Result<Value> {
        Ok(serde_json::from_str(
            message["Body"].as_str().context("no body")?,
        )?)
    };
    taken.iter().map(body).collect()
}

/// Fails unless the one message is a notice of the first visit, and Glue has the table that it names.
fn is_true_notice(server: &Server, told: &[Value]) -> Result<()> {
    let envelope: Value = serde_json::from_str(told[0]["Body"].as_str().context("no body")?)?;
    let notice: Value = serde_json::from_str(envelope["Message"].as_str().context("no message")?)?;
    assert_eq!(told.len(), 1, "{told:?}");
    for secret in [SECRET, TOKEN, PASS] {
        ensure!(!told[0].to_string().contains(secret), "{told:?}");
    }
    for (attribute, value) in [
        ("source", "shop"),
        ("table", "shop.visits"),
        ("outcome", "updated"),
    ] {
        assert_eq!(
            envelope["MessageAttributes"][attribute]["Value"], value,
            "{envelope}"
        );
    }
    assert_eq!(
        (&notice["schema"], &notice["table"], &notice["parts"]),
        (&json!(1), &json!("shop.visits"), &json!(["day=2026-03-01"]))
    );
    assert_eq!(notice["counts"]["rows_inserted"], 1);
    // Who hears of the table finds it.
    assert_eq!(notice["athena"], "marketlake_shop.visits");
    let named = json!({ "DatabaseName": "marketlake_shop", "Name": "visits" });
    let entry = server.ask("AWSGlue.GetTable", &named)?;
    let location = &entry["Table"]["StorageDescriptor"]["Location"];
    ensure!(
        location
            .as_str()
            .is_some_and(|at| at.starts_with("s3://lake/prod/curated/shop/visits")),
        "{entry}"
    );
    Ok(())
}

#[test]
fn an_object_that_is_put_is_told_to_subscribers_once_it_is_in_its_table() -> Result<()> {
    let topic = topic_arn("notices");
    let account = "[[account]]\nalias = \"market\"\nsource = \"shop\"\nraw = \"s3://theirs/visits\"\nregion = \"eu-west-2\"\n";
    let more = format!("notice_topic = \"{topic}\"\ncatalog = \"glue\"\n{account}");
    let intake = Intake::new(&more, 600)?;
    let messages = intake.messages();
    let database = json!({ "DatabaseInput": { "Name": "marketlake_shop" } });
    intake.server.ask("AWSGlue.CreateDatabase", &database)?;
    messages.topic("notices")?;
    let all = messages.queue("all", 30)?;
    messages.subscribe(&topic, &all, false, None)?;
    let wrong = messages.queue("wrong", 30)?;
    messages.subscribe(
        &topic,
        &wrong,
        true,
        Some(&json!({ "outcome": ["failed", "held"] })),
    )?;

    intake.lake.deliver(&[visit(1)])?;
    let run = intake.run()?.exits_with(0)?;
    // The first message is the test that a bucket sends when it is told where to send.
    let settled = json!({ "messages": 2, "unread": 0, "folders": 1, "deleted": 2, "kept": 0, "foreign": 0 });
    assert_eq!(events(&run)?, settled);
    assert_eq!(
        (intake.waiting()?, intake.rows()?),
        (NOTHING, vec!["1".to_owned()])
    );
    let told = messages.take(&all)?;
    is_true_notice(&intake.server, &told)?;
    assert_eq!(messages.take(&wrong)?, Vec::<Value>::new());

    // In any order, again and again, in every shape, and from the bucket of an account.
    intake.lake.deliver(&[visit(3), visit(2)])?;
    for _ in 0..2 {
        intake.send_event(LAKE.0, "prod/raw/shop/corner/2026-03-02/visits.csv")?;
    }
    let theirs = intake.server.store(THEIRS.0, THEIRS.1)?;
    let bytes = visit(4).bytes;
    let key = Path::from("visits/2026-03-04/of all.csv");
    let put = theirs.put(&key, bytes.into());
    tokio::runtime::Runtime::new()?.block_on(put)?;
    let of_eventbridge = json!({
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": { "bucket": { "name": "theirs" }, "object": { "key": "visits/2026-03-04/of all.csv" } },
    });
    messages.send(&intake.intake, &of_eventbridge.to_string())?;
    // What no table reads goes; what is no event of S3, or of a bucket that this lake does not know, stays.
    intake.send_event(LAKE.0, "prod/raw/shop/corner/2026-03-05/visits.txt")?;
    intake.send_event("elsewhere", "x")?;
    messages.send(&intake.intake, "a message for somebody else")?;
    let run = intake.run_with(&["--quiet", "1s"])?.exits_with(0)?;
    let settled = json!({ "messages": 6, "unread": 1, "folders": 3, "deleted": 6, "kept": 0, "foreign": 2 });
    assert_eq!(events(&run)?, settled);
    ensure!(
        run.stderr.contains("2 messages are no events of S3")
            && run.stderr.contains("1 messages name only objects"),
        "{}",
        run.stderr
    );
    assert_eq!(
        intake.waiting()?,
        Waiting {
            visible: 0,
            hidden: 2
        }
    );
    assert_eq!(intake.rows()?, ["1", "2", "3", "4"]);
    intake.lake.has_no_secrets()
}

#[test]
fn messages_stay_until_what_they_name_is_in() -> Result<()> {
    let intake = Intake::new("", HIDDEN.as_secs() as u32)?;
    intake.lake.deliver(&[visit(1)])?;
    // A lake that has nothing in a bucket does not touch them.
    let refused = intake.run_with(&["--lake", "here"])?.exits_with(2)?;
    ensure!(
        refused.stderr.contains("raw zones in buckets"),
        "{}",
        refused.stderr
    );
    let untouched = Waiting {
        visible: 2,
        hidden: 0,
    };
    assert_eq!(intake.waiting()?, untouched);
    // Everything is in, and nobody has deleted the messages.
    let mut command = intake.lake.command(&["run", "--events", &intake.intake]);
    let run = intake
        .lake
        .ended(command.env("MARKETLAKE_FAILPOINT", failpoint::TOLD))?;
    ensure!(run.died(), "{run:?}");
    intake.come_back(2)?;
    assert_eq!(intake.rows()?, ["1"]);
    let run = intake.run()?.exits_with(0)?;
    assert_eq!(
        (run.outcome("shop.visits")?.as_str(), &events(&run)?["deleted"]),
        ("unchanged", &json!(2))
    );
    assert_eq!(
        (intake.waiting()?, intake.rows()?),
        (NOTHING, vec!["1".to_owned()])
    );

    // While a run is at work nobody else gets its messages, however long that takes.
    intake.lake.deliver(&[visit(3)])?;
    let gate = intake.lake.folder().join("gate");
    let mut command = intake.lake.command(&["run", "--events", &intake.intake]);
    command.env(
        "MARKETLAKE_FAILPOINT",
        format!("{}!{}", failpoint::TOLD, gate.display()),
    );
    let mut working = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let begin = Instant::now();
    while !gate.exists() {
        ensure!(begin.elapsed() < PATIENCE, "the run is never told");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(2 * HIDDEN);
    assert_eq!(
        intake.waiting()?,
        Waiting {
            visible: 0,
            hidden: 1
        }
    );
    fs::remove_file(&gate)?;
    ensure!(working.wait()?.success(), "the run failed");
    assert_eq!(intake.waiting()?, NOTHING);

    // A table that is held keeps its messages, until it is as it was.
    let contract = intake.lake.folder().join("sql/shop/visits.toml");
    let was = fs::read_to_string(&contract)?;
    fs::write(&contract, was.replace("decimal(10,1)", "decimal(12,2)"))?;
    intake.lake.deliver(&[visit(2)])?;
    let run = intake.run()?.exits_with(3)?;
    assert_eq!(run.outcome("shop.visits")?, "held");
    assert_eq!(
        (&events(&run)?["deleted"], &events(&run)?["kept"]),
        (&json!(0), &json!(1))
    );
    ensure!(run.stderr.contains("1 messages come back"), "{}", run.stderr);
    intake.come_back(1)?;
    fs::write(&contract, was)?;
    let run = intake.run()?.exits_with(0)?;
    assert_eq!(
        (&events(&run)?["deleted"], &events(&run)?["kept"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (intake.waiting()?, intake.rows()?),
        (NOTHING, vec!["1".to_owned(), "2".to_owned(), "3".to_owned()])
    );
    intake.lake.has_no_secrets()
}

#[test]
fn what_is_missing_in_one_place_keeps_only_the_messages_about_it() -> Result<()> {
    let account = "[[account]]\nalias = \"market\"\nsource = \"shop\"\nraw = \"s3://theirs/visits\"\nregion = \"eu-west-2\"\n";
    let intake = Intake::new(account, 2)?;
    let contracts = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("contracts/reports");
    let reports = intake.lake.folder().join("sql/reports");
    fs::create_dir_all(&reports)?;
    fs::copy(contracts.join("daily.toml"), reports.join("daily.toml"))?;
    let settled = |run: &Run| -> Result<(Value, Value)> {
        let events = events(run)?;
        Ok((events["deleted"].clone(), events["kept"].clone()))
    };

    // The bucket of an account refuses, and of a document the second part has not come.
    let theirs = intake.server.store(THEIRS.0, THEIRS.1)?;
    let key = Path::from("visits/2026-03-04/visits.csv");
    let put = theirs.put(&key, visit(4).bytes.into());
    tokio::runtime::Runtime::new()?.block_on(put)?;
    intake.send_event(THEIRS.0, key.as_ref())?;
    let part = |name: &str, number| {
        let manifest = manifest(name, "in two", (1, 1), 9, (number, 2));
        [manifest, report(name, &[&format!("2026-03-01,{name},1")])]
    };
    let whole = report("whole", &["2026-03-02,whole,1"]);
    let [manifest, one] = part("one", 1);
    intake.lake.deliver(&[visit(1), whole, manifest, one])?;
    intake
        .proxy
        .judge(|request| match request.target.starts_with("/theirs") {
            true => Fault::Refused(403, "AccessDenied"),
            false => Fault::None,
        });
    let run = intake.run()?.exits_with(1)?;
    assert_eq!(run.outcome("shop.visits")?, "failed");
    assert_eq!(run.about("reports.daily")?["waiting_documents"], 1);
    // The test, a visit and a document are done with; what is theirs, a part and its manifest are not.
    assert_eq!(settled(&run)?, (json!(3), json!(3)));

    // It lets itself be listed, and storage does not let a single visit be read: after some attempts the others are in.
    intake.proxy.judge(|request| {
        match request.method == "GET" && request.target.contains("2026-03-02/visits.csv") {
            true => Fault::Refused(403, "AccessDenied"),
            false => Fault::None,
        }
    });
    intake.lake.deliver(&[visit(2), visit(3)])?;
    let mut waiting = 5;
    for attempt in 0.. {
        ensure!(attempt < 6, "{waiting} messages are still there");
        intake.come_back(waiting)?;
        let run = intake.run()?;
        waiting = settled(&run)?.1.as_u64().context("no count")?;
        if run.outcome("shop.visits")? == "held" {
            break;
        }
    }
    assert_eq!((waiting, intake.rows()?.len()), (3, 3));

    intake.proxy.judge(|_| Fault::None);
    let [manifest, two] = part("two", 2);
    intake.lake.deliver(&[manifest, two])?;
    intake.come_back(5)?;
    let run = intake.run()?.exits_with(0)?;
    assert_eq!(settled(&run)?, (json!(5), json!(0)));
    assert_eq!(
        (intake.waiting()?, intake.rows()?),
        (NOTHING, ["1", "2", "3", "4"].map(str::to_owned).to_vec())
    );
    intake.lake.has_no_secrets()
}

#[test]
fn a_topic_that_takes_nothing_is_told_later_in_its_order_and_who_watches_is_told_what_comes() -> Result<()> {
    let topic = topic_arn("notices.fifo");
    let accounts = ["corner", "market"].map(|alias| {
        format!("[[account]]\nalias = \"{alias}\"\nsource = \"shop\"\nsince = \"2026-03-01\"\n")
    });
    let intake = Intake::new(&format!("notice_topic = \"{topic}\"\n{}", accounts.concat()), 600)?;
    let messages = intake.messages();
    let contract = intake.lake.folder().join("sql/shop/visits.toml");
    let expecting = "expect = { every = \"1m\", within = \"1m\" }\n";
    fs::write(
        &contract,
        format!("{expecting}{}", fs::read_to_string(&contract)?),
    )?;

    // There is no such topic yet: what is in stays in, and the messages of the queue are done with.
    intake.lake.deliver(&[visit(1)])?;
    let run = intake.run()?.exits_with(1)?;
    assert_eq!(
        (run.outcome("shop.visits")?.as_str(), intake.waiting()?),
        ("updated", NOTHING)
    );
    ensure!(
        run.stderr.contains(&topic) && run.stderr.contains("is not there"),
        "{}",
        run.stderr
    );
    messages.topic("notices.fifo")?;
    let subscriber = messages.queue("subscriber.fifo", 30)?;
    messages.subscribe(&topic, &subscriber, true, None)?;
    intake.run()?.exits_with(0)?;
    let mut told: Vec<Value> = Vec::new();
    for message in messages.take(&subscriber)? {
        let notice: Value = serde_json::from_str(message["Body"].as_str().context("no body")?)?;
        let (group, id) = (
            &message["Attributes"]["MessageGroupId"],
            &message["Attributes"]["MessageDeduplicationId"],
        );
        assert_eq!((group, id), (&json!("shop.visits"), &notice["id"]));
        told.push(notice);
    }
    let outcomes: Vec<&Value> = told.iter().map(|notice| &notice["outcome"]).collect();
    assert_eq!(outcomes, [&json!("updated"), &json!("late")]);
    // The minutes of a day of two accounts are more than a message takes; that they have not come is told once, too.
    let late = &told[1];
    ensure!(late["left_out"]["late_periods"].as_u64() > Some(2_800), "{late}");
    assert_eq!(late["late_periods"], json!([]));
    for account in ["corner", "market"] {
        let said = format!("1440 periods of {account} have not come in time");
        ensure!(late["messages"].to_string().contains(&said), "{late}");
    }

    // From here on somebody watches. That the queue fails for a while, after it has given a message, does not end that.
    intake.lake.deliver(&[visit(2)])?;
    let mut received = 0;
    intake.proxy.seen();
    intake.proxy.judge(move |request| {
        received += u32::from(request.asked() == Some("AmazonSQS.ReceiveMessage"));
        match request.asked() == Some("AmazonSQS.ReceiveMessage") && (2..=4).contains(&received) {
            true => Fault::Refused(503, "ServiceUnavailable"),
            false => Fault::None,
        }
    });
    let warnings = intake.lake.folder().join("warnings");
    let mut command = intake
        .lake
        .command(&["run", "--events", &intake.intake, "--watch"]);
    command.stdout(Stdio::null()).stderr(fs::File::create(&warnings)?);
    let mut watching = command.spawn()?;
    for day in [2, 3] {
        if day > 2 {
            intake.lake.deliver(&[visit(day)])?;
        }
        let (begin, mut told) = (Instant::now(), Vec::new());
        while told.is_empty() {
            ensure!(begin.elapsed() < PATIENCE, "nothing is told of day {day}");
            std::thread::sleep(Duration::from_millis(200));
            told = notices(&messages, &subscriber)?;
            told.retain(|notice| notice["outcome"] != "late");
        }
        assert_eq!(told[0]["parts"], json!([format!("day=2026-03-{day:02}")]));
    }
    let warnings = fs::read_to_string(warnings)?;
    ensure!(warnings.contains("the watch goes on in 1 s"), "{warnings}");
    // What it had received it kept meanwhile.
    let asked = intake.proxy.seen();
    let hides = |request: &&Request| request.asked() == Some("AmazonSQS.ChangeMessageVisibilityBatch");
    assert_eq!(asked.iter().filter(hides).count(), 0);
    let id = watching.id().to_string();
    ensure!(Command::new("kill").args(["-TERM", &id]).status()?.success());
    let begin = Instant::now();
    let ended = watching.wait()?;
    ensure!(
        begin.elapsed() < Duration::from_secs(20) && ended.code() == Some(0),
        "{ended:?}"
    );
    assert_eq!(intake.rows()?, ["1", "2", "3"]);
    intake.lake.has_no_secrets()
}
