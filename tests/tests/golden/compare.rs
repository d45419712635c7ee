//! What a lake holds beside what the case wants.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use marketlake_tests::{Lake, csv_line};

use crate::case::Case;

const ROWS: &str = "rows.csv";
const QUARANTINE: &str = "quarantine.csv";

/// Whether wanted texts are written instead of compared.
pub(crate) fn blessing() -> bool {
    std::env::var_os("MARKETLAKE_BLESS").is_some_and(|value| value == "1")
}

/// Fails, showing the lines that differ, unless rows and quarantine are as wanted.
pub(crate) fn same(case: &Case, lake: &Lake) -> Result<()> {
    compare(ROWS, &case.wanted(ROWS)?, &rows(case, lake)?)?;
    compare(QUARANTINE, &case.wanted(QUARANTINE)?, &quarantine(case, lake)?)?;
    keeps_secrets(case, lake)
}

/// Fails when a row, or what quarantine shows of one, holds a text that must not be stored.
fn keeps_secrets(case: &Case, lake: &Lake) -> Result<()> {
    if case.says.secrets.is_empty() {
        return Ok(());
    }
    let mut shown = vec![rows(case, lake)?];
    for reject in lake.quarantine(&case.table)? {
        shown.push(reject.reason);
        shown.extend(reject.text);
    }
    for secret in &case.says.secrets {
        if let Some(text) = shown.iter().find(|text| text.contains(secret.as_str())) {
            bail!("{secret:?} is stored:\n{text}");
        }
    }
    Ok(())
}

/// Takes what the lake holds as wanted.
pub(crate) fn bless(case: &Case, lake: &Lake) -> Result<()> {
    case.bless(ROWS, &rows(case, lake)?)?;
    case.bless(QUARANTINE, &quarantine(case, lake)?)
}

fn rows(case: &Case, lake: &Lake) -> Result<String> {
    let rows = case
        .says
        .ignore
        .iter()
        .fold(lake.rows(&case.table)?, |rows, column| rows.without(column));
    Ok(rows.to_csv())
}

fn quarantine(case: &Case, lake: &Lake) -> Result<String> {
    let rejects = lake.quarantine(&case.table)?;
    if rejects.is_empty() {
        return Ok(String::new());
    }
    let mut text = "object,row,reason\n".to_owned();
    for reject in &rejects {
        let row = reject.row.map(|row| row.to_string());
        text.push_str(&csv_line(
            [Some(reject.object.as_str()), row.as_deref(), Some(&reject.reason)].into_iter(),
        ));
    }
    Ok(text)
}

fn compare(file: &str, wanted: &str, found: &str) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in wanted.lines() {
        *balance.entry(line).or_default() += 1;
    }
    for line in found.lines() {
        *balance.entry(line).or_default() -= 1;
    }
    let mut text = String::new();
    for (line, count) in balance.into_iter().filter(|(_, count)| *count != 0) {
        text.push_str(&format!(
            "{} {line}\n",
            if count > 0 { "wanted" } else { "found " }
        ));
    }
    bail!("{file} differs:\n{text}\nfound in all:\n{found}");
}
