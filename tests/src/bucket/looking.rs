//! What is in a lake, as text that can be compared.

use anyhow::{Context, Result};
use cases::{Rejected, Rows, select};
use pipeline::lake::Lake;
use pipeline::request::QuarantineFilter;

use super::parse;

/// The rows of a table of a lake at `root`; no rows when it is not there yet.
pub(crate) async fn rows(lake: &Lake, table: &str, root: &str) -> Result<Rows> {
    let contract = lake
        .contracts()
        .get(&parse(table)?)
        .context("there is no such table")?;
    let Ok(batches) = lake.query(&select(contract)).await else {
        return Ok(Rows::default());
    };
    let mut lines = Vec::new();
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut lines);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    drop(writer);
    Rows::parse(contract, std::str::from_utf8(&lines)?, &format!("{root}raw/"))
}

/// What waits in quarantine for a table of a lake at `root`.
pub(crate) async fn quarantine(lake: &Lake, table: &str, root: &str) -> Result<Vec<Rejected>> {
    let filter = QuarantineFilter {
        table: Some(parse(table)?),
        ..QuarantineFilter::default()
    };
    let rows = lake.quarantine_show(&filter, usize::MAX).await?;
    let rejected = rows.into_iter().map(|row| Rejected {
        table: row.table,
        object: row.object.replace(&format!("{root}raw/"), ""),
        row: row.row,
        reason: row.reason,
        text: row.text,
    });
    let mut rejected: Vec<Rejected> = rejected.collect();
    rejected.sort_by(|a, b| (&a.object, a.row, &a.reason).cmp(&(&b.object, b.row, &b.reason)));
    Ok(rejected)
}
