//! One case as its folder tells it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;

use pipeline::account::Account;

use crate::Delivery;
use crate::delivery::usual;

/// `case.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What would be broken if the case failed.
    pub proves: String,
    /// How the table comes out of the last run over everything, such as `updated`.
    pub outcome: String,
    /// First period of the runs; 2020-01-01 where nothing is said.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Last period of the runs, inclusive.
    #[serde(default)]
    pub to: Option<NaiveDate>,
    /// Tables that are run with it, such as the inputs of a table.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Columns that are not compared.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Counts of the last run, such as `rows_conflicting`.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Texts of the raw objects that neither rows nor quarantine may show.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Modification times of files by their path in the case's folder, RFC 3339; others have one and the same for each
    /// folder.
    #[serde(default)]
    modified: BTreeMap<String, String>,
    /// Key of the hash of personal columns.
    #[serde(default)]
    pub personal_key: Option<String>,
    /// Accounts, as in `marketlake.toml`.
    #[serde(default)]
    pub(crate) account: Vec<toml::Table>,
}

/// A case.
#[derive(Debug)]
pub struct Case {
    /// `source/table/case`.
    pub name: String,
    /// `source.table`.
    pub table: String,
    /// What `case.toml` says.
    pub says: Description,
    /// What is delivered before each of the runs.
    pub stages: Vec<Vec<Delivery>>,
    folder: PathBuf,
    range: Vec<String>,
}

impl Case {
    /// Reads a case's folder below `root`.
    ///
    /// # Errors
    ///
    /// What in the folder is missing or wrong.
    pub fn read(root: &Path, folder: &Path) -> Result<Self> {
        let below = folder
            .strip_prefix(root)?
            .display()
            .to_string()
            .replace('\\', "/");
        let [source, table, _] = below.split('/').collect::<Vec<_>>()[..] else {
            anyhow::bail!("{below} is not source/table/case");
        };
        let text = fs::read_to_string(folder.join("case.toml")).context("case.toml cannot be read")?;
        let says: Description = toml::from_str(&text).context("case.toml is wrong")?;
        ensure!(
            !says.proves.trim().is_empty(),
            "case.toml does not say what the case proves"
        );
        let stages = stages(folder, &says)?;
        Ok(Self {
            table: format!("{source}.{table}"),
            range: range(&says),
            name: below,
            says,
            stages,
            folder: folder.to_owned(),
        })
    }

    /// The accounts of the case's lake.
    ///
    /// # Errors
    ///
    /// When one is none.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        let accounts = self.says.account.iter().cloned();
        let accounts = accounts.map(|account| account.try_into().context("an account in case.toml is none"));
        accounts.collect()
    }

    /// All tables that are run.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = self.says.tables.iter().map(String::as_str).collect();
        tables.push(&self.table);
        tables
    }

    /// Arguments that say which periods are run; none for all of them.
    pub(crate) fn range(&self) -> Vec<&str> {
        self.range.iter().map(String::as_str).collect()
    }

    /// A file of the case that holds what is wanted; no file is no text.
    pub(crate) fn wanted(&self, file: &str) -> Result<String> {
        match fs::read_to_string(self.folder.join(file)) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error).with_context(|| format!("{file} cannot be read")),
        }
    }

    /// Writes what is wanted from now on; whether that is something else.
    pub(crate) fn want(&self, file: &str, text: &str) -> Result<bool> {
        if self.wanted(file)? == text {
            return Ok(false);
        }
        let path = self.folder.join(file);
        let written = if text.is_empty() {
            fs::remove_file(&path)
        } else {
            fs::write(&path, text)
        };
        written.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(true)
    }
}

/// The folders of the cases below `root`, sorted: all that lie three levels down.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    below(root, 3)
}

/// Folders that many levels down, sorted.
fn below(root: &Path, depth: usize) -> Vec<PathBuf> {
    if depth == 0 {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
        .iter()
        .flat_map(|folder| below(folder, depth - 1))
        .collect()
}

fn range(says: &Description) -> Vec<String> {
    let from = says
        .from
        .or_else(|| says.to.and_then(|_| NaiveDate::from_ymd_opt(2020, 1, 1)));
    let bounds = [("--from", from), ("--to", says.to)];
    bounds
        .into_iter()
        .filter_map(|(flag, day)| Some([flag.to_owned(), day?.to_string()]))
        .flatten()
        .collect()
}

/// `raw`, `raw@2`, `raw@3` and so on.
fn stages(folder: &Path, says: &Description) -> Result<Vec<Vec<Delivery>>> {
    let mut stages = Vec::new();
    let mut unused = says.modified.clone();
    for number in 1.. {
        let name = if number == 1 {
            "raw".to_owned()
        } else {
            format!("raw@{number}")
        };
        let raw = folder.join(&name);
        if !raw.is_dir() {
            break;
        }
        let otherwise = usual() + TimeDelta::days(number - 1);
        let mut stage = Delivery::read_all(&raw)?;
        for delivery in &mut stage {
            let named = unused.remove(&format!("{name}/{}", delivery.key));
            delivery.modified = named.map_or(Ok(otherwise), |text| instant(&text))?;
        }
        stages.push(stage);
    }
    ensure!(!stages.is_empty(), "the case has no raw folder");
    ensure!(
        unused.is_empty(),
        "case.toml has times of files that are not there: {:?}",
        unused.keys()
    );
    Ok(stages)
}

fn instant(text: &str) -> Result<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text)
        .with_context(|| format!("{text:?} in case.toml is no time such as 2026-04-01T12:00:00Z"))?;
    Ok(instant.with_timezone(&Utc))
}
