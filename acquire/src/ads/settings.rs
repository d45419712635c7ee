//! What the configuration says about Ads: `[[acquire.ads]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::types::TimeUnit;
use crate::endpoints::Region;
use crate::secret::Kept;
use crate::settings::Wait;

/// What is asked for where nobody says more: what the built-in tables read.
const REPORTS: [&str; 3] = ["spCampaigns", "spSearchTerm", "spAdvertisedProduct"];
/// Amazon says that a report can take three hours.
const PENDING_MOST: Wait = Wait(Duration::from_secs(6 * 3600));

/// A refresh token, and what is asked for with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Its name in the lake; by default application and region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The application that asks.
    pub application: String,
    /// Where the profiles are.
    pub region: Region,
    /// The token that the advertiser gave the application.
    pub refresh_token: Kept,
    /// Ids of profiles; without any, all of sellers and vendors that the token may see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Aliases by profile. Else the alias is that of the account of `ads` whose field `profile_id` is the profile, else the
    /// profile's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, String>,
    /// What is asked for.
    #[serde(default = "reports")]
    pub reports: Vec<Wanted>,
    /// A report that was not begun after so long is given up, and asked for again later.
    #[serde(default = "pending_most")]
    pub pending_most: Wait,
}

/// A report that is asked for, by its name or as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its name, such as `spCampaigns-campaignPlacement`.
    pub report: String,
    /// Days or a summary; by default days, where it can be had so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    /// Values by field: only rows with one of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, Vec<String>>,
    /// Columns beside those that this program knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Columns that are not asked for, such as one that Amazon no longer has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Its folder in the raw zone. With filters it has to have one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    report: String,
    unit: Option<TimeUnit>,
    #[serde(default)]
    filters: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    folder: Option<String>,
}

impl Access {
    /// Its name in the lake.
    pub fn name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| format!("{}-{}", self.application, self.region))
    }
}

impl Wanted {
    /// The report of that name as it is.
    pub fn named(report: &str) -> Self {
        Self {
            report: report.to_owned(),
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = toml::Value::deserialize(deserializer)?;
        if let toml::Value::String(name) = &said {
            return Ok(Self::named(name));
        }
        let Whole {
            report,
            unit,
            filters,
            with,
            without,
            folder,
        } = said.try_into().map_err(D::Error::custom)?;
        Ok(Self {
            report,
            unit,
            filters,
            with,
            without,
            folder,
        })
    }
}

fn reports() -> Vec<Wanted> {
    REPORTS.map(Wanted::named).into()
}

fn pending_most() -> Wait {
    PENDING_MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "application = \"main\"\nregion = \"eu\"\nrefresh_token = \"env:TOKEN\"\n";

    #[test]
    fn an_access_asks_for_what_the_built_in_tables_read_unless_it_says_more() {
        let access: Access = toml::from_str(LEAST).unwrap();
        assert_eq!(access.name(), "main-eu");
        assert_eq!(access.reports, REPORTS.map(Wanted::named));
        assert_eq!(access.pending_most.to_string(), "6h");
        let more = format!(
            "{LEAST}reports = [\"sdCampaigns\", {{ report = \"spCampaigns\", unit = \"SUMMARY\", without = [\"spend\"] }}]\n"
        );
        let access: Access = toml::from_str(&more).unwrap();
        assert_eq!(access.reports[0], Wanted::named("sdCampaigns"));
        assert_eq!(access.reports[1].unit, Some(TimeUnit::Summary));
        let written = toml::to_string(&access).unwrap();
        assert_eq!(toml::from_str::<Access>(&written).unwrap(), access, "{written}");
    }

    #[test]
    fn mistakes_are_named() {
        for (more, says) in [
            ("profile = \"1\"", "unknown field `profile`"),
            ("reports = [{ reprot = \"spCampaigns\" }]", "reprot"),
            (
                "reports = [{ report = \"spCampaigns\", unit = \"HOURLY\" }]",
                "HOURLY",
            ),
        ] {
            let error = toml::from_str::<Access>(&format!("{LEAST}{more}\n")).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
