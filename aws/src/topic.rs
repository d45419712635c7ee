//! A topic of SNS that messages are published to.

use aws_config::Region;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use crate::Aws;
use crate::answer::{Refusal, refusal};

/// Most bytes of a message with its attributes: their names, types and values.
pub const LIMIT: usize = 256 * 1024;
/// The type of every attribute.
const TEXT: &str = "String";
/// Most characters of a group and of an id that repetitions are known by.
const NAME: usize = 128;

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    pub(crate) client: Client,
    pub(crate) arn: String,
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What it says.
    pub body: &'a str,
    /// What subscribers can filter by.
    pub attributes: &'a [(&'a str, &'a str)],
    /// What keeps its order among messages of the same group, where the topic keeps one.
    pub group: &'a str,
    /// The same each time that this is published: within five minutes a topic that keeps the order delivers it once.
    pub id: &'a str,
}

impl Message<'_> {
    /// Bytes that count for [`LIMIT`].
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| name.len() + TEXT.len() + value.len());
        self.body.len() + attributes.sum::<usize>()
    }
}

impl Aws {
    /// The topic of that ARN, in the region that the ARN names. Nothing is asked of it.
    pub fn topic(&self, arn: &str) -> Topic {
        let region = arn.split(':').nth(3).filter(|region| !region.is_empty());
        let config = self.config().to_builder();
        let config = match region {
            Some(region) => config.region(Region::new(region.to_owned())),
            None => config,
        };
        Topic {
            client: Client::new(&config.build()),
            arn: arn.to_owned(),
        }
    }
}

impl Topic {
    /// Publishes a message.
    ///
    /// # Errors
    ///
    /// With what is missing, by the name of the action where it is a permission.
    pub async fn publish(&self, message: &Message<'_>) -> Result<(), Refusal> {
        let mut request = self.client.publish().topic_arn(&self.arn).message(message.body);
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type(TEXT)
                .string_value(*value)
                .build()
                .map_err(|error| {
                    Refusal::new(format!("attribute {name} of a message has no value: {error}"))
                })?;
            request = request.message_attributes(*name, value);
        }
        if self.keeps_order() {
            request = request
                .message_group_id(name_of(message.group))
                .message_deduplication_id(name_of(message.id));
        }
        let needs = "sns:Publish on it and, where it is encrypted with a key of KMS, kms:GenerateDataKey and kms:Decrypt";
        let sent = request.send().await;
        sent.map_err(|error| refusal(&format!("topic {}", self.arn), needs, &error))?;
        Ok(())
    }

    /// Confirms that a queue wants its messages, by the token that it sent to the queue.
    ///
    /// # Errors
    ///
    /// With what is missing, by the name of the action where it is a permission.
    pub async fn confirm(&self, token: &str) -> Result<(), Refusal> {
        let request = self
            .client
            .confirm_subscription()
            .topic_arn(&self.arn)
            .token(token);
        let what = format!("confirmation of the subscription to topic {}", self.arn);
        let sent = request.send().await;
        sent.map_err(|error| refusal(&what, "sns:ConfirmSubscription on it", &error))?;
        Ok(())
    }

    /// Whether it delivers the messages of a group in their order.
    fn keeps_order(&self) -> bool {
        self.arn.ends_with(".fifo")
    }
}

/// The end of a name that is too long, where names differ most.
fn name_of(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(NAME);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_count_by_name_type_and_value() {
        let message = Message {
            body: "é",
            attributes: &[("table", "jwo.orders")],
            group: "g",
            id: "i",
        };
        assert_eq!(message.size(), 2 + 5 + 6 + 10);
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(name_of("jwo.orders-3"), "jwo.orders-3");
        let long = format!("{}-17-ledger", "x".repeat(200));
        let name = name_of(&long);
        assert_eq!(name.len(), NAME);
        assert!(name.ends_with("-17-ledger"));
    }
}
