//! Subscriptions at the services, and patterns of rules.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fakes::lwa::Lwa;
use fakes::stream::{Known, Stream};
use fakes::yojaka::Yojaka;
use marketlake_tests::{Run, program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::schemas::is_valid;

/// What nobody may read anywhere.
const SECRETS: [&str; 3] = ["zq7xsecret", "zq7xrefresh", "zq7xothers"];
const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:AmzStream-NA-sp-traffic";

/// A folder with a configuration.
struct Here(TempDir);

impl Here {
    fn new(configuration: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        fs::write(folder.path().join("marketlake.toml"), configuration)?;
        Ok(Self(folder))
    }

    fn call(&self, arguments: &[&str], endpoints: &[(&str, String)]) -> Result<Run> {
        let mut command = Command::new(program()?);
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy().into_owned();
            if name.starts_with("MARKETLAKE_") || name.starts_with("AWS_") {
                command.env_remove(&variable);
            }
        }
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .arg("--json")
            .args(arguments);
        for (key, address) in endpoints {
            command.env(format!("MARKETLAKE_ENDPOINT_{key}"), address);
        }
        let run: Run = command.output().context("the program cannot be started")?.into();
        for secret in SECRETS {
            ensure!(
                !run.stdout.contains(secret) && !run.stderr.contains(secret),
                "{secret} was said"
            );
        }
        Ok(run)
    }
}

#[test]
fn subscriptions_to_stream_are_made_with_the_seeds_credentials() -> Result<()> {
    let (stream, server) = Stream::start(Known {
        client_id: "amzn1.application-oa2-client.1".to_owned(),
        client_secret: SECRETS[0].to_owned(),
        refresh_token: SECRETS[1].to_owned(),
        profile_id: "3312690465898011".to_owned(),
    });
    let here = Here::new("")?;
    let folder = here.0.path().join(".config/python-ad-api");
    fs::create_dir_all(&folder)?;
    let credentials = format!(
        "version: '1.0'\ndefault:\n  refresh_token: '{}'\n  client_id: 'amzn1.application-oa2-client.1'\n  \
         client_secret: '{}'\n  profile_id: '3312690465898011'\n",
        SECRETS[1], SECRETS[0]
    );
    fs::write(folder.join("credentials.yml"), credentials)?;
    let endpoints = ["LWA_NA", "STREAM_NA"].map(|key| (key, server.url()));
    let call = |arguments: &[&str]| {
        here.call(
            &[&["acquire", "ams", "subscriptions"], arguments].concat(),
            &endpoints,
        )
    };
    let create = |set: &str, token: &str| {
        let arguments = ["create", "-d", set, "-e", QUEUE, "-c", token, "-n", "ours"];
        call(&arguments)?.exits_with(0)?.document()
    };
    let made = create("sp-traffic", "t-1")?;
    let id = made["subscriptions"][0]["subscriptionId"]
        .as_str()
        .context("no id")?
        .to_owned();
    // The same request once more is the same subscription.
    assert_eq!(
        create("sp-traffic", "t-1")?["subscriptions"][0]["subscriptionId"],
        id.as_str()
    );
    for (set, token) in [("sp-conversion", "t-2"), ("campaigns", "t-3")] {
        create(set, token)?;
    }
    let wanted = json!({ "dataSetId": "sp-traffic", "clientRequestToken": "t-1", "notes": "ours", "destinationArn": QUEUE });
    let subscribed = stream.subscribed();
    assert_eq!((subscribed.len(), &subscribed[0]), (3, &wanted));
    // All pages of them.
    let listed = call(&["list"])?.exits_with(0)?.document()?;
    is_valid("acquire_subscriptions", &listed)?;
    assert_eq!(
        listed["subscriptions"].as_array().map(Vec::len),
        Some(3),
        "{listed}"
    );
    // What is not confirmed cannot be archived; the service says so.
    let refused = call(&["update", "-s", &id, "-t", "ARCHIVED"])?.exits_with(1)?;
    ensure!(refused.stderr.contains("ACTIVE"), "{}", refused.stderr);
    stream.confirm(&id);
    stream.lwa.end_all();
    call(&["update", "-s", &id, "-t", "ARCHIVED"])?.exits_with(0)?;
    let one = call(&["get", "--subscription-id", &id])?
        .exits_with(0)?
        .document()?;
    assert_eq!(one["subscriptions"][0]["status"], "ARCHIVED", "{one}");
    // What cannot be right is not asked for.
    server.forget();
    call(&["create", "-d", "sp-trafic", "-e", QUEUE])?.exits_with(2)?;
    call(&["create", "-d", "sp-traffic", "-e", "queue"])?.exits_with(2)?;
    ensure!(
        server.asked_for("POST", "/streams").is_empty(),
        "it was asked for"
    );
    Ok(())
}

