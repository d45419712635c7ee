//! A lake in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use pipeline::contract::{Contracts, TableName, builtin, load, read_dir};
use pipeline::failpoint;
use serde::Deserialize;
use tempfile::TempDir;

use crate::case_lake::{CaseLake, Death, Lakes};
use crate::delivery::Delivery;
use crate::rows::{self, Rows};
use crate::run::{Rejected, Run};
use crate::{Bench, Case};

/// A lake that is gone when this value is.
pub struct LakeUnderTest {
    folder: TempDir,
    bench: Bench,
}

#[derive(Deserialize)]
struct Quarantine {
    rows: Vec<Rejected>,
}

impl LakeUnderTest {
    /// An empty lake; `configuration` is the text of its `marketlake.toml`.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn new(bench: Bench, configuration: &str) -> Result<Self> {
        let lake = Self::empty(bench)?;
        fs::create_dir(lake.path().join("raw"))?;
        fs::create_dir(lake.path().join("desk"))?;
        fs::write(lake.path().join("marketlake.toml"), configuration)?;
        Ok(lake)
    }

    /// A folder for a lake with nothing in it.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn empty(bench: Bench) -> Result<Self> {
        let folder = TempDir::new().context("no temporary folder")?;
        Ok(Self { folder, bench })
    }

    /// The same lake with a folder of contracts of one's own.
    #[must_use]
    pub fn with_contracts(mut self, folder: PathBuf) -> Self {
        self.bench.contracts = Some(folder);
        self
    }

    /// Folder of the lake.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Root of the raw zone.
    pub fn raw(&self) -> PathBuf {
        self.path().join("raw")
    }

    /// Folder of a curated table.
    pub fn table(&self, table: &str) -> PathBuf {
        self.path().join("curated").join(table.replace('.', "/"))
    }

    /// Address of the raw zone, with the slash at its end.
    pub fn raw_uri(&self) -> String {
        format!("file://{}/", self.raw().display())
    }

    /// Delivers an object.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn deliver(&self, delivery: &Delivery) -> Result<()> {
        delivery.put(&self.raw(), &self.path().join("desk"))
    }

    /// Delivers objects.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn deliver_all<'a>(&self, deliveries: impl IntoIterator<Item = &'a Delivery>) -> Result<()> {
        deliveries
            .into_iter()
            .try_for_each(|delivery| self.deliver(delivery))
    }

    /// A call of the program on this lake, free of settings of whoever runs the cases.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare_command();
        command.arg("--json").args(arguments);
        command
    }

    /// As [`command`](Self::command), without arguments yet, and for people rather than programs.
    fn bare_command(&self) -> Command {
        let mut command = Command::new(&self.bench.program);
        for (variable, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MARKETLAKE_"))
        {
            command.env_remove(variable);
        }
        command
            .current_dir(self.path())
            .arg("--lake")
            .arg(self.path())
            .args(["--log", "warn"])
            .stdin(Stdio::null());
        if let Some(contracts) = &self.bench.contracts {
            command.arg("--contracts").arg(contracts);
        }
        command
    }

    /// Calls the program and waits for its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started; its exit code is for the caller to judge.
    pub fn call(&self, arguments: &[&str]) -> Result<Run> {
        let output = self.command(arguments).output();
        Ok(output.context("the program cannot be started")?.into())
    }

    /// Runs these tables, or all of them, over the whole raw zone.
    ///
    /// # Errors
    ///
    /// When the program cannot be started; its exit code is for the caller to judge.
    pub fn run(&self, tables: &[&str]) -> Result<Run> {
        self.call(&run_arguments(tables, &[]))
    }

    /// As [`run`](Self::run), with a failpoint armed.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn run_until(&self, failpoint: &str, tables: &[&str]) -> Result<Run> {
        self.run_within_until(failpoint, tables, &[])
    }

    fn run_within_until(&self, failpoint: &str, tables: &[&str], range: &[&str]) -> Result<Run> {
        let mut command = self.command(&run_arguments(tables, range));
        let output = command.env("MARKETLAKE_FAILPOINT", failpoint).output();
        Ok(output.context("the program cannot be started")?.into())
    }

    /// The contracts in force.
    ///
    /// # Errors
    ///
    /// When they have mistakes.
    pub fn contracts(&self) -> Result<Contracts> {
        contracts(self.bench.contracts.as_deref())
    }

    /// The rows of a table as `query` gives them; no rows when the table is not there yet.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn rows(&self, table: &str) -> Result<Rows> {
        if !self.table(table).join("_delta_log").is_dir() {
            return Ok(Rows::default());
        }
        let name: TableName = table.parse().map_err(anyhow::Error::msg)?;
        let contracts = self.contracts()?;
        let contract = contracts
            .get(&name)
            .with_context(|| format!("there is no table {table}"))?;
        let said = self.call(&["query", &rows::select(contract)])?.exits_with(0)?;
        Rows::parse(contract, &said.stdout, &self.raw_uri())
    }

    /// What a SELECT gives, as CSV.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn query(&self, sql: &str) -> Result<String> {
        let output = self
            .bare_command()
            .args(["query", "--format", "csv", sql])
            .output();
        let run: Run = output.context("the program cannot be started")?.into();
        Ok(run.exits_with(0)?.stdout)
    }

    /// What waits in quarantine for a table, in the order of objects and rows; addresses are paths below the raw
    /// zone.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn quarantine(&self, table: &str) -> Result<Vec<Rejected>> {
        let said = self
            .call(&["quarantine", "show", "--table", table, "--limit", "10000"])?
            .exits_with(0)?;
        let mut rows = serde_json::from_value::<Quarantine>(said.document()?)?.rows;
        for row in &mut rows {
            row.object = row.object.replace(&self.raw_uri(), "");
        }
        rows.sort_by(|a, b| (&a.object, a.row, &a.reason).cmp(&(&b.object, b.row, &b.reason)));
        Ok(rows)
    }
}

