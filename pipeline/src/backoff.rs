//! Waiting after a lost race.

use std::time::Duration;

use uuid::Uuid;

/// A short pause of random length, so that two that lost to each other do not meet again.
pub(crate) async fn pause() {
    let jitter = Uuid::new_v4().as_u128() % 50;
    tokio::time::sleep(Duration::from_millis(5 + jitter as u64)).await;
}
