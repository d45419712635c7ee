//! `acquire ams`: what topics of Marketing Stream send to queues, and subscriptions to them.

use std::path::PathBuf;
use std::sync::Arc;

use acquire::stream::{Credentials, DataSets, Destination, Ingress, New, Subscription, Subscriptions, place};
use acquire::{AtAws, Grant, Login, Place, Rates, Region, Service, Tokens};
use anyhow::{Result, anyhow};
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::Ground;
use super::queues::{Drained, OfQueue, verifier, worked_on};
use crate::cli::{AmsArgs, AmsCommand, ApiRegion, Draining, SubscriptionsCommand};
use crate::exit::{ATTENTION, DONE, usage};
use crate::output::Grid;
use crate::session::Session;

/// Subscriptions to Marketing Stream.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Subscribed {
    /// Version of this document's shape.
    schema: u32,
    /// The subscriptions that were asked for, as the service tells of them, or the one that was made or changed.
    subscriptions: Vec<Subscription>,
    /// By which the service knows the request that made one, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_token: Option<String>,
}

pub(super) async fn ams(session: &Session, arguments: &AmsArgs) -> Result<u8> {
    match &arguments.command {
        None => drained(session, &arguments.draining).await,
        Some(AmsCommand::Subscriptions(command)) => subscriptions(session, command).await,
    }
}

/// Takes in what is in the queues.
async fn drained(session: &Session, draining: &Draining) -> Result<u8> {
    let ground = Ground::open(session).await?;
    let settings = &ground.settings.ams;
    if settings.queues.is_empty() {
        return Err(usage(
            "there is no [[acquire.ams.queue]]: say the url of a queue that a topic of Marketing Stream sends to",
        ));
    }
    let sets = DataSets::with(&settings.data_sets).map_err(mistake)?;
    for set in settings
        .queues
        .iter()
        .filter_map(|queue| queue.data_set.as_deref())
    {
        is_known(&sets, set)?;
    }
    let aws = AtAws::aws(&*ground.at).await.map_err(mistake)?;
    let (verifier, raw) = (verifier(&ground)?, ground.raw("ams")?);
    let works = settings.queues.iter().map(|queue| {
        let (ground, sets, verifier, raw) = (&ground, &sets, &verifier, &raw);
        async move {
            let named = queue.named();
            let mut work = Ingress::new(aws, sets, verifier, queue.data_set.as_deref(), raw);
            let (counts, result) = worked_on(ground, aws, &named, draining, &mut work).await;
            let of_queue = OfQueue {
                queue: Some(named.url),
                accounts: Vec::new(),
                counts,
                objects: work.objects().to_vec(),
                wanted: Vec::new(),
            };
            (of_queue, result)
        }
    });
    let mut drained = Drained::new();
    drained.queues(&ground, works).await?;
    drained.end(&ground, draining.watch)
}

async fn subscriptions(session: &Session, command: &SubscriptionsCommand) -> Result<u8> {
    let mut ground = Ground::open(session).await?;
    // Before anything is asked.
    if let SubscriptionsCommand::Create(new) = command {
        let sets = DataSets::with(&ground.settings.ams.data_sets).map_err(mistake)?;
        is_known(&sets, &new.data_set_id)?;
    }
    let region = match command.region() {
        ApiRegion::Na => Region::Na,
        ApiRegion::Eu => Region::Eu,
        ApiRegion::Fe => Region::Fe,
    };
    let credentials = credentials(&ground).await?;
    let alias = format!("{}-{region}", credentials.profile_id);
    let Some(account) = ground.account("ams", "subscriptions", &alias).await? else {
        session
            .output
            .warning(&format!("{alias}: another process is at work on it"));
        return Ok(ATTENTION);
    };
    let told = asked(&ground, command, region, credentials, &account.remembered).await;
    account.end().await;
    let told = told.map_err(|error| {
        let said = ground.transport.hide(&error.to_string());
        match error.is_mistake() {
            true => usage(said),
            false => anyhow!(said),
        }
    })?;
    session.output.show(&told, || told.text())?;
    Ok(DONE)
}

