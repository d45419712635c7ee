//! `new`: a contract and a first case for a table, inferred from samples.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cases::{Bench, Case, Way, bless};
use pipeline::contract::{Contracts, SourceFile, TableName, builtin, is_name, load as check, read_dir};
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use super::test::{bench, cases_folder};
use crate::cli::NewArgs;
use crate::config::Config;
use crate::exit::{DONE, FAILED, usage};
use crate::session::Session;
use authoring::{Proposal, ProposedColumn, Request, propose};

/// Folder of contracts where none is configured.
const CONTRACTS: &str = "sql";

/// Name of the first case.
const FIRST: &str = "first";

/// What was made of the samples.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    /// Version of this document's shape.
    schema: u32,
    /// The table, as `source.table`.
    table: String,
    /// Format of the samples, in the words of contracts.
    format: &'a str,
    /// Rows of the samples.
    rows: usize,
    /// Path pattern of raw objects.
    path: &'a str,
    /// Whether the samples' own paths told it.
    path_known: bool,
    /// Where the samples should lie below the raw root.
    keys: &'a [String],
    /// The columns, in the order of the contract.
    columns: &'a [ProposedColumn],
    /// What a person should decide, one sentence each.
    notes: &'a [String],
    /// Files that were written.
    written: Vec<String>,
    /// How the table came out of the case.
    outcome: Option<String>,
    /// What went wrong in the case; null when all ways of running it gave the same rows.
    failure: Option<String>,
}

/// Where everything goes.
struct Folders {
    contracts: PathBuf,
    case: PathBuf,
    cases: PathBuf,
}

/// Writes contract and case and runs the case; [`FAILED`] where it does not come out.
pub(super) fn new(session: &Session, arguments: &NewArgs) -> Result<u8> {
    let table = &arguments.table;
    check_name(table)?;
    let contracts = session
        .config
        .contracts
        .clone()
        .unwrap_or_else(|| PathBuf::from(CONTRACTS));
    let cases = cases_folder(Some(&contracts), arguments.cases.as_deref());
    let folders = Folders {
        case: cases.join(&table.source).join(&table.table).join(FIRST),
        contracts,
        cases,
    };
    let own = own_files(&folders.contracts)?;
    let in_force = crate::contracts::load(folders.contracts.is_dir().then_some(folders.contracts.as_path()))?;
    refuse_to_overwrite(&folders, table, &in_force, arguments.force)?;
    let proposal = propose(&Request {
        table,
        samples: &arguments.sample,
        rows: arguments.rows.as_deref(),
        raw: raw_folder(&session.config).as_deref(),
        accounts: &session.config.accounts,
        contracts: &in_force,
        defaults: &defaults(table, &own)?,
    })?;
    let files = contract_files(table, &proposal);
    check_contract(&own, &files)?;
    let mut written = write(&folders, &files, &proposal)?;
    let tested = run(&folders, table);
    let wanted = ["rows.csv", "quarantine.csv"].map(|file| folders.case.join(file));
    written.extend(
        wanted
            .iter()
            .filter(|file| file.exists())
            .map(|file| file.display().to_string()),
    );
    let (outcome, failure) = match tested {
        Ok(outcome) => (Some(outcome), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let document = Document {
        schema: SCHEMA,
        table: table.to_string(),
        format: proposal.format,
        rows: proposal.rows,
        path: &proposal.path,
        path_known: proposal.path_known,
        keys: &proposal.keys,
        columns: &proposal.columns,
        notes: &proposal.notes,
        written,
        outcome,
        failure,
    };
    session
        .output
        .show(&document, || text(&document, &folders, arguments))?;
    Ok(if document.failure.is_none() { DONE } else { FAILED })
}

fn check_name(table: &TableName) -> Result<()> {
    if is_name(&table.source) && is_name(&table.table) {
        return Ok(());
    }
    Err(usage(format!(
        "{table} is no name of a table: use small letters, digits and _, such as shop.visits"
    )))
}

fn own_files(folder: &Path) -> Result<Vec<SourceFile>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let cannot = |error| {
        usage(format!(
            "contracts in {} cannot be read: {error}",
            folder.display()
        ))
    };
    read_dir(folder).map_err(cannot)
}

fn refuse_to_overwrite(
    folders: &Folders,
    table: &TableName,
    contracts: &Contracts,
    force: bool,
) -> Result<()> {
    let contract = contract_path(&folders.contracts, table, "toml");
    let there = [&contract, &folders.case].into_iter().find(|path| path.exists());
    if let (Some(there), false) = (there, force) {
        return Err(usage(format!(
            "{} is there already; --force replaces it",
            there.display()
        )));
    }
    if contracts.contains_key(table) && !contract.exists() && !force {
        return Err(usage(format!(
            "{table} is built in: extends = \"{table}\" in a contract adds to it, another name makes another table, \
             --force takes its place"
        )));
    }
    Ok(())
}

fn contract_path(folder: &Path, table: &TableName, ending: &str) -> PathBuf {
    folder
        .join(&table.source)
        .join(format!("{}.{ending}", table.table))
}

/// The raw zone, where it is a folder.
fn raw_folder(config: &Config) -> Option<PathBuf> {
    config.settings.raw.to_file_path().ok()
}

/// What the tables of the source share: the user's own file, else the one built in.
fn defaults(table: &TableName, own: &[SourceFile]) -> Result<toml::Table> {
    let path = format!("{}/_defaults.toml", table.source);
    let built_in = builtin();
    let file = own.iter().chain(&built_in).find(|file| file.path == path);
    match file {
        Some(file) => Ok(file.text.parse()?),
        None => Ok(toml::Table::new()),
    }
}

/// The contract and its SQL, by path below the folder of contracts.
fn contract_files(table: &TableName, proposal: &Proposal) -> Vec<SourceFile> {
    let path = |ending: &str| format!("{}/{}.{ending}", table.source, table.table);
    let mut files = vec![SourceFile {
        path: path("toml"),
        text: proposal.contract.clone(),
    }];
    files.extend(proposal.sql.iter().map(|sql| SourceFile {
        path: path("sql"),
        text: sql.clone(),
    }));
    files
}

/// Checks the new files among all others, before anything is written.
fn check_contract(own: &[SourceFile], new: &[SourceFile]) -> Result<()> {
    let stem = |path: &str| path.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    let replaced: Vec<_> = new.iter().filter_map(|file| stem(&file.path)).collect();
    let stays = |file: &&SourceFile| stem(&file.path).is_none_or(|stem| !replaced.contains(&stem));
    let all: Vec<SourceFile> = own.iter().filter(stays).chain(new).cloned().collect();
    check(&builtin(), &all).map(drop).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(
            "no contract fits the samples and what the tables of the source share: {}",
            mistakes.join("; ")
        )
    })
}

