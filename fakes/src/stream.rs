//! Subscriptions of Marketing Stream: `/streams/subscriptions` of the Ads API, with Login with Amazon beside it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Answer, Request, Server, held};
use crate::lwa::{self, Lwa, Subject};

const PATH: &str = "/streams/subscriptions";
const KIND: &str = "application/vnd.MarketingStreamSubscriptions.StreamSubscriptionResource.v1.0+json";
/// Subscriptions on a page.
const PAGE: usize = 2;

/// The application and the account that the service knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// Id of the application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What the account gave the application.
    pub refresh_token: String,
    /// The profile of the account.
    pub profile_id: String,
}

/// The service.
pub struct Stream {
    known: Known,
    /// Tokens that it believes.
    pub lwa: Lwa,
    subscriptions: Mutex<Vec<Subscription>>,
}

struct Subscription {
    id: String,
    token: String,
    asked: Value,
    status: &'static str,
    notes: Value,
}

impl Stream {
    /// Starts it on a port of its own.
    pub fn start(known: Known) -> (Arc<Self>, Server) {
        let lwa = Lwa::new()
            .application(&known.client_id, &known.client_secret)
            .account(&known.client_id, &known.refresh_token, &known.profile_id);
        let stream = Arc::new(Self {
            known,
            lwa,
            subscriptions: Mutex::default(),
        });
        let serving = stream.clone();
        (stream, Server::start(move |request| serving.answer(request)))
    }

    /// What was subscribed to, as it was asked for.
    pub fn subscribed(&self) -> Vec<Value> {
        let subscriptions = held(&self.subscriptions);
        subscriptions.iter().map(|one| one.asked.clone()).collect()
    }

    /// Has a subscription be confirmed.
    pub fn confirm(&self, id: &str) {
        let mut subscriptions = held(&self.subscriptions);
        for one in subscriptions.iter_mut().filter(|one| one.id == id) {
            one.status = "ACTIVE";
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        if request.path == lwa::PATH {
            return self.lwa.answer(request);
        }
        if let Some(refused) = self.refusal(request) {
            return refused;
        }
        let parts = request.parts();
        let id = parts.get(2).map(String::as_str);
        match (request.method.as_str(), id) {
            ("POST", None) => self.create(&request.json()),
            ("GET", None) => self.list(request),
            ("GET", Some(id)) => {
                let subscriptions = held(&self.subscriptions);
                let one = subscriptions.iter().find(|one| one.id == id);
                one.map_or_else(missing, |one| {
                    Answer::json(200, &json!({ "subscription": one.told() }))
                })
            }
            ("PUT", Some(id)) => self.update(id, &request.json()),
            _ => said(405, "there is no such operation"),
        }
    }

    /// Why a request is not looked at.
    fn refusal(&self, request: &Request) -> Option<Answer> {
        if !request.path.starts_with(PATH) || request.parts().len() > 3 {
            return Some(missing());
        }
        let token = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let subject = Subject::Account(self.known.profile_id.clone());
        if token.and_then(|token| self.lwa.who(token).ok()) != Some(subject) {
            return Some(said(401, "the access token is missing or over"));
        }
        if request.header("amazon-advertising-api-clientid") != Some(&self.known.client_id)
            || request.header("amazon-advertising-api-scope") != Some(&self.known.profile_id)
        {
            return Some(said(403, "the token is not for this application and profile"));
        }
        let is_kind = |name: &str| request.header(name) == Some(KIND);
        let has_body = request.method != "GET";
        (!is_kind("accept") || (has_body && !is_kind("content-type")))
            .then(|| said(415, "this media type is not known"))
    }

    fn create(&self, asked: &Value) -> Answer {
        let keys = [
            "dataSetId",
            "clientRequestToken",
            "notes",
            "destinationArn",
            "destination",
        ];
        let fields = asked.as_object();
        if fields.is_none_or(|fields| fields.keys().any(|key| !keys.contains(&key.as_str()))) {
            return said(400, "a field is not known");
        }
        let (Some(_), Some(token)) = (asked["dataSetId"].as_str(), asked["clientRequestToken"].as_str())
        else {
            return said(400, "dataSetId and clientRequestToken are required");
        };
        if asked["destinationArn"].is_null() == asked["destination"].is_null() {
            return said(400, "exactly one of destinationArn and destination is required");
        }
        let mut subscriptions = held(&self.subscriptions);
        let created =
            |id: &str| Answer::json(200, &json!({ "subscriptionId": id, "clientRequestToken": token }));
        if let Some(known) = subscriptions.iter().find(|one| one.token == token) {
            return created(&known.id);
        }
        let is_same = |one: &Subscription| {
            ["dataSetId", "destinationArn", "destination"]
                .iter()
                .all(|key| one.asked[*key] == asked[*key])
        };
        if subscriptions
            .iter()
            .any(|one| one.status != "ARCHIVED" && is_same(one))
        {
            return said(422, "there is such a subscription already");
        }
        let id = format!("amzn1.fead.{}", Uuid::new_v4());
        subscriptions.push(Subscription {
            id: id.clone(),
            token: token.to_owned(),
            notes: asked["notes"].clone(),
            asked: asked.clone(),
            status: "PENDING_CONFIRMATION",
        });
        created(&id)
    }

    fn list(&self, request: &Request) -> Answer {
        let first = request
            .parameter("startingToken")
            .map_or(Ok(0), str::parse::<usize>);
        let Ok(first) = first else {
            return said(400, "startingToken is none");
        };
        let subscriptions = held(&self.subscriptions);
        let page = subscriptions.iter().skip(first).take(PAGE);
        let page: Vec<Value> = page.map(Subscription::told).collect();
        let next = first + PAGE;
        let next = (next < subscriptions.len()).then(|| next.to_string());
        Answer::json(200, &json!({ "subscriptions": page, "nextToken": next }))
    }

    fn update(&self, id: &str, asked: &Value) -> Answer {
        let mut subscriptions = held(&self.subscriptions);
        let Some(one) = subscriptions.iter_mut().find(|one| one.id == id) else {
            return missing();
        };
        match asked["status"].as_str() {
            Some("ARCHIVED") if one.status == "ACTIVE" => one.status = "ARCHIVED",
            _ => return said(422, "only what is ACTIVE becomes ARCHIVED"),
        }
        if !asked["notes"].is_null() {
            one.notes = asked["notes"].clone();
        }
        Answer::empty(200)
    }
}

impl Subscription {
    fn told(&self) -> Value {
        json!({
            "subscriptionId": self.id,
            "dataSetId": self.asked["dataSetId"],
            "destinationArn": self.asked["destinationArn"],
            "destination": self.asked["destination"],
            "notes": self.notes,
            "status": self.status,
            "createdDate": "2026-03-01T10:00:00Z",
            "updatedDate": "2026-03-01T10:00:00Z",
        })
    }
}

fn missing() -> Answer {
    said(404, "there is no such subscription")
}

fn said(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message }))
}
