//! How often a service may be asked: a token bucket for each account and operation.
//!
//! What is spent is written to the lake before it is spent, so that the process that comes after a crash knows it. The
//! buckets are a little smaller and slower than the documented ones, as requests arrive with other gaps than they leave.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::book::Book;
use crate::error::{Error, Result};
use crate::place::Place;

/// Requests leave so much later than the rate would let them.
const SLACK: f64 = 1.05;
/// What is spent is written down for so many seconds at once, of half a bucket at most, so that quick operations do not write with every request.
const AHEAD: f64 = 10.0;
/// Slower than this a rate that a service states is taken for an error of its own.
const SLOWEST: f64 = 1.0 / 86_400.0;

/// The rate that the documentation of an operation says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second.
    pub per_second: f64,
    /// Requests at once after a pause.
    pub burst: u32,
}

/// What was spent of a bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Spent {
    /// Tokens that were in it at that time, those not counted that were written down ahead; less than none where the
    /// bucket has to fill before anything may be asked.
    left: f64,
    at: DateTime<Utc>,
    /// The rate that the service stated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_second: Option<f64>,
}

/// The buckets of an account.
pub struct Rates {
    book: Book<Spent>,
    buckets: Mutex<BTreeMap<&'static str, Arc<Bucket>>>,
}

/// The bucket of an operation. Whoever asks takes its turn first.
pub struct Bucket {
    operation: &'static str,
    burst: u32,
    /// Who has it is next: the others would wait no shorter.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

struct State {
    limiter: Limiter,
    per_second: f64,
    /// Tokens left when the last one was taken, and when that was.
    left: f64,
    since: Instant,
    /// Most tokens.
    burst: u32,
    /// Requests that were written down and not made yet.
    ahead: u32,
    /// Before this nothing is asked: the service said so.
    not_before: Option<Instant>,
    /// Whether the rate is another one than what was written down.
    learned: bool,
}

impl Rates {
    /// The buckets that the lake knows in a folder.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub async fn open(folder: &Place) -> Result<Self> {
        Ok(Self {
            book: Book::open(folder, "rates").await?,
            buckets: Mutex::default(),
        })
    }

    /// The bucket of an operation with its documented rate.
    pub async fn bucket(&self, operation: &'static str, rate: Rate) -> Arc<Bucket> {
        let spent = self.book.get(operation).await;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(operation) {
            return bucket.clone();
        }
        let per_second = spent
            .as_ref()
            .and_then(|spent| spent.per_second)
            .unwrap_or(rate.per_second);
        // One token less than documented, where there are several: two ends never count alike.
        let burst = rate.burst.saturating_sub(1).max(1);
        let learned = spent.as_ref().is_some_and(|spent| spent.per_second.is_some());
        let left = spent.map_or(f64::from(burst), |spent| {
            let passed = (Utc::now() - spent.at).max(TimeDelta::zero());
            spent.left + passed.as_seconds_f64() * per_second / SLACK
        });
        let bucket = Arc::new(Bucket {
            operation,
            burst,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                learned,
                ..State::filled(per_second, burst, left)
            }),
        });
        buckets.insert(operation, bucket.clone());
        bucket
    }

    /// Waits until the operation may be asked once more, but not beyond `until`.
    ///
    /// # Errors
    ///
    /// [`Error::NoTime`] where its turn comes later, and when it cannot be written down: nothing may be asked then.
    pub async fn turn(&self, bucket: &Bucket, until: Option<Instant>) -> Result<()> {
        let _turn = bucket.turn.lock().await;
        loop {
            // Nobody else waits for the state while this one sleeps.
            let wait = bucket.state().wait();
            match wait {
                Some(wait) if until.is_some_and(|until| Instant::now() + wait > until) => {
                    let operation = bucket.operation;
                    return Err(Error::NoTime { operation });
                }
                Some(wait) => sleep(wait).await,
                None => break,
            }
        }
        let spent = bucket.state().spent();
        if let Some(spent) = spent {
            self.book.put(bucket.operation, spent).await?;
        }
        Ok(())
    }
}

impl Bucket {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service stated the rate that holds for this account.
    pub fn learn(&self, per_second: f64) {
        let mut state = self.state();
        let is_one = per_second.is_finite() && per_second >= SLOWEST;
        if !is_one || (per_second - state.per_second).abs() < state.per_second / 1000.0 {
            return;
        }
        tracing::debug!(operation = self.operation, per_second, "rate was learned");
        let passed = state.since.elapsed().as_secs_f64();
        let left = state.left + passed * state.per_second / SLACK;
        let not_before = state.not_before;
        *state = State {
            not_before,
            learned: true,
            ..State::filled(per_second, self.burst, left)
        };
    }

    /// Nothing is asked for so long, and nothing is left of the bucket afterwards but what a moment brings.
    pub fn pause(&self, so_long: Duration) {
        let mut state = self.state();
        let until = Instant::now() + so_long;
        state.not_before = Some(state.not_before.map_or(until, |known| known.max(until)));
        let (per_second, learned) = (state.per_second, state.learned);
        // The service counts fewer tokens than we do.
        *state = State {
            not_before: state.not_before,
            learned,
            ..State::filled(per_second, self.burst, 1.0)
        };
    }

    /// How long so many requests take from now on at this rate.
    pub fn takes(&self, requests: u64) -> Duration {
        let state = self.state();
        let passed = state.since.elapsed().as_secs_f64();
        let there = (state.left + passed * state.per_second).clamp(0.0, f64::from(self.burst));
        let wait = (requests as f64 - there).max(0.0) * SLACK / state.per_second;
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
    }
}