fn write(folders: &Folders, files: &[SourceFile], proposal: &Proposal) -> Result<Vec<String>> {
    let mut written = Vec::new();
    let mut put = |path: PathBuf, bytes: &[u8]| -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, bytes))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        written.push(path.display().to_string());
        Ok(())
    };
    if folders.case.exists() {
        fs::remove_dir_all(&folders.case)
            .with_context(|| format!("{} cannot be replaced", folders.case.display()))?;
    }
    for file in files {
        put(folders.contracts.join(&file.path), file.text.as_bytes())?;
    }
    let sql = folders.contracts.join(&files[0].path).with_extension("sql");
    if files.len() == 1 && sql.exists() {
        fs::remove_file(&sql).with_context(|| format!("{} cannot be replaced", sql.display()))?;
    }
    for (path, bytes) in &proposal.case {
        put(folders.case.join(path), bytes)?;
    }
    Ok(written)
}

/// Takes what the case gives as wanted, and runs it in every way without crashes; how the table came out.
fn run(folders: &Folders, table: &TableName) -> Result<String> {
    let bench: Bench = bench(Some(&folders.contracts))?;
    let case = Case::read(&folders.cases, &folders.case)?;
    let outcome = bless(&case, &bench)?.outcome;
    if outcome != case.says.outcome {
        let path = folders.case.join("case.toml");
        let text = fs::read_to_string(&path)?;
        let said = format!("outcome = {:?}", case.says.outcome);
        fs::write(&path, text.replacen(&said, &format!("outcome = {outcome:?}"), 1))?;
    }
    let case = Case::read(&folders.cases, &folders.case)?;
    for way in &Way::ALL[..3] {
        way.check(&case, &bench)
            .with_context(|| format!("the case of {table}, {}", way.name().replace('_', " ")))?;
    }
    Ok(outcome)
}

fn text(document: &Document<'_>, folders: &Folders, arguments: &NewArgs) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {} rows of {}, {} columns\n",
        document.table,
        document.rows,
        document.format,
        document.columns.len()
    );
    for path in &document.written {
        let _ = writeln!(text, "  {path}");
    }
    text.push('\n');
    for note in document.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    let personal = document.columns.iter().filter(|column| column.personal).count();
    let masked = match personal {
        0 => "no column looks personal, but a person has to judge".to_owned(),
        1 => "a column that looks personal is masked in it, but a person has to judge".to_owned(),
        number => format!("{number} columns that look personal are masked in it, but a person has to judge"),
    };
    let _ = writeln!(
        text,
        "The case holds the first {} rows of each sample; {masked}: read it before you share it.",
        authoring::CASE_ROWS
    );
    match (&document.failure, document.outcome.as_deref()) {
        (Some(failure), _) => {
            let _ = writeln!(text, "\nThe case does not come out yet:\n{failure}");
        }
        (None, Some("updated")) => {}
        (None, outcome) => {
            let outcome = outcome.unwrap_or_default();
            let _ = writeln!(
                text,
                "The case comes out {outcome}: quarantine.csv beside it says which rows do not fit and why."
            );
        }
    }
    let contracts = folders.contracts.display();
    let contract = contract_path(&folders.contracts, &arguments.table, "toml");
    let _ = writeln!(
        text,
        "\nNext:\n  read {}, where CHECK marks what a sample cannot tell",
        contract.display()
    );
    let _ = writeln!(
        text,
        "  marketlake --contracts {contracts} test {}",
        document.table
    );
    if !document.path_known {
        for (sample, key) in arguments.sample.iter().zip(document.keys) {
            let _ = writeln!(
                text,
                "  put such objects into the raw zone: {} as <lake>/raw/{key}",
                sample.display()
            );
        }
    }
    let _ = writeln!(
        text,
        "  marketlake --contracts {contracts} run {}",
        document.table
    );
    text
}
