//! Notifications: where Amazon says that a report is done. A destination is a queue, known to the application; a
//! subscription sends notifications of one type about one account there.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::arranged::{Arranged, Became, deletion};
use super::schedules::failure;
use super::{Operation, SpApi};
use crate::error::{Error, Result};
use crate::rate::Rate;
use crate::transport::{Answer, Call};

/// The notification that a report is done.
pub const REPORT_DONE: &str = "REPORT_PROCESSING_FINISHED";
/// The version of what it says.
const PAYLOAD: &str = "2020-09-04";
/// The longest name of a destination.
const NAME: usize = 256;

const RATE: Rate = Rate {
    per_second: 1.0,
    burst: 5,
};

/// An operation of this API; all of them have the same rate.
const fn operation(name: &'static str) -> Operation {
    Operation { name, rate: RATE }
}

const GET_DESTINATIONS: Operation = operation("getDestinations");
const CREATE_DESTINATION: Operation = operation("createDestination");
const DELETE_DESTINATION: Operation = operation("deleteDestination");
const GET_SUBSCRIPTION: Operation = operation("getSubscription");
const CREATE_SUBSCRIPTION: Operation = operation("createSubscription");
const DELETE_SUBSCRIPTION: Operation = operation("deleteSubscriptionById");

/// Notifications of an account, as the configuration declares them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// ARN of the queue to which Amazon sends them.
    pub queue_arn: String,
    /// Their types.
    #[serde(default = "report_done")]
    pub types: Vec<String>,
    /// The version of what they say.
    #[serde(default = "payload")]
    pub payload_version: String,
}

fn report_done() -> Vec<String> {
    vec![REPORT_DONE.to_owned()]
}

