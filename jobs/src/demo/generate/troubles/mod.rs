//! The troubles of a real Just Walk Out raw zone, planted where the story says.

mod files;
mod orders;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub(super) use files::plant_in_sheets;
pub(super) use orders::plant_in_orders;

/// The time of day of the first orders that are worth telling about: all three stores are open.
fn busy(day: NaiveDate, hour: i64) -> DateTime<Utc> {
    day.and_time(Default::default()).and_utc() + TimeDelta::hours(hour)
}