#[test]
fn a_seller_is_subscribed_and_patterns_are_printed_and_tested() -> Result<()> {
    let lwa = Lwa::new()
        .application("client", SECRETS[0])
        .account("client", SECRETS[1], "deccan");
    let (yojaka, server) = Yojaka::start(lwa);
    let here = Here::new(&format!(
        r#"
        [acquire.application.main]
        client_id = "client"
        client_secret = "{}"
        [[acquire.yojaka]]
        account = "deccan"
        merchant_id = "A15DHF3L2G99Q0"
        application = "main"
        refresh_token = "{}"
        event_bus = "arn:aws:events:eu-west-1:111122223333:event-bus/AmazonYojakaEventBus"
        events = ["Orders.Created"]
        "#,
        SECRETS[0], SECRETS[1]
    ))?;
    let subscribe = ["acquire", "yojaka", "--account", "deccan", "subscribe"];
    // The version may stand in the address, too.
    for (base, code) in [(server.url(), 0), (format!("{}/v1", server.url()), 1)] {
        let endpoints = [("LWA_EU", server.url()), ("YOJAKA", base)];
        let run = here.call(&subscribe, &endpoints)?.exits_with(code)?;
        if code == 0 {
            is_valid("acquire_yojaka", &run.document()?)?;
        }
    }
    let bus = "arn:aws:events:eu-west-1:111122223333:event-bus/AmazonYojakaEventBus";
    let wanted = json!({ "eventBusArn": bus, "events": ["Orders.Created"] });
    assert_eq!(yojaka.subscribed(), [("deccan".to_owned(), wanted)].into());
    assert_eq!(server.asked_for("POST", "/v1/events/subscriptions").len(), 2);

    let print = [
        "acquire",
        "yojaka",
        "pattern",
        "print",
        "--account",
        "deccan",
        "--event",
        "Orders.Cancelled",
    ];
    let printed = here.call(&print, &[])?.exits_with(0)?;
    let pattern: Value = serde_json::from_str(&printed.stdout)?;
    let wanted = json!({
        "account": ["096882763573"], "source": ["com.amazon.yojaka.orders"], "detail-type": ["Orders.Cancelled"],
        "detail": { "merchantId": ["A15DHF3L2G99Q0"] },
    });
    assert_eq!(pattern, wanted);
    fs::write(here.0.path().join("rule.json"), printed.stdout)?;
    let event = |kind: &str| {
        json!({
            "id": kind, "account": "096882763573", "source": "com.amazon.yojaka.orders", "detail-type": kind,
            "detail": { "merchantId": "A15DHF3L2G99Q0" },
        })
    };
    let events = format!("{}{}", event("Orders.Cancelled"), event("Orders.Created"));
    fs::write(here.0.path().join("events.json"), events)?;
    let test = [
        "acquire",
        "yojaka",
        "pattern",
        "test",
        "--pattern",
        "rule.json",
        "events.json",
    ];
    let tested = here.call(&test, &[])?.exits_with(3)?.document()?;
    is_valid("acquire_pattern", &tested)?;
    let matches: Vec<&Value> = [0, 1]
        .iter()
        .map(|index| &tested["events"][index]["matches"])
        .collect();
    assert_eq!(matches, [true, false]);
    fs::write(
        here.0.path().join("rule.json"),
        r#"{ "source": [{ "suffix": "x" }] }"#,
    )?;
    let unknown = here.call(&test, &[])?.exits_with(2)?;
    ensure!(unknown.stderr.contains("suffix"), "{}", unknown.stderr);
    Ok(())
}
