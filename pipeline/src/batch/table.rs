//! A curated table before a batch: made if it is new, and checked to be what the last batch left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Schema;
use chrono::{SubsecRound, Utc};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{Action, MetadataExt, StructType};
use serde_json::Value;

use crate::contract::{Change, Contract, EXTRA, Personal, StoredRules, change};
use crate::delta::{DeltaLog, Snapshot, indexed, read_files};
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::layout;
use crate::ledger::Ledger;

/// Property with the id of the ledger that a table belongs to.
pub(crate) const LEDGER: &str = "marketlake.ledger";
/// Property with the rules by which the table's rows were made.
const RULES: &str = "marketlake.rules";
/// Property that names the key of hashed personal columns.
const PERSONAL_KEY: &str = "marketlake.personalKey";

/// A table at the version from which a batch is planned.
pub(crate) struct Table {
    pub(crate) log: DeltaLog,
    pub(crate) snapshot: Snapshot,
    /// Greatest batch committed; 0 before the first.
    pub(crate) taken: i64,
    /// Version of that batch's commit and what it says about itself.
    pub(crate) last: Option<(u64, Value)>,
    /// Changed metadata to go with the next commit, when the contract grew or says something else about its columns.
    pub(crate) growth: Option<Action>,
}

/// A table, or why it waits for a person.
pub(crate) enum Opened {
    Ready(Box<Table>),
    Held(Vec<String>),
}

