//! What is asked for of one report: the request's body, the plan of its days, and the folder of its documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::settings::Wanted;
use super::types::{Kind, TimeUnit};
use crate::error::{Error, Result};
use crate::manifest::Period;
use crate::requests::{Every, Plan, Unit, Want, Window};

/// Days that are asked for every day, counted back from yesterday; older ones that are still restated every `OLDER`.
const RECENT: u32 = 31;
const OLDER: u32 = 7;

/// Names of options that say what a report is beside its type.
const GROUP_BY: &str = "groupBy";
const TIME_UNIT: &str = "timeUnit";
const FILTER: &str = "filter.";

/// A report as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    kind: &'static Kind,
    unit: TimeUnit,
    filters: BTreeMap<String, Vec<String>>,
    columns: Vec<String>,
    folder: String,
}

impl Definition {
    /// What the configuration wants, checked.
    ///
    /// # Errors
    ///
    /// For what Amazon would refuse, and for folders in which two populations would lie.
    pub fn of(wanted: &Wanted) -> Result<Self> {
        let Wanted {
            report,
            unit,
            filters,
            with,
            without,
            folder,
        } = wanted;
        let kind = Kind::named(report)?;
        let unit = unit.unwrap_or(kind.unit());
        let wrong = |what: String| Err(Error::mistake(format!("Ads report {report}: {what}")));
        if !kind.units.contains(&unit) {
            return wrong(format!("it is not to be had as {}", unit.word()));
        }
        if let Some(field) = filters.keys().find(|field| !kind.filters.contains(field)) {
            let known = kind.filters.join(", ");
            return wrong(format!(
                "it has no filter {field:?}; there is {}",
                if known.is_empty() { "none" } else { &known }
            ));
        }
        if let Some((field, _)) = filters.iter().find(|(_, values)| values.is_empty()) {
            return wrong(format!("the filter {field:?} has no value"));
        }
        if let Some(column) = without.iter().find(|column| !kind.columns.contains(column)) {
            return wrong(format!("without {column:?}, which is not asked for anyway"));
        }
        let usual = match unit {
            TimeUnit::Daily => kind.name.clone(),
            TimeUnit::Summary => format!("{}-summary", kind.name),
        };
        let folder = match folder {
            None if !filters.is_empty() => {
                return wrong(
                    "rows that a filter chooses are no whole report: give it a folder of its own".to_owned(),
                );
            }
            None => usual.clone(),
            Some(folder) => folder.clone(),
        };
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if !is_name(&folder) {
            return wrong(format!(
                "folder {folder:?}: letters, digits, - and _ make a folder"
            ));
        }
        let is_taken = Kind::all()
            .iter()
            .any(|kind| folder == kind.name || folder == format!("{}-summary", kind.name));
        if is_taken && (folder != usual || !filters.is_empty()) {
            return wrong(format!("folder {folder:?} is that of another report"));
        }
        let known = kind
            .columns
            .iter()
            .filter(|column| !without.contains(column))
            .cloned();
        let own = unit.columns().iter().map(|column| (*column).to_owned());
        let mut columns: Vec<String> = own.chain(known).collect();
        columns.extend(
            with.iter()
                .filter(|column| !kind.columns.contains(column))
                .cloned(),
        );
        Ok(Self {
            kind,
            unit,
            filters: filters.clone(),
            columns,
            folder,
        })
    }

    /// All that the configuration wants.
    ///
    /// # Errors
    ///
    /// As [`Self::of`], and where two would lie in one folder.
    pub fn all(wanted: &[Wanted]) -> Result<Vec<Self>> {
        let mut folders = BTreeSet::new();
        let all: Vec<Self> = wanted.iter().map(Self::of).collect::<Result<_>>()?;
        match all.iter().find(|one| !folders.insert(&one.folder)) {
            None => Ok(all),
            Some(twice) => Err(Error::mistake(format!(
                "two Ads reports would lie in the folder {}; name each once, or give one a folder",
                twice.folder
            ))),
        }
    }

    /// What a request wanted that is no longer in the configuration; none where only the configuration could say.
    pub(super) fn of_want(want: &Want) -> Option<Self> {
        if want.options.keys().any(|name| name.starts_with(FILTER)) {
            return None;
        }
        let unit = [TimeUnit::Daily, TimeUnit::Summary];
        let unit = unit.into_iter().find(|unit| {
            want.options
                .get(TIME_UNIT)
                .is_some_and(|word| word == unit.word())
        })?;
        let of_this = |kind: &&Kind| {
            kind.report == want.report && want.options.get(GROUP_BY) == Some(&kind.group_by.join(","))
        };
        let kind = Kind::all().iter().find(of_this)?;
        let wanted = Wanted {
            unit: Some(unit),
            ..Wanted::named(&kind.name)
        };
        Self::of(&wanted).ok()
    }

    /// Its folder below that of the account.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Whether a person who says this word means it.
    pub fn is_called(&self, word: &str) -> bool {
        word == self.folder || word == self.kind.name
    }

