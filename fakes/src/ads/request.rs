//! The body of a request for a report, read as strictly as the documentation lets one.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use serde_json::Value;

use super::documented::{self, Documented};

/// What a report is asked to be about. Two that ask for the same are equal, whatever they are called.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is called; none where nobody says.
    pub name: Option<String>,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Id of its type.
    pub report: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Everything else, as it was asked for.
    pub configuration: Value,
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        (self.from, self.to, &self.configuration) == (other.from, other.to, &other.configuration)
    }
}

/// Reads a body on that day; the error says what is wrong with it.
pub(super) fn read(body: &Value, today: NaiveDate, dropped: &[String]) -> Result<Asked, String> {
    only(body, &["name", "startDate", "endDate", "configuration"])?;
    let configuration = &body["configuration"];
    only(
        configuration,
        &[
            "adProduct",
            "groupBy",
            "columns",
            "reportTypeId",
            "timeUnit",
            "format",
            "filters",
        ],
    )?;
    let (from, to) = (day(body, "startDate")?, day(body, "endDate")?);
    let report = text(configuration, "reportTypeId")?;
    let group_by = texts(configuration, "groupBy")?;
    let documented = documented::find(&report, &group_by)
        .ok_or_else(|| format!("configuration reportTypeId {report} cannot be grouped by {group_by:?}"))?;
    if text(configuration, "adProduct")? != documented.product {
        return Err("configuration adProduct is not that of the report".to_owned());
    }
    if text(configuration, "format")? != "GZIP_JSON" {
        return Err("configuration format is not supported".to_owned());
    }
    days(from, to, today, documented)?;
    let columns = texts(configuration, "columns")?;
    check_columns(&columns, &text(configuration, "timeUnit")?, documented, dropped)?;
    filters(&configuration["filters"], documented)?;
    Ok(Asked {
        name: body["name"].as_str().map(str::to_owned),
        from,
        to,
        report,
        columns,
        configuration: configuration.clone(),
    })
}

fn days(from: NaiveDate, to: NaiveDate, today: NaiveDate, documented: &Documented) -> Result<(), String> {
    let oldest = today.checked_sub_days(Days::new(u64::from(documented.retention) - 1));
    match (to - from).num_days() + 1 {
        ..=0 => Err("endDate is before startDate".to_owned()),
        days if days > i64::from(documented.longest) => Err(format!(
            "the range is {days} days, and may have {}",
            documented.longest
        )),
        _ if to > today => Err("endDate is in the future".to_owned()),
        _ if oldest.is_some_and(|oldest| from < oldest) => Err(format!(
            "startDate is more than {} days ago",
            documented.retention
        )),
        _ => Ok(()),
    }
}

fn check_columns(
    columns: &[String],
    unit: &str,
    documented: &Documented,
    dropped: &[String],
) -> Result<(), String> {
    if !documented.units.iter().any(|known| known == unit) {
        return Err(format!("configuration timeUnit {unit} is not supported"));
    }
    let of_time: &[&str] = if unit == "DAILY" {
        &["date"]
    } else {
        &["startDate", "endDate"]
    };
    let is_known = |column: &String| {
        !dropped.contains(column)
            && (of_time.contains(&column.as_str())
                || documented.columns.split_whitespace().any(|known| known == column))
    };
    let wrong: Vec<&str> = columns
        .iter()
        .filter(|column| !is_known(column))
        .map(String::as_str)
        .collect();
    if !wrong.is_empty() {
        return Err(format!(
            "configuration columns includes invalid values: ({})",
            wrong.join(", ")
        ));
    }
    let different: BTreeSet<&String> = columns.iter().collect();
    match different.len() == columns.len() && !columns.is_empty() {
        false => Err("configuration columns are not each there once".to_owned()),
        true if unit == "DAILY" && !columns.iter().any(|column| column == "date") => {
            Err("configuration columns must include date".to_owned())
        }
        true => Ok(()),
    }
}

fn filters(filters: &Value, documented: &Documented) -> Result<(), String> {
    for filter in filters.as_array().into_iter().flatten() {
        only(filter, &["field", "values"])?;
        if !documented.filters.contains(&text(filter, "field")?) || texts(filter, "values")?.is_empty() {
            return Err("configuration filters are not supported by the grouping".to_owned());
        }
    }
    Ok(())
}

fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let fields = value.as_object().ok_or("the request is no object")?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("unknown field {unknown}")),
        None => Ok(()),
    }
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("{name} is missing"))
}

fn texts(value: &Value, name: &str) -> Result<Vec<String>, String> {
    let list = value[name]
        .as_array()
        .ok_or_else(|| format!("{name} is no list"))?;
    let list: Option<Vec<String>> = list.iter().map(|one| one.as_str().map(str::to_owned)).collect();
    list.ok_or_else(|| format!("{name} is no list of texts"))
}

fn day(value: &Value, name: &str) -> Result<NaiveDate, String> {
    text(value, name)?
        .parse()
        .map_err(|_| format!("{name} is no day"))
}