async fn asked(
    ground: &Ground<'_>,
    command: &SubscriptionsCommand,
    region: Region,
    credentials: Credentials,
    remembered: &Place,
) -> acquire::Result<Subscribed> {
    let endpoints = &ground.settings.endpoints;
    let rates = Arc::new(Rates::open(remembered).await?);
    let login = Login {
        client_id: credentials.client_id.clone(),
        client_secret: credentials.client_secret,
    };
    let grant = Grant::Refresh {
        refresh_token: credentials.refresh_token,
    };
    let lwa = endpoints.of(Service::Lwa, region)?;
    let service = Subscriptions {
        transport: ground.transport.clone(),
        tokens: Tokens::new(ground.transport.clone(), rates.clone(), lwa, login, grant),
        rates,
        endpoint: endpoints.of(Service::Stream, region)?,
        client_id: credentials.client_id,
        profile_id: credentials.profile_id,
    };
    let mut token = None;
    let subscriptions = match command {
        SubscriptionsCommand::Create(new) => {
            let given = new.client_request_token.clone();
            let request_token = given.unwrap_or_else(|| Uuid::new_v4().to_string());
            let wanted = New {
                data_set: &new.data_set_id,
                destination: Destination::read(
                    &new.destination_arn,
                    new.subscription_role_arn.as_deref(),
                    new.subscriber_role_arn.as_deref(),
                )?,
                request_token: &request_token,
                notes: new.notes.as_deref(),
            };
            let made = service.create(&wanted).await?;
            token = Some(made.client_request_token.unwrap_or(request_token));
            vec![Subscription {
                data_set_id: Some(new.data_set_id.clone()),
                destination_arn: Some(new.destination_arn.clone()),
                notes: new.notes.clone(),
                ..Subscription::of(&made.subscription_id)
            }]
        }
        SubscriptionsCommand::Get(one) => vec![service.get(&one.subscription_id).await?],
        SubscriptionsCommand::List(_) => service.list().await?,
        SubscriptionsCommand::Update(update) => {
            let (id, status) = (&update.subscription_id, update.status.word());
            service.update(id, Some(status), update.notes.as_deref()).await?;
            vec![Subscription {
                status: Some(status.to_owned()),
                notes: update.notes.clone(),
                ..Subscription::of(id)
            }]
        }
    };
    Ok(Subscribed {
        schema: SCHEMA,
        subscriptions,
        client_request_token: token,
    })
}

/// Who subscribes: as the configuration says, else `credentials.yml` of the seed's tool.
async fn credentials(ground: &Ground<'_>) -> Result<Credentials> {
    let settings = ground.settings;
    if let Some(login) = &settings.ams.login {
        let application = settings.application(&login.application).map_err(mistake)?;
        let at = &*ground.at;
        return Ok(Credentials {
            refresh_token: login.refresh_token.text(at).await.map_err(mistake)?,
            client_id: application.client_id.text(at).await.map_err(mistake)?,
            client_secret: application.client_secret.text(at).await.map_err(mistake)?,
            profile_id: login.profile_id.clone(),
        });
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let named = settings.ams.credentials.as_ref().map(PathBuf::from);
    let Some(file) = named.or_else(|| place(home.as_deref()).filter(|file| file.exists())) else {
        return Err(usage(
            "nobody says who subscribes: say [acquire.ams.login] with application, refresh_token and profile_id, or have \
             ~/.config/python-ad-api/credentials.yml, or name another file in acquire.ams.credentials",
        ));
    };
    Credentials::of_file(&file, "default").map_err(mistake)
}

fn is_known(sets: &DataSets, name: &str) -> Result<()> {
    match sets.named(name) {
        Some(_) => Ok(()),
        None => Err(usage(format!(
            "there is no data set {name:?}; there is {}",
            sets.names().collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn mistake(error: acquire::Error) -> anyhow::Error {
    usage(error.to_string())
}

impl Subscribed {
    fn text(&self) -> String {
        let mut grid = Grid::new(&["id", "data set", "status", "destination", "notes"]);
        for one in &self.subscriptions {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            grid.row([
                one.subscription_id.clone(),
                text(&one.data_set_id),
                text(&one.status),
                text(&one.destination_arn),
                text(&one.notes),
            ]);
        }
        match grid.is_empty() {
            true => "no subscriptions\n".to_owned(),
            false => grid.to_string(),
        }
    }
}
