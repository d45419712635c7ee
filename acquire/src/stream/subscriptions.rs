//! Subscriptions to data sets, at the Ads API: each is of one profile, for one data set, to one queue or Firehose.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::rate::{Rate, Rates};
use crate::token::{Token, Tokens};
use crate::transport::{Answer, Call, Repeat, Transport};

const PATH: &str = "/streams/subscriptions";
/// What requests and answers are.
const KIND: &str = "application/vnd.MarketingStreamSubscriptions.StreamSubscriptionResource.v1.0+json";
const CLIENT: HeaderName = HeaderName::from_static("amazon-advertising-api-clientid");
const PROFILE: HeaderName = HeaderName::from_static("amazon-advertising-api-scope");
/// No rate is documented.
const RATE: Rate = Rate {
    per_second: 1.0,
    burst: 5,
};
/// More pages than any account has subscriptions for.
const PAGES: usize = 1000;

/// Subscriptions of a profile in a region.
pub struct Subscriptions {
    /// Requests over HTTP.
    pub transport: Arc<Transport>,
    /// Rates of the profile.
    pub rates: Arc<Rates>,
    /// The Ads API of the region.
    pub endpoint: Endpoint,
    /// Tokens that the advertiser gave.
    pub tokens: Tokens,
    /// Id of the application.
    pub client_id: String,
    /// Id of the profile.
    pub profile_id: String,
}

/// A subscription that is wanted.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// Its data set.
    pub data_set: &'a str,
    /// Where its messages go.
    pub destination: Destination<'a>,
    /// By which the service knows a request that is made again.
    pub request_token: &'a str,
    /// Words of one's own.
    pub notes: Option<&'a str>,
}

/// Where messages of a subscription go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A queue of SQS, by its ARN.
    Queue(&'a str),
    /// A delivery stream of Firehose.
    Firehose {
        /// Its ARN.
        stream: &'a str,
        /// The role by which SNS writes to it.
        subscription_role: &'a str,
        /// The role that Amazon takes on to subscribe it.
        subscriber_role: &'a str,
    },
}

/// A subscription, as the service tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub subscription_id: String,
    /// Its data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_set_id: Option<String>,
    /// ACTIVE, PENDING_CONFIRMATION, ARCHIVED, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Where its messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_arn: Option<String>,
    /// The same, where it is not a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub destination: Option<Value>,
    /// Words of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_date: Option<DateTime<Utc>>,
}

/// What the service says about a subscription that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// Its id.
    pub subscription_id: String,
    /// By which the request is known.
    #[serde(default)]
    pub client_request_token: Option<String>,
}

#[derive(Deserialize)]
struct One {
    subscription: Subscription,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    subscriptions: Vec<Subscription>,
    #[serde(default)]
    next_token: Option<String>,
}

impl Subscription {
    /// The one with that id, of which nothing else is known.
    pub fn of(id: &str) -> Self {
        Self {
            subscription_id: id.to_owned(),
            data_set_id: None,
            status: None,
            destination_arn: None,
            destination: None,
            notes: None,
            created_date: None,
            updated_date: None,
        }
    }
}

impl New<'_> {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("dataSetId".to_owned(), self.data_set.into());
        body.insert("clientRequestToken".to_owned(), self.request_token.into());
        if let Some(notes) = self.notes {
            body.insert("notes".to_owned(), notes.into());
        }
        match self.destination {
            Destination::Queue(arn) => body.insert("destinationArn".to_owned(), arn.into()),
            Destination::Firehose {
                stream,
                subscription_role,
                subscriber_role,
            } => {
                let firehose = json!({
                    "deliveryStreamArn": stream,
                    "subscriptionRoleArn": subscription_role,
                    "subscriberRoleArn": subscriber_role,
                });
                body.insert(
                    "destination".to_owned(),
                    json!({ "firehoseDestination": firehose }),
                )
            }
        };
        Value::Object(body)
    }
}

impl<'a> Destination<'a> {
    /// The destination of that ARN; Firehose wants two roles beside it.
    ///
    /// # Errors
    ///
    /// When it is neither, or roles are missing.
    pub fn read(
        arn: &'a str,
        subscription_role: Option<&'a str>,
        subscriber_role: Option<&'a str>,
    ) -> Result<Self> {
        let service = arn
            .strip_prefix("arn:aws:")
            .and_then(|rest| rest.split(':').next());
        match (service, subscription_role.zip(subscriber_role)) {
            (Some("sqs"), _) => Ok(Self::Queue(arn)),
            (Some("firehose"), Some((subscription_role, subscriber_role))) => Ok(Self::Firehose {
                stream: arn,
                subscription_role,
                subscriber_role,
            }),
            (Some("firehose"), None) => Err(Error::mistake(
                "a destination of Firehose needs --subscription-role-arn and --subscriber-role-arn",
            )),
            _ => Err(Error::mistake(format!(
                "{arn:?} is the ARN of no queue of SQS and of no delivery stream of Firehose"
            ))),
        }
    }
}

