//! Notices: what is told to the world, one JSON line per batch, and per table where a run did not get through, in
//! `notices.jsonl` of the lake; of a lake in a bucket, where nothing is appended to, in `notices/<run>.jsonl`.
//!
//! What is to be told waits in the lake since it was recorded ([`pipeline::report::News`]), so a run also tells what others
//! left that died. It is noted as told afterwards: a run that dies in between makes the next one tell it again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use pipeline::failpoint;
use pipeline::lake::Lake;
use pipeline::report::{Counts, News, Outcome, RunReport};
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

/// Version of a notice's shape.
const SCHEMA: u32 = 1;

/// What is told about one table: of a batch that is in, or of a run that did not get through. Tables without news tell
/// nothing. At least once: who reads it takes two with the same `id` for one.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Notice<'a> {
    /// Version of this shape; it grows when a field changes its meaning or goes, not when one is added.
    schema: u32,
    /// The same each time that this is told, and of nothing else.
    id: &'a str,
    /// Unique id of the run that recorded it.
    run: &'a str,
    /// When it was recorded, RFC 3339 in UTC.
    at: DateTime<Utc>,
    /// `source.table`.
    table: &'a str,
    /// `empty`, `updated`, `partly_quarantined`, `held`, `busy` or `failed`.
    outcome: Outcome,
    /// Whether a person is asked: `held`, `busy`, `failed`.
    attention: bool,
    /// Delta version of the batch, or where the table was left; null where there is no table.
    version: Option<u64>,
    /// Batches that it tells of: 1, or 0 where a run did not get through.
    batches: u64,
    /// Rows and objects, by what happened to them.
    counts: &'a Counts,
    /// Objects that were found only beyond the look-back.
    late_objects: u64,
    /// What a person should know.
    messages: Vec<&'a str>,
}

impl<'a> Notice<'a> {
    /// With the last batch of `run` goes what the run has to say of the table as a whole.
    fn of(news: &'a News, run: &'a RunReport) -> Self {
        let table = &news.table;
        let mut messages: Vec<&str> = table.messages.iter().map(String::as_str).collect();
        let whole = run.tables.iter().find(|whole| {
            news.run == run.run && whole.table == table.table && whole.version == table.version
        });
        for message in whole.iter().flat_map(|whole| &whole.messages) {
            if !messages.contains(&message.as_str()) {
                messages.push(message);
            }
        }
        Self {
            schema: SCHEMA,
            id: &news.id,
            run: &news.run,
            at: news.at,
            table: &table.table,
            outcome: table.outcome,
            attention: table.exit_code() != 0,
            version: table.version,
            batches: table.batches,
            counts: &table.counts,
            late_objects: table.late_objects,
            messages,
        }
    }
}

/// The folder of a lake in a bucket that holds notices, by run.
pub(crate) const FOLDER: &str = "notices";

/// The file of a lake to which notices are appended.
pub(crate) fn file_of(lake: &Path) -> PathBuf {
    lake.join("notices.jsonl")
}

/// Tells what waits in the lake at `location` since `run` or runs before it.
pub(crate) async fn publish(lake: &Lake, location: &Url, run: &RunReport) -> Result<()> {
    let news = lake.news().await?;
    match location.to_file_path() {
        Ok(folder) => append(&folder, &news, run)?,
        Err(()) if news.is_empty() => {}
        Err(()) => {
            let name = format!("{FOLDER}/{}.jsonl", run.run);
            lake.stores().write(location, &name, lines(&news, run)?).await?;
        }
    }
    failpoint::pass(failpoint::TOLD);
    Ok(lake.told(&news).await?)
}

/// Notices, each on a line.
fn lines(news: &[News], run: &RunReport) -> Result<String> {
    let mut lines = String::new();
    for notice in news.iter().map(|news| Notice::of(news, run)) {
        lines.push_str(&serde_json::to_string(&notice).context("a notice cannot be written down")?);
        lines.push('\n');
    }
    Ok(lines)
}

/// Appends notices to the lake's file.
///
/// All lines go in one write at the end of the file, so that those of two runs do not mix.
fn append(lake: &Path, news: &[News], run: &RunReport) -> Result<()> {
    if news.is_empty() {
        return Ok(());
    }
    let lines = lines(news, run)?;
    let path = file_of(lake);
    let append = || -> std::io::Result<()> {
        fs::create_dir_all(lake)?;
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    };
    append().with_context(|| format!("notices cannot be appended to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::report::TableReport;

    fn table(outcome: Outcome, version: u64) -> TableReport {
        TableReport {
            table: "jwo.orders".to_owned(),
            outcome,
            batches: 1,
            version: Some(version),
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

    fn news(outcome: Outcome, version: u64) -> News {
        News {
            id: format!("jwo.orders-{version}"),
            run: "r-1".to_owned(),
            at: DateTime::UNIX_EPOCH,
            table: table(outcome, version),
        }
    }

    fn run(id: &str) -> RunReport {
        let mut last = table(Outcome::Updated, 7);
        last.messages.push("a path fits no pattern".to_owned());
        RunReport {
            schema: 1,
            run: id.to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
            tables: vec![last],
            unfinished: Vec::new(),
        }
    }

    #[test]
    fn each_news_is_one_line_and_later_ones_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("lake");
        append(&lake, &[], &run("r-1")).unwrap();
        assert!(!lake.exists());
        let outcomes = [
            Outcome::Empty,
            Outcome::Updated,
            Outcome::PartlyQuarantined,
            Outcome::Held,
            Outcome::Busy,
            Outcome::Stopped,
            Outcome::Failed,
        ];
        for outcome in outcomes {
            append(&lake, &[news(outcome, 3), news(outcome, 4)], &run("r-1")).unwrap();
        }
        let text = fs::read_to_string(file_of(&lake)).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines
            .iter()
            .step_by(2)
            .map(|line| (line["outcome"].as_str().unwrap(), line["attention"] == true))
            .collect();
        assert_eq!(
            told,
            [
                ("empty", false),
                ("updated", false),
                ("partly_quarantined", false),
                ("held", true),
                ("busy", true),
                ("stopped", true),
                ("failed", true)
            ]
        );
    }

    #[test]
    fn what_a_run_says_of_a_table_as_a_whole_goes_with_its_last_batch() {
        let said = |version, run_id| {
            let (news, run) = (news(Outcome::Updated, version), run(run_id));
            Notice::of(&news, &run).messages.join("; ")
        };
        assert_eq!(said(7, "r-1"), "two\nlines; a path fits no pattern");
        assert_eq!(said(6, "r-1"), "two\nlines");
        assert_eq!(said(7, "r-2"), "two\nlines");
    }

    #[test]
    fn a_notice_has_the_documented_shape() {
        let (news, run) = (news(Outcome::Updated, 3), run("r-1"));
        let notice = serde_json::to_value(Notice::of(&news, &run)).unwrap();
        let fields: Vec<_> = notice.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "at",
                "attention",
                "batches",
                "counts",
                "id",
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
