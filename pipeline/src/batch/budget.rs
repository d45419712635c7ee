//! What of a batch goes to quarantine, beside what its contract allows.

use crate::contract::Budget;

use super::intake::Intake;

/// What is beyond the budget, in words with the first reason; none where nothing is.
pub(super) fn excess<'a>(
    budget: &Budget,
    batch: i64,
    intakes: impl IntoIterator<Item = &'a Intake>,
) -> Option<String> {
    // What lies at another state now is nobody's fault: else a batch that is held would wait for ever for its mended object.
    let intakes: Vec<&Intake> = intakes
        .into_iter()
        .filter(|intake| !intake.comes_again())
        .collect();
    let (bad, read): (Vec<&Intake>, Vec<&Intake>) =
        intakes.iter().partition(|intake| intake.rejected.is_some());
    let rejected: u64 = read.iter().map(|intake| intake.rejects.len() as u64).sum();
    let rows: u64 = read.iter().map(|intake| intake.rows_read).sum();
    let first = intakes.iter().find_map(|intake| intake.rejects.first())?;
    // An empty report among damaged ones is taken in.
    let has_empty = read
        .iter()
        .any(|intake| intake.rows_read == 0 && intake.rejects.is_empty());
    let what = if !has_empty && Intake::is_all_bad(&intakes) {
        "everything".to_owned()
    } else if budget.is_exceeded(rejected, rows.max(rejected)) {
        format!("{rejected} of {} rows", rows.max(rejected))
    } else if budget.is_exceeded(bad.len() as u64, intakes.len() as u64) {
        format!("{} of {} objects", bad.len(), intakes.len())
    } else {
        return None;
    };
    Some(format!(
        "{}; the first because {}",
        told(&what, batch, budget),
        first.reason
    ))
}

/// The same of a batch of a computed table, of whose rows so many are rejected.
pub(super) fn excess_of_rows(budget: &Budget, batch: i64, rejected: u64, rows: u64) -> Option<String> {
    let is_all = rejected > 0 && rejected >= rows;
    let what = match rejected {
        _ if is_all => "everything".to_owned(),
        _ if budget.is_exceeded(rejected, rows) => format!("{rejected} of {rows} rows"),
        _ => return None,
    };
    Some(told(&what, batch, budget))
}

/// That so much was rejected, and what the contract allows, where it says so.
fn told(what: &str, batch: i64, budget: &Budget) -> String {
    let verb = if what == "everything" { "was" } else { "were" };
    let allowed = match budget.rows {
        share if share < 1.0 => format!(", and the contract allows {share} of them"),
        _ => String::new(),
    };
    format!("{what} in batch {batch} {verb} rejected{allowed}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::intake::CHANGED;
    use crate::contract::Otherwise;
    use crate::shape::Reject;

    fn object(rows_read: u64, rejects: usize) -> Intake {
        let reject = Reject {
            row: Some(1),
            reason: "it is wrong".to_owned(),
            text: String::new(),
        };
        Intake {
            rows_read,
            rejects: vec![reject; rejects],
            ..Intake::default()
        }
    }

    fn says(rows: f64, intakes: &[Intake]) -> Option<String> {
        let otherwise = Otherwise::Warn;
        excess(&Budget { rows, otherwise }, 7, intakes)
    }

    #[test]
    fn what_a_contract_allows_is_not_told() {
        assert_eq!(says(1.0, &[object(10, 9)]), None);
        assert_eq!(says(0.1, &[object(10, 1), object(10, 1)]), None);
        assert_eq!(says(0.0, &[object(10, 0), object(0, 0)]), None);
        // A report without rows is no damage.
        let gone = Intake::rejected(1, "it is gone".to_owned());
        assert_eq!(says(1.0, &[gone, object(0, 0)]), None);
    }

    #[test]
    fn more_is_told_with_the_first_reason() {
        let told = says(0.1, &[object(10, 0), object(10, 3)]).unwrap();
        assert_eq!(
            told,
            "3 of 20 rows in batch 7 were rejected, and the contract allows 0.1 of them; the first because it is wrong"
        );
        let gone = Intake::rejected(1, "it is gone".to_owned());
        let told = says(0.4, &[gone, object(5, 0)]).unwrap();
        assert!(told.starts_with("1 of 2 objects in batch 7"), "{told}");
    }

    #[test]
    fn an_object_that_was_mended_meanwhile_is_not_counted() {
        let reason = format!("object {CHANGED}; what it is now is taken in as another object");
        let mended = || Intake::rejected(1, reason.clone());
        assert_eq!(says(0.0, &[mended()]), None);
        assert_eq!(says(0.4, &[mended(), object(5, 0)]), None);
        assert!(says(0.1, &[mended(), object(5, 4)]).is_some());
    }

    #[test]
    fn everything_is_always_too_much() {
        for intakes in [
            vec![object(3, 3)],
            vec![Intake::rejected(0, "it is wrong".to_owned())],
            vec![object(3, 3), Intake::rejected(1, "it is gone".to_owned())],
        ] {
            let told = says(1.0, &intakes).unwrap();
            assert_eq!(
                told,
                "everything in batch 7 was rejected; the first because it is wrong"
            );
        }
    }
}
