//! Which observation the value of a column comes from, and by which rule.
//!
//! The rules are told again from the observations, independent of how a batch applied them. Where the table has
//! another value than they give, the answer says so and names no source.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::contract::{Contract, Feed, Keep, Pick};
use crate::inspect::text::TextRow;
use crate::layout::{OBJECT, ROW, STATED};
use crate::report::ColumnWhy;

use super::observed::Observed;

/// Explains one column of a kept row by what was observed of its key, oldest in the table's order first.
pub(super) fn explain(contract: &Contract, kept: &TextRow, name: &str, observed: &[Observed]) -> ColumnWhy {
    let value = kept.get(name);
    let unsourced = |why: String| ColumnWhy {
        column: name.to_owned(),
        value: value.map(str::to_owned),
        from_object: None,
        from_row: None,
        why,
    };
    let feed = match &contract.feed {
        Feed::Raw(feed) => feed,
        Feed::Inputs(feed) => {
            let inputs: Vec<String> = feed.inputs.iter().map(ToString::to_string).collect();
            return unsourced(format!("computed from {}", inputs.join(", ")));
        }
    };
    if contract.scope().iter().any(|key| key == name) {
        return unsourced(match &feed.keep {
            Keep::LatestDocument { .. } => "documents are compared by it".to_owned(),
            _ => "part of the key".to_owned(),
        });
    }
    let column = contract.column(name);
    if value.is_none() && column.is_some_and(|column| column.personal.is_some()) {
        return unsourced("personal: not stored".to_owned());
    }
    if observed.is_empty() {
        return unsourced("no raw object that can be read now has the key".to_owned());
    }
    let said = match &feed.keep {
        Keep::EveryRow { .. } => every_row(observed),
        Keep::LatestRow { .. } => latest_row(observed),
        Keep::LatestDocument { .. } => latest_document(kept, observed),
        Keep::LatestValue { .. } => latest_value(
            column.map_or(Pick::Newest, |column| column.pick),
            name,
            value,
            observed,
        ),
    };
    match said {
        Said::Nothing if value.is_none() => unsourced("no value in any raw row".to_owned()),
        Said::By(source, why) if source.cells.get(name) == value => {
            let from = Some(source.object.clone());
            ColumnWhy {
                from_object: from,
                from_row: Some(source.row),
                ..unsourced(why)
            }
        }
        Said::By(source, why) => {
            let other = source.cells.get(name).unwrap_or("no value");
            unsourced(format!(
                "raw objects now say {other} ({why}): one that said this has changed or is gone"
            ))
        }
        Said::Nothing => {
            unsourced("no raw object says this any more: one that did has changed or is gone".to_owned())
        }
    }
}

/// What the rule of a table gives for a column.
enum Said<'a> {
    /// This observation, for that reason.
    By(&'a Observed, String),
    /// No observation has a value.
    Nothing,
}

/// Copies of one key are dropped; the one with the smallest content hash, object and row stays.
fn every_row(observed: &[Observed]) -> Said<'_> {
    let place = |row: &&Observed| (row.hash, row.object.clone(), row.row);
    let Some(first) = observed.iter().min_by_key(place) else {
        return Said::Nothing;
    };
    let why = match (observed.len(), observed.iter().all(|row| row.hash == first.hash)) {
        (1, _) => "only row".to_owned(),
        (count, true) => format!("first of {count} equal copies"),
        (count, false) => format!("smallest content hash of {count} copies that differ"),
    };
    Said::By(first, why)
}

/// The newest row stays, all of it; of equal ones the first by content hash, object and row.
fn latest_row(observed: &[Observed]) -> Said<'_> {
    let copy = |row: &Observed| Reverse((row.object.clone(), row.row));
    let place = |row: &&Observed| (row.order.clone(), row.hash, copy(row));
    let Some(newest) = observed.iter().max_by_key(place) else {
        return Said::Nothing;
    };
    let why = match observed.len() {
        1 => "only row".to_owned(),
        count => format!("newest of {count} rows"),
    };
    Said::By(newest, why)
}