fn payload() -> String {
    PAYLOAD.to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    name: String,
    destination_id: String,
    #[serde(default)]
    resource: Resource,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Resource {
    sqs: Option<Sqs>,
}

#[derive(Debug, Clone, Deserialize)]
struct Sqs {
    arn: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    subscription_id: String,
    payload_version: String,
    destination_id: String,
}

/// How this API wraps what it answers.
#[derive(Deserialize)]
struct Wrapped<T> {
    payload: Option<T>,
}

impl Notifications {
    /// Whether they can be asked for.
    ///
    /// # Errors
    ///
    /// When the API would refuse them whatever else is there.
    pub fn check(&self) -> Result<()> {
        let parts: Vec<&str> = self.queue_arn.split(':').collect();
        match parts[..] {
            ["arn", _, "sqs", region, account, name] if ![region, account, name].contains(&"") => Ok(()),
            _ => Err(Error::mistake(format!(
                "queue_arn is {:?}, which is no ARN of a queue; it looks like arn:aws:sqs:eu-west-1:123456789012:reports",
                self.queue_arn
            ))),
        }
    }

    /// What the destination is called: after the queue.
    fn name(&self) -> String {
        let queue = self.queue_arn.rsplit(':').next().unwrap_or_default();
        format!("marketlake-{queue}").chars().take(NAME).collect()
    }
}

/// Makes the destination and the subscriptions that are missing.
///
/// # Errors
///
/// When there is no destination, and none can be made: there is nothing to subscribe with then.
pub async fn create(api: &SpApi, declared: &Notifications) -> Result<Vec<Arranged>> {
    let there = find_destination(api, declared).await?;
    let (destination, outcome) = match there {
        Some(destination) => (destination, Became::There),
        None => (make_destination(api, declared).await?, Became::Created),
    };
    let mut told = vec![destination.told(api, outcome)];
    for kind in &declared.types {
        told.push(match subscribe(api, declared, kind, &destination).await {
            Ok((subscription, outcome)) => subscription.told(api, kind, outcome),
            Err(error) => Arranged {
                outcome: failure(&error),
                said: Some(error.to_string()),
                ..nothing(api, "subscription", Some(kind.clone()))
            },
        });
    }
    Ok(told)
}

/// What [`create`] would see to.
pub fn plan(api: &SpApi, declared: &Notifications) -> Vec<Arranged> {
    let destination = Arranged {
        about: BTreeMap::from([("arn".to_owned(), declared.queue_arn.clone())]),
        ..nothing(api, "destination", Some(declared.name()))
    };
    let types = declared
        .types
        .iter()
        .map(|kind| nothing(api, "subscription", Some(kind.clone())));
    std::iter::once(destination).chain(types).collect()
}

/// The destinations of the application, and the account's subscriptions of these types.
///
/// # Errors
///
/// When they cannot be listed.
pub async fn list(api: &SpApi, types: &[String]) -> Result<Vec<Arranged>> {
    let destinations = destinations(api).await?;
    let mut told: Vec<Arranged> = destinations
        .iter()
        .map(|known| known.told(api, Became::There))
        .collect();
    for kind in types {
        if let Some(subscription) = subscription(api, kind).await? {
            told.push(subscription.told(api, kind, Became::There));
        }
    }
    Ok(told)
}

/// Ends the account's subscriptions of these types and, where a destination is named, that destination. Other accounts of the
/// application may have subscriptions that send there.
///
/// # Errors
///
/// When a subscription cannot be looked up.
pub async fn delete(api: &SpApi, types: &[String], destination: Option<&str>) -> Result<Vec<Arranged>> {
    let mut told = Vec::new();
    for kind in types {
        let Some(subscription) = subscription(api, kind).await? else {
            told.push(Arranged {
                outcome: Became::Gone,
                ..nothing(api, "subscription", Some(kind.clone()))
            });
            continue;
        };
        let path = [
            "notifications",
            "v1",
            "subscriptions",
            kind,
            &subscription.subscription_id,
        ];
        let (outcome, said) = removed(remove(api, &DELETE_SUBSCRIPTION, &path).await);
        told.push(Arranged {
            said,
            ..subscription.told(api, kind, outcome)
        });
    }
    if let Some(id) = destination {
        let path = ["notifications", "v1", "destinations", id];
        let (outcome, said) = removed(remove(api, &DELETE_DESTINATION, &path).await);
        told.push(Arranged {
            id: Some(id.to_owned()),
            outcome,
            said,
            ..nothing(api, "destination", None)
        });
    }
    Ok(told)
}

/// What [`delete`] would see to.
pub fn planned(api: &SpApi, types: &[String], destination: Option<&str>) -> Vec<Arranged> {
    let types = types
        .iter()
        .map(|kind| nothing(api, "subscription", Some(kind.clone())));
    let destination = destination.map(|id| Arranged {
        id: Some(id.to_owned()),
        ..nothing(api, "destination", None)
    });
    types.chain(destination).collect()
}

async fn destinations(api: &SpApi) -> Result<Vec<Destination>> {
    let url = api.url(&["notifications", "v1", "destinations"])?;
    let answer = api
        .grantless(&GET_DESTINATIONS, Call::get(GET_DESTINATIONS.name, url))
        .await?;
    Ok(payload_of(api, &answer, &GET_DESTINATIONS)?.unwrap_or_default())
}

async fn find_destination(api: &SpApi, declared: &Notifications) -> Result<Option<Destination>> {
    let is_it = |known: &Destination| {
        known
            .resource
            .sqs
            .as_ref()
            .is_some_and(|sqs| sqs.arn == declared.queue_arn)
    };
    Ok(destinations(api).await?.into_iter().find(is_it))
}

/// Makes the destination and looks for it where the answer was lost.
async fn make_destination(api: &SpApi, declared: &Notifications) -> Result<Destination> {
    let url = api.url(&["notifications", "v1", "destinations"])?;
    let body =
        json!({"name": declared.name(), "resourceSpecification": {"sqs": {"arn": declared.queue_arn}}});
    let name = CREATE_DESTINATION.name;
    let call = || Call::post(name, url.clone(), "application/json", body.to_string());
    let answer = match api.grantless(&CREATE_DESTINATION, call()).await {
        Err(Error::Lost { .. }) => match find_destination(api, declared).await? {
            Some(destination) => return Ok(destination),
            None => api.grantless(&CREATE_DESTINATION, call()).await?,
        },
        answer => answer?,
    };
    let made = payload_of(api, &answer, &CREATE_DESTINATION)?;
    made.ok_or_else(|| Error::odd(name, "the answer has no `payload`"))
}

/// The account's subscription of that type; none where there is none.
async fn subscription(api: &SpApi, kind: &str) -> Result<Option<Subscription>> {
    let url = api.url(&["notifications", "v1", "subscriptions", kind])?;
    let answer = api
        .call(&GET_SUBSCRIPTION, Call::get(GET_SUBSCRIPTION.name, url))
        .await?;
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        _ => payload_of(api, &answer, &GET_SUBSCRIPTION),
    }
}

