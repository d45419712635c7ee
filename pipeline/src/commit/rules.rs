//! Whether a table may go on under the rules in force: those of its contract, and those of the accounts whose rows it
//! has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Schema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::{
    AccountChanges, Change, Contract, EXTRA, Feed, Format, Header, Noticed, Personal, RawFeed,
    StoredAccounts, StoredRules, TableName, account_changes, alike, change, hides,
};
use crate::delta::{DeltaLog, Snapshot, read_files};
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;

impl Lake {
    /// Tables that wait for a person because rules that decide about their rows changed, each with the reasons. Changes
    /// no table.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn held(&self) -> Result<Vec<(TableName, Vec<String>)>> {
        let mut held = Vec::new();
        for contract in self.contracts().values() {
            let log = self.table_log(&contract.name)?;
            let snapshot = match log.load().await {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => continue,
                // What is not what this program left is refused by a run, which says more.
                Err(error) if error.kind() == Kind::Foreign => continue,
                Err(error) => return Err(error),
            };
            let reasons = reasons_to_hold(self, contract, &log, &snapshot, Ask::Rows).await?;
            if !reasons.is_empty() {
                held.push((contract.name.clone(), reasons));
            }
        }
        Ok(held)
    }
}

/// Property with the rules by which the table's rows were made.
const RULES: &str = "marketlake.rules";
/// Property with what decides about rows of the accounts whose rows the table has.
const ACCOUNTS: &str = "marketlake.accounts";
/// Property that names the key of hashed personal columns.
const PERSONAL_KEY: &str = "marketlake.personalKey";

/// How much may be read to find out whether a table goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The rows of the table, once for each of its versions.
    Rows,
    /// No row: what was found out of them before is known.
    Nothing,
}

/// What comes of the rules.
pub(crate) enum Verdict {
    /// The table goes on. What is in force of the accounts whose rows it has, and whether its own properties say
    /// something else.
    GoesOn(StoredAccounts, bool),
    /// A person is asked, for these reasons.
    Held(Vec<String>),
}

/// Finds out whether old and new rows would be made alike.
pub(crate) async fn judge(
    lake: &Lake,
    contract: &Contract,
    log: &DeltaLog,
    snapshot: &Snapshot,
    ask: Ask,
) -> Result<Verdict> {
    let name = &contract.name;
    let rules = property::<StoredRules>(snapshot, RULES).flatten();
    let (Some(rules), Ok(before)) = (rules, accounts_of(snapshot)) else {
        return Ok(Verdict::Held(vec![format!(
            "the rules by which the table was made are not readable; run `marketlake rebuild {name}`"
        )]));
    };
    let hashes = contract
        .columns
        .iter()
        .any(|column| column.personal == Some(Personal::Hash));
    let key = snapshot.properties.get(PERSONAL_KEY).map(String::as_str);
    if hashes && key != Some(lake.pseudonyms().key_id()) {
        return Ok(Verdict::Held(vec![format!(
            "the key for hashed personal columns is another one than the table was made with; set that key again, or \
             run `marketlake rebuild {name}`"
        )]));
    }
    let now = in_force(lake, contract, before.keys())?;
    let AccountChanges { breaks, renamed } = account_changes(&before, &now);
    let change = change(&rules, contract);
    let grows = change != Change::Same || before != now;
    let mut reasons = match change {
        Change::Breaking(reasons) => reasons,
        Change::Same | Change::Additive(_) => Vec::new(),
    };
    reasons.extend(breaks);
    if reasons.is_empty()
        && grows
        && !snapshot.files.is_empty()
        && let Feed::Raw(feed) = &contract.feed
    {
        let questions = Questions::of(lake, contract, feed, &rules, &renamed);
        reasons = questions.obstacles;
        if reasons.is_empty() {
            reasons = remembered(lake, name, log, snapshot, &questions.fields, ask).await?;
        }
    }
    if reasons.is_empty() {
        return Ok(Verdict::GoesOn(now, grows));
    }
    reasons.push(format!("undo the change, or run `marketlake rebuild {name}`"));
    Ok(Verdict::Held(reasons))
}

/// What a table says of the accounts whose rows it has: nothing where it is older than this property.
pub(crate) fn accounts_of(snapshot: &Snapshot) -> Result<StoredAccounts> {
    let accounts = property::<StoredAccounts>(snapshot, ACCOUNTS);
    accounts
        .map(Option::unwrap_or_default)
        .ok_or_else(|| Error::new(Kind::Foreign, "rules of accounts are not readable"))
}

