//! Limiting a rebuild to a range of periods.
//!
//! That is sound where the rows of a period's objects are all in the partitions of that period, and no row is made of
//! objects of two periods: the table is laid out by the period, and the period is part of the key.

use chrono::NaiveDate;

use crate::contract::{ColumnType, Contract, Feed};
use crate::delta::DataFile;
use crate::error::{Error, Result};
use crate::request::RebuildOptions;

/// Partitions of some days.
pub(super) struct Range<'a> {
    column: &'a str,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

impl Range<'_> {
    /// Whether the rows of a file are about these days.
    pub(super) fn holds(&self, file: &DataFile) -> bool {
        let day = file.partition.get(self.column).and_then(Option::as_deref);
        day.and_then(|day| day.parse().ok())
            .is_some_and(|day: NaiveDate| within(day, self.from, self.to))
    }
}

/// Whether a day is in a range whose ends may be open.
pub(super) fn within(day: NaiveDate, from: Option<NaiveDate>, to: Option<NaiveDate>) -> bool {
    from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to)
}

/// Refuses a range that could not be made anew by itself.
pub(super) fn check(contract: &Contract, options: &RebuildOptions) -> Result<()> {
    of(contract, options).map(|_| ())
}

/// The range that is asked for; none for the whole table.
pub(super) fn of<'a>(contract: &'a Contract, options: &RebuildOptions) -> Result<Option<Range<'a>>> {
    if options.from.is_none() && options.to.is_none() {
        return Ok(None);
    }
    let refused = |why: &str| {
        Error::usage(format!(
            "only the whole of {} can be made anew: {why}; leave --from and --to away",
            contract.name
        ))
    };
    if let Feed::Inputs(_) = contract.feed {
        return Err(refused("its rows are computed from other tables"));
    }
    let by_period = contract.partition.iter().find(|name| {
        contract
            .column(name)
            .is_some_and(|column| column.ty == ColumnType::Date && column.from == ["_period"])
    });
    let Some(column) = by_period else {
        return Err(refused(
            "it is not laid out by the period of its objects (a partition column that is a date from `_period`)",
        ));
    };
    if !contract.key().contains(column) {
        return Err(refused(&format!(
            "{column} is not part of its key, so a row may be made of objects of several periods"
        )));
    }
    Ok(Some(Range {
        column,
        from: options.from,
        to: options.to,
    }))
}
