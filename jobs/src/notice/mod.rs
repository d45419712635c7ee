//! Notices: what is told to the world, of each batch, of each table where a run did not get through, and of periods that are
//! overdue: in a file of the lake, and on a topic of SNS.
//!
//! What is to be told waits in the lake since it was recorded ([`pipeline::report::News`]), so a run also tells what others
//! left that died. It is noted as told afterwards: a run that dies in between makes the next one tell it again.

mod file;
mod sns;

use std::collections::BTreeMap;

use anyhow::{Error, Result};
use catalog::Databases;
use chrono::{DateTime, Utc};
use pipeline::failpoint;
use pipeline::lake::Lake;
use pipeline::report::{Counts, LatePeriod, News, Outcome, RunReport};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::WhichCatalog;
use crate::registry;
use crate::session::Session;

pub(crate) use file::{FOLDER, of_lake};

/// Version of a notice's shape.
const SCHEMA: u32 = 1;

/// Fields that are lists, which may be long.
const LISTS: [&str; 4] = ["parts", "late_periods", "messages", "ids"];

/// What is told about one table: of a batch that is in, of a run that did not get through, or of periods that are overdue.
/// In the file each batch is told by itself, on a topic those of a run together. Tables without news tell nothing. At least
/// once: who reads it takes two with the same `id` for one.
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
    /// Under which name Athena finds it, `database.table`; null where the catalog is not that of Glue.
    athena: Option<String>,
    /// `empty`, `updated`, `partly_quarantined`, `late`, `held`, `busy` or `failed`.
    outcome: Outcome,
    /// Whether a person is asked: `late`, `held`, `busy`, `failed`.
    attention: bool,
    /// Delta version of the batch, or where the table was left; null where there is no table.
    version: Option<u64>,
    /// Batches that it tells of: 0 where a run did not get through, or periods are overdue.
    batches: u64,
    /// Rows and objects, by what happened to them.
    counts: &'a Counts,
    /// Objects that were found only beyond the look-back.
    late_objects: u64,
    /// Parts of the table that changed, as `column=value`, with `/` between several; none of a table that has no parts.
    parts: &'a [String],
    /// Periods that came late, or have not come.
    late_periods: &'a [LatePeriod],
    /// What a person should know.
    messages: Vec<&'a str>,
    /// Ids of what is told here together, which others may tell of again.
    ids: Vec<&'a str>,
    /// Lists that were too long for a message, and how many entries each had.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    left_out: BTreeMap<&'static str, u64>,
}

/// What news are told with.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    /// The run that ends.
    run: &'a RunReport,
    /// Where Athena finds tables, if it does.
    databases: Option<&'a Databases>,
}

impl<'a> Notice<'a> {
    /// With the last batch of the run that ends goes what it has to say of the table as a whole.
    fn of(news: &'a News, around: Around<'a>) -> Self {
        let Around { run, databases } = around;
        let table = &news.table;
        let name = table.table.split_once('.');
        let athena = databases
            .zip(name)
            .map(|(databases, (source, table))| format!("{}.{table}", databases.of_source(source)));
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
            athena,
            outcome: table.outcome,
            attention: table.exit_code() != 0,
            version: table.version,
            batches: table.batches,
            counts: &table.counts,
            late_objects: table.late_objects,
            parts: &news.parts,
            late_periods: &news.late_periods,
            messages,
            ids: vec![&news.id],
            left_out: BTreeMap::new(),
        }
    }
}

/// Ways in which news are told.
const CATALOG: &str = "catalog";
const FILE: &str = "file";
const TOPIC: &str = "topic";

