//! Types of reports, as data: `types.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::settings::Again;
use crate::error::{Error, Result};
use crate::requests::Unit;
use crate::settings::Wait;

/// Most days of a report of which nothing else is documented.
const DAYS: u32 = 30;

/// All types by name.
static TYPES: LazyLock<BTreeMap<String, ReportType>> = LazyLock::new(|| {
    let mut types: BTreeMap<String, ReportType> =
        toml::from_str(include_str!("types.toml")).expect("a test reads the table of report types");
    for kind in types.values_mut() {
        if let Some(per) = &kind.per {
            let option = OptionType {
                of: kind.units.keys().cloned().collect(),
                default: Some(per.default.clone()),
                required: true,
            };
            kind.options.insert(per.option.clone(), option);
        }
    }
    types
});

/// What is documented of a type of reports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportType {
    /// What its documents are, as the end of a file name: `json`, `txt`, ...
    pub form: String,
    /// Why it can no longer be had.
    pub removed: Option<String>,
    /// Whether Amazon makes it by itself, so that it is listed and never asked for.
    #[serde(default)]
    pub listed: bool,
    /// Whether it says how things are when it is made, and is asked for without days.
    #[serde(default)]
    pub present: bool,
    /// The option that says what a row is about: days, weeks, ...
    per: Option<Per>,
    /// Values of that option, and of how many of them a report is at most.
    #[serde(default)]
    units: BTreeMap<String, u32>,
    /// Days of a report at most, where no option says what a row is about.
    days: Option<u32>,
    /// Days that Amazon goes back.
    history: Option<u32>,
    /// The same by the value of the option.
    #[serde(default)]
    history_of: BTreeMap<String, u32>,
    /// Days that pass before a day is there.
    #[serde(default = "one")]
    lag: u32,
    /// Which days are asked for again, and how often.
    #[serde(default)]
    pub windows: Vec<Again>,
    /// A report of this type is not made again sooner, for whatever marketplace.
    pub cool_down: Option<Wait>,
    /// The beginning is to be said, and lies so long before now.
    pub since: Option<Wait>,
    /// Options that say the days, instead of the times that others have.
    #[serde(default)]
    pub days_as: Vec<String>,
    /// Whether each marketplace has a report of its own.
    #[serde(default)]
    pub each_marketplace: bool,
    /// Whether it has personal details, so that its document needs a token of its own.
    #[serde(default)]
    pub restricted: bool,
    /// Its other options.
    #[serde(default)]
    pub(super) options: BTreeMap<String, OptionType>,
}

/// The option that says what a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Per {
    option: String,
    default: String,
}

/// An option.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptionType {
    /// Its values; none: any text.
    #[serde(default)]
    pub(super) of: Vec<String>,
    /// The value where nothing else is said.
    pub(super) default: Option<String>,
    /// Whether Amazon makes no report without it.
    #[serde(default)]
    pub(super) required: bool,
}

/// What the days of a report have to be.
pub(super) struct Shape {
    pub(super) unit: Unit,
    /// Units of a report at most.
    pub(super) most: u32,
    pub(super) history: Option<u32>,
    pub(super) lag: u32,
}

fn one() -> u32 {
    1
}

impl ReportType {
    /// The type of that name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn of(name: &str) -> Result<&'static Self> {
        TYPES.get(name).ok_or_else(|| {
            Error::mistake(format!(
                "{name:?} is no report type that is known; types are written as GET_SALES_AND_TRAFFIC_REPORT, and docs/acquire.md lists them"
            ))
        })
    }

    /// All types by name.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static Self)> {
        TYPES.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    /// Whether it can be asked for.
    ///
    /// # Errors
    ///
    /// When Amazon would refuse it, with the reason.
    pub(super) fn check_requestable(&self, name: &str) -> Result<()> {
        match &self.removed {
            Some(why) => Err(Error::mistake(format!("{name} cannot be had any more: {why}"))),
            None => Ok(()),
        }
    }

    /// What days have to be with these options.
    pub(super) fn shape(&self, options: &BTreeMap<String, String>) -> Result<Shape> {
        let value = self.per.as_ref().and_then(|per| options.get(&per.option));
        let (unit, most) = match value {
            Some(value) => {
                let most = self.units.get(value).copied().unwrap_or(1);
                (unit(value)?, most)
            }
            None if self.present => (Unit::Present, 1),
            None => (Unit::Day, self.days.unwrap_or(DAYS)),
        };
        let of_value = value.and_then(|value| self.history_of.get(value).copied());
        Ok(Shape {
            unit,
            most,
            history: of_value.or(self.history),
            lag: self.lag,
        })
    }
}

