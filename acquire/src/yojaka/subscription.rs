//! The subscription of a seller to events.

use std::sync::Arc;

use reqwest::header::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::rate::{Rate, Rates};
use crate::token::Tokens;
use crate::transport::{Call, Repeat, Transport};

/// Below the version of the API.
const PATH: &str = "/v1/events/subscriptions";
/// The access token of a request.
const TOKEN: HeaderName = HeaderName::from_static("x-amz-access-token");
/// No rate is documented.
const RATE: Rate = Rate {
    per_second: 1.0,
    burst: 1,
};

/// What there are events of.
pub const EVENTS: [&str; 10] = [
    "Orders.Created",
    "Orders.Unfulfillable",
    "Orders.Cancelled",
    "Orders.Delivered",
    "Orders.Updated",
    "Returns.Created",
    "Returns.OutForDelivery",
    "Returns.Replanned",
    "Returns.Updated",
    "Locations.Capacity",
];

/// A stage of Smart Connect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What sellers live by.
    #[default]
    Production,
    /// For trying out.
    Sandbox,
}

impl Stage {
    /// The AWS account that its events come from, in India.
    pub fn account(self) -> &'static str {
        match self {
            Self::Production => "096882763573",
            Self::Sandbox => "227455371037",
        }
    }
}

/// What is subscribed to: the bus, and the events that are sent there. Amazon's page says that the body has these two; how its
/// fields are called is not said where it could be read, so that a body of one's own can be given instead.
pub fn body(event_bus: &str, events: &[String]) -> Result<Value> {
    let is_bus = event_bus.starts_with("arn:aws") && event_bus.contains(":event-bus/");
    if !is_bus {
        return Err(Error::mistake(format!(
            "{event_bus:?} is no ARN of an event bus, such as arn:aws:events:eu-west-1:111122223333:event-bus/AmazonYojakaEventBus"
        )));
    }
    if let Some(unknown) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        return Err(Error::mistake(format!(
            "there is no event {unknown:?}; there is {}",
            EVENTS.join(", ")
        )));
    }
    let events: Vec<&str> = match events.is_empty() {
        true => EVENTS.to_vec(),
        false => events.iter().map(String::as_str).collect(),
    };
    Ok(json!({ "eventBusArn": event_bus, "events": events }))
}

/// Makes the subscription of the seller that the token is of; what the service says about it.
///
/// # Errors
///
/// When it is refused, or whether it was made is not known. A seller has one: made twice it is refused.
pub async fn create(
    transport: &Arc<Transport>,
    rates: &Rates,
    endpoint: &Endpoint,
    tokens: &Tokens,
    body: &Value,
) -> Result<Value> {
    let what = "createEventsSubscription";
    let base = endpoint.at("")?;
    // Addresses are written with the version and without.
    let path = match base.path().trim_end_matches('/').ends_with("/v1") {
        true => &PATH["/v1".len()..],
        false => PATH,
    };
    let bucket = rates.bucket("createEventsSubscription", RATE).await;
    let mut token = tokens.token().await?;
    let mut is_fresh = false;
    loop {
        let call = Call::post(what, endpoint.at(path)?, "application/json", body.to_string());
        let call = call.header(TOKEN, &token.access_token).repeated(Repeat::Never);
        let answer = transport.call(&call, rates, &bucket).await?;
        if matches!(answer.status.as_u16(), 401 | 403) && !is_fresh {
            token = tokens.instead_of(&token).await?;
            is_fresh = true;
            continue;
        }
        if !answer.status.is_success() {
            return Err(Error::Refused(transport.refused(&answer, what)));
        }
        return match answer.body.is_empty() {
            true => Ok(json!({})),
            false => answer.json(what),
        };
    }
}
