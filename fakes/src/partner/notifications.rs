//! Notifications API, v1: destinations of an application, subscriptions of an account.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::items::{Parameters, Refusal, refuse};

/// What the application and the account have.
#[derive(Debug, Default)]
pub struct Notifications {
    /// Destinations by id, as they are answered.
    pub destinations: BTreeMap<String, Value>,
    /// Subscriptions by type, as they are answered.
    pub subscriptions: BTreeMap<String, Value>,
    count: u32,
}

/// An answer of this API: its body, or what it says instead. All stand in an envelope.
type Answer = Result<Value, Refusal>;

impl Notifications {
    /// Whether what is asked for needs no account, only the application.
    pub(super) fn is_grantless(method: &str, path: &[&str]) -> bool {
        matches!(
            (method, path),
            (_, ["destinations", ..]) | ("GET" | "DELETE", ["subscriptions", _, _])
        )
    }

    /// Answers what is asked below `/notifications/v1`.
    pub(super) fn answer(
        &mut self,
        method: &str,
        path: &[&str],
        query: &[(String, String)],
        body: &[u8],
    ) -> Answer {
        match (method, path) {
            ("GET", ["destinations"]) => {
                Parameters::read(query, &[])?;
                let all: Vec<&Value> = self.destinations.values().collect();
                Ok(json!({"payload": all}))
            }
            ("POST", ["destinations"]) => {
                self.create_destination(&object(body, &["name", "resourceSpecification"])?)
            }
            ("DELETE", ["destinations", id]) => {
                if self
                    .subscriptions
                    .values()
                    .any(|known| known["destinationId"] == *id)
                {
                    return Err(refuse(409, "Destination has subscriptions", id));
                }
                self.destinations
                    .remove(*id)
                    .map(|_| json!({}))
                    .ok_or_else(|| missing("destination", id))
            }
            ("GET", ["subscriptions", kind]) => {
                Parameters::read(query, &["payloadVersion"])?;
                let known = self
                    .subscriptions
                    .get(*kind)
                    .ok_or_else(|| missing("subscription", kind))?;
                Ok(json!({"payload": known}))
            }
            ("POST", ["subscriptions", kind]) => self.create_subscription(
                kind,
                &object(body, &["payloadVersion", "destinationId", "processingDirective"])?,
            ),
            ("DELETE", ["subscriptions", kind, id]) => {
                let is_it = self
                    .subscriptions
                    .get(*kind)
                    .is_some_and(|known| known["subscriptionId"] == *id);
                if !is_it {
                    return Err(missing("subscription", id));
                }
                self.subscriptions.remove(*kind);
                Ok(json!({}))
            }
            _ => Err(refuse(404, "no such operation", "")),
        }
    }

    fn create_destination(&mut self, wanted: &Value) -> Answer {
        let name = text(wanted, "name")?;
        let arn = wanted["resourceSpecification"]["sqs"]["arn"]
            .as_str()
            .unwrap_or_default();
        if !arn.starts_with("arn:aws:sqs:") || name.len() > 256 {
            return Err(refuse(400, "Invalid Input", "name or arn"));
        }
        if self
            .destinations
            .values()
            .any(|known| known["name"] == name || known["resource"]["sqs"]["arn"] == arn)
        {
            return Err(refuse(409, "Destination already exists", name));
        }
        let id = self.id("destination");
        let made = json!({"name": name, "destinationId": id, "resource": {"sqs": {"arn": arn}}});
        self.destinations.insert(id, made.clone());
        Ok(json!({"payload": made}))
    }

    fn create_subscription(&mut self, kind: &str, wanted: &Value) -> Answer {
        let (version, destination) = (text(wanted, "payloadVersion")?, text(wanted, "destinationId")?);
        if kind == "REPORT_PROCESSING_FINISHED" && version != "2020-09-04" {
            return Err(refuse(400, "Invalid Input", "payloadVersion"));
        }
        if !self.destinations.contains_key(destination) {
            return Err(refuse(400, "Invalid Input", "destinationId"));
        }
        if self.subscriptions.contains_key(kind) {
            return Err(refuse(409, "Subscription already exists", kind));
        }
        let id = self.id("subscription");
        let made = json!({"subscriptionId": id, "payloadVersion": version, "destinationId": destination});
        self.subscriptions.insert(kind.to_owned(), made.clone());
        Ok(json!({"payload": made}))
    }

    fn id(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{:04}", self.count)
    }
}

/// A body that is an object with no other fields than these.
pub(super) fn object(body: &[u8], known: &[&str]) -> Result<Value, Refusal> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| refuse(400, "Invalid Input", "the body is no JSON"))?;
    let fields = value
        .as_object()
        .ok_or_else(|| refuse(400, "Invalid Input", "the body is no object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(strange) => Err(refuse(400, "Invalid Input", strange)),
        None => Ok(value),
    }
}

/// A field that has to be there as text.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    let text = value[field].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| refuse(400, "Invalid Input", &format!("{field} is missing")))
}

fn missing(what: &str, id: &str) -> Refusal {
    refuse(404, &format!("{what} {id} does not exist"), "")
}
