//! What the configuration says about an account of the Selling Partner API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::items::Items;
use super::notifications::Notifications;
use super::schedules::Schedule;
use super::types::{ReportType, Shape};
use crate::endpoints::Region;
use crate::error::{Error, Result};
use crate::requests::{Every, Plan, Unit, Want, Window};
use crate::secret::Kept;
use crate::settings::Wait;

/// Characters of the option that lists products at most.
const LONGEST_TEXT: usize = 200;
/// Marketplaces of one request at most.
const MARKETPLACES: usize = 25;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// An account of the Selling Partner API, `[[acquire.sp_api]]`. Zone, marketplaces and days come from `[[account]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its alias.
    pub account: String,
    /// Which application it has authorised.
    pub application: String,
    /// In which part of the world it sells.
    pub region: Region,
    /// The token that it gave the application.
    pub refresh_token: Kept,
    /// URL of the queue to which Amazon sends `REPORT_PROCESSING_FINISHED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Which reports are acquired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<Entry>,
    /// Its id as a seller, or its code as a vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<String>,
    /// Which products are asked for at the Catalog Items API.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub catalog: Items,
    /// Which products are asked for at the Listings Items API.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub listings: Items,
    /// Reports that Amazon makes by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// Where Amazon says that a report is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
}

/// A kind of report that is acquired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its type, in Amazon's words.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its options; of several values each is asked for, with each of the other options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Texts>,
    /// Marketplaces, where not all of the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marketplaces: Vec<String>,
    /// Days, weeks or months of one report, where not as many as Amazon allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<u32>,
    /// Which days are asked for again, and how often, where not as the type's table says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Again>,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Days that are asked for again and again, counted back from the day on which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// How often: hours of a day, or days.
    pub every: Wait,
    /// The oldest day.
    #[serde(default)]
    pub from: u32,
    /// The newest day.
    #[serde(default)]
    pub to: u32,
}

