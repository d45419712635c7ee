//! A contract in the words of its users.

use std::collections::BTreeMap;
use std::fmt::Write;

use pipeline::contract::{self, Contract, Feed, Format, Keep, Personal, Pick, Word, Zone};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::output::Grid;

/// One table, as documents and people are told.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::commands) struct Table {
    /// `source.table`.
    pub(super) table: String,
    /// What one row is.
    pub(super) description: String,
    /// What stays of the rows: `every_row` …, or `recompute` for tables with inputs.
    pub(super) keep: &'static str,
    /// Columns that identify one row.
    pub(super) key: Vec<String>,
    /// Columns of the order in which rows or documents supersede each other, the weightiest first.
    newest_by: Vec<String>,
    /// Columns by which files are laid out.
    partition: Vec<String>,
    /// Path patterns of raw objects.
    paths: Vec<String>,
    /// Format of raw objects; null for tables with inputs.
    format: Option<&'static str>,
    /// How CSV, TSV and messages are read, as in a contract.
    options: BTreeMap<&'static str, Value>,
    /// Of JSON documents: path of the array whose elements are rows.
    rows: Option<String>,
    /// Of JSON documents: what is copied down to each row.
    header: Vec<String>,
    /// Tables that it is computed from.
    inputs: Vec<String>,
    /// Columns whose touched values are computed anew.
    recompute: Vec<String>,
    /// Columns by whose values documents take each other's place.
    per: Vec<String>,
    /// What a document covers: `rows`, `document` or a column of days.
    covers: Option<String>,
    /// Columns of the first and the last day that a document was asked for, where no manifest says so.
    period: Vec<String>,
    /// When a document with fewer rows is suspicious.
    shrink: Option<String>,
    /// Columns of the key from which the rest of it is assumed to follow.
    identity: Vec<String>,
    /// How far the partition of a key can move, in days.
    key_window_days: Option<u32>,
    /// Time from one delivery to the next, in minutes.
    expect_every_minutes: Option<u32>,
    /// Time within which a period is delivered after its end, in minutes.
    expect_within_minutes: Option<u32>,
    /// Columns of the contract, in its order.
    columns: Vec<Column>,
    /// Assertions about rows.
    checks: Vec<Check>,
    /// The contract's own SELECT.
    sql: Option<String>,
}

/// A column of a contract.
#[derive(Debug, Serialize, JsonSchema)]
struct Column {
    /// Name.
    name: String,
    /// Type in the words of a contract: `text`, `decimal(18,4)`, `timestamp` …
    #[serde(rename = "type")]
    ty: String,
    /// Raw fields of which the first that has a value fills the column.
    from: Vec<String>,
    /// Meaning, unit, source.
    doc: Option<String>,
    /// Whether a row without a value is rejected.
    required: bool,
    /// What is unusual about it: zone, pick, personal.
    notes: Vec<&'static str>,
}

/// An assertion about rows.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// Name.
    name: String,
    /// Condition that a row has to fulfil.
    sql: String,
    /// What happens where it does not: `warn`, `quarantine` or `hold`.
    #[serde(rename = "else")]
    otherwise: &'static str,
}

/// What a contract says.
pub(super) fn table(contract: &Contract) -> Table {
    let mut table = Table {
        table: contract.name.to_string(),
        description: contract.description.clone(),
        keep: "recompute",
        key: contract.key().to_vec(),
        newest_by: Vec::new(),
        partition: contract.partition.clone(),
        paths: Vec::new(),
        format: None,
        options: BTreeMap::new(),
        rows: None,
        header: Vec::new(),
        inputs: Vec::new(),
        recompute: Vec::new(),
        per: Vec::new(),
        covers: None,
        period: Vec::new(),
        shrink: None,
        identity: Vec::new(),
        key_window_days: None,
        expect_every_minutes: None,
        expect_within_minutes: None,
        columns: contract
            .columns
            .iter()
            .map(|one| column(one, contract.scope()))
            .collect(),
        checks: contract.checks.iter().map(check).collect(),
        sql: contract.sql.clone(),
    };
    match &contract.feed {
        Feed::Raw(raw) => {
            table.keep = raw.keep.name();
            table.newest_by = raw.keep.newest_by().to_vec();
            table.paths = raw.paths.iter().map(ToString::to_string).collect();
            table.format = Some(raw.format.name());
            table.options = options(&raw.format);
            if let Format::Json(json) = &raw.format {
                table.rows = Some(json.rows());
                table.header.clone_from(&json.header);
            }
            if let Keep::LatestDocument {
                per,
                covers,
                period,
                shrink,
                ..
            } = &raw.keep
            {
                table.key = contract.document_key().to_vec();
                table.per = per.clone();
                table.covers = Some(covers.to_string());
                table.period = period.clone();
                table.shrink = shrink.as_ref().map(guard);
            }
            table.identity.clone_from(&raw.identity);
            table.key_window_days = raw.key_window_days;
            table.expect_every_minutes = raw.expect.as_ref().map(|expect| expect.every_minutes);
            table.expect_within_minutes = raw.expect.as_ref().map(|expect| expect.within_minutes);
        }
        Feed::Inputs(inputs) => {
            table.inputs = inputs.inputs.iter().map(ToString::to_string).collect();
            table.recompute = inputs.recompute.clone();
        }
    }
    table
}

