//! Waiting before the next try: longer each time, of random length, and not for ever.

use std::time::Duration;

use uuid::Uuid;

use crate::error::{Error, Kind, Result};

/// Pauses between tries at the same thing.
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    tries: u32,
    most: u32,
}

impl Backoff {
    /// The first pause is about `first`, each is up to twice as long as the one before and none longer than `longest`;
    /// after `most` tries there is no other.
    pub(crate) fn new(first: Duration, longest: Duration, most: u32) -> Self {
        Self {
            next: first,
            longest,
            tries: 0,
            most,
        }
    }

    /// Waits after a try that did not succeed; false, without a pause, where that was the last one.
    pub(crate) async fn pause(&mut self) -> bool {
        self.tries += 1;
        if self.tries >= self.most {
            return false;
        }
        // Between a half and the whole, so that two that lost to each other do not meet again.
        let half = self.next / 2;
        let jitter = Uuid::new_v4().as_u128() % (half.as_micros() + 1);
        tokio::time::sleep(half + Duration::from_micros(jitter as u64)).await;
        self.next = (self.next * 2).min(self.longest);
        true
    }

    /// Waits after another writer's commit to `table` came first.
    ///
    /// # Errors
    /// When that has happened often enough.
    pub(crate) async fn lost(&mut self, table: &str) -> Result<()> {
        if self.pause().await {
            return Ok(());
        }
        Err(Error::new(
            Kind::Conflict,
            format!(
                "other writers were first {} times in a row; run again, or have fewer run at the same time",
                self.tries
            ),
        )
        .with("table", table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_grow_to_the_longest_and_come_to_an_end() {
        let mut backoff = Backoff::new(Duration::from_micros(1), Duration::from_micros(5), 5);
        let mut lengths = Vec::new();
        while backoff.pause().await {
            lengths.push(backoff.next.as_micros());
        }
        assert_eq!(lengths, [2, 4, 5, 5]);
        let error = backoff.lost("jwo.orders").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.to_string().contains("6 times"), "{error}");
    }
}
