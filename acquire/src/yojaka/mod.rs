//! Smart Connect (Yojaka): subscriptions to its events, the rules that route them, and what their queues hold.

mod landing;
mod password;
pub mod pattern;
mod subscription;

use serde::{Deserialize, Serialize};

use crate::intake;

pub use landing::Sellers;
pub use subscription::{EVENTS, Stage, body, create};

/// A seller, as a configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seller {
    /// Alias of the account.
    pub account: String,
    /// The id by which events name it.
    pub merchant_id: String,
    /// URL of the queue that a rule sends its events to; none where Firehose lands them. Sellers may share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Region of the queue, where the URL does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_region: Option<String>,
    /// URL of the queue for messages that cannot be used, in the same region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// Where its events come from.
    #[serde(default)]
    pub stage: Stage,
    /// Name of the application of Login with Amazon, for subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// What the seller gave the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<crate::secret::Kept>,
    /// ARN of the bus that events are sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_bus: Option<String>,
    /// Which events are subscribed to; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

impl Seller {
    /// Its queue, where it has one.
    pub fn named(&self) -> Option<intake::Named> {
        let url = self.queue.clone()?;
        Some(intake::Named {
            url,
            region: self.queue_region.clone(),
            dead_letters: self.dead_letters.clone(),
        })
    }
}
