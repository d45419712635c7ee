//! `why`: where an object went, or why a row is as it is.

use std::fmt::Write;

use anyhow::Result;
use pipeline::contract::TableName;
use pipeline::report::{Observation, WhyObject, WhyRow, WhyRows};

use crate::cli::WhyArgs;
use crate::exit::{DONE, usage};
use crate::output::{Grid, count, minute};
use crate::session::{Session, find};

/// Explains an object, or with `--where` rows of a table.
pub(super) async fn why(session: &Session, arguments: &WhyArgs) -> Result<u8> {
    let lake = session.lake().await?;
    let table: Result<TableName, String> = arguments.subject.parse();
    match (&arguments.condition, table) {
        (Some(condition), Ok(table)) => {
            find(lake.contracts(), &table)?;
            let answer = lake.why_rows(&table, condition).await?;
            session.output.show(&answer, || rows(&answer))?;
        }
        (Some(_), Err(message)) => return Err(usage(format!("--where needs a table: {message}"))),
        (None, Ok(table)) if lake.contracts().contains_key(&table) => {
            return Err(usage(format!(
                "say which rows of {table}: --where \"order_id = 'A-17'\""
            )));
        }
        (None, _) => {
            let answer = lake.why_object(&arguments.subject).await?;
            session.output.show(&answer, || object(&answer))?;
        }
    }
    Ok(DONE)
}

fn object(answer: &WhyObject) -> String {
    let mut text = format!("{}\n", answer.object);
    if answer.entries.is_empty() {
        let _ = writeln!(
            text,
            "no table has taken it; `marketlake run --dry-run` says what a run would take in"
        );
        return text;
    }
    let mut grid = Grid::new(&[
        "table",
        "state",
        ">batch",
        ">version",
        "committed",
        ">rows read",
        ">rejected",
        "reasons",
    ]);
    for entry in &answer.entries {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let reasons = entry.reasons.iter().map(|reason| match reason.rows {
            0 => reason.reason.clone(),
            rows => format!("{} ({})", reason.reason, count(rows)),
        });
        grid.row([
            entry.table.clone(),
            entry.state.to_string(),
            entry.batch.to_string(),
            or_dash(entry.commit_version.map(|version| version.to_string())),
            or_dash(entry.committed_at.map(minute)),
            or_dash(entry.rows_read.map(count)),
            or_dash(entry.rows_rejected.map(count)),
            reasons.collect::<Vec<_>>().join("; "),
        ]);
    }
    let _ = write!(text, "{grid}");
    for entry in &answer.entries {
        let said = entry.document.as_ref().map(|id| format!("is document {id}"));
        let covers = entry.covers.as_ref().map(|covers| format!("covers {covers}"));
        let said: Vec<String> = said.into_iter().chain(covers).collect();
        if !said.is_empty() {
            let (table, batch) = (&entry.table, entry.batch);
            let _ = writeln!(text, "in batch {batch} of {table} it {}", said.join(" and "));
        }
    }
    text
}

/// Rows with everything that was observed about them.
pub(crate) fn rows(answer: &WhyRows) -> String {
    if answer.rows.is_empty() {
        return format!("no row of {} fulfils that condition\n", answer.table);
    }
    let mut text = String::new();
    for row in &answer.rows {
        let key: Vec<String> = row
            .key
            .iter()
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        let _ = writeln!(text, "{}: {}", answer.table, key.join(", "));
        explain(&mut text, row);
    }
    let more = answer.matched.saturating_sub(answer.rows.len() as u64);
    if more > 0 {
        let _ = writeln!(text, "{} more rows fulfil that condition", count(more));
    }
    text
}

/// The observations, numbered, then per column the value and the number of the observation that it comes from.
fn explain(text: &mut String, row: &WhyRow) {
    for (index, observation) in row.observations.iter().enumerate() {
        let Observation {
            object,
            row,
            order,
            rows,
            ..
        } = observation;
        let place = match rows {
            Some(rows) => format!("{} rows", count(*rows)),
            None => format!("row {row}"),
        };
        let _ = writeln!(text, "  [{}] {object} {place}  {order}", index + 1);
    }
    let number = |object: Option<&String>, ordinal: Option<u64>| {
        let found = row.observations.iter().position(|observation| {
            object.is_some_and(|object| *object == observation.object) && ordinal == Some(observation.row)
        });
        found.map_or_else(|| "-".to_owned(), |index| format!("[{}]", index + 1))
    };
    let mut grid = Grid::new(&["column", "value", "from", "why", "seen"]);
    for column in &row.columns {
        let seen = row
            .observations
            .iter()
            .enumerate()
            .filter_map(|(index, observation)| {
                let value = observation.values.get(&column.column)?.as_ref()?;
                Some(format!("[{}] {value}", index + 1))
            });
        grid.row([
            column.column.clone(),
            column.value.clone().unwrap_or_else(|| "-".to_owned()),
            number(column.from_object.as_ref(), column.from_row),
            column.why.clone(),
            seen.collect::<Vec<_>>().join("  "),
        ]);
    }
    for line in grid.to_string().lines() {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use pipeline::report::ColumnWhy;

    #[test]
    fn a_column_points_at_the_observation_that_it_comes_from() {
        let observation = |object: &str, status: Option<&str>| Observation {
            object: object.to_owned(),
            row: 4,
            order: "generated_at=…".to_owned(),
            rows: None,
            values: BTreeMap::from([("status".to_owned(), status.map(str::to_owned))]),
        };
        let answer = WhyRows {
            schema: 1,
            table: "jwo.orders".to_owned(),
            matched: 3,
            rows: vec![WhyRow {
                key: BTreeMap::from([("order_id".to_owned(), "A-1".to_owned())]),
                kept: BTreeMap::new(),
                observations: vec![
                    observation("a.csv", Some("open")),
                    observation("b.csv", Some("paid")),
                    observation("c.csv", None),
                ],
                columns: vec![ColumnWhy {
                    column: "status".to_owned(),
                    value: Some("paid".to_owned()),
                    from_object: Some("b.csv".to_owned()),
                    from_row: Some(4),
                    why: "newest of 2 values".to_owned(),
                }],
            }],
        };
        let text = rows(&answer);
        assert!(text.contains("jwo.orders: order_id = A-1\n"), "{text}");
        assert!(
            text.contains("status  paid   [2]   newest of 2 values  [1] open  [2] paid\n"),
            "{text}"
        );
        assert!(text.ends_with("2 more rows fulfil that condition\n"), "{text}");
    }
}
