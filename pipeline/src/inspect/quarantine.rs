//! Open rejects, counted or one by one.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::lake::Lake;
use crate::report::{QuarantineGroup, RejectedRow};
use crate::request::QuarantineFilter;
use crate::system::ledger::Ledger;
use crate::system::open_rejects;
use crate::system::quarantine::QuarantineRow;

use super::reason;

impl Lake {
    /// Open rejects by table, object and reason.
    ///
    /// # Errors
    /// When quarantine or ledger cannot be read.
    pub async fn quarantine_list(&self, filter: &QuarantineFilter) -> Result<Vec<QuarantineGroup>> {
        let mut groups: BTreeMap<(String, String, String, bool), QuarantineGroup> = BTreeMap::new();
        for reject in rejects(self, filter).await? {
            let whole = reject.row.is_none();
            let reason = if whole {
                reject.reason
            } else {
                reason::general(&reject.reason)
            };
            let group = groups
                .entry((reject.table.clone(), reject.object.clone(), reason.clone(), whole))
                .or_insert_with(|| QuarantineGroup {
                    table: reject.table,
                    object: reject.object,
                    reason,
                    rows: 0,
                    rejected_at: reject.rejected_at,
                });
            group.rows += u64::from(!whole);
            group.rejected_at = group.rejected_at.max(reject.rejected_at);
        }
        Ok(groups.into_values().collect())
    }
}

impl Lake {
    /// Open rejects one by one, at most `limit`.
    ///
    /// # Errors
    /// When quarantine or ledger cannot be read.
    pub async fn quarantine_show(&self, filter: &QuarantineFilter, limit: usize) -> Result<Vec<RejectedRow>> {
        let rows = rejects(self, filter)
            .await?
            .into_iter()
            .take(limit)
            .map(|reject| RejectedRow {
                table: reject.table,
                object: reject.object,
                row: reject.row.map(|row| row as u64),
                reason: reject.reason,
                text: reject.raw_text,
                batch: reject.batch as u64,
                rejected_at: reject.rejected_at,
            });
        Ok(rows.collect())
    }
}

async fn rejects(lake: &Lake, filter: &QuarantineFilter) -> Result<Vec<QuarantineRow>> {
    let curated = lake.curated();
    match Ledger::open_existing(curated).await? {
        Some(ledger) => open_rejects(curated, &ledger, filter).await,
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::testing::{TestLake, table};
    use crate::system::quarantine::{record, write};

    #[tokio::test]
    async fn an_object_taken_again_closes_what_was_rejected_of_it() {
        let test = TestLake::new().await;
        let orders = table("jwo.orders");
        for (batch, rejects) in [
            (1, vec![("a", Some(1)), ("a", Some(2)), ("b", None)]),
            (2, vec![("c", Some(9))]),
        ] {
            let objects: &[&str] = if batch == 1 { &["a", "b"] } else { &["c"] };
            let claim = test.claim(&orders, batch, objects).await;
            let rows: Vec<QuarantineRow> = rejects
                .iter()
                .map(|(name, row)| test.reject(&claim, name, *row))
                .collect();
            let adds = write(test.lake.curated(), &rows).await.unwrap();
            record(test.lake.curated(), &adds, (orders.to_string(), batch))
                .await
                .unwrap();
            test.record(&claim).await;
        }
        let all = QuarantineFilter::default();
        let groups = test.lake.quarantine_list(&all).await.unwrap();
        let seen: Vec<_> = groups
            .iter()
            .map(|g| (g.object.ends_with("/a"), g.rows, g.reason.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (true, 2, "n: … is not an int"),
                (false, 0, "n: \"b\" is not an int"),
                (false, 1, "n: … is not an int")
            ]
        );
        let one = QuarantineFilter {
            reason_contains: Some("\"c\"".to_owned()),
            ..all.clone()
        };
        assert_eq!(test.lake.quarantine_show(&one, 5).await.unwrap().len(), 1);
        assert_eq!(test.lake.quarantine_show(&all, 3).await.unwrap().len(), 3);

        let claim = test.claim(&orders, 3, &["a"]).await;
        assert_eq!(
            test.lake.quarantine_list(&all).await.unwrap().len(),
            3,
            "a claim alone closes nothing"
        );
        test.record(&claim).await;
        let left: Vec<String> = test
            .lake
            .quarantine_list(&all)
            .await
            .unwrap()
            .into_iter()
            .map(|g| g.object)
            .collect();
        assert!(
            left.len() == 2 && left[0].ends_with("/b") && left[1].ends_with("/c"),
            "{left:?}"
        );
    }

    #[tokio::test]
    async fn asking_a_lake_that_is_not_there_does_not_make_it() {
        let test = TestLake::new().await;
        assert_eq!(
            test.lake
                .quarantine_list(&QuarantineFilter::default())
                .await
                .unwrap(),
            []
        );
        assert!(!test.lake.settings().curated.to_file_path().unwrap().exists());
    }
}
