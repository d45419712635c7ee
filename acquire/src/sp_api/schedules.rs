//! Schedules of reports: Amazon makes a report by itself, again and again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arranged::{Arranged, Became, deletion};
use super::{Operation, SpApi};
use crate::error::{Error, Result};
use crate::rate::Rate;
use crate::transport::Call;

/// All of them have the same rate.
const RATE: Rate = Rate {
    per_second: 0.0222,
    burst: 10,
};
const CREATE: Operation = Operation {
    name: "createReportSchedule",
    rate: RATE,
};
const LIST: Operation = Operation {
    name: "getReportSchedules",
    rate: RATE,
};
const CANCEL: Operation = Operation {
    name: "cancelReportSchedule",
    rate: RATE,
};
/// Report types that one listing takes.
const TYPES: usize = 10;
/// What can be said for how often.
const PERIODS: [&str; 18] = [
    "PT5M", "PT15M", "PT30M", "PT1H", "PT2H", "PT4H", "PT8H", "PT12H", "P1D", "P2D", "P3D", "PT84H", "P7D",
    "P14D", "P15D", "P18D", "P30D", "P1M",
];

/// A schedule, as the configuration declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Type of the report.
    #[serde(rename = "type")]
    pub report: String,
    /// How often it is made, such as `P1D`.
    pub period: String,
    /// Its options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Ids of marketplaces; those of the account where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marketplaces: Vec<String>,
    /// When the next report is made, as `2026-12-01T06:00:00Z`; when Amazon likes where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A schedule that the API keeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    report_schedule_id: String,
    report_type: String,
    #[serde(default)]
    marketplace_ids: Vec<String>,
    #[serde(default)]
    report_options: BTreeMap<String, String>,
    period: String,
    next_report_creation_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    report_schedules: Vec<Known>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    report_schedule_id: String,
}

impl Schedule {
    /// Whether it can be asked for.
    ///
    /// # Errors
    ///
    /// When the API would refuse it whatever else is there.
    pub fn check(&self) -> Result<()> {
        let of = format!("the schedule of {}", self.report);
        if !PERIODS.contains(&self.period.as_str()) {
            let (period, known) = (&self.period, PERIODS.join(", "));
            return Err(Error::mistake(format!(
                "{of} has the period {period:?}; there is {known}"
            )));
        }
        match self.marketplaces.len() {
            0 => Err(Error::mistake(format!(
                "{of} has no marketplaces: give them to it, or to its account"
            ))),
            1..=25 => Ok(()),
            many => Err(Error::mistake(format!(
                "{of} has {many} marketplaces; 25 are the most"
            ))),
        }
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "reportType": self.report, "marketplaceIds": self.marketplaces, "period": self.period,
        });
        if !self.options.is_empty() {
            body["reportOptions"] = json!(self.options);
        }
        if let Some(next) = &self.next {
            body["nextReportCreationTime"] = json!(next);
        }
        body
    }

    fn about(&self) -> BTreeMap<String, String> {
        about(
            &self.period,
            &self.marketplaces,
            &self.options,
            self.next.as_deref(),
        )
    }

    /// Whether a schedule is in the place of this one: there is one for a type and marketplaces.
    fn is_place_of(&self, known: &Known) -> bool {
        let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        known.report_type == self.report && set(&known.marketplace_ids) == set(&self.marketplaces)
    }

    fn is(&self, known: &Known) -> bool {
        self.is_place_of(known) && known.period == self.period && known.report_options == self.options
    }
}

fn about(
    period: &str,
    marketplaces: &[String],
    options: &BTreeMap<String, String>,
    next: Option<&str>,
) -> BTreeMap<String, String> {
    let mut about = BTreeMap::from([("period".to_owned(), period.to_owned())]);
    about.insert("marketplaceIds".to_owned(), marketplaces.join(","));
    about.extend(
        options
            .iter()
            .map(|(name, value)| (format!("reportOptions.{name}"), value.clone())),
    );
    about.extend(next.map(|next| ("nextReportCreationTime".to_owned(), next.to_owned())));
    about
}

/// All schedules of these report types.
///
/// # Errors
///
/// When they cannot be listed.
pub async fn list(api: &SpApi, types: &BTreeSet<String>) -> Result<Vec<Arranged>> {
    let known = known(api, types).await?;
    Ok(known.iter().map(|known| known.told(api, Became::There)).collect())
}

