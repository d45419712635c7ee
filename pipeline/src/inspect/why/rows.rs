//! Rows of a table with everything that was said about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{Contract, Feed, Keep, TableName};
use crate::error::{Error, Result};
use crate::inspect::text::{TextRow, text_rows};
use crate::lake::Lake;
use crate::layout;
use crate::report::{Observation, SCHEMA, WhyRow, WhyRows};
use crate::system::ledger::Ledger;

use super::documents::documents;
use super::matched::matched;
use super::observed::{Observed, observed};
use super::{order, winner};

/// Most rows that are explained.
const MOST: usize = 20;

impl Lake {
    /// Why rows of a table that fulfil a SQL condition are as they are.
    ///
    /// # Errors
    /// When the table does not exist or the condition is not valid over it.
    pub async fn why_rows(&self, table: &TableName, condition: &str) -> Result<WhyRows> {
        let contract = self
            .contracts()
            .get(table)
            .ok_or_else(|| Error::usage("there is no such table").with("table", table))?;
        let curated = self.curated();
        let mut answer = WhyRows {
            schema: SCHEMA,
            table: table.to_string(),
            matched: 0,
            rows: Vec::new(),
        };
        let log = curated.table(table)?;
        let Some(snapshot) = log.load().await? else {
            return Ok(answer);
        };
        let (count, kept) = matched(&log, &snapshot, condition, MOST).await?;
        let ledger = Ledger::open_existing(curated).await?;
        let observations = match (&contract.feed, ledger) {
            (Feed::Raw(feed), Some(ledger)) if matches!(feed.keep, Keep::LatestDocument { .. }) => {
                let taken = ledger.taken(&snapshot);
                documents(self, contract, &ledger, taken, &kept).await?
            }
            (Feed::Raw(feed), Some(ledger)) => {
                let taken = ledger.taken(&snapshot);
                observed(self, contract, feed, &ledger, taken, &kept).await?
            }
            _ => vec![Vec::new(); kept.num_rows()],
        };
        answer.matched = count;
        answer.rows = text_rows(&kept)?
            .iter()
            .zip(observations)
            .map(|(kept, observed)| row(contract, kept, &observed))
            .collect();
        answer.rows.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(answer)
    }
}

fn row(contract: &Contract, kept: &TextRow, observed: &[Observed]) -> WhyRow {
    let key = |name: &String| Some((name.clone(), kept.get(name)?.to_owned()));
    WhyRow {
        key: contract
            .scope()
            .iter()
            .chain(contract.document_key())
            .filter_map(key)
            .collect(),
        kept: kept
            .0
            .iter()
            .filter(|(name, _)| !is_mechanism(name))
            .cloned()
            .collect(),
        observations: observed
            .iter()
            .map(|observed| observation(contract, observed))
            .collect(),
        columns: columns(kept, observed)
            .into_iter()
            .map(|name| winner::explain(contract, kept, name, observed))
            .collect(),
    }
}

/// The columns of the kept row in table order, then fields of `extra` that only an observation has.
fn columns<'a>(kept: &'a TextRow, observed: &'a [Observed]) -> Vec<&'a str> {
    let mut columns: Vec<&str> = kept.content().map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> = columns.iter().copied().collect();
    let seen = observed.iter().flat_map(|observed| observed.cells.content());
    let others: BTreeSet<&str> = seen
        .map(|(name, _)| name.as_str())
        .filter(|name| !known.contains(name))
        .collect();
    columns.extend(others);
    columns
}

fn observation(contract: &Contract, observed: &Observed) -> Observation {
    let order = if observed.order.is_empty() {
        format!("{}={}", layout::HASH, observed.hash)
    } else {
        order::in_words(contract, &observed.order)
    };
    let values: BTreeMap<String, Option<String>> = observed.cells.content().cloned().collect();
    Observation {
        object: observed.object.clone(),
        row: observed.row,
        order,
        rows: observed.rows,
        values,
    }
}

/// Columns by which the table decides, which say nothing to a person.
fn is_mechanism(name: &str) -> bool {
    [layout::HASH, layout::ORDER, layout::OLDER].contains(&name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, new_null_array};

    use super::*;
    use crate::contract::{builtin, load};
    use crate::error::Kind;
    use crate::inspect::testing::{TestLake, filled, table};

    #[tokio::test]
    async fn rows_of_a_computed_table_name_their_inputs() {
        let test = TestLake::new().await;
        let name = table("jwo.store_hourly");
        assert_eq!(test.lake.why_rows(&name, "baskets > 1").await.unwrap().matched, 0);
        let contract = &test.lake.contracts()[&name];
        let schema = layout::schema(contract);
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            "baskets" => Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef,
            "order_date" => Arc::new(Date32Array::from(vec![20_000, 20_000])),
            "merchant_id" => Arc::new(StringArray::from(vec!["m", "n"])),
            _ => new_null_array(field.data_type(), 2),
        });
        let rows = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
        let log = test.lake.table_log(&name).unwrap();
        filled(&log, &rows, &contract.partition, &["baskets"]).await;

        let answer = test.lake.why_rows(&name, "baskets > 1").await.unwrap();
        assert_eq!((answer.matched, answer.rows.len()), (1, 1));
        let row = &answer.rows[0];
        assert_eq!(row.key["merchant_id"], "n");
        assert_eq!(row.kept["order_date"].as_deref(), Some("2024-10-04"));
        assert!(row.observations.is_empty());
        assert!(
            row.columns
                .iter()
                .all(|column| column.why == "computed from jwo.orders, jwo.order_lines")
        );
        assert_eq!(row.columns.len(), contract.columns.len());

        let unknown = test.lake.why_rows(&table("jwo.none"), "true").await.unwrap_err();
        assert_eq!(unknown.kind(), Kind::Usage);
    }

    #[test]
    fn an_explained_row_lists_fields_of_extra_and_hides_how_it_is_kept() {
        let contracts = load(&builtin(), &[]).unwrap();
        let contract = &contracts[&table("jwo.orders")];
        let text = |cells: &[(&str, &str)]| {
            TextRow(
                cells
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
                    .collect(),
            )
        };
        let kept = text(&[
            ("order_id", "1"),
            ("extra.aisle", "7"),
            ("_order", "x"),
            ("_object", "a"),
        ]);
        let said = Observed {
            object: "a".to_owned(),
            row: 1,
            cells: text(&[("extra.aisle", "7"), ("extra.bay", "2")]),
            ..Observed::default()
        };
        let row = row(contract, &kept, &[said]);
        let columns: Vec<_> = row
            .columns
            .iter()
            .map(|why| (why.column.as_str(), why.why.as_str()))
            .collect();
        assert_eq!(
            columns[..2],
            [("order_id", "part of the key"), ("extra.aisle", "only value")]
        );
        assert_eq!(columns[2].0, "extra.bay");
        assert_eq!(
            row.kept.keys().collect::<Vec<_>>(),
            ["_object", "extra.aisle", "order_id"]
        );
    }
}
