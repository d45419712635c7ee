//! One case as its folder tells it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use marketlake_tests::{Delivery, Lake, instant};
use serde::Deserialize;

/// `case.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    /// What would be broken if the case failed.
    pub(crate) proves: String,
    /// How the table comes out of the last run over everything, such as `updated`.
    pub(crate) outcome: String,
    /// Tables that are run with it, such as the inputs of a table.
    #[serde(default)]
    pub(crate) tables: Vec<String>,
    /// Columns that are not compared.
    #[serde(default)]
    pub(crate) ignore: Vec<String>,
    /// Counts of the last run, such as `rows_conflicting`.
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, u64>,
    /// Texts of the raw objects that neither rows nor quarantine may show.
    #[serde(default)]
    pub(crate) secrets: Vec<String>,
    /// Modification times of files by their path in the case's folder; others have one and the same for each folder.
    #[serde(default)]
    modified: BTreeMap<String, String>,
    /// Key of the hash of personal columns.
    #[serde(default)]
    personal_key: Option<String>,
    /// Accounts, as in `marketlake.toml`.
    #[serde(default)]
    account: Vec<toml::Table>,
}

/// A case.
pub(crate) struct Case {
    /// `source/table/case`.
    pub(crate) name: String,
    /// `source.table`.
    pub(crate) table: String,
    /// What `case.toml` says.
    pub(crate) says: Description,
    /// What is delivered before each of the runs.
    pub(crate) stages: Vec<Vec<Delivery>>,
    folder: PathBuf,
}

impl Case {
    /// Reads a case's folder below `root`.
    pub(crate) fn read(root: &Path, folder: &Path) -> Result<Self> {
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
            name: below,
            says,
            stages,
            folder: folder.to_owned(),
        })
    }

    /// A new lake with the case's accounts and contracts.
    pub(crate) fn lake(&self) -> Result<Lake> {
        let mut configuration = toml::Table::new();
        if let Some(key) = &self.says.personal_key {
            configuration.insert("personal_key".to_owned(), key.clone().into());
        }
        configuration.insert("account".to_owned(), self.says.account.clone().into());
        let lake = Lake::new(&toml::to_string(&configuration)?)?;
        // Sources that no table comes with the program for have theirs beside the tests.
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let own = self
            .table
            .split('.')
            .next()
            .is_some_and(|source| contracts.join(source).is_dir());
        Ok(if own { lake.with_contracts(contracts) } else { lake })
    }

    /// All tables that are run.
    pub(crate) fn tables(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = self.says.tables.iter().map(String::as_str).collect();
        tables.push(&self.table);
        tables
    }

    /// A file of the case that holds what is wanted; no file is no text.
    pub(crate) fn wanted(&self, file: &str) -> Result<String> {
        match fs::read_to_string(self.folder.join(file)) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error).with_context(|| format!("{file} cannot be read")),
        }
    }

    /// Writes what is wanted from now on.
    pub(crate) fn bless(&self, file: &str, text: &str) -> Result<()> {
        let path = self.folder.join(file);
        if text.is_empty() {
            let _ = fs::remove_file(&path);
            return Ok(());
        }
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }
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
        let usual = instant("2026-04-01T12:00:00Z") + TimeDelta::days(number - 1);
        let mut stage = Delivery::read_all(&raw)?;
        for delivery in &mut stage {
            let named = unused.remove(&format!("{name}/{}", delivery.key));
            delivery.modified = named.map_or(usual, |text| instant(&text));
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
