//! What a lake holds beside what the case wants.

use anyhow::{Result, bail};

use crate::{Case, CaseLake, csv_line, difference};

const ROWS: &str = "rows.csv";
const QUARANTINE: &str = "quarantine.csv";

/// Fails, showing what differs, unless rows and quarantine are as wanted.
pub(crate) fn same(case: &Case, lake: &dyn CaseLake) -> Result<()> {
    compare(ROWS, &case.wanted(ROWS)?, &rows(case, lake)?)?;
    compare(QUARANTINE, &case.wanted(QUARANTINE)?, &quarantine(case, lake)?)?;
    keeps_secrets(case, lake)
}

/// Fails when a row, or what quarantine shows of one, holds a text that must not be stored.
fn keeps_secrets(case: &Case, lake: &dyn CaseLake) -> Result<()> {
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

/// Takes what the lake holds as wanted; the files that have changed by it.
pub(crate) fn bless(case: &Case, lake: &dyn CaseLake) -> Result<Vec<&'static str>> {
    let texts = [(ROWS, rows(case, lake)?), (QUARANTINE, quarantine(case, lake)?)];
    let mut changed = Vec::new();
    for (file, text) in texts {
        if case.want(file, &text)? {
            changed.push(file);
        }
    }
    Ok(changed)
}

fn rows(case: &Case, lake: &dyn CaseLake) -> Result<String> {
    let rows = case
        .says
        .ignore
        .iter()
        .fold(lake.rows(&case.table)?, |rows, column| rows.without(column));
    Ok(rows.to_csv())
}

fn quarantine(case: &Case, lake: &dyn CaseLake) -> Result<String> {
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
    let differences = difference::describe(wanted, found);
    if wanted.is_empty() {
        let first = differences.lines().next().unwrap_or_default();
        bail!(
            "{file} is not there or empty, so nothing is wanted; --bless writes down what came, such as\n{first}"
        );
    }
    bail!("{file} differs:\n{differences}");
}
