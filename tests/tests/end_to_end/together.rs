//! Several runners on one lake at the same time.

use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use marketlake_tests::demo::{Demo, assert_same, fingerprints};
use marketlake_tests::{LakeUnderTest, Run};

use crate::changes::assert_complete;

#[test]
fn two_runners_at_once_give_what_one_gives() -> Result<()> {
    together(2, "30s")
}

#[test]
fn four_impatient_runners_at_once_give_what_one_gives() -> Result<()> {
    together(4, "0s")
}

fn together(count: usize, patience: &str) -> Result<()> {
    let demo = Demo::of_days(1)?;
    let wanted = demo.undisturbed()?;
    let lake = demo.lake()?;
    let mut parts = demo.deliveries.chunks(demo.deliveries.len() / 3 + 1);
    for round in 0.. {
        ensure!(round < 50, "the runners still find something new");
        // What arrives later arrives while they are at work.
        if let Some(part) = parts.next() {
            lake.deliver_all(part)?;
        }
        let runners = (0..count)
            .map(|_| start(&lake, patience))
            .collect::<Result<Vec<_>>>()?;
        let runs = runners.into_iter().map(end).collect::<Result<Vec<_>>>()?;
        // Impatient runners may find each other busy for ever: one alone says whether anything is left.
        if parts.len() == 0 && runs.iter().all(is_quiet) && is_unchanged(&end(start(&lake, "30s")?)?) {
            break;
        }
    }
    assert_same(&wanted, &fingerprints(&lake)?);
    assert_complete(&lake)
}

fn start(lake: &LakeUnderTest, patience: &str) -> Result<Child> {
    let arguments = [
        "run",
        "--from",
        "2020-01-01",
        "--batch-objects",
        "40",
        "--busy-wait",
        patience,
    ];
    let mut command = lake.command(&arguments);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("a runner cannot be started")
}

fn end(child: Child) -> Result<Run> {
    let run = Run::from(child.wait_with_output()?);
    ensure!(
        matches!(run.code, Some(0 | 3)),
        "a runner ended with {:?}:\n{}",
        run.code,
        run.said()
    );
    let document = run.document()?;
    let waits = document["tables"]
        .as_array()
        .is_some_and(|all| all.iter().any(|table| table["outcome"] == "busy"));
    ensure!(
        waits == (run.code == Some(3)),
        "exit code 3 is for tables that another one has:\n{}",
        run.said()
    );
    Ok(run)
}

fn is_unchanged(run: &Run) -> bool {
    all_outcomes(run, &["unchanged"])
}

fn is_quiet(run: &Run) -> bool {
    all_outcomes(run, &["unchanged", "busy"])
}

fn all_outcomes(run: &Run, allowed: &[&str]) -> bool {
    let document = run.document().unwrap_or_default();
    document["tables"].as_array().is_some_and(|all| {
        all.iter().all(|table| {
            table["outcome"]
                .as_str()
                .is_some_and(|outcome| allowed.contains(&outcome))
        })
    })
}
