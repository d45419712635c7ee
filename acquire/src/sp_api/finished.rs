//! Notifications that a report is made, beside looking for it. A message is deleted after what it names lies in the raw zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::Queue;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::book::Book;
use crate::error::Result;
use crate::requests::Request;

/// How long one look into the queue waits for a message.
const LOOK: Duration = Duration::from_secs(20);
/// Looks into the queue at the end of a call: it may hold more about others' reports than anybody waits for.
const LOOKS: usize = 20;
/// How long to wait after the queue has refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reports of which Amazon said that they are made, or will not be.
#[derive(Default)]
pub struct Finished {
    known: Mutex<Known>,
    news: Notify,
}

#[derive(Default)]
struct Known {
    /// Reports that were not looked at since.
    news: BTreeSet<String>,
    /// Messages by report.
    receipts: BTreeMap<String, Vec<String>>,
}

impl Finished {
    /// A message said that a report is made, or will not be.
    pub fn tell(&self, id: &str, receipt: String) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.news.insert(id.to_owned());
        known.receipts.entry(id.to_owned()).or_default().push(receipt);
        self.news.notify_waiters();
    }

    /// Waits so long, or until it is said that the report is made.
    pub(super) async fn wait(&self, id: &str, so_long: Duration) {
        let until = Instant::now() + so_long;
        loop {
            // Made before the look, so that nothing that is told between the two is missed.
            let news = self.news.notified();
            let is_told = {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.news.remove(id)
            };
            if is_told || timeout_at(until, news).await.is_err() {
                return;
            }
        }
    }

    /// Receives messages until it is dropped.
    pub async fn listen(&self, queue: &Queue, visibility: Duration) {
        loop {
            if let Err(refusal) = self.look(queue, visibility, LOOK).await {
                let error = refusal.to_string();
                tracing::warn!(error, "nobody says when reports are made; they are looked for");
                sleep(PATIENCE).await;
            }
        }
    }

    /// Receives the messages that are there, and waits so long for the first one; how many there were. Those about reports that
    /// this account has not asked for come back for others.
    async fn look(&self, queue: &Queue, visibility: Duration, wait: Duration) -> Result<usize> {
        let received = queue.receive(wait).await?;
        let receipts: Vec<String> = received.iter().map(|message| message.receipt.clone()).collect();
        queue.hide(&receipts, visibility).await?;
        for message in &received {
            match report_of(&message.body) {
                Some(id) => self.tell(&id, message.receipt.clone()),
                None => tracing::warn!(
                    message = message.id,
                    "it is no notification about a report, and comes back"
                ),
            }
        }
        Ok(received.len())
    }

    /// Deletes the messages about reports that came to their end here, those that are still in the queue, too.
    ///
    /// # Errors
    ///
    /// When the queue refuses.
    pub async fn settle(&self, queue: &Queue, book: &Book<Request>, visibility: Duration) -> Result<usize> {
        for _ in 0..LOOKS {
            if self.look(queue, visibility, Duration::ZERO).await? == 0 {
                break;
            }
        }
        let entries = book.entries().await;
        let ended = entries.iter().filter(|(_, request)| !request.state.is_open());
        let ended: Vec<&str> = ended.filter_map(|(_, request)| request.id.as_deref()).collect();
        let receipts: Vec<String> = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let of_ended = ended.iter().filter_map(|id| known.receipts.remove(*id));
            of_ended.flatten().collect()
        };
        let (deleted, refused) = queue.delete(&receipts).await;
        refused?;
        Ok(deleted)
    }
}

/// The report that a notification is about, of a seller or a vendor; none where it is another one.
pub fn report_of(text: &str) -> Option<String> {
    let told: Value = serde_json::from_str(text).ok()?;
    if told["notificationType"] != "REPORT_PROCESSING_FINISHED" {
        return None;
    }
    let about = &told["payload"]["reportProcessingFinishedNotification"];
    let is_over = matches!(
        about["processingStatus"].as_str()?,
        "DONE" | "CANCELLED" | "FATAL"
    );
    let id = about["reportId"].as_str()?;
    is_over.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notification(seller: Value, status: &str) -> String {
        json!({
            "notificationVersion": "2020-09-04",
            "notificationType": "REPORT_PROCESSING_FINISHED",
            "payload": {"reportProcessingFinishedNotification": {
                "accountId": "amzn1.vg.6213651", "sellerId": seller, "reportId": "54517018502",
                "reportType": "GET_VENDOR_SALES_REPORT", "processingStatus": status,
            }},
        })
        .to_string()
    }

    #[test]
    fn notifications_of_sellers_and_vendors_name_their_report() {
        let id = Some("54517018502".to_owned());
        assert_eq!(report_of(&notification(Value::Null, "DONE")), id);
        assert_eq!(report_of(&notification(json!("A3TH9S8BH6GOGM"), "FATAL")), id);
        assert_eq!(report_of(&notification(Value::Null, "IN_PROGRESS")), None);
        for text in [
            "",
            "{}",
            "[1]",
            "{\"notificationType\": \"FEED_PROCESSING_FINISHED\"}",
        ] {
            assert_eq!(report_of(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_its_own_report_alone() {
        let finished = Finished::default();
        let long = Duration::from_secs(600);
        let waits = finished.wait("1", long);
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        finished.tell("2", "r".to_owned());
        assert!(futures::poll!(&mut waits).is_pending());
        finished.tell("1", "r".to_owned());
        assert!(futures::poll!(&mut waits).is_ready());
        finished.wait("2", long).await;
        finished.wait("2", Duration::ZERO).await;
    }
}
