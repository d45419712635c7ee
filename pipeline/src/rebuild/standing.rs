//! Where a table and its ledger stand, also when they do not fit each other.

use crate::commit::{LEDGER, recorded_app};
use crate::contract::Contract;
use crate::delta::Snapshot;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::system::ledger::Ledger;

/// A table as somebody left it.
pub(super) struct Standing {
    /// None where there is no table.
    pub(super) snapshot: Option<Snapshot>,
    /// Greatest batch that this ledger claimed.
    pub(super) claimed: i64,
    /// Greatest batch of this ledger in the table.
    pub(super) taken: i64,
    /// Greatest batch of this ledger that quarantine and run record have.
    recorded: i64,
    /// Whether the table holds, or may hold, objects of which this ledger knows nothing: then what lies in the raw zone
    /// is taken in as well.
    pub(super) adopts: bool,
    /// Whether a claim waits for its commit that is not one of a rebuild.
    pub(super) open: bool,
}

impl Standing {
    pub(super) async fn of(lake: &Lake, ledger: &Ledger, contract: &Contract) -> Result<Self> {
        let name = &contract.name;
        let snapshot = lake.table_log(name)?.load_unguarded().await.map_err(|error| {
            let what = "the table cannot be read at all; move its folder away and run this again";
            Error::new(error.kind(), what).because(error)
        })?;
        let claimed = ledger.progress(name).claimed;
        let (mut taken, mut stranger) = (0, false);
        if let Some(snapshot) = &snapshot {
            taken = ledger.taken(snapshot);
            stranger = snapshot.properties.get(LEDGER).map(String::as_str) != Some(ledger.id());
        }
        let (mut recorded, app) = (0, recorded_app(ledger, name));
        for table in ["quarantine", "runs"] {
            let log = lake.curated().system(table)?;
            if let Some(snapshot) = log.load_unguarded().await? {
                recorded = recorded.max(snapshot.txn(&app).unwrap_or(0));
            }
        }
        Ok(Self {
            claimed,
            taken,
            recorded,
            adopts: claimed == 0 || taken > claimed || stranger,
            open: claimed > taken && ledger.claimed_anew(name) != claimed,
            snapshot,
        })
    }

    /// A number that no batch of the table has had.
    pub(super) fn next(&self) -> i64 {
        self.claimed.max(self.taken).max(self.recorded) + 1
    }
}
