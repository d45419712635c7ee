//! Messages that are worked on stay hidden from others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::Queue;

/// Messages are hidden for longer so often before they would come back.
const BEATS: u32 = 3;
/// Less is no time to work in.
const LEAST: Duration = Duration::from_secs(1);

/// Messages by their ids, each with its newest receipt and what is known of it.
#[derive(Debug)]
pub struct Held<T>(Arc<Mutex<HashMap<String, (String, T)>>>);

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Held<T> {
    /// All of them, for as long as nobody else looks.
    pub fn all(&self) -> MutexGuard<'_, HashMap<String, (String, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest receipts of all of them.
    pub fn receipts(&self) -> Vec<String> {
        self.all().values().map(|(receipt, _)| receipt.clone()).collect()
    }
}

/// Keeps messages hidden while it is there.
#[derive(Debug)]
pub struct Hidden(JoinHandle<()>);

impl Hidden {
    /// From now on what is held is hidden by `visibility` after `visibility`.
    pub fn start<T: Send + 'static>(queue: Queue, held: Held<T>, visibility: Duration) -> Self {
        let visibility = visibility.max(LEAST);
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(visibility / BEATS).await;
                if let Err(error) = queue.hide(&held.receipts(), visibility).await {
                    tracing::warn!(%error, "messages are not hidden any longer and may come twice, which changes nothing");
                }
            }
        }))
    }

    /// Ends it. From here on it asks for nothing.
    pub async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.abort();
    }
}
