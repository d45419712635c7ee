//! `quarantine`: rejected rows and objects, and their return.

use std::fmt::Write;

use anyhow::Result;
use pipeline::lake::Lake;
use pipeline::report::{QuarantineGroup, RejectedRow, SCHEMA};
use pipeline::request::QuarantineFilter;
use schemars::JsonSchema;
use serde::Serialize;

use super::run::{self, Said, Told};
use crate::cli::{QuarantineArgs, QuarantineCommand};
use crate::exit::{DONE, worse};
use crate::output::{Grid, count, minute};
use crate::session::{Session, find};

/// What waits in quarantine.
#[derive(Serialize, JsonSchema)]
pub(super) struct Groups<'a> {
    /// Version of this document's shape.
    schema: u32,
    /// Open rejects by table, object and reason.
    rejects: &'a [QuarantineGroup],
}

/// Rejected rows, and objects rejected whole.
#[derive(Serialize, JsonSchema)]
pub(super) struct Rows<'a> {
    /// Version of this document's shape.
    schema: u32,
    /// Open rejects by table, object and row, at most as many as asked for.
    rows: &'a [RejectedRow],
}

/// Lists, shows or replays.
pub(super) async fn quarantine(session: &Session, command: QuarantineCommand) -> Result<u8> {
    let lake = session.lake().await?;
    match command {
        QuarantineCommand::List(arguments) => {
            let groups = lake.quarantine_list(&filter(&lake, arguments)?).await?;
            session.output.show(
                &Groups {
                    schema: SCHEMA,
                    rejects: &groups,
                },
                || list(&groups),
            )?;
            Ok(DONE)
        }
        QuarantineCommand::Show {
            filter: arguments,
            limit,
        } => {
            let rows = lake.quarantine_show(&filter(&lake, arguments)?, limit).await?;
            session.output.show(
                &Rows {
                    schema: SCHEMA,
                    rows: &rows,
                },
                || show(&rows),
            )?;
            if rows.len() == limit && limit > 0 {
                session
                    .output
                    .note(&format!("the first {limit}; --limit shows more"));
            }
            Ok(DONE)
        }
        QuarantineCommand::Replay(arguments) => {
            let report = {
                let progress = session.progress();
                lake.quarantine_replay(&filter(&lake, arguments)?, &progress)
                    .await?
            };
            let code = worse(report.exit_code(), run::finish(session, &lake, &report).await);
            let mut said = Said::new(session, "replay");
            said.run(&lake, &report, Told::of(code))?;
            Ok(code)
        }
    }
}

fn filter(lake: &Lake, arguments: QuarantineArgs) -> Result<QuarantineFilter> {
    if let Some(table) = &arguments.table {
        find(lake.contracts(), table)?;
    }
    Ok(QuarantineFilter {
        table: arguments.table,
        object: arguments.object,
        reason_contains: arguments.reason,
    })
}

/// Open rejects, a line each.
pub(super) fn list(groups: &[QuarantineGroup]) -> String {
    if groups.is_empty() {
        return "quarantine is empty\n".to_owned();
    }
    let mut grid = Grid::new(&["table", ">rows", "rejected", "reason", "object"]);
    for group in groups {
        grid.row([
            group.table.clone(),
            if group.rows == 0 {
                "whole".to_owned()
            } else {
                count(group.rows)
            },
            minute(group.rejected_at),
            group.reason.clone(),
            group.object.clone(),
        ]);
    }
    grid.to_string()
}

fn show(rows: &[RejectedRow]) -> String {
    if rows.is_empty() {
        return "quarantine is empty\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let place = row
            .row
            .map_or_else(|| "whole object".to_owned(), |ordinal| format!("row {ordinal}"));
        let _ = writeln!(text, "{} {place} of {}", row.table, row.object);
        let _ = writeln!(
            text,
            "  reason  {} (batch {}, {})",
            row.reason,
            row.batch,
            minute(row.rejected_at)
        );
        if let Some(raw) = &row.text {
            let _ = writeln!(text, "  text    {}", raw.trim_end().replace('\n', "\n          "));
        }
    }
    text
}
