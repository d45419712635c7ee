//! The demo: a lake with realistic data and its troubles, worked on day by day, and what came out.

mod folder;
mod process;
mod results;

use anyhow::Result;
use chrono::{Days, NaiveDate, Utc};
use demo::Generated;
use pipeline::lake::Lake;
use pipeline::report::{RunReport, SCHEMA};
use schemars::JsonSchema;
use serde::Serialize;

use crate::buckets;
use crate::cli::DemoArgs;
use crate::config::{Config, Options};
use crate::contracts;
use crate::exit::{ATTENTION, DONE, FAILED, worse};
use crate::output::{bytes, count};
use crate::session::Session;
use folder::Folder;
use process::Day;
use results::Check;

/// Where a process of the demo dies, in the words of its readers.
const DEATHS: [(&str, &str); 2] = [
    ("after_files", "its files were written, its commit was not"),
    ("after_commit", "its commit was written, its record was not"),
];

/// What the demo made and did.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<'a> {
    /// Version of this document's shape.
    schema: u32,
    /// Where the lake is.
    lake: String,
    /// Raw objects made.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// The troubles in them, one sentence each.
    story: &'a [String],
    /// The runs, one a day; empty where only the raw zone was made.
    days: &'a [Day],
    /// What was verified of the results; empty where only the raw zone was made.
    checks: &'a [Check],
}

/// Makes the lake, works on it and shows what came out.
pub(crate) async fn demo(session: &Session, arguments: &DemoArgs) -> Result<u8> {
    let folder = Folder::claim(&session.config, &session.at_aws).await?;
    let made = make(&folder, arguments).await?;
    say(session, &introduction(&folder, &made))?;
    if arguments.generate_only {
        say(
            session,
            &format!("\nNext: {} run --from {}\n", folder.call(), first(&made)),
        )?;
        document(session, &folder, &made, &Worked::default())?;
        return Ok(DONE);
    }
    let worked = work(session, &folder, &made);
    if worked.is_err() {
        say(session, "\n")?;
    }
    let mut worked = worked?;
    let config = Config::load(&Options::default(), Some(folder.config_file()))?;
    let stores = buckets::stores(&config, &session.at_aws).await?;
    let lake = Lake::open(
        config.settings,
        stores,
        contracts::load(config.contracts.as_deref())?,
        config.accounts,
    )
    .await?
    .with_stop(session.stop.clone());
    if let Some(repeated) = &worked.repeated {
        worked.checks = results::check(&lake, &made, repeated).await?;
    }
    if worked.checks.iter().any(|check| check.contradictions > 0) {
        worked.code = worse(worked.code, FAILED);
    }
    if !session.output.json() {
        results::show(&session.output, &lake, &made, &worked.days, &worked.checks).await?;
        say(session, &farewell(&folder, &made))?;
    }
    document(session, &folder, &made, &worked)?;
    Ok(worked.code)
}

/// What the runs did and what came of it.
#[derive(Default)]
struct Worked {
    days: Vec<Day>,
    /// The second run of the last day.
    repeated: Option<RunReport>,
    checks: Vec<Check>,
    code: u8,
}

async fn make(folder: &Folder, arguments: &DemoArgs) -> Result<Generated> {
    let before_today = Utc::now().date_naive() - Days::new(u64::from(arguments.days));
    let options = demo::Options {
        scale: arguments.scale,
        days: arguments.days,
        seed: arguments.seed,
        start: arguments.first.unwrap_or(before_today),
    };
    let made = demo::generate(&folder.raw(), &options)?;
    folder.deliver(&made.accounts).await?;
    Ok(made)
}

/// Runs every day in a process of its own; those of the second and third day die and are run again.
fn work(session: &Session, folder: &Folder, made: &Generated) -> Result<Worked> {
    say(session, "\nOne run a day, each in a process of its own:\n")?;
    let (mut days, mut code) = (Vec::new(), DONE);
    for (index, date) in made.days.iter().enumerate() {
        say(session, &format!("  {date}  "))?;
        let death = DEATHS.get(index.wrapping_sub(1));
        let mut died_at = None;
        if let Some((failpoint, meaning)) = death
            && process::dies(folder, *date, failpoint, &session.stop)?
        {
            say(session, &format!("killed: {meaning}; run again:\n              "))?;
            died_at = Some(*failpoint);
        }
        let (report, exit) = process::run(folder, *date, &session.stop)?;
        say(session, &format!("{}\n", summary(&report)))?;
        code = worse(code, unless_planted(&report, exit));
        days.push(Day {
            date: *date,
            died_at,
            report,
        });
    }
    let last = made.days.last().copied().unwrap_or_else(|| first(made));
    say(session, &format!("  {last}  "))?;
    let (again, exit) = process::run(folder, last, &session.stop)?;
    say(session, &format!("once more: {}\n", summary(&again)))?;
    code = worse(code, unless_planted(&again, exit));
    Ok(Worked {
        days,
        repeated: Some(again),
        checks: Vec::new(),
        code,
    })
}

