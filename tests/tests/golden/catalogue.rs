//! `fixtures/README.md`: every case with what it proves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cases::Case;

const HEAD: &str = "# Golden cases

What each case proves, which is what would be broken if it failed: made of every `case.toml` by `just bless`.
[docs/cases.md](../docs/cases.md) says what a case is and how it is run.
";

/// Compares the catalogue of the cases below `root` with what is written there, or writes it.
pub(crate) fn check(root: &Path, cases: &[impl AsRef<Case>], is_blessed: bool) -> Result<()> {
    let (file, wanted) = (root.join("README.md"), text(cases));
    if is_blessed {
        return fs::write(&file, wanted).with_context(|| format!("{} cannot be written", file.display()));
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    ensure!(
        written == wanted,
        "fixtures/README.md is not what the cases say; `just bless` writes it"
    );
    Ok(())
}

/// A section a table, with a line a case.
fn text(cases: &[impl AsRef<Case>]) -> String {
    let mut tables: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases.iter().map(AsRef::as_ref) {
        tables.entry(&case.table).or_default().push(case);
    }
    let mut text = HEAD.to_owned();
    for (table, cases) in tables {
        text += &format!("\n## {table}\n\n| case | proves |\n|---|---|\n");
        for case in cases {
            let name = case.name.rsplit('/').next().unwrap_or(&case.name);
            // One line, and no cell ends before its text does.
            let proves = case.says.proves.split_whitespace().collect::<Vec<_>>().join(" ");
            let proves = proves.replace('|', "\\|");
            text += &format!("| [{name}]({}) | {proves} |\n", case.name);
        }
    }
    text
}
