//! Where a table stands between two batches.

use super::record::{catch_up, complete};
use super::table::{self, Opened};
use super::tally::Tally;
use crate::contract::{Contract, TableName};
use crate::delta::Which;
use crate::error::{Error, Kind, Result};
use crate::lake::Lake;
use crate::system::ledger::{Claim, Ledger};

/// Where a table stands between two batches.
pub(crate) enum State {
    /// A claim waits for its commit.
    Open(Claim),
    /// Everything claimed is committed and recorded; so many batches are.
    Idle(i64),
    /// A person is asked.
    Held(Vec<String>),
}

/// Finds out where a table stands, and records its last batch if that has not been done.
pub(crate) async fn state(
    lake: &Lake,
    ledger: &mut Ledger,
    contract: &Contract,
    which: Which,
    tally: &mut Tally,
) -> Result<State> {
    if which == Which::Known && !lake.curated().is_local() {
        let state = standing(lake, ledger, contract, which, tally).await;
        // What looks wrong may only be old.
        if matches!(state, Ok(State::Open(_) | State::Idle(_))) {
            return state;
        }
    }
    ledger.refresh().await?;
    standing(lake, ledger, contract, Which::Newest, tally).await
}

async fn standing(
    lake: &Lake,
    ledger: &mut Ledger,
    contract: &Contract,
    which: Which,
    tally: &mut Tally,
) -> Result<State> {
    let name = &contract.name;
    // A table is made with its first batch: by then it is known whose rows it has, and its definition says so.
    let claimed = ledger.progress(name).claimed;
    if claimed <= 1 && !lake.table_log(name)?.exists().await? {
        if claimed == 0 {
            return Ok(State::Idle(0));
        }
        if contract.raw_feed().is_some() && ledger.claimed_anew(name) == 0 {
            return Ok(State::Open(claimed_as(ledger, name, claimed).await?));
        }
    }
    let table = match table::open(lake, ledger, contract, which).await? {
        Opened::Ready(table) => table,
        Opened::Held(reasons) => {
            complete(lake, ledger, name, tally).await?;
            return Ok(State::Held(reasons));
        }
    };
    let progress = ledger.progress(name);
    if table.taken < progress.recorded && which == Which::Known {
        return Err(Error::new(Kind::Conflict, "table went on").with("table", name));
    }
    if progress.claimed > table.taken && ledger.claimed_anew(name) == progress.claimed {
        return Ok(State::Held(vec![format!(
            "making the table anew was begun and not finished; run `marketlake rebuild {name}` again"
        )]));
    }
    if progress.claimed < table.taken {
        return Err(Error::new(
            Kind::Foreign,
            format!("ledger knows batches up to {} but the table has {}: the ledger was set back; run `marketlake rebuild {name}`", progress.claimed, table.taken),
        )
        .with("table", name));
    }
    if progress.claimed > table.taken + 1 {
        return Err(Error::new(
            Kind::Foreign,
            format!("ledger has claims up to {} but the table only batches up to {}: the table was set back; run `marketlake rebuild {name}`", progress.claimed, table.taken),
        )
        .with("table", name));
    }
    let last = (table.taken, table.last.as_ref());
    catch_up(lake, ledger, name, last, true, tally).await?;
    if progress.claimed == table.taken {
        tally.wait_for(table.waiting()?);
        return Ok(State::Idle(table.taken));
    }
    Ok(State::Open(claimed_as(ledger, name, progress.claimed).await?))
}

/// The claim of a batch that the ledger says was claimed.
async fn claimed_as(ledger: &Ledger, name: &TableName, batch: i64) -> Result<Claim> {
    ledger.claim_of(name, batch).await?.ok_or_else(|| {
        Error::internal("claim has no rows in the ledger")
            .with("table", name)
            .with("batch", batch)
    })
}
