//! A queue of SQS that messages are taken from: each is hidden from others while it is worked on, and deleted once that is done.

use std::time::Duration;

use aws_config::Region;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use futures::stream::{self, StreamExt};

use crate::Aws;
use crate::answer::{Refusal, refusal};

/// Messages that one request is about, at most.
const BATCH: usize = 10;
/// Requests that are under way at the same time.
const AT_ONCE: usize = 16;

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// A message that was received, and is hidden from others for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The same each time that it is received.
    pub id: String,
    /// By which this receiver names it; only the newest one counts.
    pub receipt: String,
    /// What it says.
    pub body: String,
    /// When it came into the queue, in milliseconds since 1970; the same each time that it is received.
    pub sent: Option<i64>,
}

impl Aws {
    /// The queue at that URL, in the region that the URL names. Nothing is asked of it.
    pub fn queue(&self, url: &str) -> Queue {
        self.queue_in(url, None)
    }

    /// The queue at that URL, in that region; without one in the region that the URL names. Nothing is asked of it.
    pub fn queue_in(&self, url: &str, region: Option<&str>) -> Queue {
        let config = self.config().to_builder();
        let config = match region.or_else(|| region_of(url)) {
            Some(region) => config.region(Region::new(region.to_owned())),
            None => config,
        };
        Queue {
            client: Client::new(&config.build()),
            url: url.to_owned(),
        }
    }
}

impl Queue {
    /// How long a message that was received is hidden from others.
    ///
    /// # Errors
    ///
    /// With what is missing, by the name of the action where it is a permission.
    pub async fn visibility(&self) -> Result<Duration, Refusal> {
        let asked = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .send()
            .await;
        let said = asked.map_err(|error| refusal(&self.name(), "sqs:GetQueueAttributes on it", &error))?;
        let seconds = said
            .attributes()
            .and_then(|known| known.get(&QueueAttributeName::VisibilityTimeout)?.parse().ok())
            .ok_or_else(|| Refusal::new(format!("{} does not say its VisibilityTimeout", self.name())))?;
        Ok(Duration::from_secs(seconds))
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.url
    }

    /// Whether it gives the messages of a group in their order.
    pub fn keeps_order(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    /// Messages that are there, at most ten; waits so long, at most 20 seconds, for the first one. Where the wait is given up
    /// midway, those that the queue has given meanwhile come back when their time is over.
    ///
    /// # Errors
    ///
    /// With what is missing, by the name of the action where it is a permission.
    pub async fn receive(&self, wait: Duration) -> Result<Vec<Received>, Refusal> {
        self.receive_for(wait, None).await
    }

    /// The same, which hides them for so long, where that is not as the queue does.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub async fn receive_for(
        &self,
        wait: Duration,
        hides: Option<Duration>,
    ) -> Result<Vec<Received>, Refusal> {
        let asked = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH as i32)
            .wait_time_seconds(wait.as_secs().min(20) as i32)
            .set_visibility_timeout(hides.map(seconds))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await;
        let needs = "sqs:ReceiveMessage on it and, where it is encrypted with a key of KMS, kms:Decrypt";
        let said = asked.map_err(|error| refusal(&self.name(), needs, &error))?;
        let received = said
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(|message| {
                let attributes = message.attributes.as_ref();
                let sent = attributes.and_then(|known| known.get(&MessageSystemAttributeName::SentTimestamp));
                Some(Received {
                    sent: sent.and_then(|sent| sent.parse().ok()),
                    id: message.message_id?,
                    receipt: message.receipt_handle?,
                    body: message.body.unwrap_or_default(),
                })
            });
        Ok(received.collect())
    }

    /// Sends a message. A queue that keeps the order takes one of that id once within five minutes.
    ///
    /// # Errors
    ///
    /// With what is missing, by the name of the action where it is a permission.
    pub async fn send(&self, body: &str, id: &str) -> Result<(), Refusal> {
        let mut request = self.client.send_message().queue_url(&self.url).message_body(body);
        if self.keeps_order() {
            request = request
                .message_group_id("marketlake")
                .message_deduplication_id(id);
        }
        let needs = "sqs:SendMessage on it and, where it is encrypted with a key of KMS, kms:GenerateDataKey and kms:Decrypt";
        let sent = request.send().await;
        sent.map_err(|error| refusal(&self.name(), needs, &error))?;
        Ok(())
    }

    /// Hides messages for so long from now on. Those that are hidden no more are left.
    ///
    /// # Errors
    ///
    /// With what is missing, by the name of the action where it is a permission.
    pub async fn hide(&self, receipts: &[String], so_long: Duration) -> Result<(), Refusal> {
        let seconds = seconds(so_long);
        let hidden = batches(receipts).map(|receipts| async move {
            let entries = receipts.iter().enumerate().map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(seconds)
                    .build()
            });
            let asked = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(self.entries(entries)?))
                .send()
                .await;
            let said =
                asked.map_err(|error| refusal(&self.name(), "sqs:ChangeMessageVisibility on it", &error))?;
            // They are somebody else's by now, who finds out the same as we do.
            self.note("hidden", said.failed());
            Ok::<(), Refusal>(())
        });
        all(hidden.collect()).await.1
    }

    /// Deletes messages. How many were deleted, and what was refused, with what is missing, by the name of the action where it
    /// is a permission. The others come back, such as those of which the receipt is no longer the newest.
    pub async fn delete(&self, receipts: &[String]) -> (usize, Result<(), Refusal>) {
        let deleted = batches(receipts).map(|receipts| async move {
            let entries = receipts.iter().enumerate().map(|(index, receipt)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .build()
            });
            let asked = self
                .client
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(self.entries(entries)?))
                .send()
                .await;
            let said = asked.map_err(|error| refusal(&self.name(), "sqs:DeleteMessage on it", &error))?;
            self.note("deleted", said.failed());
            Ok::<usize, Refusal>(said.successful().len())
        });
        let (deleted, refused) = all(deleted.collect()).await;
        (deleted.into_iter().sum(), refused)
    }

    fn entries<T>(&self, entries: impl Iterator<Item = Result<T, BuildError>>) -> Result<Vec<T>, Refusal> {
        let entries: Result<Vec<T>, BuildError> = entries.collect();
        entries
            .map_err(|error| Refusal::new(format!("a message of {} cannot be named: {error}", self.name())))
    }

    fn note(&self, done: &str, failed: &[BatchResultErrorEntry]) {
        for one in failed {
            let code = one.code();
            tracing::warn!(queue = self.url, code, "message is not {done}; it comes back");
        }
    }

    fn name(&self) -> String {
        format!("queue {}", self.url)
    }
}

