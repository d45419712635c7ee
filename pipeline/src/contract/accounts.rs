//! What of an account decides about the rows that it delivers to a table, kept with the table.
//!
//! A contract says how to read raw objects, an account how its own differ: both are in here, as the one thing that
//! decides about rows. What a table takes no notice of is left out, so that it may change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Column, Contract, CsvFormat, Feed, Format, Header, Keep, Privacy, TsvFormat, Word, Zone, alike};
use crate::Result;
use crate::raw::account::{Account, AccountKeep};

/// Accounts whose rows are in a table, by alias, with the rules by which these were read. Objects whose path names no
/// account are those of an empty alias.
pub type StoredAccounts = BTreeMap<String, StoredAccount>;

/// What of an account decides about its rows in one table. As JSON it goes into the properties of the table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredAccount {
    /// Its time zone, where a column has values in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether an empty cell clears a value, where the table keeps values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<AccountKeep>,
    /// Fields that its rows have where they say nothing themselves, as far as the table reads them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// How its objects are written.
    pub dialect: StoredDialect,
}

/// How delimited text or JSON is written; nothing where a format has no choice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredDialect {
    /// What stands between cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// `present`, `absent` or `detect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Order of the columns where there need not be a header.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Cells that mean no value.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub null: BTreeSet<String>,
    /// Names of cells of the header, and what the fields are called instead.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// What bytes mean where an object does not say so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Whether SNS envelopes are taken off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sns_envelope: bool,
}

/// What became of the rules of accounts since a table took in their rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountChanges {
    /// Why old and new rows would differ, one sentence for each reason.
    pub breaks: Vec<String>,
    /// Cells of headers that have a name of their own since: nothing changes as long as no row has such a field.
    pub renamed: BTreeSet<String>,
}

/// What a table takes notice of, whichever account delivers.
pub struct Noticed<'a> {
    contract: &'a Contract,
    named: BTreeSet<String>,
    privacy: Privacy,
}

impl<'a> Noticed<'a> {
    /// By a table that is fed by raw objects.
    pub fn by(contract: &'a Contract) -> Self {
        Self {
            contract,
            named: contract.named_fields(),
            privacy: contract.privacy(),
        }
    }

    /// What of the account decides about its rows.
    ///
    /// # Errors
    /// When the account says something of its files that there is not.
    pub fn of(&self, account: &Account) -> Result<StoredAccount> {
        let Feed::Raw(feed) = &self.contract.feed else {
            return Ok(StoredAccount::default());
        };
        let in_zone = |column: &Column| column.zone == Zone::Account;
        let zone = self.contract.columns.iter().any(in_zone).then_some(account.zone);
        let keeps_values = matches!(feed.keep, Keep::LatestValue { .. });
        let fields = account.stated().filter(|(field, _)| self.reads(field));
        let fields = fields.map(|(field, value)| {
            let value = if self.privacy.is_personal(field) {
                ""
            } else {
                value
            };
            (field.to_owned(), value.to_owned())
        });
        Ok(StoredAccount {
            zone: zone.map(|zone| zone.name().to_owned()),
            keep: keeps_values.then_some(account.keep),
            fields: fields.collect(),
            dialect: StoredDialect::of(&account.format(&feed.format)?),
        })
    }

    /// Whether a column or the SQL may read the field; SQL may hand on whatever there is.
    fn reads(&self, field: &str) -> bool {
        let mut sources = self.contract.columns.iter().flat_map(|column| &column.from);
        self.contract.sql.is_some() || self.named.contains(field) || sources.any(|from| from == field)
    }
}

impl StoredDialect {
    fn of(format: &Format) -> Self {
        match format {
            Format::Csv(csv) => Self::of_csv(csv),
            Format::Tsv(TsvFormat {
                null,
                rename,
                charset,
                known: _,
            }) => Self {
                null: null.iter().cloned().collect(),
                rename: rename.clone(),
                charset: Some(charset.to_string()),
                ..Self::default()
            },
            Format::JsonRows(json) => Self {
                sns_envelope: json.sns_envelope,
                ..Self::default()
            },
            Format::Json(_) | Format::Parquet => Self::default(),
        }
    }

