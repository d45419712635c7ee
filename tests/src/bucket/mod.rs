//! Lakes in a bucket, worked on within this process: what a folder cannot show of stores, and deaths at every write.
//!
//! The bucket is one in memory that was registered for `s3://`. It lists times in milliseconds and answers a question for an
//! object with whole seconds, as some servers do. A run works through a [`Mortal`] view of it; what such a run knows is gone
//! with it, what it wrote stays.

mod mortal;
mod shelf;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use cases::{Case, CaseLake, Death, Delivery, Lakes, Rejected, Rows, Run, contracts, select};
use pipeline::Stores;
use pipeline::account::Account;
use pipeline::contract::{Contracts, TableName};
use pipeline::lake::{Lake, Settings};
use pipeline::report::Silent;
use pipeline::request::{QuarantineFilter, Selection};
use tokio::runtime::Runtime;
use url::Url;

pub use mortal::Mortal;
pub use shelf::Shelf;

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
        Ok(Bucket {
            shelf: Arc::default(),
            runtime: self.runtime.handle().clone(),
            contracts: self.contracts(case)?,
            accounts: case.accounts()?,
            settings: settings(case)?,
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
            let view = Arc::new(Mortal::new(bucket.shelf.clone(), None));
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
struct Bucket {
    shelf: Arc<Shelf>,
    runtime: tokio::runtime::Handle,
    contracts: Contracts,
    accounts: Vec<Account>,
    settings: Settings,
}

impl Bucket {
    fn lake(&self, view: &Arc<Mortal>) -> Result<Lake> {
        let stores = Stores::default().with(&Url::parse(ROOT)?, view.clone())?;
        let lake = Lake::open(
            self.settings.clone(),
            stores,
            self.contracts.clone(),
            self.accounts.clone(),
        );
        Ok(self.runtime.block_on(lake)?)
    }

    fn looked_at(&self) -> Result<Lake> {
        self.lake(&Arc::new(Mortal::new(self.shelf.clone(), None)))
    }

    fn work(&self, view: &Arc<Mortal>, case: &Case) -> Result<Run> {
        let lake = self.lake(view)?;
        let tables = case.tables().into_iter().map(parse);
        let selection = Selection {
            tables: tables.collect::<Result<_>>()?,
            from: case.says.from,
            to: case.says.to,
            ..Selection::default()
        };
        let report = self.runtime.block_on(async {
            tokio::select! {
                report = lake.run(&selection, &Silent) => Some(report),
                () = view.death() => None,
            }
        });
        // What a dead process reports nobody hears.
        let Some(report) = report.filter(|_| !view.is_dead()) else {
            return Ok(Run {
                code: None,
                stdout: String::new(),
                stderr: "it died".to_owned(),
            });
        };
        let report = report?;
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
        self.work(&Arc::new(Mortal::new(self.shelf.clone(), None)), case)
    }

    fn run_until(&self, death: &Death, case: &Case) -> Result<Run> {
        let write = death
            .at
            .parse()
            .context("a death here is the number of a write")?;
        let run = self.work(&Arc::new(Mortal::new(self.shelf.clone(), Some(write))), case)?;
        self.runtime.block_on(self.shelf.wait_for_the_dead())?;
        Ok(run)
    }

    fn rows(&self, table: &str) -> Result<Rows> {
        let contract = self
            .contracts
            .get(&parse(table)?)
            .context("there is no such table")?;
        let lake = self.looked_at()?;
        let Ok(batches) = self.runtime.block_on(lake.query(&select(contract))) else {
            return Ok(Rows::default());
        };
        let mut lines = Vec::new();
        let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
        let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut lines);
        writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
        writer.finish()?;
        drop(writer);
        Rows::parse(contract, std::str::from_utf8(&lines)?, &format!("{ROOT}raw/"))
    }

    fn quarantine(&self, table: &str) -> Result<Vec<Rejected>> {
        let filter = QuarantineFilter {
            table: Some(parse(table)?),
            ..QuarantineFilter::default()
        };
        let lake = self.looked_at()?;
        let rows = self.runtime.block_on(lake.quarantine_show(&filter, usize::MAX))?;
        let rejected = rows.into_iter().map(|row| Rejected {
            table: row.table,
            object: row.object.replace(&format!("{ROOT}raw/"), ""),
            row: row.row,
            reason: row.reason,
            text: row.text,
        });
        let mut rejected: Vec<Rejected> = rejected.collect();
        rejected.sort_by(|a, b| (&a.object, a.row, &a.reason).cmp(&(&b.object, b.row, &b.reason)));
        Ok(rejected)
    }
}

/// The limits that the program has where nobody says others.
fn settings(case: &Case) -> Result<Settings> {
    Ok(Settings {
        curated: Url::parse(ROOT)?.join("curated")?,
        raw: Url::parse(ROOT)?.join("raw")?,
        batch_objects: 2_000,
        batch_bytes: 1 << 30,
        lookback_days: 0,
        busy_wait: Duration::ZERO,
        personal_key: case.says.personal_key.clone(),
        memory_limit: 1 << 30,
    })
}

fn parse(table: &str) -> Result<TableName> {
    table.parse().map_err(anyhow::Error::msg)
}
