//! Numbers and times in the words of people.

use chrono::{DateTime, Utc};

/// A number of bytes with a unit: `11.77 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A number in groups of three digits: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// An instant to the minute, in UTC: `2026-03-01 07:45Z`.
pub(crate) fn minute(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%MZ").to_string()
}
