//! The ways in which the objects of a case arrive.

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use marketlake_tests::Delivery;
use pipeline::failpoint;

use crate::case::Case;
use crate::compare;

/// Checks a case in one way.
type Check = fn(&Case) -> Result<()>;

/// Every way by its name.
pub(crate) const ALL: &[(&str, Check)] = &[
    ("as_is", as_is),
    ("reversed_one_by_one", reversed_one_by_one),
    ("twice", twice),
    ("crash", crash),
];

fn as_is(case: &Case) -> Result<()> {
    let lake = case.lake()?;
    let mut last = None;
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        last = Some(lake.run(&case.tables())?.exits_with(0)?);
    }
    if compare::blessing() {
        return compare::bless(case, &lake);
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
    let again = lake.run(&case.tables())?.exits_with(0)?.outcome(&case.table)?;
    ensure!(again == "unchanged", "a run without anything new says {again}");
    Ok(())
}

fn reversed_one_by_one(case: &Case) -> Result<()> {
    if compare::blessing() {
        return Ok(());
    }
    let lake = case.lake()?;
    for delivery in case.stages.iter().flat_map(|stage| stage.iter().rev()) {
        lake.deliver(delivery)?;
        lake.run(&case.tables())?.exits_with(0)?;
    }
    compare::same(case, &lake)
}

fn twice(case: &Case) -> Result<()> {
    if compare::blessing() {
        return Ok(());
    }
    let lake = case.lake()?;
    for stage in &case.stages {
        lake.deliver_all(stage)?;
        lake.run(&case.tables())?.exits_with(0)?;
        let touched: Vec<Delivery> = stage
            .iter()
            .map(|delivery| delivery.clone().at(delivery.modified + TimeDelta::hours(1)))
            .collect();
        lake.deliver_all(&touched)?;
        lake.run(&case.tables())?.exits_with(0)?;
    }
    compare::same(case, &lake)
}

fn crash(case: &Case) -> Result<()> {
    if compare::blessing() {
        return Ok(());
    }
    let mut deaths = Vec::new();
    for point in failpoint::ALL {
        let lake = case.lake()?;
        for stage in &case.stages {
            lake.deliver_all(stage)?;
            let run = lake.run_until(point, &case.tables())?;
            if run.died() {
                deaths.push(*point);
            } else {
                run.exits_with(0)?;
            }
            lake.run(&case.tables())?.exits_with(0)?;
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
