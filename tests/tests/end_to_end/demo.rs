//! `marketlake demo`, and the raw zone that it makes, as deliveries.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chrono::NaiveDate;
use marketlake_tests::{Delivery, Lake, Run};
use pipeline::contract::TableName;

/// A raw zone with the troubles of real ones.
pub(crate) struct Demo {
    /// Text of its `marketlake.toml`.
    pub(crate) configuration: String,
    /// Every object, with the modification time that the demo gave it.
    pub(crate) deliveries: Vec<Delivery>,
    /// Days of deliveries.
    pub(crate) days: Vec<NaiveDate>,
}

impl Demo {
    /// Makes a raw zone of so many days.
    pub(crate) fn of_days(count: usize) -> Result<Self> {
        Self::of(count, 1)
    }

    /// Makes a raw zone of so many days with so many times the usual orders and messages.
    pub(crate) fn of(count: usize, scale: usize) -> Result<Self> {
        let lake = Lake::empty()?;
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
    pub(crate) fn lake(&self) -> Result<Lake> {
        Lake::new(&self.configuration)
    }

    /// What the tables hold after one run over everything.
    pub(crate) fn undisturbed(&self) -> Result<Vec<(String, String)>> {
        let lake = self.lake()?;
        lake.deliver_all(&self.deliveries)?;
        lake.run(&[])?.takes_in()?;
        fingerprints(&lake)
    }
}

/// The rows and the quarantine of every table as text.
pub(crate) fn fingerprints(lake: &Lake) -> Result<Vec<(String, String)>> {
    let names: Vec<TableName> = lake.contracts()?.into_keys().collect();
    let mut all = Vec::new();
    for name in names {
        let name = name.to_string();
        let rows = (name.clone(), lake.rows(&name)?.to_csv());
        let rejects: Vec<String> = lake
            .quarantine(&name)?
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
pub(crate) fn assert_same(wanted: &[(String, String)], found: &[(String, String)]) {
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

#[test]
fn a_demo_dies_twice_and_finds_true_whatever_it_checks() -> Result<()> {
    let lake = Lake::empty()?;
    let mut command = Command::new(marketlake_tests::program()?);
    let arguments = ["--log", "error", "demo", "--days", "3"];
    command.current_dir(lake.path()).args(arguments);
    let run: Run = command.output().context("the program cannot be started")?.into();
    let said = run.exits_with(0)?.stdout;
    assert_eq!(said.matches("killed: ").count(), 2, "{said}");
    assert!(said.contains("once more: nothing new"), "{said}");
    let (_, checked) = said
        .split_once("\nChecked:\n")
        .context("the demo checks nothing")?;
    let claims: Vec<&str> = checked.lines().take_while(|line| !line.is_empty()).collect();
    ensure!(claims.len() > 8, "only {} claims: {claims:#?}", claims.len());
    for claim in claims {
        assert!(claim.starts_with("  yes  "), "{claim}");
    }
    Ok(())
}
