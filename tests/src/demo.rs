//! The raw zone that the demo makes, as deliveries, and what tables hold after it.

use std::fs;

use anyhow::{Context, Result};
use cases::{Delivery, LakeUnderTest, Rejected, Rows};
use chrono::NaiveDate;
use pipeline::contract::TableName;

use crate::{empty_lake, new_lake};

/// A raw zone with the troubles of real ones.
pub struct Demo {
    /// Text of its `marketlake.toml`.
    pub configuration: String,
    /// Every object, with the modification time that the demo gave it.
    pub deliveries: Vec<Delivery>,
    /// Days of deliveries.
    pub days: Vec<NaiveDate>,
}

impl Demo {
    /// Makes a raw zone of so many days.
    pub fn of_days(count: usize) -> Result<Self> {
        Self::of(count, 1)
    }

    /// Makes a raw zone of so many days with so many times the usual orders and messages.
    pub fn of(count: usize, scale: usize) -> Result<Self> {
        let lake = empty_lake()?;
        let (days, scale) = (count.to_string(), scale.to_string());
        let arguments = [
            "demo",
            "--generate-only",
            "--first",
            "2026-03-01",
            "--days",
            &days,
            "--scale",
            &scale,
        ];
        lake.call(&arguments)?.exits_with(0)?;
        let first = NaiveDate::from_ymd_opt(2026, 3, 1).context("no day")?;
        Ok(Self {
            configuration: fs::read_to_string(lake.path().join("marketlake.toml"))?,
            deliveries: Delivery::read_all(&lake.raw())?,
            days: first.iter_days().take(count).collect(),
        })
    }

    /// An empty lake with its accounts.
    pub fn lake(&self) -> Result<LakeUnderTest> {
        new_lake(&self.configuration)
    }

    /// What the tables hold after one run over everything.
    pub fn undisturbed(&self) -> Result<Vec<(String, String)>> {
        let lake = self.lake()?;
        lake.deliver_all(&self.deliveries)?;
        lake.run(&[])?.takes_in()?;
        fingerprints(&lake)
    }
}

/// The rows of a table, and what waits in quarantine for it.
pub type Looked = (Rows, Vec<Rejected>);

/// The rows and the quarantine of every table as text.
///
/// # Errors
///
/// When they cannot be read.
pub fn fingerprints(lake: &LakeUnderTest) -> Result<Vec<(String, String)>> {
    of_tables(lake.contracts()?.keys().cloned(), &|table| {
        Ok((lake.rows(table)?, lake.quarantine(table)?))
    })
}

/// The rows and the quarantine of these tables as text, wherever their lake is; `look` gives those of one.
///
/// # Errors
///
/// When they cannot be read.
pub fn of_tables(
    names: impl IntoIterator<Item = TableName>,
    look: &dyn Fn(&str) -> Result<Looked>,
) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for name in names {
        let name = name.to_string();
        let (rows, rejects) = look(&name)?;
        let rows = (name.clone(), rows.to_csv());
        let rejects: Vec<String> = rejects
            .into_iter()
            .map(|reject| format!("{} {:?} {}\n", reject.object, reject.row, reject.reason))
            .collect();
        // What was not let in tells more than what is missing.
        all.push((format!("quarantine of {name}"), rejects.concat()));
        all.push(rows);
    }
    Ok(all)
}

/// Fails with the first lines that differ.
pub fn assert_same(wanted: &[(String, String)], found: &[(String, String)]) {
    assert_eq!(
        wanted.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        found.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    for ((name, wanted), (_, found)) in wanted.iter().zip(found) {
        if wanted == found {
            continue;
        }
        let missing: Vec<&str> = wanted
            .lines()
            .filter(|line| !found.lines().any(|other| other == *line))
            .collect();
        let surplus: Vec<&str> = found
            .lines()
            .filter(|line| !wanted.lines().any(|other| other == *line))
            .collect();
        let first = |lines: &[&str]| {
            lines
                .iter()
                .take(5)
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
        };
        panic!(
            "{name} differs: {} lines wanted, {} found\nmissing {}:\n{}too many {}:\n{}",
            wanted.lines().count(),
            found.lines().count(),
            missing.len(),
            first(&missing),
            surplus.len(),
            first(&surplus)
        );
    }
}