/// Why the table waits for a person; nothing where it goes on.
pub(crate) async fn reasons_to_hold(
    lake: &Lake,
    contract: &Contract,
    log: &DeltaLog,
    snapshot: &Snapshot,
    ask: Ask,
) -> Result<Vec<String>> {
    Ok(match judge(lake, contract, log, snapshot, ask).await? {
        Verdict::GoesOn(..) => Vec::new(),
        Verdict::Held(reasons) => reasons,
    })
}

/// What is in force of these accounts, by alias.
pub(crate) fn in_force<'a>(
    lake: &Lake,
    contract: &Contract,
    aliases: impl IntoIterator<Item = &'a String>,
) -> Result<StoredAccounts> {
    let mut aliases = aliases.into_iter().peekable();
    if aliases.peek().is_none() {
        return Ok(StoredAccounts::new());
    }
    let zone = lake.raw_zone();
    let noticed = Noticed::by(contract);
    let of = |alias: &String| {
        let account = zone.account(&contract.name.source, Some(alias));
        Ok((alias.clone(), noticed.of(&account)?))
    };
    aliases.map(of).collect()
}

/// The properties with the rules of a contract, of accounts, and with the key's name.
pub(crate) fn properties(
    lake: &Lake,
    contract: &Contract,
    accounts: &StoredAccounts,
) -> Result<Vec<(String, String)>> {
    let rules =
        serde_json::to_string(&contract.rules()).context(Kind::Internal, "rules have no JSON form")?;
    let mut properties = vec![
        (RULES.to_owned(), rules),
        (PERSONAL_KEY.to_owned(), lake.pseudonyms().key_id().to_owned()),
    ];
    if !accounts.is_empty() {
        let accounts =
            serde_json::to_string(accounts).context(Kind::Internal, "rules of accounts have no JSON form")?;
        properties.push((ACCOUNTS.to_owned(), accounts));
    }
    Ok(properties)
}

/// A number for all that decides whether a table goes on: another one when something of it changed.
pub(crate) fn mark(lake: &Lake, contract: &Contract) -> Result<i64> {
    let accounts = lake.accounts().iter();
    let accounts: Vec<_> = accounts
        .filter(|account| account.source == contract.name.source)
        .collect();
    let pseudonyms = lake.pseudonyms();
    let rules = (contract.fingerprint(), pseudonyms.key_id(), accounts);
    let rules = serde_json::to_vec(&rules).context(Kind::Internal, "rules have no JSON form")?;
    // Never negative, which some readers refuse, and never 0, which stands for none.
    Ok((xxh3_64(&rules) as i64 & i64::MAX).max(1))
}

/// A property that is JSON: none where it is not readable, and in it none where it is not there.
fn property<T: DeserializeOwned>(snapshot: &Snapshot, name: &str) -> Option<Option<T>> {
    match snapshot.properties.get(name) {
        Some(text) => serde_json::from_str(text).ok().map(Some),
        None => Some(None),
    }
}

/// What has to be found out of a table before its rules may grow.
struct Questions {
    /// Why they may not, whatever its rows are.
    obstacles: Vec<String>,
    /// Fields of which rows that are there must have none.
    fields: Vec<Asked>,
}

/// A raw field that the rules say something new about.
#[derive(Serialize)]
struct Asked {
    field: String,
    /// Whether it is the same field in other letters.
    in_any_letters: bool,
    /// What is new, for people.
    what: String,
}

impl Questions {
    fn of(
        lake: &Lake,
        contract: &Contract,
        feed: &RawFeed,
        rules: &StoredRules,
        renamed: &BTreeSet<String>,
    ) -> Self {
        let spells = spells(lake, contract, feed);
        let ignores = rules.unknown.as_deref() == Some("ignore");
        let (mut obstacles, mut fields) = (Vec::new(), Vec::new());
        let mut ask = |field: &String, in_any_letters: bool, what: String| {
            if ignores {
                obstacles.push(format!(
                    "{what} was ignored, so rows that are there may have lost it"
                ));
            } else {
                let field = field.clone();
                fields.push(Asked {
                    field,
                    in_any_letters,
                    what,
                });
            }
        };
        let is_new = |name: &String| !rules.columns.contains_key(name);
        let new = || contract.columns.iter().filter(|column| is_new(&column.name));
        let personal = contract.personal_fields();
        let hidden = personal
            .keys()
            .filter(|field| !new().any(|column| column.from.contains(field)));
        let hidden: Vec<&String> = hidden.collect();
        let mut lost = Vec::new();
        for column in new() {
            for field in &column.from {
                if hides(hidden.iter().copied(), field) {
                    lost.push(format!(
                        "column {}: raw field {field} was personal, so that rows that are there have lost it",
                        column.name
                    ));
                    continue;
                }
                ask(
                    field,
                    spells,
                    format!("column {}: raw field {field}", column.name),
                );
            }
        }
        for field in feed.elsewhere.keys() {
            // A table that ignores what it does not know has no row that says whether there was such a field.
            if !rules.elsewhere.contains_key(field) && !ignores {
                ask(
                    field,
                    spells,
                    format!("raw field {field}, which a sibling names,"),
                );
            }
        }
        let named = contract.named_fields();
        let takes_all = contract.columns.iter().any(|column| column.from == ["*"]);
        let mut known = Vec::new();
        for cell in renamed {
            if takes_all || named.iter().any(|field| alike(field, cell)) {
                known.push(format!(
                    "rename of {cell:?} is new, and the field was known before"
                ));
            }
            ask(cell, true, format!("rename of {cell:?}: raw field {cell}"));
        }
        obstacles.extend(lost.into_iter().chain(known));
        Self { obstacles, fields }
    }
}

