//! What came out of the demo: a few questions, one order explained, what the runs did, the quarantine, and checks.

mod checks;
mod questions;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use pipeline::contract::TableName;
use pipeline::lake::Lake;
use pipeline::report::{RunReport, WhyRow};
use pipeline::request::QuarantineFilter;

pub(super) use checks::Check;

use super::process::Day;
use crate::cli::RowFormat;
use crate::commands::{explained, printed};
use crate::output::{Grid, Output, count};
use demo::Generated;

/// Prints the results.
pub(super) async fn show(
    output: &Output,
    lake: &Lake,
    made: &Generated,
    days: &[Day],
    checks: &[Check],
) -> Result<()> {
    for one in questions::all(made) {
        let rows = lake.query(&one.sql).await?;
        let answer = printed(&rows, RowFormat::Table)?;
        output.data(&format!("\n{}\n{answer}", one.question))?;
    }
    output.data(&split_order(lake, made).await?)?;
    output.data(&restated_day(lake, made).await?)?;
    output.data(&tally::text(days))?;
    output.data(&quarantine(lake).await?)?;
    output.data(&checks::text(checks))?;
    Ok(())
}

/// Whether everything is true that has to be; `repeated` is what the second run of the last day did.
pub(super) async fn check(lake: &Lake, made: &Generated, repeated: &RunReport) -> Result<Vec<Check>> {
    let mut checks = checks::all(lake, made).await?;
    let batches = repeated.tables.iter().map(|table| table.batches).sum();
    checks.push(Check::new(
        "A second run of the last day finds nothing new",
        batches,
    ));
    Ok(checks)
}

/// The order that came in three files: the columns about which the files differ.
async fn split_order(lake: &Lake, made: &Generated) -> Result<String> {
    let (merchant, order) = &made.split_order;
    let rows = format!("merchant_id = '{merchant}' AND order_id = '{order}'");
    let mut answer = lake.why_rows(&table("jwo", "orders"), &rows).await?;
    for row in &mut answer.rows {
        let disputed = disputed(row);
        row.columns.retain(|column| disputed.contains(&column.column));
    }
    Ok(format!(
        "\nWhy is order {order} as it is? It came in three files; where they differ:\n{}",
        explained(&answer)
    ))
}

/// A campaign on a day that several reports speak about: what each of them said.
async fn restated_day(lake: &Lake, made: &Generated) -> Result<String> {
    let (campaign, day) = &made.restated;
    let rows = format!("campaign_id = '{campaign}' AND activity_date = '{day}'");
    let mut answer = lake.why_rows(&table("ads", "sp_campaigns"), &rows).await?;
    for row in &mut answer.rows {
        row.columns
            .retain(|column| RESTATED.contains(&column.column.as_str()));
    }
    Ok(format!(
        "\nHow was {day} of campaign {campaign} restated? What each report said; the one that was made last counts, \
         whenever it came:\n{}",
        explained(&answer)
    ))
}

/// What later reports of a day know better.
const RESTATED: [&str; 5] = ["impressions", "clicks", "cost", "purchases_14d", "sales_14d"];

fn table(source: &str, table: &str) -> TableName {
    TableName {
        source: source.to_owned(),
        table: table.to_owned(),
    }
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