/// Subscribes where the account does not, and looks for the subscription where the answer was lost.
async fn subscribe(
    api: &SpApi,
    declared: &Notifications,
    kind: &str,
    destination: &Destination,
) -> Result<(Subscription, Became)> {
    let here = |known: Subscription| match known.destination_id == destination.destination_id {
        true => Ok(known),
        false => Err(Error::mistake(format!(
            "subscription {} of {kind} sends to destination {}, and there can be only one: delete it first",
            known.subscription_id, known.destination_id
        ))),
    };
    if let Some(known) = subscription(api, kind).await? {
        return Ok((here(known)?, Became::There));
    }
    let url = api.url(&["notifications", "v1", "subscriptions", kind])?;
    let body =
        json!({"payloadVersion": declared.payload_version, "destinationId": destination.destination_id});
    let name = CREATE_SUBSCRIPTION.name;
    let call = || Call::post(name, url.clone(), "application/json", body.to_string());
    let answer = match api.call(&CREATE_SUBSCRIPTION, call()).await {
        Err(Error::Lost { .. }) => match subscription(api, kind).await? {
            Some(known) => return Ok((here(known)?, Became::Created)),
            None => api.call(&CREATE_SUBSCRIPTION, call()).await?,
        },
        answer => answer?,
    };
    let made = payload_of(api, &answer, &CREATE_SUBSCRIPTION)?;
    let made = made.ok_or_else(|| Error::odd(name, "the answer has no `payload`"))?;
    Ok((made, Became::Created))
}

/// Deletes what is there at that path.
async fn remove(api: &SpApi, operation: &'static Operation, path: &[&str]) -> Result<Became> {
    let call = deletion(operation.name, api.url(path)?);
    let answer = api.grantless(operation, call).await?;
    match answer.status {
        StatusCode::NOT_FOUND => Ok(Became::Gone),
        status if status.is_success() => Ok(Became::Deleted),
        _ => Err(Error::Refused(api.refused(&answer, operation.name))),
    }
}

fn removed(went: Result<Became>) -> (Became, Option<String>) {
    match went {
        Ok(outcome) => (outcome, None),
        Err(error) => (failure(&error), Some(error.to_string())),
    }
}

fn payload_of<T: DeserializeOwned>(api: &SpApi, answer: &Answer, operation: &Operation) -> Result<Option<T>> {
    match answer.status.is_success() {
        true => Ok(answer.json::<Wrapped<T>>(operation.name)?.payload),
        false => Err(Error::Refused(api.refused(answer, operation.name))),
    }
}

fn nothing(api: &SpApi, kind: &'static str, name: Option<String>) -> Arranged {
    Arranged {
        account: api.account.clone(),
        kind,
        id: None,
        name,
        about: BTreeMap::new(),
        outcome: Became::Wanted,
        said: None,
    }
}

impl Destination {
    fn told(&self, api: &SpApi, outcome: Became) -> Arranged {
        let arn = self
            .resource
            .sqs
            .iter()
            .map(|sqs| ("arn".to_owned(), sqs.arn.clone()));
        Arranged {
            id: Some(self.destination_id.clone()),
            about: arn.collect(),
            outcome,
            ..nothing(api, "destination", Some(self.name.clone()))
        }
    }
}

impl Subscription {
    fn told(&self, api: &SpApi, kind: &str, outcome: Became) -> Arranged {
        let about = [
            ("destinationId", &self.destination_id),
            ("payloadVersion", &self.payload_version),
        ];
        Arranged {
            id: Some(self.subscription_id.clone()),
            about: about.map(|(name, value)| (name.to_owned(), value.clone())).into(),
            outcome,
            ..nothing(api, "subscription", Some(kind.to_owned()))
        }
    }
}
