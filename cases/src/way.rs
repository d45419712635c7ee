//! The ways in which the objects of a case arrive.

use anyhow::{Result, ensure};
use chrono::TimeDelta;

use crate::{Case, CaseLake, Delivery, Lakes, Run, compare};

/// A way in which the objects of a case arrive. All of them must give the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Everything in one run; also outcome and counts are compared, and a second run must find nothing new.
    AsIs,
    /// The files in reverse order, a run for each.
    ReversedOneByOne,
    /// Everything once more, as objects that were changed later.
    Twice,
    /// For each moment at which a run can die a new lake, a run that dies there, and a run to the end.
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
    pub fn check(self, case: &Case, lakes: &dyn Lakes) -> Result<()> {
        match self {
            Self::AsIs => as_is(case, lakes),
            Self::ReversedOneByOne => reversed_one_by_one(case, lakes),
            Self::Twice => twice(case, lakes),
            Self::Crash => crash(case, lakes),
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
pub fn bless(case: &Case, lakes: &dyn Lakes) -> Result<Blessed> {
    let lake = lakes.lake(case)?;
    let mut outcome = String::new();
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        outcome = run(case, &*lake)?.outcome(&case.table)?;
    }
    let changed = compare::bless(case, &*lake)?;
    Ok(Blessed { changed, outcome })
}

/// Runs the tables of a case.
fn run(case: &Case, lake: &dyn CaseLake) -> Result<Run> {
    lake.run(case)?.takes_in()
}

fn as_is(case: &Case, lakes: &dyn Lakes) -> Result<()> {
    let lake = lakes.lake(case)?;
    let mut last = None;
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        last = Some(run(case, &*lake)?);
    }
    compare::same(case, &*lake)?;
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
    let again = run(case, &*lake)?.outcome(&case.table)?;
    ensure!(again == "unchanged", "a run without anything new says {again}");
    Ok(())
}

fn reversed_one_by_one(case: &Case, lakes: &dyn Lakes) -> Result<()> {
    let lake = lakes.lake(case)?;
    for delivery in case.stages.iter().flat_map(|stage| stage.iter().rev()) {
        lake.deliver(delivery)?;
        run(case, &*lake)?;
    }
    compare::same(case, &*lake)
}

fn twice(case: &Case, lakes: &dyn Lakes) -> Result<()> {
    let lake = lakes.lake(case)?;
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        run(case, &*lake)?;
        let touched: Vec<Delivery> = stage
            .iter()
            .map(|delivery| delivery.clone().at(delivery.modified + TimeDelta::hours(1)))
            .collect();
        lake.deliver_all(&touched)?;
        run(case, &*lake)?;
    }
    compare::same(case, &*lake)
}

fn crash(case: &Case, lakes: &dyn Lakes) -> Result<()> {
    for death in lakes.deaths(case)? {
        let lake = lakes.lake(case)?;
        let mut has_died = false;
        for stage in &case.stages {
            lake.deliver_all(stage)?;
            let attempt = lake.run_until(&death, case)?;
            if attempt.died() {
                has_died = true;
            } else {
                attempt.takes_in()?;
            }
            run(case, &*lake).map_err(|error| error.context(format!("after a crash at {}", death.at)))?;
        }
        compare::same(case, &*lake)
            .map_err(|error| error.context(format!("after a crash at {}", death.at)))?;
        // A crash that never happens proves nothing.
        ensure!(
            has_died || !death.is_sure || case.says.outcome == "unchanged",
            "no run died at {}",
            death.at
        );
    }
    Ok(())
}