/// Seconds that a message can be hidden for.
fn seconds(time: Duration) -> i32 {
    time.as_secs().min(12 * 3600) as i32
}

/// So many receipts as one request takes, again and again.
fn batches(receipts: &[String]) -> impl Iterator<Item = Vec<String>> {
    receipts.chunks(BATCH).map(<[String]>::to_vec)
}

/// Sends them all, whatever becomes of the others. What they came to, and the first refusal.
async fn all<T>(requests: Vec<impl Future<Output = Result<T, Refusal>>>) -> (Vec<T>, Result<(), Refusal>) {
    let mut requests = stream::iter(requests).buffer_unordered(AT_ONCE);
    let (mut done, mut refused) = (Vec::new(), Ok(()));
    while let Some(request) = requests.next().await {
        match request {
            Ok(one) => done.push(one),
            Err(refusal) => refused = refused.and(Err(refusal)),
        }
    }
    (done, refused)
}

/// The region in the URL of a queue at Amazon.
fn region_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let rest = host
        .strip_prefix("sqs.")
        .or_else(|| host.strip_prefix("sqs-fips."))?;
    let (region, domain) = rest.split_once('.')?;
    domain.starts_with("amazonaws.com").then_some(region)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials};

    use super::*;
    use crate::Aws;

    /// A queue that answers requests so, one after another.
    async fn queue_that_says(answers: [(u16, &'static str); 2]) -> Queue {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/1/intake", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (client, (status, body)) in listener.incoming().zip(answers) {
                let client = client.unwrap();
                let (mut from, mut length) = (BufReader::new(&client), 0);
                let mut line = String::new();
                while from.read_line(&mut line).unwrap() > 2 {
                    let lower = line.to_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                from.read_exact(&mut vec![0; length]).unwrap();
                let head = format!(
                    "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}",
                    body.len()
                );
                write!(&client, "{head}\r\n\r\n{body}").unwrap();
            }
        });
        let aws = Aws::load(Some("eu-west-1")).await.unwrap();
        let config = Config::from(aws.config())
            .to_builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url(&url);
        Queue {
            client: Client::from_conf(config.build()),
            url,
        }
    }

    #[tokio::test]
    async fn what_is_not_deleted_is_not_counted() {
        let partly = r#"{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid"}]}"#;
        let refused = r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"no"}"#;
        let queue = queue_that_says([(200, partly), (403, refused)]);
        let queue = queue.await;
        let two = ["a", "b"].map(str::to_owned);
        let (deleted, result) = queue.delete(&two).await;
        assert_eq!((deleted, result.is_ok()), (1, true));
        let (deleted, result) = queue.delete(&two).await;
        let refusal = result.unwrap_err();
        assert_eq!((deleted, refusal.is_lasting()), (0, true));
        assert!(refusal.to_string().contains("sqs:DeleteMessage"), "{refusal}");
    }

    #[test]
    fn a_queue_of_amazon_says_its_region() {
        for (url, region) in [
            (
                "https://sqs.eu-west-2.amazonaws.com/111122223333/intake",
                Some("eu-west-2"),
            ),
            (
                "https://sqs-fips.us-east-1.amazonaws.com/1/intake",
                Some("us-east-1"),
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/1/intake",
                Some("cn-north-1"),
            ),
            ("http://127.0.0.1:4566/000000000000/intake", None),
            ("http://sqs.us-east-1.localhost:4566/000000000000/intake", None),
            ("intake", None),
        ] {
            assert_eq!(region_of(url), region, "{url}");
        }
    }
}