fn column(column: &contract::Column, key: &[String]) -> Column {
    let mut notes = Vec::new();
    match column.zone {
        Zone::Utc => {}
        Zone::Account => notes.push("account's zone"),
        Zone::AsWritten => notes.push("day as written"),
    }
    match column.pick {
        Pick::Newest => {}
        Pick::Min => notes.push("smallest stays"),
        Pick::Max => notes.push("greatest stays"),
    }
    match column.personal {
        None => {}
        Some(Personal::Drop) => notes.push("personal: dropped"),
        Some(Personal::Hash) => notes.push("personal: hashed"),
    }
    Column {
        name: column.name.clone(),
        ty: column.ty.to_string(),
        from: column.from.clone(),
        doc: column.doc.clone(),
        required: column.required || key.contains(&column.name),
        notes,
    }
}

/// `below 0.8 of the rows, older than 3d: warn`.
fn guard(shrink: &contract::Shrink) -> String {
    let older = match shrink.older_than_days {
        0 => String::new(),
        days => format!(", older than {days}d"),
    };
    format!(
        "below {} of the rows{older}: {}",
        shrink.below,
        shrink.otherwise.word()
    )
}

fn check(check: &contract::Check) -> Check {
    let otherwise = check.otherwise.word();
    Check {
        name: check.name.clone(),
        sql: check.sql.clone(),
        otherwise,
    }
}

/// The options of a format that differ from table to table, with their defaults.
fn options(format: &Format) -> BTreeMap<&'static str, Value> {
    let mut options = BTreeMap::new();
    let (nulls, rename, charset) = match format {
        Format::Csv(csv) => {
            options.insert("delimiter", json!(char::from(csv.delimiter)));
            options.insert("header", json!(csv.header.word()));
            if !csv.columns.is_empty() {
                options.insert("columns", json!(csv.columns));
            }
            (&csv.null, &csv.rename, csv.charset)
        }
        Format::Tsv(tsv) => (&tsv.null, &tsv.rename, tsv.charset),
        Format::JsonRows(rows) => return BTreeMap::from([("sns_envelope", json!(rows.sns_envelope))]),
        Format::Json(_) | Format::Parquet => return options,
    };
    options.insert("null", json!(nulls));
    if !rename.is_empty() {
        options.insert("rename", json!(rename));
    }
    options.insert("charset", json!(charset.to_string().to_lowercase()));
    options
}

/// The table on one page.
pub(super) fn text(table: &Table) -> String {
    let mut text = format!("{}: {}\n\n", table.table, table.description);
    let minutes = |value: Option<u32>| value.map(duration).unwrap_or_default();
    let days = table
        .key_window_days
        .map(|days| format!("{days} days"))
        .unwrap_or_default();
    let options: Vec<String> = table
        .options
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let options = options.join(", ");
    for (word, value) in [
        ("keeps", table.keep.to_owned()),
        ("key", table.key.join(", ")),
        ("identity", table.identity.join(", ")),
        ("per", table.per.join(", ")),
        ("covers", table.covers.clone().unwrap_or_default()),
        ("period", table.period.join(", ")),
        ("shrink", table.shrink.clone().unwrap_or_default()),
        ("newest by", table.newest_by.join(", ")),
        ("partition", table.partition.join(", ")),
        ("key window", days),
        ("inputs", table.inputs.join(", ")),
        ("recompute", table.recompute.join(", ")),
        ("paths", table.paths.join("\n            ")),
        ("format", table.format.unwrap_or_default().to_owned()),
        ("options", options),
        ("rows", table.rows.clone().unwrap_or_default()),
        ("header", table.header.join(", ")),
        ("every", minutes(table.expect_every_minutes)),
        ("within", minutes(table.expect_within_minutes)),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{word:<11} {value}");
        }
    }
    let mut grid = Grid::new(&["column", "type", "from", "meaning"]);
    for column in &table.columns {
        let own = column.from.len() == 1 && column.from[0] == column.name;
        let notes = column.notes.iter().map(|note| format!("[{note}]"));
        let meaning: Vec<String> = column.doc.iter().cloned().chain(notes).collect();
        grid.row([
            column.name.clone(),
            format!("{}{}", column.ty, if column.required { " required" } else { "" }),
            if own {
                String::new()
            } else {
                column.from.join(", ")
            },
            meaning.join(" "),
        ]);
    }
    let _ = write!(text, "\n{grid}");
    if !table.checks.is_empty() {
        let mut grid = Grid::new(&["check", "else", "condition"]);
        for check in &table.checks {
            grid.row([check.name.clone(), check.otherwise.to_owned(), check.sql.clone()]);
        }
        let _ = write!(text, "\n{grid}");
    }
    text
}

/// `15m`, `1h`, `2d`: the largest unit that fits.
fn duration(minutes: u32) -> String {
    match minutes {
        0 => "0m".to_owned(),
        days if days % 1440 == 0 => format!("{}d", days / 1440),
        hours if hours % 60 == 0 => format!("{}h", hours / 60),
        minutes => format!("{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_largest_unit_that_fits() {
        assert_eq!(
            [15, 60, 90, 1440, 2880].map(duration),
            ["15m", "1h", "90m", "1d", "2d"]
        );
    }
}
