//! All report types of sponsored ads, as data: what the documentation says of each, and the folder that its reports lie in.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};

/// Each file lists the reports of an ad product.
const FILES: [&str; 5] = [
    include_str!("products.toml"),
    include_str!("brands.toml"),
    include_str!("display.toml"),
    include_str!("television.toml"),
    include_str!("all.toml"),
];

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let parsed = FILES.iter().flat_map(|text| {
        toml::from_str::<File>(text)
            .map(|file| file.report)
            .unwrap_or_default()
    });
    parsed.collect()
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    report: Vec<Kind>,
}

/// A report type with one grouping: another grouping is another population, and has another name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// What it is called here, which is also its folder in the raw zone.
    pub name: String,
    /// Amazon's id of the type.
    #[serde(rename = "type")]
    pub report: String,
    /// What is advertised: `SPONSORED_PRODUCTS`, …
    pub product: String,
    /// What rows are about.
    pub group_by: Vec<String>,
    /// In which units of time it can be had.
    pub units: Vec<TimeUnit>,
    /// Fields by which rows can be chosen.
    pub filters: Vec<String>,
    /// Most days of one report.
    pub longest: u32,
    /// For how many days Amazon keeps what it is about.
    pub retention: u32,
    /// For how many days it is restated, as far as Amazon keeps it; none where nobody says.
    pub restated: Option<u32>,
    /// Columns that are documented, but for those of time.
    #[serde(deserialize_with = "words")]
    pub columns: Vec<String>,
}

/// What a row is about in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeUnit {
    /// A day.
    Daily,
    /// All days that were asked for.
    Summary,
}

impl TimeUnit {
    /// Amazon's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Summary => "SUMMARY",
        }
    }

    /// The columns that say it; those of the other one are refused.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Daily => &["date"],
            Self::Summary => &["startDate", "endDate"],
        }
    }
}

impl Kind {
    /// All that there are.
    pub fn all() -> &'static [Self] {
        &KINDS
    }

    /// The one of that name.
    ///
    /// # Errors
    ///
    /// When there is none, with those whose names begin alike.
    pub fn named(name: &str) -> Result<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let alike = |kind: &&Self| kind.name.chars().take(4).eq(name.chars().take(4));
            let mut known: Vec<&str> = KINDS
                .iter()
                .filter(alike)
                .map(|kind| kind.name.as_str())
                .collect();
            if known.is_empty() {
                known = KINDS.iter().map(|kind| kind.name.as_str()).collect();
            }
            Error::mistake(format!(
                "there is no Ads report {name:?}; there is {}",
                known.join(", ")
            ))
        })
    }

    /// The unit that is asked for where nobody says one.
    pub fn unit(&self) -> TimeUnit {
        match self.units.contains(&TimeUnit::Daily) {
            true => TimeUnit::Daily,
            false => TimeUnit::Summary,
        }
    }
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_report_is_read_and_makes_sense() {
        for text in FILES {
            toml::from_str::<File>(text).unwrap();
        }
        let names: BTreeSet<&str> = Kind::all().iter().map(|kind| kind.name.as_str()).collect();
        assert_eq!((names.len(), Kind::all().len()), (36, 36));
        for kind in Kind::all() {
            let columns: BTreeSet<&String> = kind.columns.iter().collect();
            assert_eq!(
                columns.len(),
                kind.columns.len(),
                "{} has a column twice",
                kind.name
            );
            for unit in [TimeUnit::Daily, TimeUnit::Summary] {
                assert!(
                    unit.columns()
                        .iter()
                        .all(|column| !kind.columns.iter().any(|known| known == column))
                );
            }
            assert!(
                kind.name.starts_with(&kind.report) && !kind.group_by.is_empty() && !kind.units.is_empty()
            );
            assert!(kind.longest <= kind.retention);
            assert!(
                kind.restated.is_none_or(|days| days < kind.retention),
                "{} asks beyond what is kept",
                kind.name
            );
        }
    }

    /// Names of raw fields that a contract reads, but those that the manifest or the account says.
    fn read_by(contract: &toml::Table) -> BTreeSet<String> {
        let elsewhere = [
            "profile_id",
            "merchant",
            "account_type",
            "marketplace_id",
            "currency_code",
            "date",
        ];
        let mut read = BTreeSet::new();
        for (name, column) in contract["columns"].as_table().unwrap() {
            match column.get("from") {
                Some(toml::Value::Array(from)) => {
                    read.extend(from.iter().map(|from| from.as_str().unwrap().to_owned()))
                }
                Some(from) => drop(read.insert(from.as_str().unwrap().to_owned())),
                None => drop(read.insert(name.clone())),
            }
        }
        read.retain(|name| !name.starts_with('_') && !elsewhere.contains(&name.as_str()));
        read
    }

    #[test]
    fn what_the_contracts_read_is_asked_for_and_lies_where_they_look() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/ads");
        for (file, name) in [
            ("sp_campaigns", "spCampaigns"),
            ("sp_search_term", "spSearchTerm"),
            ("sp_advertised_product", "spAdvertisedProduct"),
        ] {
            let text = std::fs::read_to_string(folder.join(format!("{file}.toml"))).unwrap();
            let contract: toml::Table = text.parse().unwrap();
            let kind = Kind::named(name).unwrap();
            let asked: BTreeSet<String> = kind.columns.iter().cloned().collect();
            let read = read_by(&contract);
            assert!(
                read.len() > 30 && read.is_subset(&asked),
                "{:?}",
                read.difference(&asked)
            );
            assert!(
                contract["path"]
                    .as_str()
                    .unwrap()
                    .starts_with(&format!("ads/{{account}}/{}/", kind.name))
            );
            assert_eq!(
                contract["only"]["_report_type"].as_str(),
                Some(kind.report.as_str())
            );
        }
    }

    #[test]
    fn an_unknown_report_is_said_with_those_alike() {
        let error = Kind::named("spCampaign").unwrap_err().to_string();
        assert!(
            error.contains("spCampaigns-campaignPlacement") && !error.contains("sdTargeting"),
            "{error}"
        );
        assert_eq!(Kind::named("conversionPath").unwrap().unit(), TimeUnit::Summary);
    }
}
