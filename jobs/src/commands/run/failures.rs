//! Failures of a watch: which of them end it, and how long it pauses after the others.

use std::time::Duration;

use anyhow::Error;
use aws::Refusal;

use crate::exit::{FAILED, code_of};

/// So many failures in a row end a watch: what does not pass is for whoever started it.
const MOST: u32 = 10;
/// The pause after the first failure, which doubles from one to the next, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Failures(u32);

impl Failures {
    /// How long to pause after one more; none where it ends the watch: trying again cannot help, or did not often enough.
    pub(super) fn pause(&mut self, error: &Error) -> Option<Duration> {
        let before = self.0;
        self.0 += 1;
        let is_lasting = error.downcast_ref().is_some_and(Refusal::is_lasting);
        let may_pass = code_of(error) == Some(FAILED) && !is_lasting && self.0 < MOST;
        may_pass.then(|| FIRST.saturating_mul(2_u32.pow(before)).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::exit::usage;

    #[test]
    fn pauses_grow_until_it_is_enough() {
        let mut failures = Failures::default();
        let pauses = (0..10).map(|_| failures.pause(&anyhow!("503")).map(|pause| pause.as_secs()));
        let grown = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Some);
        assert_eq!(pauses.collect::<Vec<_>>(), [&grown[..], &[None]].concat());
    }

    #[test]
    fn what_stays_as_it_is_ends_at_once() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let wrong = pipeline::Error::usage("no such column");
        for error in [usage("no such table"), wrong.into(), broken.into()] {
            assert_eq!(Failures::default().pause(&error), None, "{error}");
        }
    }
}
