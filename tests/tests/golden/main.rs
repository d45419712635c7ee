//! Golden cases: raw objects and the rows, rejects and outcome that they must give, one folder for each.
//!
//! `fixtures/<source>/<table>/<case>/` holds `raw/…` with keys as in the real raw zone, `case.toml` (see
//! [`cases::Description`]), `rows.csv` and `quarantine.csv`. What is in `raw@2/…` is delivered after a run over
//! `raw/…`: so a file can be rewritten. Each case is four tests, which must all give the same rows:
//!
//! - `as_is`: everything in one run;
//! - `reversed_one_by_one`: the files in reverse order, a run for each;
//! - `twice`: everything once more, as objects that were changed later;
//! - `crash`: for each failpoint a new lake, a run that dies there, and a run to the end;
//!
//! and the same four in a bucket (`as_is_in_bucket` and so on), where the deaths of `crash` are those at every write.
//!
//! `MARKETLAKE_BLESS=1` rewrites `rows.csv` and `quarantine.csv` from `as_is`, and the catalogue of the cases: read what it
//! wrote before you commit.

mod catalogue;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use cases::{Case, Way, bless, folders};
use libtest_mimic::{Arguments, Failed, Trial};
use marketlake_tests::bench;
use marketlake_tests::bucket::Buckets;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test starts processes that use several threads themselves.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let buckets = Arc::new(Buckets::new(contracts));
    let mut trials = Vec::new();
    let mut cases = Vec::new();
    for folder in folders(&root) {
        match Case::read(&root, &folder) {
            Ok(case) => {
                let case = Arc::new(case);
                cases.push(Arc::clone(&case));
                trials.extend(Way::ALL.map(|way| {
                    let case = Arc::clone(&case);
                    Trial::test(format!("{}::{}", case.name, way.name()), move || {
                        check(&case, way).map_err(failed)
                    })
                }));
                trials.extend(Way::ALL.map(|way| {
                    let (case, buckets) = (Arc::clone(&case), Arc::clone(&buckets));
                    Trial::test(format!("{}::{}_in_bucket", case.name, way.name()), move || {
                        if blessing() {
                            return Ok(());
                        }
                        let buckets = buckets.as_ref().as_ref().map_err(|error| format!("{error:#}"))?;
                        way.check(&case, buckets).map_err(failed)
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
    trials.push(Trial::test("catalogue", move || {
        catalogue::check(&root, &cases, blessing()).map_err(failed)
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a case in a way, or takes what comes out as wanted.
fn check(case: &Case, way: Way) -> Result<()> {
    let bench = bench(contracts(case))?;
    match (blessing(), way) {
        (false, way) => way.check(case, &bench),
        (true, Way::AsIs) => bless(case, &bench).map(drop),
        (true, _) => Ok(()),
    }
}

/// Whether wanted texts are written instead of compared.
fn blessing() -> bool {
    std::env::var_os("MARKETLAKE_BLESS").is_some_and(|value| value == "1")
}

/// Sources that no table comes with the program for have theirs beside the tests.
fn contracts(case: &Case) -> Option<PathBuf> {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    let source = case.table.split('.').next()?;
    contracts.join(source).is_dir().then_some(contracts)
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
