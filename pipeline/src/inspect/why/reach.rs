//! Which raw objects can have spoken about a row.

use chrono::{Days, NaiveDate};

use crate::contract::{Column, Contract, RawFeed};
use crate::inspect::text::TextRow;
use crate::raw::RawObject;

/// Bounds on the objects that can hold a row of a key; what is absent does not restrict.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    uri: Option<String>,
    path: Option<String>,
    first: Option<NaiveDate>,
    last: Option<NaiveDate>,
}

impl Reach {
    /// The bounds that a kept row states: its partition date by way of the key window, and key columns that are
    /// taken from the object itself.
    pub(super) fn of(contract: &Contract, feed: &RawFeed, row: &TextRow) -> Self {
        let mut reach = Self::default();
        // An object may lie W days after or one before the date of a row, and another of the same key W from that.
        if let Some(window) = feed.key_window_days
            && let Some(date) = contract
                .window_column()
                .and_then(|name| row.get(name)?.parse::<NaiveDate>().ok())
        {
            let window = u64::from(window);
            reach.first = date.checked_sub_days(Days::new(window + 1));
            reach.last = date.checked_add_days(Days::new(2 * window));
        }
        // With SQL in between, fields of these names can be something else.
        let key = contract.key().iter().filter(|_| contract.sql.is_none());
        for column in key.filter_map(|name| contract.column(name)) {
            let value = row.get(&column.name);
            match lineage(column) {
                Some("_object") => reach.uri = value.map(str::to_owned),
                Some("_path") => reach.path = value.map(str::to_owned),
                Some("_period") => {
                    let day = value.and_then(|day| day.parse().ok());
                    (reach.first, reach.last) = (day, day);
                }
                _ => {}
            }
        }
        reach
    }

    /// Whether the object can hold a row of the key.
    pub(super) fn covers(&self, object: &RawObject) -> bool {
        let day = object.period.date();
        self.uri.as_ref().is_none_or(|uri| *uri == object.uri)
            && self.path.as_ref().is_none_or(|path| *path == object.path)
            && self.first.is_none_or(|first| first <= day)
            && self.last.is_none_or(|last| day <= last)
    }
}

fn lineage(column: &Column) -> Option<&str> {
    match column.from.as_slice() {
        [from] => Some(from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Feed, TableName, builtin, load};

    fn reach(table: &str, cells: &[(&str, &str)]) -> Reach {
        let contracts = load(&builtin(), &[]).unwrap();
        let contract = &contracts[&table.parse::<TableName>().unwrap()];
        let Feed::Raw(feed) = &contract.feed else {
            panic!("{table} has inputs")
        };
        let cells = cells
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
        Reach::of(contract, feed, &TextRow(cells.collect()))
    }

    #[test]
    fn a_dated_row_is_reached_by_its_key_window_and_an_undated_one_by_all() {
        let dated = reach("jwo.orders", &[("order_date", "2026-03-10")]);
        assert_eq!(
            (dated.first, dated.last),
            (
                NaiveDate::from_ymd_opt(2026, 2, 2),
                NaiveDate::from_ymd_opt(2026, 5, 19)
            )
        );
        assert_eq!(reach("jwo.orders", &[("order_id", "1")]), Reach::default());
    }

    #[test]
    fn a_key_that_names_its_object_is_reached_by_that_alone() {
        let row = reach(
            "jwo.order_rows",
            &[("report_date", "2026-03-10"), ("object_path", "corner/a.csv")],
        );
        let day = NaiveDate::from_ymd_opt(2026, 3, 10);
        assert_eq!(
            row,
            Reach {
                uri: None,
                path: Some("corner/a.csv".to_owned()),
                first: day,
                last: day
            }
        );
    }
}
