//! `maintain`: compaction, audit, checkpoints, vacuum.

use std::fmt::Write;

use anyhow::Result;
use pipeline::report::{MaintainReport, Outcome};
use pipeline::request::MaintainOptions;

use crate::cli::MaintainArgs;
use crate::output::{Grid, bytes, count};
use crate::session::{Session, find};

use super::once::{self, Job};
use super::run;

/// Maintains the tables, or with `--dry-run` says what that would do.
pub(super) async fn maintain(session: &Session, arguments: MaintainArgs) -> Result<u8> {
    let lake = session.lake_for(&arguments.start).await?;
    for table in arguments
        .tables
        .iter()
        .filter(|table| table.source != "marketlake")
    {
        find(lake.contracts(), table)?;
    }
    let options = MaintainOptions {
        tables: arguments.tables.into_iter().collect(),
        retention: arguments.retention.0,
        log_retention: arguments.log_retention.0,
        dry_run: arguments.dry_run,
    };
    if options.dry_run {
        let report = lake.maintain(&options).await?;
        session.output.show(&report, || text(&report))?;
        return Ok(report.exit_code());
    }
    let here = match once::begin(session, &lake, format!("maintain {options:?}")).await? {
        Job::Here(here) => here,
        Job::Done(code) => return Ok(code),
    };
    let report = lake.maintain(&options).await?;
    session.output.show(&report, || text(&report))?;
    let is_left = report.tables.iter().any(|table| once::is_left(table.outcome));
    run::maintained(session, &report);
    Ok(here.end(session, report.exit_code(), is_left, &report).await)
}

/// A line per table with news, one line for all others, then the messages.
fn text(report: &MaintainReport) -> String {
    let mut grid = Grid::new(&[
        "table",
        "outcome",
        ">files",
        ">now",
        ">size",
        ">now",
        ">partitions",
        ">removed",
        ">log",
        ">seconds",
    ]);
    let mut unchanged = Vec::new();
    for table in &report.tables {
        if table.outcome == Outcome::Unchanged && table.partitions == 0 {
            unchanged.push(table.table.as_str());
            continue;
        }
        grid.row([
            table.table.clone(),
            table.outcome.as_str().replace('_', " "),
            count(table.files_before),
            count(table.files_after),
            bytes(table.bytes_before),
            bytes(table.bytes_after),
            count(table.partitions),
            count(table.vacuumed_files),
            count(table.log_files_removed),
            format!("{:.1}", table.millis as f64 / 1000.0),
        ]);
    }
    let mut text = grid.to_string();
    if !unchanged.is_empty() {
        let _ = writeln!(text, "nothing to do: {}", unchanged.join(", "));
    }
    if report.leftovers_removed > 0 {
        let _ = writeln!(
            text,
            "{} leftovers of batches and rebuilds that are over",
            count(report.leftovers_removed)
        );
    }
    for table in &report.tables {
        for message in &table.messages {
            let _ = writeln!(text, "{}: {message}", table.table);
        }
    }
    for what in &report.unfinished {
        let _ = writeln!(text, "{what}");
    }
    if report.dry_run {
        text.push_str("nothing was changed: this is what would be done\n");
    }
    text
}
