//! The troubles of a real Just Walk Out raw zone, planted where the story says.

mod files;
mod orders;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub(super) use files::plant_in_sheets;
pub(super) use orders::plant_in_orders;

/// So many hours into the day (UTC): from 16 to 22 all three stores are open.
fn busy(day: NaiveDate, hour: i64) -> DateTime<Utc> {
    day.and_time(Default::default()).and_utc() + TimeDelta::hours(hour)
}
