//! What a delivery says about a raw object, in a file beside it: `X.manifest.json` for the object `X`.
//!
//! The format is described in `docs/raw-zone.md`. A claim fixes a manifest by size and time of change as it fixes
//! the object; what it says are lineage fields of the object's rows.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use object_store::ObjectStoreExt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::contract::Charset;
use crate::error::{Context, Error, Kind, Result};
use crate::raw::RawObject;
use crate::storage::Stores;

/// What a manifest's name has behind the name of its object.
pub(crate) const SUFFIX: &str = ".manifest.json";

/// Version of the format that this program reads.
const SCHEMA: u32 = 1;
/// Most days of a period: more are a mistake, and would be as many cells.
const MOST_DAYS: i64 = 3660;

/// What is said about an object. Fields that are not here are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Manifest {
    schema: u32,
    /// Id of the document in its source.
    pub(crate) document_id: String,
    /// Kind of report, in the source's words.
    #[serde(default)]
    pub(crate) report_type: Option<String>,
    /// Alias of the account.
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// Marketplaces that were asked for.
    #[serde(default)]
    pub(crate) marketplace_ids: Vec<String>,
    /// Options that were asked for.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
    /// Days that were asked for.
    #[serde(default)]
    pub(crate) period: Option<Period>,
    /// When the source made the document.
    #[serde(default)]
    pub(crate) generated_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    #[serde(default)]
    pub(crate) requested_at: Option<DateTime<Utc>>,
    /// How its text is encoded, by any of the encoding's usual names.
    #[serde(default, deserialize_with = "charset")]
    pub(crate) charset: Option<Charset>,
    /// Which part of the document the object is.
    #[serde(default)]
    pub(crate) parts: Parts,
    /// Size of the object.
    #[serde(default)]
    bytes: Option<u64>,
}

/// First and last day, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Period {
    pub(crate) from: NaiveDate,
    pub(crate) to: NaiveDate,
}

impl Period {
    /// The period, or what is wrong about it.
    pub(crate) fn checked(self) -> std::result::Result<Self, String> {
        let Self { from, to } = self;
        let days = (to - from).num_days() + 1;
        match days {
            1..=MOST_DAYS => Ok(self),
            _ => Err(format!("a period of {days} days, from {from} to {to}")),
        }
    }
}

/// A part of a document that came in several objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Parts {
    /// From 1.
    pub(crate) number: u32,
    /// How many there are.
    pub(crate) of: u32,
}

impl Default for Parts {
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl Manifest {
    /// Reads the manifest that was listed beside an object; none where there was none. A data error when it is not
    /// what was listed or makes no sense.
    pub(crate) async fn of(object: &RawObject, stores: &Stores) -> Result<Option<Self>> {
        let Some(listed) = &object.manifest else {
            return Ok(None);
        };
        let uri = format!("{}{SUFFIX}", object.address());
        let uri = Url::parse(&uri).context(Kind::Internal, "object address in the ledger is no URI")?;
        let place = stores.place(&uri)?;
        let found = match place.store().get(place.path()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(wrong(object, "is gone")),
            Err(error) => return Err(error.into()),
        };
        if !listed.is(&place, &found.meta) {
            return Err(wrong(
                object,
                "changed after it was claimed; what it is now makes the object another one",
            ));
        }
        let manifest = Self::parse(&found.bytes().await?, object.size);
        manifest.map(Some).map_err(|what| wrong(object, &what))
    }

    /// Reads the text of a manifest for an object of that size; the error says what is wrong with it.
    fn parse(text: &[u8], size: u64) -> std::result::Result<Self, String> {
        let manifest: Self =
            serde_json::from_slice(text).map_err(|error| format!("cannot be read: {error}"))?;
        let Parts { number, of } = manifest.parts;
        if manifest.schema != SCHEMA {
            return Err(format!(
                "has schema {}, and this program reads {SCHEMA}",
                manifest.schema
            ));
        }
        if manifest.document_id.is_empty() {
            return Err("has an empty document_id".to_owned());
        }
        if number < 1 || number > of {
            return Err(format!("says part {number} of {of}"));
        }
        if let Some(period) = manifest.period {
            period.checked().map_err(|what| format!("has {what}"))?;
        }
        match manifest.bytes {
            Some(bytes) if bytes != size => Err(format!("says {bytes} bytes, but the object has {size}")),
            _ => Ok(manifest),
        }
    }
}

fn charset<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Charset>, D::Error> {
    let Some(label) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let unknown = || D::Error::custom(format!("charset {label:?} is none that this program reads"));
    Charset::of_label(&label).map(Some).ok_or_else(unknown)
}

fn wrong(object: &RawObject, what: &str) -> Error {
    let name = object.path.rsplit('/').next().unwrap_or_default();
    Error::data(format!("manifest {name}{SUFFIX} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"schema": 1, "document_id": "d-1", "report_type": "spCampaigns", "account": "corner",
        "marketplace_ids": ["A1", "A2"], "options": {"reportPeriod": "DAY"},
        "period": {"from": "2026-03-01", "to": "2026-03-31"}, "generated_at": "2026-04-01T06:12:00+02:00",
        "requested_at": "2026-04-01T04:00:00Z", "charset": "UTF-8", "content_type": "application/json",
        "parts": {"number": 2, "of": 3}, "sha256": "00", "bytes": 7}"#;

    #[test]
    fn a_manifest_says_what_was_asked_for_and_what_came() {
        let manifest = Manifest::parse(WHOLE.as_bytes(), 7).unwrap();
        assert_eq!(manifest.document_id, "d-1");
        assert_eq!(manifest.parts, Parts { number: 2, of: 3 });
        assert_eq!(
            manifest.generated_at.unwrap().to_rfc3339(),
            "2026-04-01T04:12:00+00:00"
        );
        assert_eq!(manifest.period.unwrap().to.to_string(), "2026-03-31");
        let least = Manifest::parse(br#"{"schema": 1, "document_id": "d"}"#, 7).unwrap();
        assert_eq!((least.parts, least.period), (Parts { number: 1, of: 1 }, None));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (from, to, says) in [
            ("\"schema\": 1", "\"schema\": 2", "has schema 2"),
            ("\"d-1\"", "\"\"", "empty document_id"),
            ("\"number\": 2", "\"number\": 4", "part 4 of 3"),
            ("2026-03-31", "2026-02-27", "a period of -1 days"),
            ("2026-03-31", "9999-03-31", "days, from 2026-03-01"),
            (
                "\"bytes\": 7",
                "\"bytes\": 8",
                "says 8 bytes, but the object has 7",
            ),
            ("2026-04-01T06:12:00+02:00", "yesterday", "cannot be read"),
            ("{\"schema\"", "{schema", "cannot be read"),
        ] {
            let error = Manifest::parse(WHOLE.replace(from, to).as_bytes(), 7).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