/// Tells what waits in the lake since the run, or runs before it: to the catalog, in the lake's file, and on the topic where
/// there is one. Gives what failed: what is not told in one way the next run tells in it.
pub(crate) async fn publish(session: &Session, lake: &Lake, run: &RunReport) -> Vec<Error> {
    let config = &session.config;
    let mut errors: Vec<Error> = Vec::new();
    let mut news = match lake.news().await {
        Ok(news) => news,
        Err(error) => {
            errors.push(error.into());
            return errors;
        }
    };
    // Before others: who hears of a table looks it up.
    let mut waiting = places(&news, CATALOG);
    for unregistered in registry::register(session, lake, &at(&news, &waiting)).await {
        waiting.retain(|place| !unregistered.tables.contains(&news[*place].table.table));
        errors.push(unregistered.error);
    }
    mark(&mut news, &waiting, CATALOG);
    let around = Around {
        run,
        databases: Some(&config.databases).filter(|_| config.catalog == WhichCatalog::Glue),
    };
    let waiting = places(&news, FILE);
    match file::tell(lake, &config.lake, &at(&news, &waiting), around).await {
        Ok(()) => mark(&mut news, &waiting, FILE),
        Err(error) => errors.push(error),
    }
    let mut ways = vec![CATALOG, FILE];
    if let Some(arn) = &config.notice_topic {
        ways.push(TOPIC);
        errors.extend(tell_topic(session, arn, &mut news, around).await.err());
    }
    failpoint::pass(failpoint::TOLD);
    errors.extend(lake.told(&news, &ways).await.err().map(Error::from));
    errors
}

async fn tell_topic(session: &Session, arn: &str, news: &mut [News], around: Around<'_>) -> Result<()> {
    let waiting = places(news, TOPIC);
    if waiting.is_empty() {
        return Ok(());
    }
    let topic = session.at_aws.get().await?.topic(arn);
    let (told, result) = sns::tell(&topic, &at(news, &waiting), around).await;
    let told: Vec<usize> = told.into_iter().map(|place| waiting[place]).collect();
    mark(news, &told, TOPIC);
    result
}

/// Places of what was not told in this way.
fn places(news: &[News], way: &str) -> Vec<usize> {
    let untold = news
        .iter()
        .enumerate()
        .filter(|(_, news)| !news.told.contains(way));
    untold.map(|(place, _)| place).collect()
}

fn at<'a>(news: &'a [News], places: &[usize]) -> Vec<&'a News> {
    places.iter().map(|place| &news[*place]).collect()
}

fn mark(news: &mut [News], places: &[usize], way: &str) {
    for place in places {
        news[*place].told.insert(way.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            waiting_documents: 0,
            messages: vec!["two\nlines".to_owned()],
            millis: 12,
        }
    }

    pub(super) fn news(outcome: Outcome, version: u64) -> News {
        News {
            id: format!("jwo.orders-{version}"),
            run: "r-1".to_owned(),
            at: DateTime::UNIX_EPOCH,
            table: table(outcome, version),
            parts: Vec::new(),
            late_periods: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    pub(super) fn around<'a>(run: &'a RunReport, databases: Option<&'a Databases>) -> Around<'a> {
        Around { run, databases }
    }

    pub(super) fn run(id: &str) -> RunReport {
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
    fn what_a_run_says_of_a_table_as_a_whole_goes_with_its_last_batch() {
        let said = |version, run_id| {
            let (news, run) = (news(Outcome::Updated, version), run(run_id));
            Notice::of(&news, around(&run, None)).messages.join("; ")
        };
        assert_eq!(said(7, "r-1"), "two\nlines; a path fits no pattern");
        assert_eq!(said(6, "r-1"), "two\nlines");
        assert_eq!(said(7, "r-2"), "two\nlines");
    }

    #[test]
    fn a_notice_has_the_documented_shape() {
        let (news, run) = (news(Outcome::Updated, 3), run("r-1"));
        let notice = serde_json::to_value(Notice::of(&news, around(&run, None))).unwrap();
        let fields: Vec<_> = notice.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "at",
                "athena",
                "attention",
                "batches",
                "counts",
                "id",
                "ids",
                "late_objects",
                "late_periods",
                "messages",
                "outcome",
                "parts",
                "run",
                "schema",
                "table",
                "version"
            ]
        );
        assert_eq!(notice["at"], "1970-01-01T00:00:00Z");
        assert_eq!(notice["counts"]["rows_inserted"], 5);
    }

    #[test]
    fn athena_finds_a_table_where_glue_has_it() {
        let (news, run) = (news(Outcome::Updated, 3), run("r-1"));
        let databases = Databases::new("retail_{source}").unwrap();
        let notice = Notice::of(&news, around(&run, Some(&databases)));
        assert_eq!(notice.athena.as_deref(), Some("retail_jwo.orders"));
        assert_eq!(Notice::of(&news, around(&run, None)).athena, None);
    }
}
