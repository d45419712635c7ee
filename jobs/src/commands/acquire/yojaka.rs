//! `acquire yojaka`: events of Smart Connect from queues, subscriptions to them, and the patterns of rules.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use acquire::intake::Named;
use acquire::yojaka::{Seller, Sellers, body, create, pattern};
use acquire::{AtAws, Grant, Login, Place, Rates, Region, Service, Tokens};
use anyhow::{Context, Result, anyhow};
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Ground;
use super::queues::{Drained, OfQueue, verifier, worked_on};
use crate::cli::{PatternCommand, YojakaArgs, YojakaCommand};
use crate::exit::{ATTENTION, DONE, usage};
use crate::output::Output;
use crate::session::Session;

/// The subscription of a seller that was made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EventsSubscribed {
    /// Version of this document's shape.
    schema: u32,
    /// Alias of the account.
    account: String,
    /// What was asked for.
    asked: Value,
    /// What the service says about it.
    said: Value,
}

/// Which events a pattern matches.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Matched {
    /// Version of this document's shape.
    schema: u32,
    /// Events in their order, and whether each matches.
    events: Vec<OfEvent>,
}

/// Whether an event matches.
#[derive(Serialize, JsonSchema)]
struct OfEvent {
    /// Its id, where it has one.
    id: Option<String>,
    /// Whether the pattern matches it.
    matches: bool,
}

pub(super) async fn yojaka(session: &Session, arguments: &YojakaArgs) -> Result<u8> {
    match &arguments.command {
        None => drained(session, arguments).await,
        Some(YojakaCommand::Subscribe(_)) => subscribed(session, arguments).await,
        Some(YojakaCommand::Pattern(command)) => patterns(session, command),
    }
}

/// Sellers that are meant.
fn sellers<'a>(ground: &Ground<'a>, wanted: Option<&str>) -> Result<Vec<&'a Seller>> {
    let is_meant = |seller: &&Seller| wanted.is_none_or(|alias| alias == seller.account);
    let sellers: Vec<&Seller> = ground.settings.yojaka.iter().filter(is_meant).collect();
    match (sellers.is_empty(), wanted) {
        (false, _) => Ok(sellers),
        (true, Some(alias)) => Err(usage(format!(
            "there is no [[acquire.yojaka]] with account = {alias:?}"
        ))),
        (true, None) => Err(usage(
            "there is no [[acquire.yojaka]]: say account, merchant_id and queue of a seller",
        )),
    }
}

/// Takes in what is in the queues.
async fn drained(session: &Session, arguments: &YojakaArgs) -> Result<u8> {
    let ground = Ground::open(session).await?;
    let mut queues: BTreeMap<Named, BTreeMap<String, (String, Place)>> = BTreeMap::new();
    for seller in sellers(&ground, arguments.account.as_deref())? {
        if let Some(named) = seller.named() {
            let folder = ground.folder("yojaka", &seller.account)?;
            let of_queue = queues.entry(named).or_default();
            of_queue.insert(seller.merchant_id.clone(), (seller.account.clone(), folder));
        }
    }
    if queues.is_empty() {
        return Err(usage(
            "no [[acquire.yojaka]] names a queue: say the URL of the one that a rule sends events to",
        ));
    }
    let aws = AtAws::aws(&*ground.at).await.map_err(mistake)?;
    let verifier = verifier(&ground)?;
    let works = queues.into_iter().map(|(named, merchants)| {
        let (ground, verifier, draining) = (&ground, &verifier, &arguments.draining);
        async move {
            let accounts = merchants.values().map(|(account, _)| account.clone()).collect();
            let folders = merchants
                .into_iter()
                .map(|(merchant, (_, folder))| (merchant, folder));
            let mut work = Sellers::new(folders.collect(), verifier);
            let (counts, result) = worked_on(ground, aws, &named, draining, &mut work).await;
            let of_queue = OfQueue {
                queue: Some(named.url),
                accounts,
                counts,
                objects: work.objects().to_vec(),
                wanted: Vec::new(),
            };
            (of_queue, result)
        }
    });
    let mut drained = Drained::new();
    drained.queues(&ground, works).await?;
    drained.end(&ground, arguments.draining.watch)
}

/// Subscribes a seller.
async fn subscribed(session: &Session, arguments: &YojakaArgs) -> Result<u8> {
    let Some(YojakaCommand::Subscribe(subscribe)) = &arguments.command else {
        return Ok(DONE);
    };
    let mut ground = Ground::open(session).await?;
    let seller = match sellers(&ground, arguments.account.as_deref())?.as_slice() {
        [seller] => (*seller).clone(),
        _ => return Err(usage("a subscription is of one seller: say which by --account")),
    };
    let asked = match &subscribe.body {
        Some(file) => json_of(file)?,
        None => {
            let bus = seller
                .event_bus
                .as_deref()
                .ok_or_else(|| lacks(&seller, "event_bus"))?;
            body(bus, &seller.events).map_err(mistake)?
        }
    };
    let Some(account) = ground.account("yojaka", "subscription", &seller.account).await? else {
        session
            .output
            .warning(&format!("{}: another process is at work on it", seller.account));
        return Ok(ATTENTION);
    };
    let said = made(&ground, &seller, &asked, &account.remembered).await;
    account.end().await;
    let subscribed = EventsSubscribed {
        schema: SCHEMA,
        account: seller.account,
        asked,
        said: said?,
    };
    session.output.show(&subscribed, || {
        format!("{} is subscribed: {}\n", subscribed.account, subscribed.said)
    })?;
    Ok(DONE)
}