/// Opens the table of a contract, creating it in a new lake.
pub(crate) async fn open(lake: &Lake, ledger: &Ledger, contract: &Contract) -> Result<Opened> {
    let log = lake.table_log(&contract.name)?;
    let schema = layout::described(contract);
    let properties = properties(lake, ledger, contract)?;
    let pseudonyms = lake.pseudonyms();
    let snapshot = log
        .load_or_create(&schema, &contract.partition, &properties, &contract.description)
        .await?;
    let (taken, last) = checked(&log, &snapshot, ledger).await?;

    let stored = snapshot
        .properties
        .get(RULES)
        .map(|rules| serde_json::from_str::<StoredRules>(rules));
    let stored = match stored {
        Some(Ok(stored)) => stored,
        Some(Err(_)) | None => {
            return Ok(Opened::Held(vec![format!(
                "the rules by which the table was made are not readable; run `marketlake rebuild {}`",
                contract.name
            )]));
        }
    };
    let hashes = contract
        .columns
        .iter()
        .any(|column| column.personal == Some(Personal::Hash));
    if hashes && snapshot.properties.get(PERSONAL_KEY).map(String::as_str) != Some(pseudonyms.key_id()) {
        return Ok(Opened::Held(vec![format!(
            "the key for hashed personal columns is another one than the table was made with; set that key again, or \
             run `marketlake rebuild {}`",
            contract.name
        )]));
    }
    let growth = match change(&stored, contract) {
        Change::Same if is_defined(&snapshot, &schema, contract) => None,
        Change::Same => Some(redefined(&snapshot, &schema, contract)?),
        Change::Additive(_) => {
            let seen = seen_before(&log, &snapshot, &stored, contract).await?;
            if !seen.is_empty() {
                let way_out = format!("undo the change, or run `marketlake rebuild {}`", contract.name);
                return Ok(Opened::Held(seen.into_iter().chain([way_out]).collect()));
            }
            Some(redefined(&snapshot, &schema, contract)?)
        }
        Change::Breaking(reasons) => {
            let way_out = format!("undo the change, or run `marketlake rebuild {}`", contract.name);
            return Ok(Opened::Held(reasons.into_iter().chain([way_out]).collect()));
        }
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

/// The metadata of a table under the contract that is in force.
fn redefined(snapshot: &Snapshot, schema: &Schema, contract: &Contract) -> Result<Action> {
    let kernel: StructType = schema
        .try_into_kernel()
        .context(Kind::Internal, "schema has no Delta form")?;
    let (rules, bounds) = (rules(contract)?, indexed(&bounded(snapshot, contract)));
    let metadata = snapshot
        .metadata()
        .clone()
        .with_schema(&kernel)
        .and_then(|metadata| metadata.with_description(contract.description.clone()))
        .and_then(|metadata| metadata.add_config_key(rules.0, rules.1))
        .and_then(|metadata| metadata.add_config_key(bounds.0, bounds.1))
        .context(Kind::Internal, "metadata could not be changed")?;
    Ok(Action::Metadata(metadata))
}

/// The property with the rules of a contract.
fn rules(contract: &Contract) -> Result<(String, String)> {
    let rules =
        serde_json::to_string(&contract.rules()).context(Kind::Internal, "rules have no JSON form")?;
    Ok((RULES.to_owned(), rules))
}

/// The properties of a table that is made under a contract.
pub(crate) fn properties(lake: &Lake, ledger: &Ledger, contract: &Contract) -> Result<[(String, String); 4]> {
    Ok([
        (LEDGER.to_owned(), ledger.id().to_owned()),
        rules(contract)?,
        (PERSONAL_KEY.to_owned(), lake.pseudonyms().key_id().to_owned()),
        indexed(&layout::indexed(contract)),
    ])
}

/// Why new columns cannot simply be added: raw fields of theirs that rows of the table already had, one sentence
/// each. The rows would keep the value in `extra`, or have lost it, where a table made anew has it in the column.
async fn seen_before(
    log: &DeltaLog,
    snapshot: &Snapshot,
    stored: &StoredRules,
    contract: &Contract,
) -> Result<Vec<String>> {
    let ignored = stored.unknown.as_deref() == Some("ignore");
    if snapshot.files.is_empty() {
        return Ok(Vec::new());
    }
    let new = contract
        .columns
        .iter()
        .filter(|column| !stored.columns.contains_key(&column.name));
    let fields: BTreeMap<&str, &str> = new
        .flat_map(|column| {
            column
                .from
                .iter()
                .map(|field| (field.as_str(), column.name.as_str()))
        })
        .collect();
    if ignored {
        let sentence = |(field, column)| {
            format!("column {column}: raw field {field} was ignored, so rows that are there may have lost it")
        };
        return Ok(fields.into_iter().map(sentence).collect());
    }
    let Ok(extra) = snapshot.schema.field_with_name(EXTRA) else {
        return Ok(Vec::new());
    };
    let extra = Arc::new(Schema::new(vec![extra.clone()]));
    let mut seen = BTreeSet::new();
    for file in snapshot.files.iter() {
        for batch in read_files(log, [file], &extra).await? {
            let Some(maps) = batch.column(0).as_map_opt() else {
                continue;
            };
            let keys = maps.keys().as_string::<i32>().iter().flatten();
            seen.extend(keys.filter_map(|key| fields.get_key_value(key)));
        }
    }
    let sentence =
        |(field, column)| format!("column {column}: raw field {field} is in {EXTRA} of rows that are there");
    Ok(seen.into_iter().map(sentence).collect())
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
    let taken = ledger.taken(snapshot).await?;
    if taken == 0 && !snapshot.files.is_empty() {
        return Err(foreign("table has files but no batch".to_owned()));
    }
    let mut version = snapshot.version;
    while version > 0 {
        let Some(actions) = log.entry(version).await? else {
            break;
        };
        let about = actions
            .iter()
            .find_map(|action| action.get("commitInfo")?.get("marketlake"));
        if let Some(batch) = about.and_then(|about| about.get("batch")).and_then(Value::as_i64) {
            if batch != taken {
                return Err(foreign(format!(
                    "newest commit is batch {batch} but the table's progress is {taken}"
                )));
            }
            return Ok((taken, about.cloned().map(|about| (version, about))));
        }
        let changes_data = |action: &Value| {
            let file = action.get("add").or_else(|| action.get("remove"));
            file.is_some_and(|file| file.get("dataChange").and_then(Value::as_bool).unwrap_or(true))
        };
        if actions.iter().any(changes_data) {
            return Err(foreign(format!("commit {version} changed rows and is not ours")));
        }
        version -= 1;
    }
    Ok((taken, None))
}

/// Milliseconds are what tables keep of an instant.
pub(crate) fn now() -> chrono::DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
