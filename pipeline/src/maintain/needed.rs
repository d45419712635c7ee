//! How far back a table must stay readable for the tables computed from it.

use crate::commit::checked;
use crate::contract::Feed;
use crate::delta::Snapshot;
use crate::derive::input_app;
use crate::error::Result;

use super::Upkeep;
use super::subject::Subject;

/// The oldest version that must be readable with the entries of the log after it: what a table computed from this one
/// took in last, or is about to take in, and the last batch, which may have to be recorded.
pub(super) async fn oldest(upkeep: &Upkeep<'_>, subject: &Subject<'_>, snapshot: &Snapshot) -> Result<u64> {
    let mut oldest = snapshot.version;
    if subject.contract.is_some()
        && let (_, Some((version, _))) = checked(&subject.log, snapshot, &upkeep.ledger).await?
    {
        oldest = oldest.min(version);
    }
    for contract in upkeep.lake.contracts().values() {
        let Feed::Inputs(feed) = &contract.feed else {
            continue;
        };
        if !feed.inputs.contains(&subject.name) {
            continue;
        }
        let mut taken = 0;
        if let Some(computed) = upkeep.lake.table_log(&contract.name)?.load_unguarded().await? {
            taken = upkeep.ledger.taken(&computed);
            if let Some(seen) = computed.txn(&input_app(&snapshot.id)) {
                oldest = oldest.min(seen.max(0) as u64);
            }
        }
        let claimed = upkeep.ledger.progress(&contract.name).claimed;
        if claimed > taken
            && let Some(claim) = upkeep.ledger.claim_of(&contract.name, claimed).await?
        {
            let inputs = claim.draft.inputs.iter();
            for input in inputs.filter(|input| input.table == subject.name && input.id == snapshot.id) {
                oldest = oldest.min(input.from.unwrap_or(input.to).min(input.to));
            }
        }
    }
    Ok(oldest)
}
