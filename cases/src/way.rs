//! The ways in which the objects of a case arrive.

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use pipeline::failpoint;

use crate::{Bench, Case, Delivery, Run, compare};

/// A way in which the objects of a case arrive. All of them must give the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Everything in one run; also outcome and counts are compared, and a second run must find nothing new.
    AsIs,
    /// The files in reverse order, a run for each.
    ReversedOneByOne,
    /// Everything once more, as objects that were changed later.
    Twice,
    /// For each failpoint a new lake, a run that dies there, and a run to the end.
    Crash,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::AsIs, Self::ReversedOneByOne, Self::Twice, Self::Crash];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsIs => "as_is",
            Self::ReversedOneByOne => "reversed_one_by_one",
            Self::Twice => "twice",
            Self::Crash => "crash",
        }
    }

    /// Runs a case this way.
    ///
    /// # Errors
    ///
    /// What came out differently than the case wants, or why nothing came out.
    pub fn check(self, case: &Case, bench: &Bench) -> Result<()> {
        match self {
            Self::AsIs => as_is(case, bench),
            Self::ReversedOneByOne => reversed_one_by_one(case, bench),
            Self::Twice => twice(case, bench),
            Self::Crash => crash(case, bench),
        }
    }
}

/// What was taken as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blessed {
    /// Files of the case that have changed by it.
    pub changed: Vec<&'static str>,
    /// How the table came out, which `case.toml` has to say.
    pub outcome: String,
}

/// Runs a case as it is, and takes the rows and rejects that come out as wanted.
///
/// # Errors
///
/// When a run fails, or a wanted file cannot be written.
pub fn bless(case: &Case, bench: &Bench) -> Result<Blessed> {
    let lake = case.lake(bench)?;
    let mut outcome = String::new();
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        outcome = run(case, &lake)?.outcome(&case.table)?;
    }
    let changed = compare::bless(case, &lake)?;
    Ok(Blessed { changed, outcome })
}

/// Runs the tables of a case.
fn run(case: &Case, lake: &crate::LakeUnderTest) -> Result<Run> {
    lake.run_within(&case.tables(), &case.range())?.takes_in()
}

fn as_is(case: &Case, bench: &Bench) -> Result<()> {
    let lake = case.lake(bench)?;
    let mut last = None;
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        last = Some(run(case, &lake)?);
    }
    compare::same(case, &lake)?;
    if let Some(run) = last {
        let outcome = run.outcome(&case.table)?;
        ensure!(
            outcome == case.says.outcome,
            "the outcome is {outcome}, not {}:\n{}",
            case.says.outcome,
            run.said()
        );
        for (name, wanted) in &case.says.counts {
            let count = run.count(&case.table, name)?;
            ensure!(
                count == *wanted,
                "{name} is {count}, not {wanted}:\n{}",
                run.said()
            );
        }
    }
    let again = run(case, &lake)?.outcome(&case.table)?;
    ensure!(again == "unchanged", "a run without anything new says {again}");
    Ok(())
}

fn reversed_one_by_one(case: &Case, bench: &Bench) -> Result<()> {
    let lake = case.lake(bench)?;
    for delivery in case.stages.iter().flat_map(|stage| stage.iter().rev()) {
        lake.deliver(delivery)?;
        run(case, &lake)?;
    }
    compare::same(case, &lake)
}

fn twice(case: &Case, bench: &Bench) -> Result<()> {
    let lake = case.lake(bench)?;
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        run(case, &lake)?;
        let touched: Vec<Delivery> = stage
            .iter()
            .map(|delivery| delivery.clone().at(delivery.modified + TimeDelta::hours(1)))
            .collect();
        lake.deliver_all(&touched)?;
        run(case, &lake)?;
    }
    compare::same(case, &lake)
}

fn crash(case: &Case, bench: &Bench) -> Result<()> {
    let mut deaths = Vec::new();
    for point in failpoint::ALL {
        let lake = case.lake(bench)?;
        for stage in &case.stages {
            lake.deliver_all(stage)?;
            let attempt = lake.run_within_until(point, &case.tables(), &case.range())?;
            if attempt.died() {
                deaths.push(*point);
            } else {
                attempt.takes_in()?;
            }
            run(case, &lake)?;
        }
        compare::same(case, &lake).map_err(|error| error.context(format!("after a crash at {point}")))?;
    }
    // Where something is taken in, these are passed: a crash that never happens proves nothing.
    for point in ["before_claim", "after_claim", "before_commit", "after_commit"] {
        ensure!(
            deaths.contains(&point) || case.says.outcome == "unchanged",
            "no run died at {point}"
        );
    }
    Ok(())
}