    /// Whether a request wanted it.
    pub(super) fn is_of(&self, want: &Want) -> bool {
        self.like().is_like(want)
    }

    /// Type and options.
    fn like(&self) -> Want {
        let mut options: BTreeMap<String, String> = [
            (GROUP_BY.to_owned(), self.kind.group_by.join(",")),
            (TIME_UNIT.to_owned(), self.unit.word().to_owned()),
        ]
        .into();
        options.extend(
            self.filters
                .iter()
                .map(|(field, values)| (format!("{FILTER}{field}"), values.join(","))),
        );
        Want {
            report: self.kind.report.clone(),
            options,
            marketplaces: Vec::new(),
            period: None,
            round: None,
        }
    }

    /// What is wanted of it, and when: recent days every day, as long as they are restated older ones every week.
    pub fn plan(&self) -> Plan {
        // The edge is exact: one day more is refused, and would take the other days with it.
        let history = self.kind.retention - 1;
        let restated = self.kind.restated.unwrap_or(RECENT).min(history);
        let recent = RECENT.min(restated).min(self.kind.longest);
        let mut windows = vec![Window {
            every: Every::Days(1),
            from: recent,
            to: 1,
        }];
        if restated > recent && self.unit == TimeUnit::Daily {
            windows.push(Window {
                every: Every::Days(OLDER),
                from: restated,
                to: recent + 1,
            });
        }
        Plan {
            like: self.like(),
            unit: Unit::Day,
            longest: self.kind.longest,
            history: Some(history),
            lag: 1,
            windows,
        }
    }

    /// The body of the request.
    pub(super) fn body(&self, period: Period) -> Value {
        let filters: Vec<Value> = self
            .filters
            .iter()
            .map(|(field, values)| json!({"field": field, "values": values}))
            .collect();
        let mut configuration = json!({
            "adProduct": self.kind.product,
            "groupBy": self.kind.group_by,
            "columns": self.columns,
            "reportTypeId": self.kind.report,
            "timeUnit": self.unit.word(),
            "format": "GZIP_JSON",
        });
        if !filters.is_empty() {
            configuration["filters"] = filters.into();
        }
        json!({
            "name": format!("{} {} {}", self.folder, period.from, period.to),
            "startDate": period.from,
            "endDate": period.to,
            "configuration": configuration,
        })
    }

