//! `test`: the golden cases of a user's own tables.

use std::fmt::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use cases::{Bench, Blessed, Case, Way, bless, folders};
use indicatif::ProgressBar;
use pipeline::contract::{Contracts, TableName};
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::TestArgs;
use crate::exit::{DONE, FAILED, usage};
use crate::session::{Session, find};

#[derive(Serialize, JsonSchema)]
pub(super) struct Document {
    /// Version of this document's shape.
    schema: u32,
    /// Folder of the cases.
    folder: String,
    /// Cases that came out as wanted, in every way.
    passed: usize,
    /// Cases that did not.
    failed: usize,
    /// All of them, by name.
    cases: Vec<Tested>,
}

/// One case.
#[derive(Serialize, JsonSchema)]
struct Tested {
    /// `source/table/case`.
    case: String,
    /// What it proves; null when the case cannot be read.
    proves: Option<String>,
    /// How it was run, and what came out.
    ways: Vec<TestedWay>,
}

/// One way of running a case.
#[derive(Serialize, JsonSchema)]
struct TestedWay {
    /// `as_is`, `reversed_one_by_one`, `twice`, `crash`, or `read` and `bless` for what comes before.
    way: &'static str,
    /// Whether the rows, the rejects and the outcome were those wanted.
    passed: bool,
    /// What differs or went wrong; of a blessed case what was rewritten.
    message: Option<String>,
}

/// What stands for a way where a case is blessed.
const BLESS: &str = "bless";

/// A case that was found: its name, and what is in it.
type Found = (String, Result<Case>);

/// Runs the cases, or takes what they give as wanted; [`FAILED`] where one does not give it.
pub(super) fn test(session: &Session, arguments: &TestArgs) -> Result<u8> {
    let contracts = session.contracts()?;
    for table in &arguments.tables {
        find(&contracts, table)?;
    }
    let folder = cases_folder(session.config.contracts.as_deref(), arguments.cases.as_deref());
    let found = discover(&folder, arguments, &contracts)?;
    let bench = bench(session.config.contracts.as_deref())?;
    let cases = if arguments.bless {
        found.iter().map(|case| blessed(case, &bench)).collect()
    } else {
        let ways: &[Way] = if arguments.crash {
            &Way::ALL
        } else {
            &Way::ALL[..3]
        };
        tested(session, &found, &bench, ways)
    };
    let ways = || cases.iter().flat_map(|case| &case.ways);
    let failed = ways().filter(|way| !way.passed).count();
    let document = Document {
        schema: SCHEMA,
        folder: folder.display().to_string(),
        passed: ways().count() - failed,
        failed,
        cases,
    };
    session.output.show(&document, || text(&document, arguments))?;
    Ok(if failed == 0 { DONE } else { FAILED })
}

/// Where cases lie: as said, else beside the folder of contracts.
pub(super) fn cases_folder(contracts: Option<&Path>, said: Option<&Path>) -> PathBuf {
    match said {
        Some(folder) => folder.to_owned(),
        None => contracts
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
            .join("fixtures"),
    }
}

/// This program, with a folder of contracts.
pub(super) fn bench(contracts: Option<&Path>) -> Result<Bench> {
    Ok(Bench {
        program: std::env::current_exe().context("the program does not know where it is")?,
        contracts: contracts.map(std::path::absolute).transpose()?,
    })
}

fn discover(folder: &Path, arguments: &TestArgs, contracts: &Contracts) -> Result<Vec<Found>> {
    let wanted = |name: &str| {
        let of = |table: &TableName| name.starts_with(&format!("{}/{}/", table.source, table.table));
        arguments.tables.is_empty() || arguments.tables.iter().any(of)
    };
    let mut found = Vec::new();
    for path in folders(folder) {
        let below = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let name = below.replace('\\', "/");
        if wanted(&name) {
            found.push((name, read(folder, &path, contracts)));
        }
    }
    if found.is_empty() {
        let of: String = arguments
            .tables
            .iter()
            .map(|table| format!(" of {table}"))
            .collect();
        return Err(usage(format!(
            "there is no case{of} in {}: a case is a folder <source>/<table>/<case> with raw/ and case.toml; \
             `marketlake new TABLE --sample FILE` makes a first one, --cases names another folder",
            folder.display()
        )));
    }
    Ok(found)
}

