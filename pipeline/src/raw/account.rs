//! Accounts: one merchant, seller, vendor or advertising profile each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::{Format, Header, is_lineage};
use crate::error::{Error, Result};
use crate::layout::SOURCE_ROW;

/// The field that an account's currency stands for.
const CURRENCY: &str = "currency_code";

/// One merchant, seller, vendor or advertising profile, as `[[account]]` in the configuration says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Short name; `{account}` in a path pattern stands for it.
    pub alias: String,
    /// `jwo`, `ams`, …
    pub source: String,
    /// Root of its raw objects, a URI or a path below the raw root: it holds what otherwise lies below
    /// `<source>/<alias>/` in the raw root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Region of the bucket of an own root, where it is not that of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// ARN of the role that may read an own root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the owner of that role wants to hear from those who take it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// IANA name of its time zone.
    #[serde(default = "utc")]
    pub zone: chrono_tz::Tz,
    /// Since when it delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<chrono::NaiveDate>,
    /// The last day of which it delivers: no period after it is missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<chrono::NaiveDate>,
    /// ISO 4217 code of its money: the value of the field `currency_code` where a raw row has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Amazon marketplaces that it trades in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marketplaces: Vec<String>,
    /// Fields such as `merchant_id` with the value that a raw row of this account has where it has none of its own. In
    /// a `latest_value` table any value that a raw row has stands above these, also an older one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// How this account's CSV files differ from what the contracts say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvOverride>,
    /// `latest_row` where every raw row of this account states the whole row, so that an empty cell clears a
    /// value; by default (`latest_value`) an empty cell says nothing.
    #[serde(default)]
    pub keep: AccountKeep,
}

impl Account {
    /// An account that delivers although nobody configured it: in UTC, without fields of its own.
    pub fn unconfigured(source: &str, alias: &str) -> Self {
        Self {
            alias: alias.to_owned(),
            source: source.to_owned(),
            raw: None,
            region: None,
            role: None,
            external_id: None,
            zone: utc(),
            since: None,
            until: None,
            currency: None,
            marketplaces: Vec::new(),
            fields: BTreeMap::new(),
            csv: None,
            keep: AccountKeep::default(),
        }
    }

    /// What the account says of itself, field by field: the value of every raw row that has none. A name of lineage
    /// is no field.
    pub(crate) fn stated(&self) -> impl Iterator<Item = (&str, &str)> {
        let Self { fields, currency, .. } = self;
        let currency = currency.as_deref().filter(|_| !fields.contains_key(CURRENCY));
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fields
            .chain(currency.map(|currency| (CURRENCY, currency)))
            .filter(|(name, _)| !is_lineage(name) && *name != SOURCE_ROW)
    }

    /// The format of a contract with what the account's files have of their own.
    pub(crate) fn format(&self, format: &Format) -> Result<Format> {
        let Some(own) = &self.csv else {
            return Ok(format.clone());
        };
        let csv = match format {
            Format::Csv(csv) => csv,
            Format::Tsv(tsv) => {
                let mut tsv = tsv.clone();
                tsv.null = own.null.clone().unwrap_or(tsv.null);
                tsv.rename.extend(own.rename.clone());
                return Ok(Format::Tsv(tsv));
            }
            other => return Ok(other.clone()),
        };
        let mut csv = csv.clone();
        if let Some(delimiter) = own.delimiter {
            csv.delimiter = u8::try_from(delimiter).map_err(|_| {
                Error::usage("delimiter is not one byte")
                    .with("account", &self.alias)
                    .with("delimiter", delimiter)
            })?;
        }
        if let Some(header) = &own.header {
            csv.header = match header.as_str() {
                "present" => Header::Present,
                "absent" => Header::Absent,
                "detect" => Header::Detect,
                other => {
                    return Err(
                        Error::usage(format!("header {other:?} is not present, absent or detect"))
                            .with("account", &self.alias),
                    );
                }
            };
        }
        if let Some(columns) = &own.columns {
            csv.columns = columns.clone();
        }
        if let Some(null) = &own.null {
            csv.null = null.clone();
        }
        csv.rename.extend(own.rename.clone());
        Ok(Format::Csv(csv))
    }
}

fn utc() -> chrono_tz::Tz {
    chrono_tz::Tz::UTC
}

/// What an empty cell means in a `latest_value` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKeep {
    /// Nothing: an older value stays.
    #[default]
    LatestValue,
    /// That there is no value any more.
    LatestRow,
}

/// An account's own CSV dialect; what is absent is as the contract says. `null` and `rename` hold for TSV, too.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvOverride {
    /// `","`, `"|"`, `"\t"`: one byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// `"present"`, `"absent"` or `"detect"`: a header where there are no `columns`, else one when the first record has
    /// known names only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Order of the columns where there is no header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Cell texts that mean NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<Vec<String>>,
    /// The account's column name to the canonical one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
}