    /// Whether what Amazon says a report is about is this; what it does not say is.
    pub(super) fn is_what(&self, period: Period, said: &Value) -> bool {
        let ours = self.body(period);
        let parts = [
            "/startDate",
            "/endDate",
            "/configuration/reportTypeId",
            "/configuration/timeUnit",
            "/configuration/groupBy",
        ];
        let is_same = |part: &str| {
            said.pointer(part)
                .is_none_or(|theirs| theirs.is_null() || ours.pointer(part) == Some(theirs))
        };
        // No filter may be said by leaving it out.
        let filters = |body: &Value| {
            body.pointer("/configuration/filters")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        parts.into_iter().all(is_same) && filters(&ours) == filters(said)
    }

    /// What is said about a refusal that names columns, which is the whole request's: those that are not accepted, as far as
    /// the text tells them, and what to do. None where the text names none.
    pub(super) fn about_columns(&self, text: &str) -> Option<String> {
        let (blamed, allowed) = match text.find("llowed") {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let words = |text: &str| -> BTreeSet<String> {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words.map(str::to_owned).collect()
        };
        let (blamed, allowed) = (words(blamed), words(allowed));
        if !blamed
            .iter()
            .any(|word| word.eq_ignore_ascii_case("columns") || word.eq_ignore_ascii_case("column"))
        {
            return None;
        }
        let is_listed = self
            .columns
            .iter()
            .filter(|column| allowed.contains(*column))
            .count()
            > 2;
        let is_wrong = |column: &&String| match is_listed {
            true => !allowed.contains(*column),
            false => blamed.contains(*column),
        };
        let wrong: Vec<&str> = self.columns.iter().filter(is_wrong).map(String::as_str).collect();
        (!wrong.is_empty()).then(|| {
            let columns = wrong.join("\", \"");
            format!(
                "columns that are not accepted: say without = [\"{columns}\"] of {} in acquire.ads.reports",
                self.folder
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::requests::Calendar;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn named(name: &str) -> Definition {
        Definition::of(&Wanted::named(name)).unwrap()
    }

    fn due(name: &str, now: &str) -> Vec<(String, i64)> {
        let calendar = Calendar {
            now: now.parse().unwrap(),
            zone: chrono_tz::America::Los_Angeles,
            since: None,
            until: None,
        };
        let wants = named(name).plan().due(&calendar, &[]);
        wants
            .iter()
            .map(|want| want.period.unwrap())
            .map(|period| (period.to_string(), period.days()))
            .collect()
    }

    #[test]
    fn recent_days_are_asked_for_daily_and_older_ones_weekly_in_the_zone_of_the_profile() {
        // It is still the first in Los Angeles.
        let of = due("spCampaigns", "2026-12-02T06:00:00Z");
        assert_eq!(of[0], ("2026-10-31 to 2026-11-30".to_owned(), 31));
        // Older ones are counted from the day on which their week began; what lies between is asked for once.
        assert_eq!(
            of[1..],
            [
                ("2026-09-30 to 2026-10-28".to_owned(), 29),
                ("2026-10-29 to 2026-10-30".to_owned(), 2)
            ]
        );
        assert_eq!(
            due("spGrossAndInvalids", "2026-12-02T06:00:00Z"),
            [("2026-11-01 to 2026-11-30".to_owned(), 30)]
        );
    }

    #[test]
    fn nothing_is_asked_for_that_is_no_longer_kept() {
        for kind in Kind::all() {
            for into in 1..15 {
                let now = format!("2026-12-{into:02}T20:00:00Z");
                let oldest = due(&kind.name, &now)
                    .iter()
                    .map(|(period, _)| day(&period[..10]))
                    .min()
                    .unwrap();
                let today = day(&format!("2026-12-{into:02}"));
                let back = (today - oldest).num_days();
                assert!(back < i64::from(kind.retention), "{} {back}", kind.name);
                assert!(
                    due(&kind.name, &now)
                        .iter()
                        .all(|(_, days)| *days <= i64::from(kind.longest))
                );
            }
        }
    }

    #[test]
    fn a_body_has_the_columns_of_its_unit_and_no_others() {
        let period = Period {
            from: day("2026-11-01"),
            to: day("2026-11-30"),
        };
        let body = named("spCampaigns").body(period);
        assert_eq!(body["startDate"], "2026-11-01");
        assert_eq!(body["configuration"]["groupBy"], json!(["campaign"]));
        let columns = body["configuration"]["columns"].as_array().unwrap();
        assert!(columns.contains(&json!("date")) && !columns.contains(&json!("startDate")));
        let summary = Wanted {
            unit: Some(TimeUnit::Summary),
            with: vec!["new".to_owned()],
            without: vec!["spend".to_owned()],
            ..Wanted::named("spCampaigns")
        };
        let summary = Definition::of(&summary).unwrap();
        let body = summary.body(period);
        let columns = body["configuration"]["columns"].as_array().unwrap();
        assert!(!columns.contains(&json!("date")) && !columns.contains(&json!("spend")));
        assert!(columns.contains(&json!("endDate")) && columns.contains(&json!("new")));
        assert_eq!(summary.folder(), "spCampaigns-summary");
        assert!(!named("spCampaigns").is_what(period, &body) && summary.is_what(period, &body));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let filtered = |folder: Option<&str>| Wanted {
            filters: [("campaignSite".to_owned(), vec!["AmazonBusiness".to_owned()])].into(),
            folder: folder.map(str::to_owned),
            ..Wanted::named("spCampaigns-campaignPlacement")
        };
        assert_eq!(
            Definition::of(&filtered(Some("business"))).unwrap().folder(),
            "business"
        );
        let unit = Wanted {
            unit: Some(TimeUnit::Daily),
            ..Wanted::named("conversionPath")
        };
        for (wanted, says) in [
            (filtered(None), "a folder of its own"),
            (filtered(Some("spCampaigns")), "is that of another report"),
            (
                filtered(Some("spCampaigns-campaignPlacement")),
                "is that of another report",
            ),
            (filtered(Some("../x")), "letters, digits"),
            (
                Wanted {
                    report: "spCampaigns".to_owned(),
                    ..filtered(Some("x"))
                },
                "no filter \"campaignSite\"",
            ),
            (unit, "not to be had as DAILY"),
            (
                Wanted {
                    without: vec!["nothing".to_owned()],
                    ..Wanted::named("spCampaigns")
                },
                "not asked for anyway",
            ),
        ] {
            let error = Definition::of(&wanted).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let twice =
            Definition::all(&[Wanted::named("sdCampaigns"), Wanted::named("sdCampaigns")]).unwrap_err();
        assert!(twice.to_string().contains("folder sdCampaigns"), "{twice}");
    }

    #[test]
    fn a_request_that_left_the_configuration_is_known_by_what_it_wanted() {
        let definition = named("spCampaigns-campaign-adGroup");
        assert_eq!(Definition::of_want(&definition.like()), Some(definition));
    }

    #[test]
    fn a_refused_column_is_said_with_what_to_do() {
        let definition = named("spCampaigns");
        let says = definition
            .about_columns("configuration columns includes invalid values: (spend)")
            .unwrap();
        assert!(says.contains("without = [\"spend\"]"), "{says}");
        let allowed = definition
            .columns
            .iter()
            .filter(|column| *column != "cost")
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let says = definition
            .about_columns(&format!(
                "columns has invalid values. Allowed values: ({allowed})"
            ))
            .unwrap();
        assert!(says.contains("without = [\"cost\"]"), "{says}");
        assert_eq!(definition.about_columns("endDate is before startDate"), None);
    }
}