impl State {
    /// How long the next request has to wait; none where it may be made now, which takes a token.
    fn wait(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if let Some(until) = self.not_before.filter(|until| *until > now) {
            return Some(until - now);
        }
        self.not_before = None;
        match self.limiter.check() {
            Ok(snapshot) => {
                self.left = f64::from(snapshot.remaining_burst_capacity());
                self.since = now;
                None
            }
            Err(not_yet) => Some(not_yet.wait_time_from(DefaultClock::default().now())),
        }
    }

    /// What is to be written down before the request that took the last token; none where it was, ahead.
    fn spent(&mut self) -> Option<Spent> {
        if self.ahead > 0 {
            self.ahead -= 1;
            return None;
        }
        // This request and so many more: an answer that comes meanwhile may state another rate, and all begins anew.
        let most = f64::from(self.burst / 2).max(1.0);
        self.ahead = (self.per_second * AHEAD).clamp(1.0, most) as u32 - 1;
        Some(Spent {
            left: self.left - f64::from(self.ahead),
            at: Utc::now(),
            per_second: self.learned.then_some(self.per_second),
        })
    }

    /// A bucket with so many tokens in it.
    fn filled(per_second: f64, burst: u32, left: f64) -> Self {
        let period = Duration::try_from_secs_f64(SLACK / per_second).unwrap_or(Duration::from_secs(86_400));
        let most = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        // A bucket that refills within nothing limits nothing; there is none.
        let period = period.max(Duration::from_nanos(1));
        let quota = Quota::with_period(period)
            .map_or_else(|| Quota::per_second(most), |quota| quota.allow_burst(most));
        let limiter = RateLimiter::direct(quota).with_middleware::<StateInformationMiddleware>();
        let left = left.min(f64::from(burst));
        let missing = (f64::from(burst) - left.max(0.0)).ceil() as u32;
        if let Some(missing) = NonZeroU32::new(missing.min(burst)) {
            // A full bucket has as many.
            let _ = limiter.check_n(missing);
        }
        let not_before = (left < 0.0).then(|| Instant::now() + period.mul_f64(-left));
        Self {
            limiter,
            per_second,
            left: left.max(0.0),
            since: Instant::now(),
            burst,
            ahead: 0,
            not_before,
            learned: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    const SLOW: Rate = Rate {
        per_second: 0.0167,
        burst: 15,
    };

    async fn takes(place: &Place, requests: u64) -> f64 {
        let rates = Rates::open(place).await.unwrap();
        let bucket = rates.bucket("createReport", SLOW).await;
        bucket.takes(requests).as_secs_f64()
    }

    fn lake() -> Place {
        Place::new(Arc::new(InMemory::new()), Path::from("lake"), true)
    }

    #[tokio::test]
    async fn what_was_spent_is_known_after_a_crash() {
        let place = lake();
        let rates = Rates::open(&place).await.unwrap();
        let bucket = rates.bucket("createReport", SLOW).await;
        for _ in 0..10 {
            rates.turn(&bucket, None).await.unwrap();
        }
        let period = SLACK / SLOW.per_second;
        let (four, five) = (takes(&place, 4).await, takes(&place, 5).await);
        assert!(four < 1.0 && five > period * 0.95, "{four} {five}");
    }

    #[tokio::test]
    async fn quick_operations_write_ahead_and_a_crash_costs_what_was_written() {
        let place = lake();
        let quick = Rate {
            per_second: 2.0,
            burst: 30,
        };
        let rates = Rates::open(&place).await.unwrap();
        let bucket = rates.bucket("getReport", quick).await;
        rates.turn(&bucket, None).await.unwrap();
        let again = Rates::open(&place).await.unwrap();
        let spent = again.book.get("getReport").await.unwrap();
        assert_eq!(spent.left.round(), 15.0, "28 were left, 13 more are written down");
        rates.turn(&bucket, None).await.unwrap();
        let same = Rates::open(&place)
            .await
            .unwrap()
            .book
            .get("getReport")
            .await
            .unwrap();
        assert_eq!(
            same.at, spent.at,
            "the second request was written down with the first"
        );
    }

    #[tokio::test]
    async fn a_rate_is_learned_and_kept() {
        let place = lake();
        let rates = Rates::open(&place).await.unwrap();
        let bucket = rates.bucket("createReport", SLOW).await;
        for strange in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            bucket.learn(strange);
        }
        bucket.learn(5.0);
        rates.turn(&bucket, None).await.unwrap();
        let spent = Rates::open(&place)
            .await
            .unwrap()
            .book
            .get("createReport")
            .await
            .unwrap();
        assert_eq!(spent.per_second, Some(5.0));
        // Who comes next keeps it, although nobody tells it the rate again.
        let next = Rates::open(&place).await.unwrap();
        let kept = next.bucket("createReport", SLOW).await.state().spent().unwrap();
        assert_eq!(kept.per_second, Some(5.0));
        assert!(bucket.takes(15) < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_pause_empties_the_bucket() {
        let rates = Rates::open(&lake()).await.unwrap();
        let bucket = rates.bucket("createReport", SLOW).await;
        bucket.pause(Duration::from_millis(20));
        rates.turn(&bucket, None).await.unwrap();
        assert!(bucket.takes(1) > Duration::from_secs(50));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_beyond_the_end() {
        let rates = Rates::open(&lake()).await.unwrap();
        let one = Rate {
            per_second: 0.01,
            burst: 1,
        };
        let bucket = rates.bucket("createReport", one).await;
        let until = Some(Instant::now());
        rates.turn(&bucket, until).await.unwrap();
        let late = rates.turn(&bucket, until).await.unwrap_err();
        assert!(matches!(late, Error::NoTime { .. }), "{late}");
    }
}