fn unit(value: &str) -> Result<Unit> {
    Ok(match value {
        "DAY" => Unit::Day,
        "WEEK" => Unit::Week,
        "MONTH" => Unit::Month,
        "QUARTER" => Unit::Quarter,
        "YEAR" => Unit::Year,
        other => return Err(Error::mistake(format!("{other} is no period of reports"))),
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::settings::{Entry, Texts};
    use super::*;
    use crate::requests::{Calendar, Request, State, Want};

    fn plans(entry: &Entry) -> Result<Vec<crate::requests::Plan>> {
        entry.plans(&["A1".to_owned(), "A2".to_owned()])
    }

    #[test]
    fn each_type_that_can_be_asked_for_has_a_plan() {
        let mut asked = 0;
        for (name, kind) in ReportType::all() {
            let forms = ["json", "txt", "xml", "csv", "pdf", "xlsx"];
            assert!(forms.contains(&kind.form.as_str()), "{name}");
            if kind.removed.is_some() || kind.listed {
                continue;
            }
            let mut entry = Entry::of(name);
            let needed = kind
                .options
                .iter()
                .filter(|(_, option)| option.required && option.default.is_none());
            entry.options = needed
                .map(|(name, _)| (name.clone(), Texts::One("X".to_owned())))
                .collect();
            for plan in plans(&entry).unwrap() {
                asked += 1;
                assert!(!plan.windows.is_empty(), "{name} is never due");
                assert_eq!(plan.unit == Unit::Present, kind.present, "{name}");
                assert!(
                    plan.like.options.values().all(|value| !value.is_empty()),
                    "{name}"
                );
            }
        }
        assert!(asked > 90, "{asked}");
    }

    #[test]
    fn types_that_the_built_in_tables_read_are_known() {
        let of = |name: &str| ReportType::of(name).unwrap();
        assert_eq!(of("GET_SALES_AND_TRAFFIC_REPORT").form, "json");
        assert_eq!(
            of("GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL").form,
            "txt"
        );
        assert!(of("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2").listed);
        let vendor = &plans(&Entry::of("GET_VENDOR_SALES_REPORT")).unwrap()[1];
        let options: Vec<&str> = vendor.like.options.values().map(String::as_str).collect();
        assert_eq!(options, ["MANUFACTURING", "DAY", "RETAIL"]);
        assert_eq!(
            (vendor.longest, vendor.like.marketplaces.as_slice()),
            (15, &["A2".to_owned()][..])
        );
    }

    #[test]
    fn what_amazon_would_refuse_is_refused_before() {
        let entry = |text: &str| toml::from_str::<Entry>(text).unwrap();
        for (text, says) in [
            ("type = 'GET_FBA_SNS_FORECAST_DATA'", "removed it"),
            ("type = 'GET_SALES'", "no report type"),
            (
                "type = 'GET_VENDOR_SALES_REPORT'\noptions = { reportPeriod = 'HOUR' }",
                "DAY",
            ),
            (
                "type = 'GET_VENDOR_SALES_REPORT'\noptions = { x = '1' }",
                "there is no option",
            ),
            ("type = 'GET_VENDOR_SALES_REPORT'\nslice = 16", "1 to 15"),
            (
                "type = 'GET_BRAND_ANALYTICS_SEARCH_QUERY_PERFORMANCE_REPORT'",
                "asin",
            ),
            (
                "type = 'GET_VENDOR_SALES_REPORT'\nwindows = [{ every = '5h', from = 1, to = 1 }]",
                "whole",
            ),
        ] {
            let error = plans(&entry(text)).unwrap_err();
            assert!(error.is_mistake() && error.to_string().contains(says), "{error}");
        }
        let two = "type = 'GET_VENDOR_SALES_REPORT'\noptions = { distributorView = ['SOURCING', 'MANUFACTURING'], reportPeriod = 'WEEK' }";
        let plans = plans(&entry(two)).unwrap();
        assert_eq!(
            (plans.len(), plans[0].unit, plans[0].longest),
            (4, Unit::Week, 49)
        );
    }

    #[test]
    fn whole_weeks_months_and_years_are_due_on_any_day_and_once() {
        for period in ["WEEK", "MONTH", "QUARTER", "YEAR"] {
            let entry =
                format!("type = 'GET_VENDOR_SALES_REPORT'\noptions = {{ reportPeriod = '{period}' }}");
            let plan = &plans(&toml::from_str(&entry).unwrap()).unwrap()[0];
            for month in 1..=12 {
                for day in [1, 2, 9, 17, 28] {
                    let mut calendar = Calendar {
                        now: format!("2026-{month:02}-{day:02}T12:00:00Z").parse().unwrap(),
                        zone: chrono_tz::UTC,
                        since: None,
                        until: None,
                    };
                    let due = plan.due(&calendar, &[]);
                    assert!(!due.is_empty(), "{period} on {month}-{day}");
                    let landed =
                        |want: &Want| Request::intended(want.clone(), calendar.now).now(State::Landed);
                    let known: Vec<Request> = due.iter().map(landed).collect();
                    calendar.now += TimeDelta::hours(1);
                    let is_new = |want: &Want| !due.iter().any(|asked| asked.key() == want.key());
                    assert!(
                        !plan.due(&calendar, &known).iter().any(is_new),
                        "{period} on {month}-{day}"
                    );
                }
            }
        }
    }
}
