//! Exit codes: what a scheduler learns without reading.

use std::fmt;

/// Done: updated, unchanged or empty.
pub(crate) const DONE: u8 = 0;
/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage, configuration or contract.
pub(crate) const USAGE: u8 = 2;
/// Done, but something waits for a person.
pub(crate) const ATTENTION: u8 = 3;
/// Ended before all was done because a signal asked for that; the next call goes on.
pub(crate) const STOPPED: u8 = 4;

/// A mistake of the person who called: in an argument, the configuration or a contract.
#[derive(Debug)]
struct Mistake(String);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mistake {}

/// An error that ends the program with [`USAGE`].
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Mistake(message.into()).into()
}

/// The exit code for an error that ends the program; none where nobody listens any more (`| head`).
pub(crate) fn code_of(error: &anyhow::Error) -> Option<u8> {
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::BrokenPipe
        {
            return None;
        }
        if cause.is::<Mistake>() {
            return Some(USAGE);
        }
        match cause.downcast_ref::<pipeline::Error>().map(pipeline::Error::kind) {
            Some(pipeline::Kind::Usage) => return Some(USAGE),
            Some(pipeline::Kind::Stopped) => return Some(STOPPED),
            _ => {}
        }
    }
    Some(FAILED)
}

/// The code that weighs more: a failure before a stop before a wish for attention before success.
pub(crate) fn worse(one: u8, other: u8) -> u8 {
    let weight = |code| {
        [DONE, ATTENTION, STOPPED, FAILED, USAGE]
            .iter()
            .position(|known| *known == code)
    };
    if weight(one) >= weight(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_mistake_of_the_caller_is_told_from_a_failure_below_any_context() {
        let below = |error: pipeline::Error| Err::<(), _>(error).context("while reading").unwrap_err();
        assert_eq!(
            code_of(&below(pipeline::Error::usage("no such column"))),
            Some(USAGE)
        );
        assert_eq!(code_of(&below(pipeline::Error::data("bad bytes"))), Some(FAILED));
        assert_eq!(code_of(&usage("no such table").context("run")), Some(USAGE));
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(code_of(&anyhow::Error::from(closed).context("printing")), None);
    }

    #[test]
    fn a_failure_outweighs_a_wish_for_attention() {
        assert_eq!(worse(ATTENTION, FAILED), FAILED);
        assert_eq!(worse(DONE, ATTENTION), ATTENTION);
        assert_eq!(worse(STOPPED, ATTENTION), STOPPED);
        assert_eq!(worse(STOPPED, FAILED), FAILED);
    }
}
