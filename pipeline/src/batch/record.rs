//! The record of a batch: quarantine and ledger, from the side file that the commit names.

use serde_json::Value;

use crate::contract::TableName;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::record::quarantine;

use super::side::SideFile;
use super::table::Table;

/// Records the batch that the table took in last, where that has not been done.
pub(super) async fn catch_up(
    lake: &Lake,
    ledger: &mut Ledger,
    name: &TableName,
    table: &Table,
) -> Result<()> {
    let recorded = ledger.progress(name).await?.recorded;
    if recorded >= table.taken {
        return Ok(());
    }
    let missing = || {
        Error::internal("commit of the last batch names no side file")
            .with("table", name)
            .with("batch", table.taken)
    };
    let (version, about) = table.last.as_ref().ok_or_else(missing)?;
    let side = about.get("side").and_then(Value::as_str).ok_or_else(missing)?;
    let side = SideFile::read(&lake.settings().curated, side).await?;
    record(lake, ledger, name, table.taken, side, *version).await
}

/// Records a batch, once. `version` is that of the batch's commit.
pub(crate) async fn record(
    lake: &Lake,
    ledger: &mut Ledger,
    name: &TableName,
    batch: i64,
    side: SideFile,
    version: u64,
) -> Result<()> {
    if !side.quarantine.is_empty() {
        quarantine::record(&lake.settings().curated, name, batch, side.quarantine).await?;
    }
    failpoint::pass("after_quarantine");
    let mut results = side.results;
    for result in &mut results {
        result.commit_version = Some(version);
    }
    ledger.record(name, batch, &results).await?;
    failpoint::pass("after_record");
    Ok(())
}
