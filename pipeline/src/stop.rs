//! Asking the work on a lake to end.
//!
//! Who is asked begins no further claim and no further commit. A commit that is on its way is ended and recorded; what was
//! only read, computed or written to files that no commit names is left where it is, as by a process that died: the next
//! call goes on from there.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, Kind, Result};

/// Asks everything that works on a lake to end; its clones ask together. Nothing takes it back.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// To be asked before anything is begun that has to be ended.
    ///
    /// # Errors
    /// An error of [`Kind::Stopped`] when somebody has asked.
    pub fn check(&self) -> Result<()> {
        match self.is_asked() {
            true => Err(stopped()),
            false => Ok(()),
        }
    }

    /// Does work that may be left anywhere. No commit is to be made in it: it would be left there, too.
    ///
    /// # Errors
    /// What the work fails with, and an error of [`Kind::Stopped`] when somebody asks before it is done.
    pub async fn unless<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut asked = self.0.subscribe();
        // On the heap: work is large, and is moved once more where it is waited for.
        let work = Box::pin(work);
        tokio::select! {
            biased;
            _ = asked.wait_for(|asked| *asked) => Err(stopped()),
            done = work => done,
        }
    }
}

fn stopped() -> Error {
    Error::new(
        Kind::Stopped,
        "stopped as asked; what is in stays, and the next call goes on from there",
    )
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn work_is_left_when_somebody_asks_and_not_begun_afterwards() {
        let stop = Stop::default();
        assert_eq!(stop.unless(ready(Ok(7))).await.unwrap(), 7);
        let asking = stop.clone();
        let (left, ()) = tokio::join!(stop.unless(pending::<Result<()>>()), async { asking.ask() });
        assert_eq!(left.unwrap_err().kind(), Kind::Stopped);
        let not_begun = stop.unless::<()>(async { panic!("it was begun") });
        assert_eq!(not_begun.await.unwrap_err().kind(), Kind::Stopped);
        assert_eq!(stop.check().unwrap_err().kind(), Kind::Stopped);
    }
}