/// The contracts that are built in, and those of a folder.
///
/// # Errors
///
/// When they have mistakes.
pub fn contracts(folder: Option<&Path>) -> Result<Contracts> {
    let user = folder.map(read_dir).transpose()?.unwrap_or_default();
    load(&builtin(), &user).map_err(|mistakes| {
        let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", all.join("\n"))
    })
}

impl Lakes for Bench {
    fn lake(&self, case: &Case) -> Result<Box<dyn CaseLake>> {
        let mut configuration = toml::Table::new();
        if let Some(key) = &case.says.personal_key {
            configuration.insert("personal_key".to_owned(), key.clone().into());
        }
        configuration.insert("account".to_owned(), case.says.account.clone().into());
        Ok(Box::new(LakeUnderTest::new(
            self.clone(),
            &toml::to_string(&configuration)?,
        )?))
    }

    fn deaths(&self, _case: &Case) -> Result<Vec<Death>> {
        let sure = ["before_claim", "after_claim", "before_commit", "after_commit"];
        let death = |point: &&str| Death {
            at: (*point).to_owned(),
            is_sure: sure.contains(point),
        };
        Ok(failpoint::ALL.iter().map(death).collect())
    }
}

impl CaseLake for LakeUnderTest {
    fn deliver(&self, delivery: &Delivery) -> Result<()> {
        self.deliver(delivery)
    }

    fn run(&self, case: &Case) -> Result<Run> {
        self.call(&run_arguments(&case.tables(), &case.range()))
    }

    fn run_until(&self, death: &Death, case: &Case) -> Result<Run> {
        self.run_within_until(&death.at, &case.tables(), &case.range())
    }

    fn rows(&self, table: &str) -> Result<Rows> {
        self.rows(table)
    }

    fn quarantine(&self, table: &str) -> Result<Vec<Rejected>> {
        self.quarantine(table)
    }
}

fn run_arguments<'a>(tables: &[&'a str], range: &[&'a str]) -> Vec<&'a str> {
    // Without --from only the last days by the clock are looked through.
    let range = if range.is_empty() {
        &["--from", "2020-01-01"]
    } else {
        range
    };
    [&["run"], range, tables].concat()
}