impl Subscriptions {
    /// Makes a subscription. The same request token once more makes no second one.
    ///
    /// # Errors
    ///
    /// When it is refused, or there is no answer.
    pub async fn create(&self, new: &New<'_>) -> Result<Created> {
        let what = format!("subscription to {}", new.data_set);
        let answer = self.asked(&what, &Method::POST, PATH, Some(&new.body())).await?;
        answer.json(&what)
    }

    /// A subscription by its id.
    ///
    /// # Errors
    ///
    /// When there is none, or no answer.
    pub async fn get(&self, id: &str) -> Result<Subscription> {
        let what = format!("subscription {id}");
        let answer = self.asked(&what, &Method::GET, &path_of(id)?, None).await?;
        Ok(answer.json::<One>(&what)?.subscription)
    }

    /// All subscriptions of the profile, those of a status together.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn list(&self) -> Result<Vec<Subscription>> {
        let what = "list of subscriptions";
        let (mut all, mut next) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let mut query = url::form_urlencoded::Serializer::new(format!("{PATH}?"));
            if let Some(token) = &next {
                query.append_pair("startingToken", token);
            }
            let path = query.finish();
            let answer = self
                .asked(what, &Method::GET, path.trim_end_matches('?'), None)
                .await?;
            let page: Page = answer.json(what)?;
            all.extend(page.subscriptions);
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                all.sort_by(|one: &Subscription, other| one.status.cmp(&other.status));
                return Ok(all);
            }
        }
        Err(Error::odd(what, "it does not end"))
    }

    /// Archives a subscription, which cannot be undone, or changes its notes.
    ///
    /// # Errors
    ///
    /// When it is refused, or there is no answer.
    pub async fn update(&self, id: &str, status: Option<&str>, notes: Option<&str>) -> Result<()> {
        let mut body = Map::new();
        body.extend(status.map(|status| ("status".to_owned(), status.into())));
        body.extend(notes.map(|notes| ("notes".to_owned(), notes.into())));
        let what = format!("update of subscription {id}");
        self.asked(&what, &Method::PUT, &path_of(id)?, Some(&Value::Object(body)))
            .await?;
        Ok(())
    }

    /// The answer to a request that may be made again: by its token, its id, or since it changes nothing.
    async fn asked(&self, what: &str, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let url = self.endpoint.at(path)?;
        let mut call = match body {
            Some(body) => Call::post(what, url, KIND, body.to_string()),
            None => Call::get(what, url),
        };
        call.method = method.clone();
        let call = call
            .repeated(Repeat::Safe)
            .header(ACCEPT, KIND)
            .header(CLIENT, &self.client_id)
            .header(PROFILE, &self.profile_id);
        let token = self.tokens.token().await?;
        let mut answer = self.once(&call, &token).await?;
        if answer.status.as_u16() == 401 {
            let token = self.tokens.instead_of(&token).await?;
            answer = self.once(&call, &token).await?;
        }
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(Error::Refused(self.transport.refused(&answer, what))),
        }
    }

    async fn once(&self, call: &Call, token: &Token) -> Result<Answer> {
        let bucket = self.rates.bucket("streams.subscriptions", RATE).await;
        let bearer = format!("Bearer {}", token.access_token);
        let call = call.clone().header(AUTHORIZATION, &bearer);
        self.transport.call(&call, &self.rates, &bucket).await
    }
}

/// Path of a subscription, whatever somebody gave as its id.
fn path_of(id: &str) -> Result<String> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    match !id.is_empty() && id.bytes().all(is_id) {
        true => Ok(format!("{PATH}/{id}")),
        false => Err(Error::mistake(format!("{id:?} is no id of a subscription"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_an_arn_and_firehose_has_roles_beside_it() {
        let queue = "arn:aws:sqs:us-east-1:111122223333:AmzStream";
        let new = New {
            data_set: "sp-traffic",
            destination: Destination::read(queue, None, None).unwrap(),
            request_token: "t-1",
            notes: Some("ours"),
        };
        let wanted = json!({ "dataSetId": "sp-traffic", "clientRequestToken": "t-1", "notes": "ours", "destinationArn": queue });
        assert_eq!(new.body(), wanted);
        let stream = "arn:aws:firehose:us-east-1:111122223333:deliverystream/x";
        let firehose = New {
            destination: Destination::read(stream, Some("arn:a"), Some("arn:b")).unwrap(),
            notes: None,
            ..new
        };
        let destination = json!({ "firehoseDestination": {
            "deliveryStreamArn": stream, "subscriptionRoleArn": "arn:a", "subscriberRoleArn": "arn:b",
        } });
        let wanted =
            json!({ "dataSetId": "sp-traffic", "clientRequestToken": "t-1", "destination": destination });
        assert_eq!(firehose.body(), wanted);
        for (arn, role) in [(stream, None), ("arn:aws:s3:::b", Some("r")), ("queue", None)] {
            assert!(Destination::read(arn, role, role).unwrap_err().is_mistake());
        }
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        assert_eq!(path_of("s-1").unwrap(), "/streams/subscriptions/s-1");
        for id in ["", "a/b", "a?b", "..%2f"] {
            assert!(path_of(id).is_err(), "{id}");
        }
    }
}