impl Entry {
    /// Everything of a type, as its table says.
    pub fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            options: BTreeMap::new(),
            marketplaces: Vec::new(),
            slice: None,
            windows: Vec::new(),
        }
    }

    /// What is asked for: a plan for each set of options and marketplaces.
    ///
    /// # Errors
    ///
    /// For what Amazon would refuse, with what it allows.
    pub fn plans(&self, of_account: &[String]) -> Result<Vec<Plan>> {
        let kind = ReportType::of(&self.kind)?;
        kind.check_requestable(&self.kind)?;
        let marketplaces = match self.marketplaces.is_empty() {
            true => of_account,
            false => &self.marketplaces,
        };
        if marketplaces.is_empty() {
            return Err(Error::mistake(format!(
                "{}: no marketplace is known: say marketplaces = [...] in [[account]] or in the entry of the report",
                self.kind
            )));
        }
        let asked: Vec<Vec<String>> = match kind.each_marketplace {
            true => marketplaces.iter().map(|one| vec![one.clone()]).collect(),
            false => marketplaces
                .chunks(MARKETPLACES)
                .map(<[String]>::to_vec)
                .collect(),
        };
        let mut plans = Vec::new();
        for options in self.sets(kind)? {
            for marketplaces in &asked {
                let like = Want {
                    report: self.kind.clone(),
                    options: options.clone(),
                    marketplaces: marketplaces.clone(),
                    period: None,
                    round: None,
                };
                plans.push(self.plan(kind, like)?);
            }
        }
        Ok(plans)
    }

    fn plan(&self, kind: &ReportType, like: Want) -> Result<Plan> {
        let Shape {
            unit,
            most,
            history,
            lag,
        } = kind.shape(&like.options)?;
        if self.slice.is_some_and(|slice| slice == 0 || slice > most) {
            return Err(Error::mistake(format!(
                "{}: slice = {}: a report is of 1 to {most} of its {}s",
                self.kind,
                self.slice.unwrap_or_default(),
                unit_word(unit)
            )));
        }
        let windows: Vec<Again> = match self.windows.is_empty() {
            true => kind.windows.iter().map(|again| again.of_unit(unit)).collect(),
            false => self.windows.clone(),
        };
        Ok(Plan {
            like,
            unit,
            longest: self.slice.unwrap_or(most).saturating_mul(unit_days(unit)),
            history,
            lag,
            windows: windows
                .iter()
                .map(|again| self.window(*again))
                .collect::<Result<_>>()?,
        })
    }

    fn window(&self, again: Again) -> Result<Window> {
        let seconds = again.every.0.as_secs();
        let every = match seconds {
            _ if seconds >= DAY && seconds.is_multiple_of(DAY) => Every::Days((seconds / DAY) as u32),
            _ if (HOUR..DAY).contains(&seconds) && DAY.is_multiple_of(seconds) => {
                Every::Hours((seconds / HOUR) as u32)
            }
            _ => {
                return Err(Error::mistake(format!(
                    "{}: every = \"{}\": give whole days, or hours of which a day has a whole number, such as 6h",
                    self.kind, again.every
                )));
            }
        };
        if again.from < again.to {
            return Err(Error::mistake(format!(
                "{}: from = {} is after to = {}: both count days back",
                self.kind, again.from, again.to
            )));
        }
        Ok(Window {
            every,
            from: again.from,
            to: again.to,
        })
    }

    /// All sets of options: those of the entry, those of the type where the entry has none.
    fn sets(&self, kind: &ReportType) -> Result<Vec<BTreeMap<String, String>>> {
        let mut sets = vec![BTreeMap::new()];
        let mut add = |name: &str, values: &[String]| {
            sets = sets
                .iter()
                .flat_map(|set: &BTreeMap<String, String>| {
                    values.iter().map(|value| {
                        let mut set = set.clone();
                        set.insert(name.to_owned(), value.clone());
                        set
                    })
                })
                .collect();
        };
        for (name, texts) in &self.options {
            let values = texts.all();
            let Some(known) = kind.options.get(name) else {
                let names: Vec<&str> = kind.options.keys().map(String::as_str).collect();
                return Err(Error::mistake(format!(
                    "{}: there is no option {name:?}; there is {}",
                    self.kind,
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                )));
            };
            for value in values {
                let is_one = known.of.is_empty() || known.of.contains(value);
                if !is_one || value.is_empty() || value.len() > LONGEST_TEXT {
                    let of = match known.of.is_empty() {
                        true => format!("a text of 1 to {LONGEST_TEXT} characters"),
                        false => known.of.join(", "),
                    };
                    return Err(Error::mistake(format!(
                        "{}: {name} = {value:?}: give {of}",
                        self.kind
                    )));
                }
            }
            if values.is_empty() {
                return Err(Error::mistake(format!("{}: {name} has no value", self.kind)));
            }
            add(name, values);
        }
        for (name, known) in kind
            .options
            .iter()
            .filter(|(name, _)| !self.options.contains_key(*name))
        {
            match &known.default {
                Some(default) => add(name, std::slice::from_ref(default)),
                None if known.required => {
                    return Err(Error::mistake(format!(
                        "{}: Amazon makes no such report without the option {name}; say it in options of the report's entry",
                        self.kind
                    )));
                }
                None => {}
            }
        }
        Ok(sets)
    }
}

impl Again {
    /// The same for reports of whole weeks, months, …: wide enough that one always lies in it, and once for each of them. Those
    /// that end meanwhile are asked for as days that nobody asked for.
    fn of_unit(self, unit: Unit) -> Self {
        let days = unit_days(unit);
        if days == 1 {
            return self;
        }
        Self {
            every: Wait(Duration::from_secs(u64::from(days) * DAY)),
            from: self.from.max(self.to + 2 * days - 2),
            ..self
        }
    }
}

impl Texts {
    fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

/// The most days of a unit.
fn unit_days(unit: Unit) -> u32 {
    match unit {
        Unit::Day | Unit::Present => 1,
        Unit::Week => 7,
        Unit::Month => 31,
        Unit::Quarter => 92,
        Unit::Year => 366,
    }
}

fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Day | Unit::Present => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Quarter => "quarter",
        Unit::Year => "year",
    }
}
