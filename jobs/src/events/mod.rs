//! Events: messages of a queue that say where in the raw zone to look.
//!
//! An event is believed nothing else. The folders that it names are listed and a run goes on as always, so that events that come
//! twice, late, in any order, or about what is gone change nothing; what none told of, the daily look through everything finds.

mod inbox;

pub(crate) use inbox::{EventCounts, Inbox};
