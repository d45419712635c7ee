//! What the runs did, table by table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use pipeline::report::Counts;

use crate::commands::demo::process::Day;
use crate::output::{Grid, count};

/// Sums over all days, and whatever the runs wanted a person to know.
pub(super) fn text(days: &[Day]) -> String {
    let mut sums: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    for table in days.iter().flat_map(|day| &day.report.tables) {
        sums.entry(&table.table).or_default().add(&table.counts);
        told.extend(
            table
                .messages
                .iter()
                .map(|message| (table.table.as_str(), message.as_str())),
        );
    }
    let mut grid = Grid::new(&[
        "table",
        ">objects",
        ">rows read",
        ">new",
        ">changed",
        ">restated",
        ">copies",
        ">rejected",
        ">whole objects",
    ]);
    for (table, counts) in sums.into_iter().filter(|(_, counts)| counts.objects > 0) {
        let cells = [
            counts.objects,
            counts.rows_read,
            // A row that gives way to a newer statement comes back as a new one.
            counts.rows_inserted - counts.rows_removed.min(counts.rows_inserted),
            counts.rows_updated,
            counts.rows_removed,
            counts.rows_absorbed,
            counts.rows_rejected,
            counts.objects_rejected,
        ]
        .map(count);
        let [objects, read, new, changed, restated, copies, rejected, whole] = cells;
        grid.row([
            table.to_owned(),
            objects,
            read,
            new,
            changed,
            restated,
            copies,
            rejected,
            whole,
        ]);
    }
    let mut text = format!(
        "\nWhat the runs did. Restated rows gave way to what a newer report says, or are computed anew; copies are what \
         was\nthere already or is older than what is there; rejected rows and whole objects are in quarantine:\n{grid}"
    );
    if !told.is_empty() {
        text.push_str("\nWhat the runs wanted somebody to know:\n");
    }
    for (table, message) in told {
        let _ = writeln!(text, "  - {table}: {message}");
    }
    text
}
