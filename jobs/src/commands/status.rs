//! `status`: how fresh the tables are, what is missing, what runs did.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use pipeline::report::{PeriodGap, PeriodState, Status};
use pipeline::request::StatusOptions;

use crate::cli::StatusArgs;
use crate::exit::{ATTENTION, DONE};
use crate::output::{Grid, bytes, count, minute};
use crate::session::Session;

/// Days that are told of at least, where the lake looks back at all.
const DAYS: u32 = 31;

/// Prints the state of the lake.
pub(super) async fn status(session: &Session, arguments: &StatusArgs) -> Result<u8> {
    let lake = session.lake().await?;
    let status = lake
        .status(&StatusOptions {
            runs: arguments.runs,
            gaps: true,
            days: lake
                .settings()
                .look_back()
                .filter(|_| !arguments.all)
                .map(|days| days.max(DAYS)),
        })
        .await?;
    session.output.show(&status, || text(&status, arguments.gaps))?;
    Ok(if arguments.strict && !status.periods.is_empty() {
        ATTENTION
    } else {
        DONE
    })
}

fn text(status: &Status, every_gap: bool) -> String {
    let mut text = tables(status);
    if every_gap {
        gaps(&mut text, &status.periods);
    } else {
        gap_summary(&mut text, &status.periods);
    }
    if !status.runs.is_empty() {
        runs(&mut text, status);
    }
    text
}

fn tables(status: &Status) -> String {
    let mut grid = Grid::new(&[
        "table",
        ">rows",
        "newest period",
        "last commit",
        ">version",
        ">objects",
        ">files",
        ">size",
        ">rejected",
    ]);
    let mut empty = Vec::new();
    for table in &status.tables {
        if table.version.is_none() && table.open_batch.is_none() && table.problem.is_none() {
            empty.push(table.table.as_str());
            continue;
        }
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        grid.row([
            table.table.clone(),
            or_dash(table.rows.map(count)),
            or_dash(
                table
                    .newest_period
                    .map(|period| period.format("%Y-%m-%d %H:%M").to_string()),
            ),
            or_dash(table.last_commit_at.map(minute)),
            or_dash(table.version.map(|version| version.to_string())),
            count(table.objects),
            count(table.files),
            bytes(table.bytes),
            count(table.rejected_open),
        ]);
    }
    let mut text = grid.to_string();
    if let Some(since) = status.since {
        let _ = writeln!(
            text,
            "objects, rejects and periods since {since}; --all counts all there are"
        );
    }
    if !empty.is_empty() {
        let _ = writeln!(text, "nothing yet: {}", empty.join(", "));
    }
    for table in &status.tables {
        if let Some(day) = table.covered_until {
            let _ = writeln!(text, "{}: documents cover days until {day}", table.table);
        }
        if !table.held.is_empty() {
            let _ = writeln!(text, "{}: {}", table.table, table.held.join("; "));
        }
        if let Some(problem) = &table.problem {
            let _ = writeln!(text, "{}: {problem}", table.table);
        }
        if let Some(batch) = table.open_batch {
            let _ = writeln!(
                text,
                "{}: batch {batch} is begun and not committed; `marketlake run` resumes it, or says what it waits for",
                table.table
            );
        }
    }
    text
}

/// One line per account, table and state.
fn gap_summary(text: &mut String, periods: &[PeriodGap]) {
    let mut groups: BTreeMap<(&str, &str, PeriodState), Vec<&PeriodGap>> = BTreeMap::new();
    for gap in periods {
        groups
            .entry((&gap.account, &gap.table, gap.state))
            .or_default()
            .push(gap);
    }
    let mut grid = Grid::new(&["account", "table", "state", ">periods", "first", "last"]);
    for ((account, table, state), gaps) in groups {
        let starts = || gaps.iter().map(|gap| gap.period_start);
        let or_dash = |instant: Option<_>| instant.map_or_else(|| "-".to_owned(), minute);
        grid.row([
            account.to_owned(),
            table.to_owned(),
            state.to_string(),
            count(gaps.len() as u64),
            or_dash(starts().min()),
            or_dash(starts().max()),
        ]);
    }
    if !grid.is_empty() {
        let _ = write!(text, "\n{grid}");
    }
}

fn gaps(text: &mut String, periods: &[PeriodGap]) {
    let mut grid = Grid::new(&["account", "table", "period", "due", "state"]);
    for gap in periods {
        grid.row([
            gap.account.clone(),
            gap.table.clone(),
            minute(gap.period_start),
            minute(gap.due_at),
            gap.state.to_string(),
        ]);
    }
    if grid.is_empty() {
        let _ = writeln!(text, "\nno period is missing or overdue");
    } else {
        let _ = write!(text, "\n{grid}");
    }
}

fn runs(text: &mut String, status: &Status) {
    let mut grid = Grid::new(&[
        "started",
        "run",
        "table",
        "outcome",
        ">objects",
        ">inserted",
        ">updated",
        ">rejected",
        "message",
    ]);
    for run in &status.runs {
        grid.row([
            minute(run.started_at),
            run.run.chars().take(8).collect(),
            run.table.clone(),
            run.outcome.as_str().replace('_', " "),
            count(run.counts.objects),
            count(run.counts.rows_inserted),
            count(run.counts.rows_updated),
            count(run.counts.rows_rejected),
            run.messages.join("; "),
        ]);
    }
    let _ = write!(text, "\n{grid}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    fn gap(minutes: i64, state: PeriodState) -> PeriodGap {
        let period_start = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        PeriodGap {
            account: "corner".to_owned(),
            table: "jwo.orders".to_owned(),
            period_start,
            due_at: period_start + TimeDelta::hours(1),
            state,
        }
    }

    #[test]
    fn gaps_are_summed_up_by_account_table_and_state() {
        let mut text = String::new();
        let gaps = [
            gap(0, PeriodState::Missing),
            gap(45, PeriodState::Overdue),
            gap(15, PeriodState::Missing),
            gap(60, PeriodState::Overdue),
        ];
        gap_summary(&mut text, &gaps);
        assert_eq!(text.trim().lines().count(), 3, "{text}");
        let compact = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let rows: Vec<String> = text.trim().lines().skip(1).map(compact).collect();
        assert_eq!(
            rows[0],
            "corner jwo.orders missing 2 1970-01-01 00:00Z 1970-01-01 00:15Z"
        );
        assert_eq!(
            rows[1],
            "corner jwo.orders overdue 2 1970-01-01 00:45Z 1970-01-01 01:00Z"
        );
    }
}
