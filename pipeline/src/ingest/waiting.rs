//! Objects that storage did not let be read: their batches went on without them, and they come in when they can be read.

use std::collections::BTreeMap;

use object_store::{GetOptions, ObjectStore};
use url::Url;

use crate::contract::{Contract, TableName};
use crate::error::{Context, Error, Kind, Result};
use crate::raw::manifest::Manifest;
use crate::raw::{RawObject, RawZone};
use crate::storage::Stores;
use crate::system::ledger::{Claim, Ledger};

use crate::commit::tally::{Tallies, Waiting};

/// What became of objects that waited.
#[derive(Default)]
pub(crate) struct Readable {
    /// Those that can be read by now.
    pub(crate) objects: Vec<RawObject>,
    /// Of the others one sentence each.
    pub(crate) refused: Vec<String>,
}

/// Objects of these tables that wait, by table.
pub(crate) fn waiting_of(idle: &[(&Contract, i64)], tallies: &mut Tallies) -> BTreeMap<TableName, Waiting> {
    let waiting = idle.iter().map(|(contract, _)| {
        let name = &contract.name;
        (name.clone(), tallies.of(name).waiting().clone())
    });
    waiting.filter(|(_, waiting)| !waiting.is_empty()).collect()
}

/// Looks whether the objects of a table that wait can be read.
pub(crate) async fn readable(
    zone: &RawZone<'_>,
    ledger: &Ledger,
    contract: &Contract,
    waiting: &Waiting,
) -> Result<Readable> {
    let table = &contract.name;
    let mut readable = Readable::default();
    let mut claims: BTreeMap<i64, Option<Claim>> = BTreeMap::new();
    for (path, batch) in waiting {
        if !claims.contains_key(batch) {
            claims.insert(*batch, ledger.claim_of(table, *batch).await?);
        }
        let claim = claims.get(batch).and_then(Option::as_ref);
        let named = claim.and_then(|claim| claim.draft.objects.iter().find(|object| object.path == *path));
        let Some(mut object) = named.cloned() else {
            continue;
        };
        zone.relocate(contract, [&mut object]);
        match is_as_claimed(&object, zone.stores()).await {
            Ok(true) => readable.objects.push(object),
            // Whatever lies there now is another object, which is listed.
            Ok(false) => {}
            Err(error) => readable.refused.push(held_up(&object.uri, Some(&error.reason()))),
        }
    }
    Ok(readable)
}

/// That an object waits, and for what.
pub(crate) fn held_up(uri: &str, reason: Option<&str>) -> String {
    let reason = reason.unwrap_or("storage refused");
    let reason = reason.split(';').next().unwrap_or(reason);
    format!(
        "{uri} cannot be read ({reason}); all else goes in, and it is taken in by itself when it can be read"
    )
}

/// Whether an object, and what was delivered beside it, is there as it was claimed.
///
/// # Errors
/// When that cannot be read.
pub(crate) async fn is_as_claimed(object: &RawObject, stores: &Stores) -> Result<bool> {
    let as_claimed = |error: Error| match error.kind() {
        Kind::NotFound | Kind::Data => Ok(false),
        _ => Err(error),
    };
    if let Err(error) = Manifest::of(object, stores).await {
        return as_claimed(error);
    }
    let uri =
        Url::parse(object.address()).context(Kind::Internal, "object address in the ledger is no URI")?;
    // Nothing of it is read but that it can be opened.
    let place = stores.place(&uri)?;
    match place.store().get_opts(place.path(), GetOptions::default()).await {
        Ok(found) => Ok(object.is(&place, &found.meta)),
        Err(error) => as_claimed(error.into()),
    }
}
