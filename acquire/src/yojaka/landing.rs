//! Queues that a rule of EventBridge sends events of Smart Connect to: each lies down in the raw zone of its seller, without
//! one-time passwords.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws::Received;
use serde_json::Value;

use super::password::{self, Cleaned};
use crate::intake::{Fate, Work};
use crate::landing::{Batch, folder_of_events, on_one_line};
use crate::place::Place;
use crate::sns::{Sent, Verifier};
use crate::stream::{came, fates};

/// What all events of Smart Connect begin their source with.
const SOURCE: &str = "com.amazon.yojaka";

/// The sellers whose events one queue holds.
pub struct Sellers<'a> {
    /// Folders of accounts in the raw zone, by the id of the merchant.
    folders: BTreeMap<String, Place>,
    verifier: &'a Verifier,
    batches: BTreeMap<String, Batch>,
    objects: Vec<String>,
}

impl<'a> Sellers<'a> {
    /// Sellers by their merchant ids, each with the folder of its account.
    pub fn new(folders: BTreeMap<String, Place>, verifier: &'a Verifier) -> Self {
        Self {
            folders,
            verifier,
            batches: BTreeMap::new(),
            objects: Vec::new(),
        }
    }

    /// Paths of the objects that were laid down.
    pub fn objects(&self) -> &[String] {
        &self.objects
    }

    async fn one(&mut self, message: &Received) -> Option<Fate> {
        let envelope = match Sent::read(&message.body) {
            Sent::Bare => None,
            Sent::Notification(envelope) => Some(envelope),
            Sent::Confirmation(_) | Sent::Farewell(_) => return Some(Fate::Foreign),
        };
        if let Some(envelope) = &envelope {
            match self.verifier.verify(envelope).await {
                Ok(Ok(())) => {}
                Ok(Err(forged)) => return Some(Fate::Dead(forged.to_string())),
                Err(error) => return Some(Fate::Later(error.to_string())),
            }
        }
        let text = envelope
            .as_ref()
            .map_or(message.body.as_str(), |envelope| &envelope.message);
        let dead = |why: &str| Some(Fate::Dead(why.to_owned()));
        let Ok(mut event) = serde_json::from_str::<Value>(text) else {
            return dead("it is no JSON");
        };
        let is_event = ["id", "time", "detail-type", "account"]
            .iter()
            .all(|name| event[*name].is_string());
        let Some(source) = event["source"].as_str().filter(|_| is_event) else {
            return dead("it is no event of EventBridge with all of its envelope");
        };
        // A bus may have rules for other senders.
        if !source.starts_with(SOURCE) {
            return Some(Fate::Foreign);
        }
        let Some(merchant) = event["detail"]["merchantId"].as_str().map(str::to_owned) else {
            return dead("it names no merchantId");
        };
        if !self.folders.contains_key(&merchant) {
            return Some(Fate::Foreign);
        }
        let line = match password::clean(&mut event) {
            Cleaned::Changed => event.to_string(),
            // Digits and spaces stay as they were sent.
            Cleaned::Same => on_one_line(text),
        };
        let came = came(message);
        let batch = self.batches.entry(merchant).or_default();
        batch.add(folder_of_events(came), &message.id, came, &line);
        None
    }
}

#[async_trait]
impl Work for Sellers<'_> {
    async fn take(&mut self, messages: Vec<Received>) -> Vec<(String, Fate)> {
        let mut fates = Vec::new();
        for message in messages {
            if let Some(fate) = self.one(&message).await {
                fates.push((message.id, fate));
            }
        }
        fates
    }

    async fn flush(&mut self) -> Vec<(String, Fate)> {
        let mut all = Vec::new();
        for (merchant, batch) in &mut self.batches {
            if let Some(folder) = self.folders.get(merchant) {
                all.extend(fates(batch.lay(folder).await, &mut self.objects));
            }
        }
        all
    }

    fn is_due(&self) -> bool {
        self.batches.values().any(Batch::is_due)
    }

    /// A letter is written somewhere, too: it has no password, and where nobody can tell there is none.
    fn dead_letter(&self, body: &str) -> Option<String> {
        let mut said: Value = serde_json::from_str(body).ok()?;
        password::clean(&mut said);
        Some(said.to_string())
    }
}
