//! What a contract asks of each row beside its checks: a key, required values, known fields, a date within the key window.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use chrono::{Datelike, NaiveDate};

use super::Shaper;
use super::fields::Fields;
use super::source::Source;
use crate::contract::Unknown;
use crate::delta::partition;
use crate::error::{Error, Result};

impl Shaper {
    /// Rows without a key or without a required value. A blank text is no key: it would make one record of all that
    /// lack one.
    pub(super) fn require(&self, rows: &RecordBatch, reasons: &mut [Vec<String>]) {
        for (position, column) in self.contract.columns.iter().enumerate() {
            let key = self.contract.scope().contains(&column.name);
            if !key && !column.required {
                continue;
            }
            let what = if key { "key column" } else { "required column" };
            let texts = rows.column(position).as_string_opt::<i32>().filter(|_| key);
            let is_blank = |row: usize| texts.is_some_and(|texts| texts.value(row).trim().is_empty());
            for (row, reasons) in reasons.iter_mut().enumerate() {
                // A failed cast is already a reason, and a better one.
                if (rows.column(position).is_null(row) || is_blank(row))
                    && !reasons
                        .iter()
                        .any(|r| r.starts_with(&format!("{}: ", column.name)))
                {
                    reasons.push(format!("{what} {} is empty", column.name));
                }
            }
        }
        for name in &self.contract.partition {
            let unfit = rows.column_by_name(name).map(partition::unfit);
            for (row, why) in unfit.unwrap_or_default() {
                reasons[row].push(format!("partition column {name} {why}"));
            }
        }
    }

    /// Rows with fields that no column names, where the contract refuses them.
    pub(super) fn check_unknown(&self, fields: &Fields<'_>, raw_rows: &[u32], reasons: &mut [Vec<String>]) {
        if self.feed.unknown != Unknown::Refuse {
            return;
        }
        for (row, reasons) in raw_rows.iter().zip(reasons) {
            for name in fields.unknown_in(*row as usize) {
                reasons.push(format!(
                    "field {name} is not in the contract, which refuses unknown fields"
                ));
            }
        }
    }

    /// The partition date must lie within the key window of the object's period: only there will a later row of
    /// the same key look for this one.
    pub(super) fn check_window(
        &self,
        rows: &RecordBatch,
        source: &Source,
        reasons: &mut [Vec<String>],
    ) -> Result<()> {
        let Some(window) = self.feed.key_window_days else {
            return Ok(());
        };
        let Some(name) = self.contract.window_column() else {
            return Ok(());
        };
        let dates = rows
            .column_by_name(name)
            .ok_or_else(|| Error::internal("partition column is missing").with("column", name))?
            .as_primitive::<Date32Type>();
        let period = source.object.period.date();
        for (row, reasons) in reasons.iter_mut().enumerate() {
            if !dates.is_valid(row) {
                continue;
            }
            let days_before = days_since_epoch(period) - i64::from(dates.value(row));
            if days_before > i64::from(window) || days_before < -1 {
                let date = dates
                    .value_as_date(row)
                    .map_or_else(|| "?".to_owned(), |date| date.to_string());
                let problem = if days_before < 0 {
                    "after".to_owned()
                } else {
                    format!("more than {window} days before")
                };
                reasons.push(format!(
                    "{name} {date} is {problem} the object's day {period} (key_window)"
                ));
            }
        }
        Ok(())
    }
}

/// Days since 1970-01-01.
pub(crate) fn days_since_epoch(day: NaiveDate) -> i64 {
    i64::from(day.num_days_from_ce() - 719_163)
}
