//! Schedules of the Reports API, 2021-06-30.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::items::{Parameters, Refusal, refuse};
use super::notifications::{object, text};

const PERIODS: [&str; 18] = [
    "PT5M", "PT15M", "PT30M", "PT1H", "PT2H", "PT4H", "PT8H", "PT12H", "P1D", "P2D", "P3D", "PT84H", "P7D",
    "P14D", "P15D", "P18D", "P30D", "P1M",
];
const FIELDS: [&str; 5] = [
    "reportType",
    "marketplaceIds",
    "reportOptions",
    "period",
    "nextReportCreationTime",
];

/// The schedules of an account.
#[derive(Debug, Default)]
pub struct Schedules {
    /// Schedules by id, as they are answered.
    pub all: BTreeMap<String, Value>,
    count: u32,
}

impl Schedules {
    /// Answers what is asked below `/reports/2021-06-30/schedules`.
    pub(super) fn answer(
        &mut self,
        method: &str,
        path: &[&str],
        query: &[(String, String)],
        body: &[u8],
    ) -> Result<(u16, Value), Refusal> {
        match (method, path) {
            ("GET", []) => {
                let asked = Parameters::read(query, &["reportTypes"])?;
                let types = asked.list("reportTypes");
                if !(1..=10).contains(&types.len()) {
                    return Err(refuse(400, "Invalid Input", "reportTypes"));
                }
                let is_wanted = |schedule: &&Value| types.iter().any(|kind| schedule["reportType"] == *kind);
                let found: Vec<&Value> = self.all.values().filter(is_wanted).collect();
                Ok((200, json!({"reportSchedules": found})))
            }
            ("POST", []) => self.create(&object(body, &FIELDS)?),
            ("DELETE", [id]) => match self.all.remove(*id) {
                Some(_) => Ok((200, Value::Null)),
                None => Err(refuse(404, "no such schedule", id)),
            },
            _ => Err(refuse(404, "no such operation", "")),
        }
    }

    fn create(&mut self, wanted: &Value) -> Result<(u16, Value), Refusal> {
        let (kind, period) = (text(wanted, "reportType")?, text(wanted, "period")?);
        let marketplaces = places(wanted);
        let options = wanted.get("reportOptions").is_none_or(|options| {
            let texts = options
                .as_object()
                .map(|options| options.values().all(Value::is_string));
            texts == Some(true)
        });
        if !PERIODS.contains(&period) || !(1..=25).contains(&marketplaces.len()) || !options {
            return Err(refuse(
                400,
                "Invalid Input",
                "period, marketplaceIds or reportOptions",
            ));
        }
        self.all
            .retain(|_, known| known["reportType"] != kind || places(known) != marketplaces);
        self.count += 1;
        let id = format!("{}", 50_000 + self.count);
        let mut made = wanted.clone();
        made["reportScheduleId"] = json!(id);
        if made.get("nextReportCreationTime").is_none() {
            made["nextReportCreationTime"] = json!("2026-12-02T00:00:00Z");
        }
        self.all.insert(id.clone(), made);
        Ok((201, json!({"reportScheduleId": id})))
    }
}

fn places(schedule: &Value) -> BTreeSet<String> {
    let ids = schedule["marketplaceIds"].as_array().into_iter().flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}
