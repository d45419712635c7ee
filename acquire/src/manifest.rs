//! What is said about an object of the raw zone, beside it: `docs/raw-zone.md` has the format.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

/// What a manifest's name has behind the name of its object.
pub const SUFFIX: &str = ".manifest.json";
/// Version of the format.
const SCHEMA: u32 = 1;

/// A manifest. What is `None` or empty is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    schema: u32,
    /// The source's id of the document: of a report, the id of the report.
    pub document_id: String,
    /// Kind of report, in the source's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_type: Option<String>,
    /// Alias of the account.
    pub account: String,
    /// Marketplaces that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marketplace_ids: Vec<String>,
    /// Options that were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Days that were asked for; none where no days were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// When the source made the document.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant")]
    pub generated_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant")]
    pub requested_at: Option<DateTime<Utc>>,
    /// Encoding, where the source says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Type, as the source stated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Id of the advertising profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// ISO 4217 code of the profile's money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// IANA name of the zone whose days the document counts by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// SHA-256 of the object as it was downloaded.
    pub sha256: String,
    /// Size of the object in bytes.
    pub bytes: u64,
}

/// First and last day, both included.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Period {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

impl Manifest {
    /// The manifest of a document of which nothing else is known.
    pub fn new(document_id: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            schema: SCHEMA,
            document_id: document_id.into(),
            report_type: None,
            account: account.into(),
            marketplace_ids: Vec::new(),
            options: BTreeMap::new(),
            period: None,
            generated_at: None,
            requested_at: None,
            charset: None,
            content_type: None,
            profile: None,
            currency: None,
            zone: None,
            sha256: String::new(),
            bytes: 0,
        }
    }
}

impl Period {
    /// Number of days; none of both ends are left out.
    pub fn days(&self) -> i64 {
        (self.to - self.from).num_days() + 1
    }

    /// Whether a day lies in it.
    pub fn contains(&self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.from == self.to {
            true => write!(f, "{}", self.from),
            false => write!(f, "{} to {}", self.from, self.to),
        }
    }
}

fn instant<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    text.serialize(serializer)
}
