//! What of a batch goes to quarantine, beside what its contract allows.

use crate::contract::Budget;
use crate::system::ledger::{ObjectResult, Taken};

use crate::ingest::object_rows::ObjectRows;

/// What of a batch was rejected, and of how much.
struct Rejected {
    rows: u64,
    of_rows: u64,
    objects: u64,
    of_objects: u64,
    /// Whether nothing else came.
    is_all: bool,
}

/// What is beyond the budget, in words with the first reason; none where nothing is.
pub(crate) fn excess<'a>(
    budget: &Budget,
    batch: i64,
    objects: impl IntoIterator<Item = &'a ObjectRows>,
) -> Option<String> {
    // What lies at another state now is nobody's fault: else a batch that is held would wait for ever for its mended object.
    let objects: Vec<&ObjectRows> = objects.into_iter().filter(|gave| !gave.comes_again()).collect();
    let (bad, read): (Vec<&ObjectRows>, Vec<&ObjectRows>) =
        objects.iter().partition(|gave| gave.rejected.is_some());
    let rows: u64 = read.iter().map(|gave| gave.rejects.len()).sum();
    let rows_read: u64 = read.iter().map(|gave| gave.rows_read).sum();
    let first = objects.iter().find_map(|gave| gave.rejects.first())?;
    // An empty report among damaged ones is taken in.
    let has_empty = read
        .iter()
        .any(|gave| gave.rows_read == 0 && gave.rejects.is_empty());
    let rejected = Rejected {
        rows,
        of_rows: rows_read.max(rows),
        objects: bad.len() as u64,
        of_objects: objects.len() as u64,
        is_all: !has_empty && ObjectRows::is_all_bad(&objects),
    };
    let told = told(budget, batch, &rejected)?;
    Some(format!("{told}; the first because {}", first.reason))
}

/// The same of a batch of a computed table, of whose rows so many are rejected.
pub(crate) fn excess_of_rows(budget: &Budget, batch: i64, rows: u64, of_rows: u64) -> Option<String> {
    let rejected = Rejected {
        rows,
        of_rows,
        objects: 0,
        of_objects: 0,
        is_all: rows > 0 && rows >= of_rows,
    };
    told(budget, batch, &rejected)
}

/// The same of what became of all objects of a table.
pub(crate) fn excess_of_results(budget: &Budget, batch: i64, results: &[ObjectResult]) -> Option<String> {
    let rejected = Rejected {
        rows: results.iter().map(|result| result.rows_rejected).sum(),
        of_rows: results.iter().map(|result| result.rows_read).sum(),
        objects: results.iter().filter(|result| result.taken != Taken::In).count() as u64,
        of_objects: results.len() as u64,
        is_all: !results.is_empty() && results.iter().all(|result| result.row().gave_nothing()),
    };
    told(budget, batch, &rejected)
}

/// That more was rejected than the contract allows, or everything; none where neither is so.
fn told(budget: &Budget, batch: i64, rejected: &Rejected) -> Option<String> {
    let Rejected {
        rows,
        of_rows,
        objects,
        of_objects,
        is_all,
    } = rejected;
    let what = match is_all {
        true => format!("everything in batch {batch} was rejected"),
        _ if budget.is_exceeded(*rows, *of_rows) => {
            format!("{rows} of {of_rows} rows in batch {batch} were rejected")
        }
        _ if budget.is_exceeded(*objects, *of_objects) => {
            format!("{objects} of {of_objects} objects in batch {batch} were rejected")
        }
        _ => return None,
    };
    Some(match budget.rows {
        share if share < 1.0 => format!("{what}, and the contract allows {share} of them"),
        _ => what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Otherwise;
    use crate::ingest::object_rows::CHANGED;
    use crate::shape::Reject;

    fn object(rows_read: u64, rejects: usize) -> ObjectRows {
        let reject = Reject {
            row: Some(1),
            reason: "it is wrong".to_owned(),
            text: String::new(),
        };
        ObjectRows {
            rows_read,
            rejects: vec![reject; rejects].into(),
            ..ObjectRows::default()
        }
    }

    fn says(rows: f64, objects: &[ObjectRows]) -> Option<String> {
        let otherwise = Otherwise::Warn;
        excess(&Budget { rows, otherwise }, 7, objects)
    }

    #[test]
    fn what_a_contract_allows_is_not_told() {
        assert_eq!(says(1.0, &[object(10, 9)]), None);
        assert_eq!(says(0.1, &[object(10, 1), object(10, 1)]), None);
        assert_eq!(says(0.0, &[object(10, 0), object(0, 0)]), None);
        // A report without rows is no damage.
        let gone = ObjectRows::rejected(1, "it is gone".to_owned());
        assert_eq!(says(1.0, &[gone, object(0, 0)]), None);
    }

    #[test]
    fn more_is_told_with_the_first_reason() {
        let told = says(0.1, &[object(10, 0), object(10, 3)]).unwrap();
        assert_eq!(
            told,
            "3 of 20 rows in batch 7 were rejected, and the contract allows 0.1 of them; the first because it is wrong"
        );
        let gone = ObjectRows::rejected(1, "it is gone".to_owned());
        let told = says(0.4, &[gone, object(5, 0)]).unwrap();
        assert!(told.starts_with("1 of 2 objects in batch 7"), "{told}");
    }

    #[test]
    fn an_object_that_was_mended_meanwhile_is_not_counted() {
        let reason = format!("object {CHANGED}; what it is now is taken in as another object");
        let mended = || ObjectRows::rejected(1, reason.clone());
        assert_eq!(says(0.0, &[mended()]), None);
        assert_eq!(says(0.4, &[mended(), object(5, 0)]), None);
        assert!(says(0.1, &[mended(), object(5, 4)]).is_some());
    }

    #[test]
    fn everything_is_always_too_much() {
        for objects in [
            vec![object(3, 3)],
            vec![ObjectRows::rejected(0, "it is wrong".to_owned())],
            vec![object(3, 3), ObjectRows::rejected(1, "it is gone".to_owned())],
        ] {
            let told = says(1.0, &objects).unwrap();
            assert_eq!(
                told,
                "everything in batch 7 was rejected; the first because it is wrong"
            );
        }
    }
}
