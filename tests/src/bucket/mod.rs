//! Lakes in a bucket, worked on within this process: what a folder cannot show of stores, and deaths at every write.
//!
//! The bucket is one in memory that was registered for `s3://`. It lists times in milliseconds and answers a question for an
//! object with whole seconds, as some servers do. A run works through a [`Mortal`] view of it; what such a run knows is gone
//! with it, what it wrote stays.

mod looking;
mod mortal;
mod shelf;
mod slow;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use cases::{Case, CaseLake, Death, Delivery, Lakes, Rejected, Rows, Run, contracts};
use object_store::ObjectStore;
use pipeline::Stores;
use pipeline::account::Account;
use pipeline::contract::{Contracts, TableName};
use pipeline::lake::{Lake, Settings};
use pipeline::report::{RunReport, Silent};
use pipeline::request::Selection;
use pipeline::secret::Secret;
use tokio::runtime::Runtime;
use url::Url;

pub(crate) use looking::{quarantine, rows};
pub use mortal::Mortal;
pub use shelf::{LONG_AGO, Shelf};
pub use slow::Slow;

const ROOT: &str = "s3://case/";

/// Makes lakes in buckets, each of its own.
pub struct Buckets {
    runtime: Runtime,
    contracts: Mutex<Vec<(Option<PathBuf>, Contracts)>>,
    /// Which contracts there are for a case beside those built in.
    folder: fn(&Case) -> Option<PathBuf>,
}

impl Buckets {
    /// Whatever is run in them works under the contracts built in, and those of a folder that may depend on the case.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn new(folder: fn(&Case) -> Option<PathBuf>) -> Result<Self> {
        Ok(Self {
            runtime: Runtime::new()?,
            contracts: Mutex::default(),
            folder,
        })
    }

    fn contracts(&self, case: &Case) -> Result<Contracts> {
        let folder = (self.folder)(case);
        let mut read = self.contracts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = read.iter().find(|(of, _)| *of == folder) {
            return Ok(known.clone());
        }
        let contracts = contracts(folder.as_deref())?;
        read.push((folder, contracts.clone()));
        Ok(contracts)
    }

    fn bucket(&self, case: &Case) -> Result<Bucket> {
        let settings = settings(ROOT, case.says.personal_key.clone())?;
        Ok(Bucket {
            shelf: Arc::default(),
            runtime: self.runtime.handle().clone(),
            contracts: self.contracts(case)?,
            accounts: case.accounts()?,
            settings,
        })
    }
}

impl Lakes for Buckets {
    fn lake(&self, case: &Case) -> Result<Box<dyn CaseLake>> {
        Ok(Box::new(self.bucket(case)?))
    }

    /// At writes of the longest of the case's runs, with and without that write: every one where the environment says
    /// `MARKETLAKE_DEATHS=all`, else every fourth, which ones depends on the case.
    fn deaths(&self, case: &Case) -> Result<Vec<Death>> {
        let bucket = self.bucket(case)?;
        let mut most = 0;
        for stage in &case.stages {
            for delivery in stage {
                bucket.deliver(delivery)?;
            }
            let view = bucket.view(None);
            bucket.work(&view, case)?;
            most = most.max(view.writes());
        }
        let death = |write: usize| Death {
            at: write.to_string(),
            is_sure: false,
        };
        let all = std::env::var_os("MARKETLAKE_DEATHS").is_some_and(|value| value == "all");
        let first = case.name.bytes().map(usize::from).sum::<usize>() % 4;
        Ok((1..=most)
            .filter(|write| all || write % 4 == first)
            .map(death)
            .collect())
    }
}

/// A lake in a bucket.
pub struct Bucket {
    shelf: Arc<Shelf>,
    runtime: tokio::runtime::Handle,
    contracts: Contracts,
    accounts: Vec<Account>,
    settings: Settings,
}

impl Bucket {
    /// A bucket for the lake that this text of a `marketlake.toml` configures.
    ///
    /// # Errors
    ///
    /// When the text is none.
    pub fn configured(configuration: &str, runtime: &Runtime) -> Result<Self> {
        let configuration: toml::Table = toml::from_str(configuration)?;
        let accounts = configuration.get("account").cloned();
        let key = configuration.get("personal_key").and_then(|key| key.as_str());
        Ok(Self {
            shelf: Arc::default(),
            runtime: runtime.handle().clone(),
            contracts: contracts(None)?,
            accounts: accounts.map_or(Ok(Vec::new()), toml::Value::try_into)?,
            settings: settings(ROOT, key.map(str::to_owned))?,
        })
    }

