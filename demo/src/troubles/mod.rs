//! The troubles of real raw zones, planted where the story says.

mod events;
mod files;
mod orders;
mod reports;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub(super) use events::plant_in_events;
pub(super) use files::plant_in_sheets;
pub(super) use orders::plant_in_orders;
pub(super) use reports::{plant_in_reports, plant_in_trade};

/// So many hours into the day (UTC): from 16 to 22 all three stores are open.
fn busy(day: NaiveDate, hour: i64) -> DateTime<Utc> {
    day.and_time(Default::default()).and_utc() + TimeDelta::hours(hour)
}