/// Whether fields of headers are called as they are known, so that a field in other letters is the same one.
fn spells(lake: &Lake, contract: &Contract, feed: &RawFeed) -> bool {
    let detects = matches!(&feed.format, Format::Csv(csv) if csv.header == Header::Detect);
    let of_source = lake
        .accounts()
        .iter()
        .filter(|account| account.source == contract.name.source);
    let mut headers = of_source.filter_map(|account| account.csv.as_ref()?.header.as_deref());
    detects || headers.any(|header| header == "detect")
}

/// An answer of [`seen`], and to what.
#[derive(Serialize, Deserialize)]
struct Answer {
    question: String,
    reasons: Vec<String>,
}

/// As [`seen`], which reads a column of the whole table: for a version of it that is done once.
async fn remembered(
    lake: &Lake,
    name: &TableName,
    log: &DeltaLog,
    snapshot: &Snapshot,
    fields: &[Asked],
    ask: Ask,
) -> Result<Vec<String>> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let mut question = Sha256::new();
    question.update(serde_json::to_string(fields).context(Kind::Internal, "fields have no JSON form")?);
    question.update(format!("{} {}", snapshot.id, snapshot.version));
    let question = format!("{:x}", question.finalize());
    let (remembered, file) = (lake.remembered()?, format!("{name}.asked"));
    let known = remembered.read(&file).await.ok().flatten();
    let known = known.and_then(|bytes| serde_json::from_slice::<Answer>(&bytes).ok());
    if let Some(known) = known.filter(|known| known.question == question) {
        return Ok(known.reasons);
    }
    if ask == Ask::Nothing {
        return Ok(Vec::new());
    }
    let reasons = seen(log, snapshot, fields).await?;
    let answer = Answer { question, reasons };
    // Where it cannot be kept, it is asked again.
    let bytes = serde_json::to_vec(&answer).context(Kind::Internal, "answer has no JSON form")?;
    if let Err(error) = remembered.write(&file, bytes).await {
        tracing::debug!(table = %name, %error, "what rows have in extra is not remembered");
    }
    Ok(answer.reasons)
}

/// Why new rules cannot simply be added: raw fields of theirs that rows of the table already had, one sentence each. The
/// rows would keep the value in `extra`, where a table made anew has it in a column or under another name.
async fn seen(log: &DeltaLog, snapshot: &Snapshot, fields: &[Asked]) -> Result<Vec<String>> {
    let Ok(extra) = snapshot.schema.field_with_name(EXTRA) else {
        return Ok(Vec::new());
    };
    let extra = Arc::new(Schema::new(vec![extra.clone()]));
    let mut keys: BTreeSet<String> = BTreeSet::new();
    for file in snapshot.files.iter() {
        for batch in read_files(log, [file], &extra).await? {
            let Some(maps) = batch.column(0).as_map_opt() else {
                continue;
            };
            for key in maps.keys().as_string::<i32>().iter().flatten() {
                if !keys.contains(key) {
                    keys.insert(key.to_owned());
                }
            }
        }
    }
    let is_there = |asked: &&Asked| {
        let mut same = keys.iter();
        match asked.in_any_letters {
            true => same.any(|key| alike(key, &asked.field)),
            false => keys.contains(&asked.field),
        }
    };
    let found = fields.iter().filter(is_there);
    let sentences: BTreeMap<&str, String> = found
        .map(|asked| {
            let sentence = format!("{} is in {EXTRA} of rows that are there", asked.what);
            (asked.what.as_str(), sentence)
        })
        .collect();
    Ok(sentences.into_values().collect())
}