/// The rows of the newest document stay, all of them.
fn latest_document<'a>(kept: &TextRow, observed: &'a [Observed]) -> Said<'a> {
    let Some(newest) = observed.iter().map(|document| &document.order).max() else {
        return Said::Nothing;
    };
    let orders: BTreeSet<&String> = observed.iter().map(|document| &document.order).collect();
    let why = match orders.len() {
        1 => "only document".to_owned(),
        count => format!("newest of {count} documents"),
    };
    let is_kept = |row: &Observed| {
        kept.get(OBJECT) == Some(&row.object) && kept.get(ROW) == Some(row.row.to_string().as_str())
    };
    by(observed.iter().filter(|row| row.order == *newest), is_kept, why)
}

/// Of each column the newest, smallest or greatest value stays.
fn latest_value<'a>(pick: Pick, name: &str, value: Option<&str>, observed: &'a [Observed]) -> Said<'a> {
    let speaks = |row: &&Observed| row.cells.get(name).is_some();
    let values = observed.iter().filter(speaks).count();
    let is_value = |row: &Observed| row.cells.get(name) == value;
    let counted = |word: &str| match values {
        1 => "only value".to_owned(),
        _ => format!("{word} of {values} values"),
    };
    match pick {
        Pick::Newest => {
            let Some(newest) = observed.iter().filter(speaks).map(|row| row.order_of(name)).max() else {
                return Said::Nothing;
            };
            // Of a row that states its whole record, no value is a value like any other, less than those of its time.
            let whole = observed
                .iter()
                .filter(|row| row.is_whole())
                .max_by_key(|row| &row.order);
            if let Some(whole) = whole.filter(|whole| newest < whole.order.as_str()) {
                let why = "cleared: this newer row states its whole record and has none";
                return Said::By(whole, why.to_owned());
            }
            let speaking = || observed.iter().filter(speaks);
            let why = if newest == STATED && speaking().any(|row| row.older.contains_key(name)) {
                "stated by the account: no raw row has a value".to_owned()
            } else {
                counted("newest")
            };
            by(
                speaking().filter(|row| row.order_of(name) == newest),
                is_value,
                why,
            )
        }
        Pick::Min => by(observed.iter().filter(speaks), is_value, counted("smallest")),
        Pick::Max => by(observed.iter().filter(speaks), is_value, counted("greatest")),
    }
}

