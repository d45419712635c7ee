//! How two texts of rows differ, in words.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use arrow::array::{Array, AsArray};
use pipeline::contract::{CsvFormat, Format};
use pipeline::decode::{Decoded, InMemory, decode};

/// Most differences that are shown.
const SHOWN: usize = 20;

/// Cells of a row by column; those without text are not there.
type Row = BTreeMap<String, String>;

/// What differs between two texts that are not the same: row by row and cell by cell where they are CSV with a header,
/// else line by line. Several lines, each with a line feed but for the last.
pub(crate) fn describe(wanted: &str, found: &str) -> String {
    let by_cell = match (rows(wanted), rows(found)) {
        (Ok(wanted), Ok(found)) => by_row(&wanted, &found),
        _ => Vec::new(),
    };
    // Texts can differ in more than their cells, such as in the order of lines.
    let mut all = if by_cell.is_empty() {
        by_line(wanted, found)
    } else {
        by_cell
    };
    if all.is_empty() {
        all.push("the same lines in another order".to_owned());
    }
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn rows(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let format = Format::Csv(CsvFormat::default());
    for decoded in decode(Box::new(InMemory::new(text.to_owned())), &format, None)? {
        let batch = match decoded? {
            Decoded::Rows(batch) => batch.texts()?,
            Decoded::Header(_) | Decoded::Nothing | Decoded::CutShort => continue,
            Decoded::Malformed(malformed) => anyhow::bail!("{}", malformed.reason),
        };
        for row in 0..batch.num_rows() {
            let cells = batch.schema_ref().fields().iter().zip(batch.columns());
            rows.push(
                cells
                    .filter_map(|(field, column)| {
                        let column = column.as_string::<i32>();
                        let cell = column.is_valid(row).then(|| column.value(row).to_owned())?;
                        Some((field.name().clone(), cell))
                    })
                    .collect(),
            );
        }
    }
    Ok(rows)
}

/// Rows that are only in one of both; two that have most cells in common are one that differs.
fn by_row(wanted: &[Row], found: &[Row]) -> Vec<String> {
    let mut others: Vec<&Row> = found.iter().collect();
    let mut missing = Vec::new();
    for (index, row) in wanted.iter().enumerate() {
        match others.iter().position(|other| *other == row) {
            Some(position) => drop(others.remove(position)),
            None => missing.push((index + 1, row)),
        }
    }
    let mut all = Vec::new();
    for (number, row) in missing {
        let nearest = others
            .iter()
            .enumerate()
            .map(|(position, other)| (alike(row, other), position))
            .max_by_key(|(alike, position)| (*alike, std::cmp::Reverse(*position)));
        match nearest {
            Some((alike, position)) if alike * 2 >= row.len() => {
                let other = others.remove(position);
                all.push(format!("row {number}: {}", cells(row, other)));
            }
            _ => all.push(format!("row {number} is missing: {}", line(row))),
        }
    }
    all.extend(others.iter().map(|row| format!("not wanted: {}", line(row))));
    all
}

/// How many cells two rows have in common.
fn alike(one: &Row, other: &Row) -> usize {
    one.iter()
        .filter(|(name, cell)| other.get(*name) == Some(cell))
        .count()
}

/// The cells in which two rows differ.
fn cells(wanted: &Row, found: &Row) -> String {
    let names = wanted
        .keys()
        .chain(found.keys().filter(|name| !wanted.contains_key(*name)));
    let mut text = String::new();
    for name in names.filter(|name| wanted.get(*name) != found.get(*name)) {
        let shown = |row: &Row| {
            row.get(name)
                .map_or("nothing".to_owned(), |cell| format!("{cell:?}"))
        };
        let comma = if text.is_empty() { "" } else { "; " };
        let _ = write!(
            text,
            "{comma}{name} is {}, wanted {}",
            shown(found),
            shown(wanted)
        );
    }
    text
}

fn line(row: &Row) -> String {
    let cells: Vec<String> = row
        .iter()
        .map(|(name, cell)| format!("{name}={cell:?}"))
        .collect();
    cells.join(" ")
}

fn by_line(wanted: &str, found: &str) -> Vec<String> {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in wanted.lines() {
        *balance.entry(line).or_default() += 1;
    }
    for line in found.lines() {
        *balance.entry(line).or_default() -= 1;
    }
    let differs = balance.into_iter().filter(|(_, count)| *count != 0);
    differs
        .map(|(line, count)| format!("{} {line}", if count > 0 { "missing   " } else { "not wanted" }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_differs_is_told_by_its_cells() {
        let said = describe("id,day,n\n1,a,5\n2,b,6\n", "id,day,n\n2,b,6\n1,a,7\n");
        assert_eq!(said, "  row 1: n is \"7\", wanted \"5\"");
        let said = describe("id,day\n1,a\n", "id,day,n\n1,a,7\n");
        assert_eq!(said, "  row 1: n is \"7\", wanted nothing");
    }

    #[test]
    fn rows_that_are_on_one_side_only_are_told_as_such() {
        let said = describe("id,n\n1,5\n2,6\n", "id,n\n2,6\n8,9\n");
        assert_eq!(
            said,
            "  row 1 is missing: id=\"1\" n=\"5\"\n  not wanted: id=\"8\" n=\"9\""
        );
        assert_eq!(describe("", "id\n1\n"), "  not wanted: id=\"1\"");
    }

    #[test]
    fn what_only_lines_tell_is_told_by_lines() {
        assert_eq!(
            describe("a,b\n1,\n", "a,b\n1,\"\"\n"),
            "  missing    1,\n  not wanted 1,\"\""
        );
        assert_eq!(
            describe("a\n1\n2\n", "a\n2\n1\n"),
            "  the same lines in another order"
        );
    }

    #[test]
    fn no_more_is_shown_than_a_person_reads() {
        let found: String = (0..30).map(|number| format!("{number}\n")).collect();
        let said = describe("", &format!("id\n{found}"));
        assert_eq!(said.lines().count(), SHOWN + 1);
        assert!(said.ends_with("and 10 more"));
    }
}
