//! A curated table before a batch: made if it is new, and checked to be what the last batch left.

use arrow::datatypes::Schema;
use chrono::{SubsecRound, Utc};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{Action, MetadataExt, StructType};
use serde_json::Value;

use crate::contract::{Contract, StoredAccounts};
use crate::delta::{DeltaLog, Snapshot, Which, Work, indexed};
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::layout;
use crate::system::ledger::Ledger;

use super::rules::{self, Ask, Verdict, judge};
use super::tally::Waiting;

/// Property with the id of the ledger that a table belongs to.
pub(crate) const LEDGER: &str = "marketlake.ledger";

/// A table at the version from which a batch is planned.
pub(crate) struct Table {
    pub(crate) log: DeltaLog,
    pub(crate) snapshot: Snapshot,
    /// Greatest batch committed; 0 before the first.
    pub(crate) taken: i64,
    /// Version of that batch's commit and what it says about itself.
    pub(crate) last: Option<(u64, Value)>,
    /// Changed metadata to go with the next commit, when the rules grew, rows of another account come, or the contract
    /// says something else about its columns.
    pub(crate) growth: Option<Action>,
}

impl Table {
    /// Objects of its batches that wait until storage lets them be read.
    pub(crate) fn waiting(&self) -> Result<Waiting> {
        waiting_of(self.last.as_ref())
    }
}

/// Objects that wait until storage lets them be read, by what the commit of a table's last batch says.
pub(crate) fn waiting_of(last: Option<&(u64, Value)>) -> Result<Waiting> {
    let waiting = last.and_then(|(_, about)| about.get("waiting"));
    let waiting = waiting.cloned().map(serde_json::from_value).transpose();
    Ok(waiting
        .context(
            Kind::Foreign,
            "commit of the last batch names objects in a way that is not ours",
        )?
        .unwrap_or_default())
}

/// A table, or why it waits for a person.
pub(crate) enum Opened {
    Ready(Box<Table>),
    Held(Vec<String>),
}

/// Opens the table of a contract, creating it in a new lake.
pub(crate) async fn open(lake: &Lake, ledger: &Ledger, contract: &Contract, which: Which) -> Result<Opened> {
    open_for(lake, ledger, contract, &StoredAccounts::new(), which).await
}

/// As [`open`], to take in rows of these accounts.
pub(crate) async fn open_for(
    lake: &Lake,
    ledger: &Ledger,
    contract: &Contract,
    delivered: &StoredAccounts,
    which: Which,
) -> Result<Opened> {
    let log = lake.table_log(&contract.name)?;
    let schema = layout::described(contract);
    let properties = properties(lake, ledger, contract, delivered)?;
    let (partition, description) = (&contract.partition, &contract.description);
    let snapshot = log
        .open_or_create(which, &schema, partition, &properties, description)
        .await?;
    let (taken, last) = checked(&log, &snapshot, ledger).await?;

    let (mut accounts, mut grows) = match judge(lake, contract, &log, &snapshot, Ask::Rows).await? {
        Verdict::GoesOn(accounts, grows) => (accounts, grows),
        Verdict::Held(reasons) => return Ok(Opened::Held(reasons)),
    };
    for (alias, account) in delivered {
        grows |= accounts.insert(alias.clone(), account.clone()).is_none();
    }
    let growth = if grows || !is_defined(&snapshot, &schema, contract) {
        Some(redefined(lake, &snapshot, &schema, contract, &accounts)?)
    } else {
        None
    };
    Ok(Opened::Ready(Box::new(Table {
        log,
        snapshot,
        taken,
        last,
        growth,
    })))
}

/// Whether the log says what the contract says of columns, and names none whose bounds new files will lack.
fn is_defined(snapshot: &Snapshot, schema: &Schema, contract: &Contract) -> bool {
    let named = snapshot.bounded().map(|named| named.len());
    named == Some(bounded(snapshot, contract).len()) && snapshot.is_described(schema, &contract.description)
}

/// The columns of which all files, also new ones, have bounds.
fn bounded(snapshot: &Snapshot, contract: &Contract) -> Vec<String> {
    let mut columns = layout::indexed(contract);
    if let Some(before) = snapshot.bounded() {
        columns.retain(|column| before.contains(column.as_str()));
    }
    columns
}