/// Of equally good candidates the one that says what stayed, else the last.
fn by<'a>(
    candidates: impl Iterator<Item = &'a Observed>,
    is_value: impl Fn(&Observed) -> bool,
    why: String,
) -> Said<'a> {
    let candidates: Vec<&Observed> = candidates.collect();
    match candidates.iter().find(|row| is_value(row)).or(candidates.last()) {
        Some(source) => Said::By(source, why),
        None => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{TableName, builtin, load};
    use crate::layout::WHOLE;

    fn cells(cells: &[(&str, Option<&str>)]) -> TextRow {
        TextRow(
            cells
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                .collect(),
        )
    }

    fn observed(object: &str, order: &str, status: Option<&str>, whole: bool) -> Observed {
        Observed {
            object: object.to_owned(),
            row: 4,
            order: order.to_owned(),
            hash: object.bytes().map(i64::from).sum(),
            older: whole.then(|| (WHOLE.to_owned(), None)).into_iter().collect(),
            rows: None,
            cells: cells(&[
                ("order_status", status),
                ("first_seen_at", Some(order)),
                ("state", status),
            ]),
        }
    }

    fn why(table: &str, kept: &TextRow, name: &str, observed: &[Observed]) -> (Option<String>, String) {
        let contracts = load(&builtin(), &[]).unwrap();
        let why = explain(
            &contracts[&table.parse::<TableName>().unwrap()],
            kept,
            name,
            observed,
        );
        (why.from_object, why.why)
    }

    fn from(object: &str, why: &str) -> (Option<String>, String) {
        (Some(object.to_owned()), why.to_owned())
    }

    #[test]
    fn a_latest_value_comes_from_the_newest_row_that_has_one() {
        let rows = [
            observed("a", "1", Some("open"), false),
            observed("b", "2", Some("paid"), false),
            observed("c", "3", None, false),
        ];
        let kept = cells(&[("order_status", Some("paid")), ("first_seen_at", Some("1"))]);
        assert_eq!(
            why("jwo.orders", &kept, "order_status", &rows),
            from("b", "newest of 2 values")
        );
        assert_eq!(
            why("jwo.orders", &kept, "first_seen_at", &rows),
            from("a", "smallest of 3 values")
        );
        assert_eq!(
            why("jwo.orders", &kept, "order_status", &rows[1..]),
            from("b", "only value")
        );
        assert_eq!(why("jwo.orders", &kept, "order_id", &rows).1, "part of the key");
        let (source, text) = why("jwo.orders", &kept, "order_status", &rows[..1]);
        assert!(
            source.is_none() && text.starts_with("raw objects now say open"),
            "{text}"
        );
    }

    #[test]
    fn what_a_row_says_stands_above_what_the_account_states() {
        let stated = |object: &str, order: &str, status: &str| Observed {
            older: [("order_status".to_owned(), Some(STATED.to_owned()))].into(),
            ..observed(object, order, Some(status), false)
        };
        let rows = [observed("a", "1", Some("open"), false), stated("b", "2", "paid")];
        let open = cells(&[("order_status", Some("open"))]);
        assert_eq!(
            why("jwo.orders", &open, "order_status", &rows),
            from("a", "newest of 2 values")
        );
        let paid = cells(&[("order_status", Some("paid"))]);
        assert_eq!(
            why("jwo.orders", &paid, "order_status", &rows[1..]),
            from("b", "stated by the account: no raw row has a value")
        );
    }

    #[test]
    fn a_whole_row_clears_a_value_and_a_partial_one_does_not() {
        let old = observed("a", "1", Some("open"), false);
        let none = cells(&[("order_status", None)]);
        let whole = [old.clone(), observed("b", "2", None, true)];
        assert_eq!(
            why("jwo.orders", &none, "order_status", &whole),
            from(
                "b",
                "cleared: this newer row states its whole record and has none"
            )
        );
        let open = cells(&[("order_status", Some("open"))]);
        let partial = [old, observed("b", "2", None, false)];
        assert_eq!(
            why("jwo.orders", &open, "order_status", &partial),
            from("a", "only value")
        );
        let silent = [observed("a", "1", None, false), observed("b", "2", None, true)];
        assert_eq!(
            why("jwo.orders", &none, "order_status", &silent),
            (None, "no value in any raw row".to_owned())
        );
    }

    #[test]
    fn equal_orders_are_told_apart_by_the_value_that_stayed() {
        let rows = [
            observed("a", "1", Some("x"), false),
            observed("b", "1", Some("y"), false),
        ];
        for (value, object) in [("x", "a"), ("y", "b")] {
            let kept = cells(&[("order_status", Some(value))]);
            assert_eq!(
                why("jwo.orders", &kept, "order_status", &rows),
                from(object, "newest of 2 values")
            );
        }
    }

    #[test]
    fn a_latest_row_gives_all_its_values_or_none() {
        let rows = [
            observed("a", "1", Some("on"), false),
            observed("b", "2", None, false),
        ];
        let kept = cells(&[("state", None), ("_object", Some("b")), ("_row", Some("4"))]);
        assert_eq!(
            why("ams.campaigns", &kept, "state", &rows),
            from("b", "newest of 2 rows")
        );
    }

    #[test]
    fn of_copies_the_first_is_told() {
        let mut rows = [
            observed("b", "", Some("1"), false),
            observed("a", "", Some("1"), false),
        ];
        rows[0].hash = rows[1].hash;
        let kept = cells(&[("state", Some("1"))]);
        assert_eq!(
            why("ams.sp_traffic", &kept, "state", &rows),
            from("a", "first of 2 equal copies")
        );
        rows[0].hash = 0;
        let said = why("ams.sp_traffic", &kept, "state", &rows);
        assert_eq!(said, from("b", "smallest content hash of 2 copies that differ"));
    }

    #[test]
    fn what_is_computed_names_its_inputs() {
        let kept = cells(&[("baskets", Some("3"))]);
        let said = why("jwo.store_hourly", &kept, "baskets", &[]);
        assert_eq!(
            said,
            (None, "computed from jwo.orders, jwo.order_lines".to_owned())
        );
    }
}
