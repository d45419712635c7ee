//! What came out of the demo: a few questions, one order explained, the quarantine.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use pipeline::contract::TableName;
use pipeline::lake::Lake;
use pipeline::report::{QuarantineFilter, WhyRow};

use super::generate::Generated;
use crate::cli::RowFormat;
use crate::commands::{explained, printed};
use crate::output::{Grid, Output, count};

/// What is asked, and the SQL that answers it.
const QUESTIONS: [(&str, &str); 4] = [
    (
        "What did each store take?",
        "SELECT store_id, count(*) AS orders, sum(order_total) AS taken, sum(refunded_total) AS refunded, currency_code
         FROM jwo.orders GROUP BY store_id, currency_code ORDER BY store_id",
    ),
    (
        "What sold best?",
        "SELECT product_name, sum(quantity) AS quantity, quantity_unit, count(DISTINCT order_id) AS orders
         FROM jwo.order_lines GROUP BY product_name, quantity_unit ORDER BY orders DESC, product_name LIMIT 5",
    ),
    (
        "Do the totals of the orders agree with their lines?",
        "SELECT has_header, has_lines, agrees, count(*) AS orders
         FROM jwo.order_totals GROUP BY has_header, has_lines, agrees ORDER BY orders DESC",
    ),
    (
        "What did advertising cost, and what did it bring within a week?",
        "SELECT advertiser_id, sum(impressions) AS impressions, sum(clicks) AS clicks, sum(cost) AS cost,
         sum(attributed_sales_7d) AS sales, currency
         FROM ams.sp_hourly GROUP BY advertiser_id, currency ORDER BY advertiser_id",
    ),
];

/// Prints the results.
pub(super) async fn show(output: &Output, lake: &Lake, made: &Generated) -> Result<()> {
    for (question, sql) in QUESTIONS {
        let rows = lake.query(sql).await?;
        output.data(&format!("\n{question}\n{}", printed(&rows, RowFormat::Table)?))?;
    }
    output.data(&split_order(lake, made).await?)?;
    output.data(&quarantine(lake).await?)?;
    Ok(())
}

/// The order that came in three files: the columns about which the files differ.
async fn split_order(lake: &Lake, made: &Generated) -> Result<String> {
    let (merchant, order) = &made.split_order;
    let table = TableName {
        source: "jwo".to_owned(),
        table: "orders".to_owned(),
    };
    let mut answer = lake
        .why_rows(
            &table,
            &format!("merchant_id = '{merchant}' AND order_id = '{order}'"),
        )
        .await?;
    for row in &mut answer.rows {
        let disputed = disputed(row);
        row.columns.retain(|column| disputed.contains(&column.column));
    }
    Ok(format!(
        "\nWhy is order {order} as it is? It came in three files; where they differ:\n{}",
        explained(&answer)
    ))
}

/// Columns of which not every observation says the same.
fn disputed(row: &WhyRow) -> BTreeSet<String> {
    let said = |column: &String| -> BTreeSet<Option<&String>> {
        row.observations
            .iter()
            .map(|one| one.values.get(column).and_then(Option::as_ref))
            .collect()
    };
    let columns = row.columns.iter().map(|column| &column.column);
    columns.filter(|column| said(column).len() > 1).cloned().collect()
}

/// Open rejects by table and reason.
async fn quarantine(lake: &Lake) -> Result<String> {
    let groups = lake.quarantine_list(&QuarantineFilter::default()).await?;
    let mut reasons: BTreeMap<(String, String), (u64, BTreeSet<String>)> = BTreeMap::new();
    for group in groups {
        let (rows, objects) = reasons.entry((group.table, group.reason)).or_default();
        *rows += group.rows;
        objects.insert(group.object);
    }
    let mut grid = Grid::new(&["table", ">rows", ">objects", "reason"]);
    for ((table, reason), (rows, objects)) in reasons {
        grid.row([table, count(rows), count(objects.len() as u64), reason]);
    }
    Ok(if grid.is_empty() {
        "\nNothing is in quarantine\n".to_owned()
    } else {
        format!("\nIn quarantine, to be replayed when their rule is mended:\n{grid}")
    })
}