    fn of_csv(csv: &CsvFormat) -> Self {
        let CsvFormat {
            delimiter,
            header,
            columns,
            null,
            rename,
            charset,
            known: _,
        } = csv;
        Self {
            delimiter: Some(char::from(*delimiter).to_string()),
            header: Some(header.word().to_owned()),
            // Where there is a header they are not looked at.
            columns: match header {
                Header::Present => Vec::new(),
                Header::Absent | Header::Detect => columns.clone(),
            },
            null: null.iter().cloned().collect(),
            rename: rename.clone(),
            charset: Some(charset.to_string()),
            sns_envelope: false,
        }
    }
}

/// What became of the rules of those accounts whose rows a table has. `now` has the rules in force of at least these.
pub fn account_changes(before: &StoredAccounts, now: &StoredAccounts) -> AccountChanges {
    let mut found = Differences::default();
    for (alias, was) in before {
        if let Some(is) = now.get(alias) {
            found.between(alias, was, is);
        }
    }
    AccountChanges {
        breaks: found.sentences(),
        renamed: found.renamed,
    }
}

/// What differs, each with the aliases of the accounts of which it does: a contract speaks for all of them.
#[derive(Default)]
struct Differences {
    accounts: BTreeMap<(String, String, String), Vec<String>>,
    renamed: BTreeSet<String>,
}

impl Differences {
    fn between(&mut self, alias: &str, was: &StoredAccount, is: &StoredAccount) {
        let keep = |keep: &Option<AccountKeep>| {
            keep.map(|keep| match keep {
                AccountKeep::LatestValue => "latest_value".to_owned(),
                AccountKeep::LatestRow => "latest_row".to_owned(),
            })
        };
        // What a table took no notice of so far is in none of its rows.
        if was.zone.is_some() {
            self.add(alias, "zone", &was.zone, &is.zone);
        }
        if was.keep.is_some() {
            self.add(alias, "keep", &keep(&was.keep), &keep(&is.keep));
        }
        let names: BTreeSet<&String> = was.fields.keys().chain(is.fields.keys()).collect();
        for name in names {
            let value = |account: &StoredAccount| account.fields.get(name).map(|value| format!("{value:?}"));
            self.add(alias, &format!("field {name}"), &value(was), &value(is));
        }
        self.dialects(alias, &was.dialect, &is.dialect);
    }

    fn dialects(&mut self, alias: &str, was: &StoredDialect, is: &StoredDialect) {
        let quoted = |text: &Option<String>| text.as_ref().map(|text| format!("{text:?}"));
        let listed = |texts: &mut dyn Iterator<Item = &String>| {
            let texts: Vec<String> = texts.map(|text| format!("{text:?}")).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        };
        self.add(
            alias,
            "delimiter",
            &quoted(&was.delimiter),
            &quoted(&is.delimiter),
        );
        self.add(alias, "header", &was.header, &is.header);
        self.add(
            alias,
            "columns",
            &listed(&mut was.columns.iter()),
            &listed(&mut is.columns.iter()),
        );
        self.add(
            alias,
            "null",
            &listed(&mut was.null.iter()),
            &listed(&mut is.null.iter()),
        );
        self.add(alias, "charset", &was.charset, &is.charset);
        let envelope = |dialect: &StoredDialect| Some(dialect.sns_envelope.to_string());
        self.add(alias, "sns_envelope", &envelope(was), &envelope(is));
        let names: BTreeSet<&String> = was.rename.keys().chain(is.rename.keys()).collect();
        for name in names {
            let (before, after) = (was.rename.get(name), is.rename.get(name));
            // In other letters the cell may have had a name before.
            let is_new = before.is_none() && !was.rename.keys().any(|known| alike(known, name));
            if is_new {
                self.renamed.insert(name.clone());
            } else {
                self.add(
                    alias,
                    &format!("rename of {name:?}"),
                    &before.cloned(),
                    &after.cloned(),
                );
            }
        }
    }

    fn add(&mut self, alias: &str, what: &str, was: &Option<String>, is: &Option<String>) {
        if was == is {
            return;
        }
        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let difference = (what.to_owned(), said(was), said(is));
        self.accounts
            .entry(difference)
            .or_default()
            .push(alias.to_owned());
    }

    fn sentences(&self) -> Vec<String> {
        let sentence = |((what, was, is), aliases): (&(String, String, String), &Vec<String>)| {
            let whose = match aliases.as_slice() {
                [alias] if alias.is_empty() => "objects of no account".to_owned(),
                [alias] => format!("account {alias}"),
                several => format!("accounts {}", several.join(", ")),
            };
            format!("{what} of {whose} was {was}, is {is}")
        };
        self.accounts.iter().map(sentence).collect()
    }
}