/// Reads a case of a table that has a contract.
fn read(folder: &Path, path: &Path, contracts: &Contracts) -> Result<Case> {
    let case = Case::read(folder, path)?;
    let known = |table: &String| contracts.keys().any(|known| known.to_string() == *table);
    if let Some(table) = case
        .says
        .tables
        .iter()
        .chain([&case.table])
        .find(|table| !known(table))
    {
        bail!("there is no contract of {table}: --contracts names the folder where it is");
    }
    Ok(case)
}

/// Runs every case in every way, several at once.
fn tested(session: &Session, found: &[Found], bench: &Bench, ways: &[Way]) -> Vec<Tested> {
    let mut cases: Vec<Tested> = found.iter().map(unread).collect();
    let tasks: Vec<(usize, &Case, Way)> = found
        .iter()
        .enumerate()
        .filter_map(|(index, (_, case))| Some((index, case.as_ref().ok()?)))
        .flat_map(|(index, case)| ways.iter().map(move |way| (index, case, *way)))
        .collect();
    let bar = session.bars.add(ProgressBar::new(tasks.len() as u64));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((index, case, way)) = tasks.get(number) else {
                return done;
            };
            done.push((number, *index, TestedWay::of(way.name(), way.check(case, bench))));
            bar.inc(1);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, usize, TestedWay)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    bar.finish_and_clear();
    done.sort_by_key(|(number, ..)| *number);
    for (_, index, way) in done {
        cases[index].ways.push(way);
    }
    cases
}

/// Takes what a case gives as wanted.
fn blessed(found: &Found, bench: &Bench) -> Tested {
    let mut tested = unread(found);
    if let (_, Ok(case)) = found {
        let way = match bless(case, bench) {
            Ok(blessed) => TestedWay {
                message: rewritten(case, &blessed),
                ..TestedWay::of(BLESS, Ok(()))
            },
            Err(error) => TestedWay::of(BLESS, Err(error)),
        };
        tested.ways.push(way);
    }
    tested
}

/// What blessing has done to a case, and what is left to a person.
fn rewritten(case: &Case, blessed: &Blessed) -> Option<String> {
    let mut said = Vec::new();
    if !blessed.changed.is_empty() {
        said.push(format!(
            "{} rewritten: read what is in there now",
            blessed.changed.join(" and ")
        ));
    }
    if blessed.outcome != case.says.outcome {
        said.push(format!(
            "the outcome is {}, but case.toml says {:?}",
            blessed.outcome, case.says.outcome
        ));
    }
    (!said.is_empty()).then(|| said.join("\n"))
}

/// A case that nothing was done with yet; one that cannot be read has failed already.
fn unread((name, case): &Found) -> Tested {
    let (proves, ways) = match case {
        Ok(case) => (Some(case.says.proves.clone()), Vec::new()),
        Err(error) => (None, vec![TestedWay::failed("read", error)]),
    };
    Tested {
        case: name.clone(),
        proves,
        ways,
    }
}

impl TestedWay {
    fn of(way: &'static str, result: Result<()>) -> Self {
        match result {
            Ok(()) => Self {
                way,
                passed: true,
                message: None,
            },
            Err(error) => Self::failed(way, &error),
        }
    }

    fn failed(way: &'static str, error: &anyhow::Error) -> Self {
        Self {
            way,
            passed: false,
            message: Some(format!("{error:#}")),
        }
    }
}

fn text(document: &Document, arguments: &TestArgs) -> String {
    let mut text = String::new();
    for case in &document.cases {
        let failed = case.ways.iter().any(|way| !way.passed);
        let _ = writeln!(text, "{} {}", if failed { "FAILED" } else { "ok    " }, case.case);
        if let Some(proves) = case.proves.as_ref().filter(|_| failed) {
            let _ = writeln!(text, "  it should prove: {proves}");
        }
        for way in &case.ways {
            if let Some(message) = &way.message {
                let indented = message.trim_end().replace('\n', "\n    ");
                let _ = writeln!(text, "  {}: {indented}", way.way.replace('_', " "));
            }
        }
    }
    let cases = document.cases.len();
    let ways = document.passed + document.failed;
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (all, runs) = (many(cases, "case"), many(ways, "run"));
    let _ = match (arguments.bless, document.failed) {
        (true, 0) => writeln!(text, "{all} blessed in {}", document.folder),
        (_, 0) => writeln!(text, "{all} in {}, {runs}: all as wanted", document.folder),
        (_, failed) => writeln!(text, "{all} in {}, {runs}: {failed} failed", document.folder),
    };
    text
}