/// The exit code of a run without the question that planted troubles ask: that of some batches everything is rejected is
/// part of the story.
fn unless_planted(report: &RunReport, exit: u8) -> u8 {
    let tables = report.tables.iter();
    let asks = tables.map(|table| table.outcome.exit_code()).max();
    if exit == ATTENTION {
        asks.unwrap_or(exit)
    } else {
        exit
    }
}

/// One line about a run of all tables.
fn summary(report: &RunReport) -> String {
    let sum = |of: fn(&pipeline::report::Counts) -> u64| -> String {
        count(report.tables.iter().map(|table| of(&table.counts)).sum())
    };
    let news = report.tables.iter().filter(|table| table.batches > 0).count();
    if news == 0 && report.exit_code() == 0 {
        return "nothing new".to_owned();
    }
    let seconds = (report.ended_at - report.started_at).num_milliseconds() as f64 / 1000.0;
    let mut line = format!(
        "{news} tables, {} rows read, {} new, {} changed, {} restated, {} copies, {} rejected, {seconds:.1} s",
        sum(|counts| counts.rows_read),
        sum(|counts| counts.rows_inserted - counts.rows_removed.min(counts.rows_inserted)),
        sum(|counts| counts.rows_updated),
        sum(|counts| counts.rows_removed),
        sum(|counts| counts.rows_absorbed),
        sum(|counts| counts.rows_rejected),
    );
    for table in report.tables.iter().filter(|table| table.exit_code() != 0) {
        line.push_str(&format!(
            "\n    {} {}: {}",
            table.table,
            table.outcome.as_str(),
            table.messages.join("; ")
        ));
    }
    line
}

fn introduction(folder: &Folder, made: &Generated) -> String {
    let mut text = format!(
        "A raw zone in {}/raw: {} objects, {}, {} accounts, days: {}\n\nTroubles in it:\n",
        folder.shown(),
        count(made.objects),
        bytes(made.bytes),
        made.accounts.len(),
        made.days.len(),
    );
    for line in &made.story {
        text.push_str(&format!("  - {}\n", shortened(line)));
    }
    text
}

/// The line with the middle of long words, which are names of objects, left out; the document has them whole.
fn shortened(line: &str) -> String {
    let short = |word: &str| {
        let letters: Vec<char> = word.chars().collect();
        match letters.len() {
            0..=60 => word.to_owned(),
            length => letters[..30]
                .iter()
                .chain(['…'].iter())
                .chain(&letters[length - 12..])
                .collect(),
        }
    };
    line.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

fn farewell(folder: &Folder, made: &Generated) -> String {
    let (call, (_, order), (campaign, day)) = (folder.call(), &made.split_order, &made.restated);
    format!(
        "\nWhere to look next:\n  \
           {call} status --runs\n  \
           {call} tables jwo.orders\n  \
           {call} why jwo.orders --where \"order_id = '{order}'\"\n  \
           {call} quarantine show\n  \
           {call} why ads.sp_campaigns --where \"campaign_id = '{campaign}' AND activity_date = '{day}'\"\n  \
           {call} query 'SELECT * FROM retail.ad_share_daily'\n  \
           {}  what was told about the runs\n",
        folder.notices(),
    )
}

fn first(made: &Generated) -> NaiveDate {
    made.days.first().copied().unwrap_or_default()
}

/// Narrates, unless a document was asked for.
fn say(session: &Session, text: &str) -> std::io::Result<()> {
    if session.output.json() {
        Ok(())
    } else {
        session.output.data(text)
    }
}

fn document(session: &Session, folder: &Folder, made: &Generated, worked: &Worked) -> std::io::Result<()> {
    if !session.output.json() {
        return Ok(());
    }
    session.output.document(&Document {
        schema: SCHEMA,
        lake: folder.shown(),
        objects: made.objects,
        bytes: made.bytes,
        story: &made.story,
        days: &worked.days,
        checks: &worked.checks,
    })
}