    /// How runners in it differ from what they are where nobody says anything.
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The objects.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Contracts in force.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// How one process sees it, which dies at that write.
    pub fn view(&self, dies_at: Option<usize>) -> Arc<Mortal> {
        Arc::new(Mortal::new(self.shelf.clone(), dies_at))
    }

    /// The lake as one process sees it.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub async fn lake(&self, view: &Arc<Mortal>) -> Result<Lake> {
        self.lake_over(view.clone()).await
    }

    /// The lake as it is seen through a store in front of it.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub async fn lake_over(&self, store: Arc<dyn ObjectStore>) -> Result<Lake> {
        let stores = Stores::default().with(&Url::parse(ROOT)?, store)?;
        let lake = Lake::open(
            self.settings.clone(),
            stores,
            self.contracts.clone(),
            self.accounts.clone(),
        );
        Ok(lake.await?)
    }

    /// What a process that runs this selection reports; none where it dies.
    ///
    /// # Errors
    ///
    /// When nothing can be run.
    pub async fn run(&self, view: &Arc<Mortal>, selection: &Selection) -> Result<Option<RunReport>> {
        let lake = self.lake(view).await?;
        let report = tokio::select! {
            report = lake.run(selection, &Silent) => Some(report),
            () = view.death() => None,
        };
        // What a dead process reports nobody hears.
        Ok(report.filter(|_| !view.is_dead()).transpose()?)
    }

    fn looked_at(&self) -> Result<Lake> {
        self.runtime.block_on(self.lake(&self.view(None)))
    }

    fn work(&self, view: &Arc<Mortal>, case: &Case) -> Result<Run> {
        let tables = case.tables().into_iter().map(parse);
        let selection = Selection {
            tables: tables.collect::<Result<_>>()?,
            from: case.says.from,
            to: case.says.to,
            ..Selection::default()
        };
        let Some(report) = self.runtime.block_on(self.run(view, &selection))? else {
            return Ok(Run {
                code: None,
                stdout: String::new(),
                stderr: "it died".to_owned(),
            });
        };
        Ok(Run {
            code: Some(report.exit_code().into()),
            stdout: serde_json::to_string(&report)?,
            stderr: String::new(),
        })
    }
}

impl CaseLake for Bucket {
    fn deliver(&self, delivery: &Delivery) -> Result<()> {
        let key = format!("raw/{}", delivery.key);
        self.runtime.block_on(self.shelf.deliver(&key, delivery))
    }

    fn run(&self, case: &Case) -> Result<Run> {
        self.work(&self.view(None), case)
    }

    fn run_until(&self, death: &Death, case: &Case) -> Result<Run> {
        let write = death
            .at
            .parse()
            .context("a death here is the number of a write")?;
        let run = self.work(&self.view(Some(write)), case)?;
        self.runtime.block_on(self.shelf.wait_for_the_dead())?;
        Ok(run)
    }

    fn rows(&self, table: &str) -> Result<Rows> {
        let lake = self.looked_at()?;
        self.runtime.block_on(looking::rows(&lake, table, ROOT))
    }

    fn quarantine(&self, table: &str) -> Result<Vec<Rejected>> {
        let lake = self.looked_at()?;
        self.runtime.block_on(looking::quarantine(&lake, table, ROOT))
    }
}

/// The limits that the program has where nobody says others, of a lake at this address, with the slash at its end.
pub(crate) fn settings(root: &str, personal_key: Option<String>) -> Result<Settings> {
    Ok(Settings {
        curated: Url::parse(root)?.join("curated")?,
        raw: Url::parse(root)?.join("raw")?,
        batch_objects: 2_000,
        batch_bytes: 1 << 30,
        lookback_days: 0,
        busy_wait: Duration::ZERO,
        personal_key: personal_key.as_deref().map(Secret::from),
        memory_limit: 1 << 30,
        spill_dir: None,
        spill_limit: None,
    })
}

fn parse(table: &str) -> Result<TableName> {
    table.parse().map_err(anyhow::Error::msg)
}