async fn made(ground: &Ground<'_>, seller: &Seller, asked: &Value, remembered: &Place) -> Result<Value> {
    let settings = ground.settings;
    let application = seller
        .application
        .as_deref()
        .ok_or_else(|| lacks(seller, "application"))?;
    let application = settings.application(application).map_err(mistake)?;
    let refresh_token = seller
        .refresh_token
        .as_ref()
        .ok_or_else(|| lacks(seller, "refresh_token"))?;
    let at = &*ground.at;
    let login = Login {
        client_id: application.client_id.text(at).await.map_err(mistake)?,
        client_secret: application.client_secret.text(at).await.map_err(mistake)?,
    };
    let grant = Grant::Refresh {
        refresh_token: refresh_token.text(at).await.map_err(mistake)?,
    };
    // India is served from Europe.
    let region = Region::Eu;
    let lwa = settings.endpoints.of(Service::Lwa, region).map_err(mistake)?;
    let endpoint = settings.endpoints.of(Service::Yojaka, region).map_err(mistake)?;
    let rates = Arc::new(Rates::open(remembered).await?);
    let tokens = Tokens::new(ground.transport.clone(), rates.clone(), lwa, login, grant);
    let said = create(&ground.transport, &rates, &endpoint, &tokens, asked).await;
    said.map_err(|error| anyhow!(ground.transport.hide(&error.to_string())))
}

fn patterns(session: &Session, command: &PatternCommand) -> Result<u8> {
    match command {
        PatternCommand::Print(print) => {
            let accounts = &session.config.acquire.yojaka;
            let mut merchants = print.merchant.clone();
            for alias in &print.account {
                let seller = accounts.iter().find(|seller| seller.account == *alias);
                let seller = seller.ok_or_else(|| {
                    usage(format!("there is no [[acquire.yojaka]] with account = {alias:?}"))
                })?;
                merchants.push(seller.merchant_id.clone());
            }
            let stage = match print.sandbox {
                true => acquire::yojaka::Stage::Sandbox,
                false => acquire::yojaka::Stage::Production,
            };
            let rule = pattern::of_rule(stage.account(), &print.event, &merchants);
            session
                .output
                .data(&format!("{}\n", serde_json::to_string_pretty(&rule)?))?;
            Ok(DONE)
        }
        PatternCommand::Test(test) => tested(&session.output, &test.pattern, &test.events),
    }
}

/// Says which events match; attention where one does not.
fn tested(output: &Output, pattern: &Path, events: &Path) -> Result<u8> {
    let said = json_of(pattern)?;
    let pattern =
        pattern::Pattern::read(&said).map_err(|error| usage(format!("{}: {error}", pattern.display())))?;
    let text = text_of(events)?;
    let mut matched = Matched {
        schema: SCHEMA,
        events: Vec::new(),
    };
    // One event, a list of them, or one after another.
    for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        let value = value.map_err(|error| usage(format!("{}: it is no JSON: {error}", events.display())))?;
        let one = std::slice::from_ref(&value);
        for event in value.as_array().map_or(one, Vec::as_slice) {
            matched.events.push(OfEvent {
                id: event["id"].as_str().map(str::to_owned),
                matches: pattern.matches(event),
            });
        }
    }
    let text = || {
        let lines = matched.events.iter().map(|event| {
            let word = if event.matches {
                "matches"
            } else {
                "does not match"
            };
            format!("{}: {word}\n", event.id.as_deref().unwrap_or("event"))
        });
        lines.collect()
    };
    output.show(&matched, text)?;
    Ok(match matched.events.iter().all(|event| event.matches) {
        true => DONE,
        false => ATTENTION,
    })
}

/// A file; `-`: what is given on stdin.
fn text_of(file: &Path) -> Result<String> {
    let read = match file == Path::new("-") {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        false => std::fs::read_to_string(file),
    };
    read.with_context(|| format!("{} cannot be read", file.display()))
}

fn json_of(file: &Path) -> Result<Value> {
    let text = text_of(file)?;
    serde_json::from_str(&text).map_err(|error| usage(format!("{}: it is no JSON: {error}", file.display())))
}

fn lacks(seller: &Seller, key: &str) -> anyhow::Error {
    usage(format!("[[acquire.yojaka]] of {} has no {key}", seller.account))
}

fn mistake(error: acquire::Error) -> anyhow::Error {
    usage(error.to_string())
}
