//! Smart Connect (Yojaka): `createEventsSubscription`, with Login with Amazon beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::{Answer, Request, Server, held};
use crate::lwa::{self, Lwa, Subject};

/// The version is part of the path.
const PATH: &str = "/v1/events/subscriptions";

/// The service.
pub struct Yojaka {
    /// Tokens that it believes.
    pub lwa: Lwa,
    subscriptions: Mutex<BTreeMap<String, Value>>,
}

impl Yojaka {
    /// Starts it on a port of its own, with the sellers that this knows.
    pub fn start(lwa: Lwa) -> (Arc<Self>, Server) {
        let yojaka = Arc::new(Self {
            lwa,
            subscriptions: Mutex::default(),
        });
        let serving = yojaka.clone();
        (yojaka, Server::start(move |request| serving.answer(request)))
    }

    /// What sellers subscribed to, by their names.
    pub fn subscribed(&self) -> BTreeMap<String, Value> {
        held(&self.subscriptions).clone()
    }

    fn answer(&self, request: &Request) -> Answer {
        if request.path == lwa::PATH {
            return self.lwa.answer(request);
        }
        if request.path != PATH || request.method != "POST" {
            return said(404, "there is no such operation");
        }
        let token = request.header("x-amz-access-token").unwrap_or_default();
        let Ok(Subject::Account(seller)) = self.lwa.who(token) else {
            return said(403, "the access token is missing or over");
        };
        let asked = request.json();
        if request.header("content-type") != Some("application/json") || !asked.is_object() {
            return said(400, "the body is no object of JSON");
        }
        let mut subscriptions = held(&self.subscriptions);
        if subscriptions.contains_key(&seller) {
            return said(409, "the seller has a subscription");
        }
        subscriptions.insert(seller, asked);
        Answer::json(201, &json!({ "subscriptionId": "s-1" }))
    }
}

fn said(status: u16, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "errors": [{ "code": "Refused", "message": message }] }),
    )
}
