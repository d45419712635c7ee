//! What a run did, or would do, as text.

use std::fmt::Write;

use pipeline::report::{Outcome, RunReport, TablePlan};

use crate::output::{Grid, bytes, count};

/// A line per table with news, one line for all others, then the messages.
pub(super) fn text(report: &RunReport) -> String {
    let mut grid = Grid::new(&[
        "table",
        "outcome",
        ">objects",
        ">rows read",
        ">inserted",
        ">updated",
        ">removed",
        ">absorbed",
        ">rejected",
        ">seconds",
    ]);
    let mut unchanged = Vec::new();
    for table in &report.tables {
        if table.outcome == Outcome::Unchanged {
            unchanged.push(table.table.as_str());
            continue;
        }
        let counts = &table.counts;
        grid.row([
            table.table.clone(),
            table.outcome.as_str().replace('_', " "),
            count(counts.objects),
            count(counts.rows_read),
            count(counts.rows_inserted),
            count(counts.rows_updated),
            count(counts.rows_removed),
            count(counts.rows_absorbed),
            count(counts.rows_rejected),
            format!("{:.1}", table.millis as f64 / 1000.0),
        ]);
    }
    let mut text = grid.to_string();
    if !unchanged.is_empty() {
        let _ = writeln!(text, "unchanged: {}", unchanged.join(", "));
    }
    for table in &report.tables {
        for message in &table.messages {
            let _ = writeln!(text, "{}: {message}", table.table);
        }
        let counts = &table.counts;
        for (number, what) in [
            (counts.objects_rejected, "objects rejected whole"),
            (counts.rows_conflicting, "copies of a row with other content"),
            (counts.rows_warned, "rows failed a check that only warns"),
            (table.late_objects, "objects came later than the look-back"),
        ] {
            if number > 0 {
                let _ = writeln!(text, "{}: {} {what}", table.table, count(number));
            }
        }
    }
    for what in &report.unfinished {
        let _ = writeln!(text, "{what}");
    }
    text
}

/// What `run --dry-run` found: per table what a run would take in, and how.
pub(super) fn plans(plans: &[TablePlan]) -> String {
    let mut text = String::new();
    for plan in plans {
        let size: u64 = plan.objects.iter().map(|object| object.size).sum();
        let objects = plan.objects.len() as u64;
        let _ = writeln!(
            text,
            "{}: {} objects, {}",
            plan.table,
            count(objects),
            bytes(size)
        );
        if let Some(batch) = plan.open_batch {
            let _ = writeln!(
                text,
                "  first     resumes batch {batch}, which was begun and not committed, or asks what it waits for"
            );
        }
        if !plan.held.is_empty() {
            let _ = writeln!(text, "  held      {}", plan.held.join("; "));
        }
        let _ = writeln!(text, "  key       {}", plan.key.join(", "));
        let _ = writeln!(text, "  partition {}", plan.partition.join(", "));
        let _ = writeln!(text, "  axis      {}", plan.period_axis);
        let columns: Vec<String> = plan
            .columns
            .iter()
            .map(|(name, ty)| format!("{name} {ty}"))
            .collect();
        let _ = writeln!(text, "  columns   {}", columns.join(", "));
        for object in &plan.objects {
            let _ = writeln!(
                text,
                "  take in   {} {} ({})",
                object.period,
                object.uri,
                bytes(object.size)
            );
        }
        for path in &plan.unmatched {
            let _ = writeln!(text, "  no match  {path}");
        }
        for what in &plan.odd {
            let _ = writeln!(text, "  odd       {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use pipeline::report::{Counts, TableReport};

    #[test]
    fn tables_without_news_share_a_line_and_messages_name_their_table() {
        let table = |name: &str, outcome, messages: &[&str]| TableReport {
            table: name.to_owned(),
            outcome,
            batches: 0,
            version: None,
            counts: Counts {
                rows_conflicting: u64::from(outcome != Outcome::Unchanged),
                ..Counts::default()
            },
            late_objects: 0,
            over_budget: false,
            waiting_documents: 0,
            messages: messages.iter().map(|message| (*message).to_owned()).collect(),
            millis: 1_250,
        };
        let report = RunReport {
            schema: 1,
            run: "r".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
            tables: vec![
                table("a.x", Outcome::Unchanged, &[]),
                table("a.y", Outcome::PartlyQuarantined, &["look"]),
                table("a.z", Outcome::Unchanged, &[]),
            ],
            unfinished: vec!["a.y: its record is not complete".to_owned()],
        };
        let text = text(&report);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("a.y    partly quarantined") && lines[1].ends_with("1.2"),
            "{text}"
        );
        assert_eq!(
            lines[2..],
            [
                "unchanged: a.x, a.z",
                "a.y: look",
                "a.y: 1 copies of a row with other content",
                "a.y: its record is not complete"
            ]
        );
    }
}
