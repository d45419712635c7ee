//! Notices: what a run tells the world, one JSON line per table in `notices.jsonl` of the lake.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use pipeline::report::{Counts, Outcome, RunReport, TableReport};
use schemars::JsonSchema;
use serde::Serialize;

/// Version of a notice's shape.
const SCHEMA: u32 = 1;

/// What is told about one table after a run; tables without news tell nothing.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Notice<'a> {
    /// Version of this shape; it grows when a field changes its meaning or goes, not when one is added.
    schema: u32,
    /// Unique id of the run.
    run: &'a str,
    /// When the run ended, RFC 3339 in UTC.
    at: DateTime<Utc>,
    /// `source.table`.
    table: &'a str,
    /// `empty`, `updated`, `partly_quarantined`, `held`, `busy` or `failed`.
    outcome: Outcome,
    /// Whether a person is asked: `held`, `busy`, `failed`.
    attention: bool,
    /// Delta version after the run, null where there is no table.
    version: Option<u64>,
    /// Batches committed by the run.
    batches: u64,
    /// Rows and objects, by what happened to them.
    counts: &'a Counts,
    /// Objects that were found only beyond the look-back.
    late_objects: u64,
    /// What a person should know.
    messages: &'a [String],
}

impl<'a> Notice<'a> {
    fn of(run: &'a RunReport, table: &'a TableReport) -> Option<Self> {
        (table.outcome != Outcome::Unchanged).then(|| Self {
            schema: SCHEMA,
            run: &run.run,
            at: run.ended_at,
            table: &table.table,
            outcome: table.outcome,
            attention: table.exit_code() != 0,
            version: table.version,
            batches: table.batches,
            counts: &table.counts,
            late_objects: table.late_objects,
            messages: &table.messages,
        })
    }
}

/// The file of a lake to which notices are appended.
pub(crate) fn file_of(lake: &Path) -> PathBuf {
    lake.join("notices.jsonl")
}

/// Appends the notices of a run to the lake's file and returns how many there were.
///
/// All lines go in one write at the end of the file, so that those of two runs do not mix.
pub(crate) fn publish(lake: &Path, run: &RunReport) -> Result<usize> {
    let notices: Vec<Notice> = run
        .tables
        .iter()
        .filter_map(|table| Notice::of(run, table))
        .collect();
    if notices.is_empty() {
        return Ok(0);
    }
    let mut lines = String::new();
    for notice in &notices {
        lines.push_str(&serde_json::to_string(notice).context("a notice cannot be written down")?);
        lines.push('\n');
    }
    let path = file_of(lake);
    let append = || -> std::io::Result<()> {
        fs::create_dir_all(lake)?;
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    };
    append().with_context(|| format!("notices cannot be appended to {}", path.display()))?;
    Ok(notices.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, outcome: Outcome) -> TableReport {
        TableReport {
            table: name.to_owned(),
            outcome,
            batches: 1,
            version: Some(3),
            counts: Counts {
                rows_inserted: 5,
                ..Counts::default()
            },
            late_objects: 0,
            over_budget: false,
            messages: vec!["two\nlines".to_owned()],
            millis: 12,
        }
    }

    fn run(tables: Vec<TableReport>) -> RunReport {
        let at = DateTime::UNIX_EPOCH;
        RunReport {
            schema: 1,
            run: "r-1".to_owned(),
            started_at: at,
            ended_at: at,
            tables,
        }
    }

    #[test]
    fn every_outcome_but_unchanged_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let outcomes = [
            Outcome::Unchanged,
            Outcome::Empty,
            Outcome::Updated,
            Outcome::PartlyQuarantined,
            Outcome::Held,
            Outcome::Busy,
            Outcome::Failed,
        ];
        let tables = outcomes
            .iter()
            .map(|outcome| table("jwo.orders", *outcome))
            .collect();
        assert_eq!(publish(folder.path(), &run(tables)).unwrap(), 6);
        let text = fs::read_to_string(file_of(folder.path())).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines
            .iter()
            .map(|line| line["outcome"].as_str().unwrap())
            .collect();
        assert_eq!(
            told,
            ["empty", "updated", "partly_quarantined", "held", "busy", "failed"]
        );
        let asks: Vec<_> = lines
            .iter()
            .map(|line| line["attention"].as_bool().unwrap())
            .collect();
        assert_eq!(asks, [false, false, false, true, true, true]);
    }

    #[test]
    fn a_second_run_appends_and_one_without_news_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("lake");
        assert_eq!(
            publish(&lake, &run(vec![table("jwo.orders", Outcome::Unchanged)])).unwrap(),
            0
        );
        assert!(!lake.exists());
        for _ in 0..2 {
            publish(&lake, &run(vec![table("jwo.orders", Outcome::Updated)])).unwrap();
        }
        assert_eq!(fs::read_to_string(file_of(&lake)).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_notice_has_the_documented_shape() {
        let run = run(vec![table("jwo.orders", Outcome::Updated)]);
        let notice = serde_json::to_value(Notice::of(&run, &run.tables[0])).unwrap();
        let fields: Vec<_> = notice.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "at",
                "attention",
                "batches",
                "counts",
                "late_objects",
                "messages",
                "outcome",
                "run",
                "schema",
                "table",
                "version"
            ]
        );
        assert_eq!(notice["at"], "1970-01-01T00:00:00Z");
        assert_eq!(notice["counts"]["rows_inserted"], 5);
    }
}
