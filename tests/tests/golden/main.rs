//! Golden cases: raw objects and the rows, rejects and outcome that they must give, one folder for each.
//!
//! `fixtures/<source>/<table>/<case>/` holds `raw/…` with keys as in the real raw zone, `case.toml` (see
//! [`case::Description`]), `rows.csv` and `quarantine.csv`. What is in `raw@2/…` is delivered after a run over
//! `raw/…`: so a file can be rewritten. Each case is four tests, which must all give the same rows:
//!
//! - `as_is`: everything in one run;
//! - `reversed_one_by_one`: the files in reverse order, a run for each;
//! - `twice`: everything once more, as objects that were changed later;
//! - `crash`: for each failpoint a new lake, a run that dies there, and a run to the end.
//!
//! `MARKETLAKE_BLESS=1` rewrites `rows.csv` and `quarantine.csv` from `as_is`: read what it wrote before you commit.

mod case;
mod compare;
mod modes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use case::Case;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test starts processes that use several threads themselves.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut trials = Vec::new();
    for folder in folders(&root, 3) {
        match Case::read(&root, &folder) {
            Ok(case) => {
                let case = Arc::new(case);
                trials.extend(modes::ALL.iter().map(|(mode, check)| {
                    let case = Arc::clone(&case);
                    Trial::test(format!("{}::{mode}", case.name), move || {
                        check(&case).map_err(failed)
                    })
                }));
            }
            Err(error) => {
                let name = folder
                    .strip_prefix(&root)
                    .unwrap_or(&folder)
                    .display()
                    .to_string();
                trials.push(Trial::test(name, move || Err(failed(error))));
            }
        }
    }
    if trials.is_empty() {
        let message = format!("there are no cases in {}", root.display());
        trials.push(Trial::test("fixtures", move || Err(message.into())));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}

/// Folders that many levels down, sorted.
fn folders(root: &Path, depth: usize) -> Vec<PathBuf> {
    if depth == 0 {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut below: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    below.sort();
    below
        .iter()
        .flat_map(|folder| folders(folder, depth - 1))
        .collect()
}
