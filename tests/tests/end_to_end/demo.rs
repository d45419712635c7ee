//! `marketlake demo`, and the raw zone that it makes, as deliveries.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use marketlake_tests::{Run, empty_lake};

#[test]
fn a_demo_dies_twice_and_finds_true_whatever_it_checks() -> Result<()> {
    let lake = empty_lake()?;
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