/// Makes the schedules that are not there as they are declared. One that replaces another of its type and marketplaces is
/// made by the same request.
///
/// # Errors
///
/// When what is there cannot be listed: nothing is made then.
pub async fn create(api: &SpApi, declared: &[Schedule]) -> Result<Vec<Arranged>> {
    let types: BTreeSet<String> = declared.iter().map(|schedule| schedule.report.clone()).collect();
    let there = known(api, &types).await?;
    let mut told = Vec::new();
    for schedule in declared {
        if let Some(known) = there.iter().find(|known| schedule.is(known)) {
            told.push(known.told(api, Became::There));
            continue;
        }
        let outcome = match there.iter().any(|known| schedule.is_place_of(known)) {
            true => Became::Replaced,
            false => Became::Created,
        };
        told.push(match make(api, schedule).await {
            Ok(id) => wanted(api, schedule, outcome, Some(id), None),
            Err(error) => wanted(api, schedule, failure(&error), None, Some(error.to_string())),
        });
    }
    Ok(told)
}

/// What [`create`] would see to.
pub fn plan(api: &SpApi, declared: &[Schedule]) -> Vec<Arranged> {
    let planned = declared
        .iter()
        .map(|schedule| wanted(api, schedule, Became::Wanted, None, None));
    planned.collect()
}

/// Deletes schedules.
pub async fn delete(api: &SpApi, ids: &[String]) -> Vec<Arranged> {
    let mut told = Vec::new();
    for id in ids {
        let (outcome, said) = match cancel(api, id).await {
            Ok(outcome) => (outcome, None),
            Err(error) => (failure(&error), Some(error.to_string())),
        };
        told.push(Arranged {
            outcome,
            said,
            ..planned(api, id)
        });
    }
    told
}

/// A schedule that [`delete`] would end.
pub fn planned(api: &SpApi, id: &str) -> Arranged {
    Arranged {
        account: api.account.clone(),
        kind: "schedule",
        id: Some(id.to_owned()),
        name: None,
        about: BTreeMap::new(),
        outcome: Became::Wanted,
        said: None,
    }
}

async fn known(api: &SpApi, types: &BTreeSet<String>) -> Result<Vec<Known>> {
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let mut all = Vec::new();
    for types in types.chunks(TYPES) {
        let mut url = api.url(&["reports", "2021-06-30", "schedules"])?;
        url.query_pairs_mut().append_pair("reportTypes", &types.join(","));
        let answer = api.call(&LIST, Call::get(LIST.name, url)).await?;
        if !answer.status.is_success() {
            return Err(Error::Refused(api.refused(&answer, LIST.name)));
        }
        all.extend(answer.json::<Listed>(LIST.name)?.report_schedules);
    }
    Ok(all)
}

/// Makes a schedule and looks for it where the answer was lost.
async fn make(api: &SpApi, schedule: &Schedule) -> Result<String> {
    let url = api.url(&["reports", "2021-06-30", "schedules"])?;
    let call = || {
        Call::post(
            CREATE.name,
            url.clone(),
            "application/json",
            schedule.body().to_string(),
        )
    };
    let answer = match api.call(&CREATE, call()).await {
        Err(Error::Lost { .. }) => {
            let there = known(api, &BTreeSet::from([schedule.report.clone()])).await?;
            if let Some(known) = there.into_iter().find(|known| schedule.is(known)) {
                return Ok(known.report_schedule_id);
            }
            api.call(&CREATE, call()).await?
        }
        answer => answer?,
    };
    match answer.status.is_success() {
        true => Ok(answer.json::<Created>(CREATE.name)?.report_schedule_id),
        false => Err(Error::Refused(api.refused(&answer, CREATE.name))),
    }
}

async fn cancel(api: &SpApi, id: &str) -> Result<Became> {
    let url = api.url(&["reports", "2021-06-30", "schedules", id])?;
    let call = deletion(CANCEL.name, url);
    let answer = api.call(&CANCEL, call).await?;
    match answer.status.as_u16() {
        404 => Ok(Became::Gone),
        _ if answer.status.is_success() => Ok(Became::Deleted),
        _ => Err(Error::Refused(api.refused(&answer, CANCEL.name))),
    }
}

/// What an error makes of what was wanted.
pub(super) fn failure(error: &Error) -> Became {
    match error {
        Error::Refused(_) | Error::Mistake(_) => Became::Refused,
        _ => Became::Failed,
    }
}

fn wanted(
    api: &SpApi,
    schedule: &Schedule,
    outcome: Became,
    id: Option<String>,
    said: Option<String>,
) -> Arranged {
    Arranged {
        account: api.account.clone(),
        kind: "schedule",
        id,
        name: Some(schedule.report.clone()),
        about: schedule.about(),
        outcome,
        said,
    }
}

impl Known {
    fn told(&self, api: &SpApi, outcome: Became) -> Arranged {
        let next = self.next_report_creation_time.as_deref();
        Arranged {
            account: api.account.clone(),
            kind: "schedule",
            id: Some(self.report_schedule_id.clone()),
            name: Some(self.report_type.clone()),
            about: about(&self.period, &self.marketplace_ids, &self.report_options, next),
            outcome,
            said: None,
        }
    }
}
