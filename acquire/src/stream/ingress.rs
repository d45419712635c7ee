//! Queues that topics of Marketing Stream send to: subscriptions are confirmed, data lies down in the raw zone.

use async_trait::async_trait;
use aws::{Aws, Received};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::DataSets;
use crate::intake::{Fate, Work};
use crate::landing::{Batch, Laid, folder_of_stream, on_one_line};
use crate::place::Place;
use crate::sns::{Envelope, Sent, Verifier};

/// What the topics of Stream send to one queue.
pub struct Ingress<'a> {
    aws: &'a Aws,
    sets: &'a DataSets,
    verifier: &'a Verifier,
    /// The data set of messages that name none and come from no topic that is known.
    of_queue: Option<&'a str>,
    /// `ams/` of the raw zone.
    root: &'a Place,
    batch: Batch,
    /// Paths of objects that were laid down.
    objects: Vec<String>,
}

impl<'a> Ingress<'a> {
    /// A queue of which nothing was taken yet.
    pub fn new(
        aws: &'a Aws,
        sets: &'a DataSets,
        verifier: &'a Verifier,
        of_queue: Option<&'a str>,
        root: &'a Place,
    ) -> Self {
        Self {
            aws,
            sets,
            verifier,
            of_queue,
            root,
            batch: Batch::default(),
            objects: Vec::new(),
        }
    }

    /// Paths of the objects that were laid down.
    pub fn objects(&self) -> &[String] {
        &self.objects
    }

    /// What a message comes to; none where it is kept for the batch.
    async fn one(&mut self, message: &Received) -> Option<Fate> {
        let (text, of_topic) = match Sent::read(&message.body) {
            Sent::Bare => (message.body.as_str(), None),
            Sent::Confirmation(envelope) => return Some(self.confirm(&envelope).await),
            Sent::Farewell(_) => return Some(Fate::Dead("a subscription was ended".to_owned())),
            Sent::Notification(envelope) => {
                if let Some(fate) = self.forged(&envelope).await {
                    return Some(fate);
                }
                let of_topic = self.sets.of_topic(&envelope.topic).map(str::to_owned);
                return self.data(message, &envelope.message, of_topic.as_deref());
            }
        };
        self.data(message, text, of_topic)
    }

    /// Keeps what Stream said for the batch.
    fn data(&mut self, message: &Received, text: &str, of_topic: Option<&str>) -> Option<Fate> {
        let dead = |why: &str| Some(Fate::Dead(why.to_owned()));
        let Ok(said) = serde_json::from_str::<Value>(text) else {
            return dead("it is no JSON");
        };
        if !said.is_object() {
            return dead("it is no object of JSON");
        }
        let named = ["dataset_id", "datasetId"]
            .iter()
            .find_map(|name| said[*name].as_str());
        let set = named
            .and_then(|named| self.sets.named(named))
            .or(of_topic)
            .or(self.of_queue);
        let Some(set) = set else {
            return dead(
                "it names no data set that is known; a data set that is new is made known by acquire.ams.data_sets",
            );
        };
        let came = came(message);
        let folder = folder_of_stream(set, came);
        self.batch.add(folder, &message.id, came, &on_one_line(text));
        None
    }

    /// Why an envelope is not believed; none where it is.
    async fn forged(&self, envelope: &Envelope) -> Option<Fate> {
        match self.verifier.verify(envelope).await {
            Ok(Ok(())) => None,
            Ok(Err(forged)) => Some(Fate::Dead(forged.to_string())),
            Err(error) => Some(Fate::Later(error.to_string())),
        }
    }

    /// Confirms the subscription of a topic that is Amazon's, by SNS itself: the address in the message is only looked at.
    async fn confirm(&self, envelope: &Envelope) -> Fate {
        if self.sets.of_topic(&envelope.topic).is_none() {
            return Fate::Dead(format!(
                "the topic {} is of no data set of Marketing Stream: its subscription is not confirmed",
                envelope.topic
            ));
        }
        let token = match envelope.confirmation() {
            Ok(token) => token,
            Err(forged) => return Fate::Dead(forged.to_string()),
        };
        if let Some(fate) = self.forged(envelope).await {
            return fate;
        }
        match self.aws.topic(&envelope.topic).confirm(token).await {
            Ok(()) => Fate::Confirmed,
            Err(refusal) if refusal.is_lasting() => Fate::Dead(refusal.to_string()),
            Err(refusal) => Fate::Later(refusal.to_string()),
        }
    }
}

#[async_trait]
impl Work for Ingress<'_> {
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
        fates(self.batch.lay(self.root).await, &mut self.objects)
    }

    fn is_due(&self) -> bool {
        self.batch.is_due()
    }
}

/// When a message came into the queue, which stays the same when it comes once more.
pub(crate) fn came(message: &Received) -> DateTime<Utc> {
    let sent = message.sent.and_then(DateTime::from_timestamp_millis);
    sent.unwrap_or_else(Utc::now)
}

/// What became of messages whose batch was laid down.
pub(crate) fn fates(laid: Vec<Laid>, objects: &mut Vec<String>) -> Vec<(String, Fate)> {
    let mut fates = Vec::new();
    for Laid { ids, object } in laid {
        let fate = match object {
            Ok(object) => {
                objects.push(object);
                Fate::Landed
            }
            Err(error) => Fate::Later(error.to_string()),
        };
        fates.extend(ids.into_iter().map(|id| (id, fate.clone())));
    }
    fates
}