/// The metadata of a table under the rules that are in force.
fn redefined(
    lake: &Lake,
    snapshot: &Snapshot,
    schema: &Schema,
    contract: &Contract,
    accounts: &StoredAccounts,
) -> Result<Action> {
    let kernel: StructType = schema
        .try_into_kernel()
        .context(Kind::Internal, "schema has no Delta form")?;
    let mut metadata = snapshot
        .metadata()
        .clone()
        .with_schema(&kernel)
        .and_then(|metadata| metadata.with_description(contract.description.clone()))
        .context(Kind::Internal, "metadata could not be changed")?;
    let bounds = indexed(&bounded(snapshot, contract));
    for (name, value) in rules::properties(lake, contract, accounts)?
        .into_iter()
        .chain([bounds])
    {
        metadata = metadata
            .add_config_key(name, value)
            .context(Kind::Internal, "metadata could not be changed")?;
    }
    Ok(Action::Metadata(metadata))
}

/// The properties of a table that is made under a contract, of rows of these accounts.
pub(crate) fn properties(
    lake: &Lake,
    ledger: &Ledger,
    contract: &Contract,
    accounts: &StoredAccounts,
) -> Result<Vec<(String, String)>> {
    let mut properties = vec![(LEDGER.to_owned(), ledger.id().to_owned())];
    properties.extend(rules::properties(lake, contract, accounts)?);
    properties.push(indexed(&layout::indexed(contract)));
    Ok(properties)
}

/// The greatest batch committed and what its commit says; an error when the table is not what a batch left.
pub(crate) async fn checked(
    log: &DeltaLog,
    snapshot: &Snapshot,
    ledger: &Ledger,
) -> Result<(i64, Option<(u64, Value)>)> {
    let table = log.table();
    let foreign = |what: String| {
        Error::new(
            Kind::Foreign,
            format!("{what}; make the table anew with `marketlake rebuild {table}`"),
        )
        .with("table", table)
        .with("version", snapshot.version)
    };
    let owner = snapshot.properties.get(LEDGER);
    if owner.map(String::as_str) != Some(ledger.id()) {
        return Err(foreign(
            "table belongs to another ledger: the ledger was lost or the table copied".to_owned(),
        ));
    }
    let taken = ledger.taken(snapshot);
    if taken == 0 && !snapshot.files.is_empty() {
        return Err(foreign("table has files but no batch".to_owned()));
    }
    let changed_by_others = |version| foreign(format!("commit {version} changed rows and is not ours"));
    let is_taken = |batch: Option<i64>| match batch {
        Some(batch) if batch != taken => Err(foreign(format!(
            "newest commit is batch {batch} but the table's progress is {taken}"
        ))),
        _ => Ok(()),
    };
    let mut version = match snapshot.work() {
        Work::Ours(version, about) => {
            is_taken(about["batch"].as_i64())?;
            return Ok((taken, Some((*version, about.clone()))));
        }
        Work::Foreign(version) => return Err(changed_by_others(*version)),
        Work::Until(version) => *version,
    };
    // The entries that a checkpoint stands for.
    while version > 0 {
        let Some(actions) = log.entry(version).await? else {
            break;
        };
        let about = actions
            .iter()
            .find_map(|action| action.get("commitInfo")?.get("marketlake"));
        if let Some(batch) = about.and_then(|about| about.get("batch")).and_then(Value::as_i64) {
            is_taken(Some(batch))?;
            return Ok((taken, about.cloned().map(|about| (version, about))));
        }
        let changes_data = |action: &Value| {
            let file = action.get("add").or_else(|| action.get("remove"));
            file.is_some_and(|file| file.get("dataChange").and_then(Value::as_bool).unwrap_or(true))
        };
        if actions.iter().any(changes_data) {
            return Err(changed_by_others(version));
        }
        version -= 1;
    }
    Ok((taken, None))
}

/// Milliseconds are what tables keep of an instant.
pub(crate) fn now() -> chrono::DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
