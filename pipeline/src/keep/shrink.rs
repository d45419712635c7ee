//! The shrink guard: newer documents that have suspiciously fewer rows than those whose place they take.

use chrono::{DateTime, NaiveDate, Utc};

use crate::contract::{ColumnType, Contract, Shrink};
use crate::layout::days_before;

use super::latest_document::Replaced;

/// The changes that look wrong. Days are old or young by the time at which the batch was claimed; what has no day is
/// old.
pub(crate) fn shrunk<'a>(
    contract: &Contract,
    per: &[String],
    shrink: &Shrink,
    claimed_at: DateTime<Utc>,
    replaced: &'a [Replaced],
) -> Vec<&'a Replaced> {
    let day = per.iter().position(|name| {
        contract
            .column(name)
            .is_some_and(|column| column.ty == ColumnType::Date)
    });
    let youngest = days_before(claimed_at.date_naive(), shrink.older_than_days);
    let is_old = |change: &Replaced| {
        let day: Option<NaiveDate> = day.and_then(|day| change.cell[day].parse().ok());
        day.is_none_or(|day| day < youngest)
    };
    let is_less = |change: &Replaced| (change.after as f64) < shrink.below * change.before as f64;
    replaced
        .iter()
        .filter(|change| is_less(change) && is_old(change))
        .collect()
}

/// A change in words: `report_date 2026-03-01 from 20 rows to 3`.
pub(crate) fn in_words(per: &[String], change: &Replaced) -> String {
    let values = per.iter().zip(&change.cell);
    let values: Vec<String> = values.map(|(name, value)| format!("{name} {value}")).collect();
    format!(
        "{} from {} rows to {}",
        values.join(", "),
        change.before,
        change.after
    )
}
