//! Lakes in folders of any name, moved ones, and ones that are reached by another way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use marketlake_tests::jwo::{ACCOUNT, report};
use marketlake_tests::{Delivery, LakeUnderTest, Run, empty_lake};

const ORDERS: &str = "jwo.orders";

/// A lake in a folder below that of another one.
struct Placed {
    around: LakeUnderTest,
    place: PathBuf,
}

impl Placed {
    fn new(name: &str) -> Result<Self> {
        let around = empty_lake()?;
        let place = around.path().join(name);
        fs::create_dir(&place)?;
        fs::write(place.join("marketlake.toml"), ACCOUNT)?;
        Ok(Self { around, place })
    }

    fn deliver(&self, delivery: &Delivery) -> Result<()> {
        let file = self.place.join("raw").join(&delivery.key);
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        Ok(fs::write(file, &delivery.bytes)?)
    }

    fn command_in(&self, place: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.around.command(&[]).get_program());
        command.arg("--lake").arg(place);
        command.args(["--log", "warn", "--json"]).args(arguments);
        command.current_dir(self.around.path());
        command
    }

    fn call(&self, arguments: &[&str]) -> Result<Run> {
        Ok(self.command_in(&self.place, arguments).output()?.into())
    }

    fn run(&self) -> Result<Run> {
        self.call(&["run"])?.exits_with(0)
    }

    fn orders(&self) -> Result<String> {
        let sql = "SELECT order_id, order_total FROM jwo.orders ORDER BY order_id";
        Ok(self.call(&["query", sql])?.exits_with(0)?.stdout)
    }

    fn move_to(&mut self, name: &str) -> Result<()> {
        let to = self.around.path().join(name);
        fs::rename(&self.place, &to)?;
        self.place = to;
        Ok(())
    }
}

#[test]
fn a_lake_lives_in_a_folder_of_any_name() -> Result<()> {
    for name in ["a%20b", "100%", "%2F", "a b#1?x", "ü ä", "[x]{y}~'"] {
        let lake = Placed::new(name)?;
        for (time, order) in [("07:15", "A-1"), ("07:30", "A-2"), ("07:45", "A-3")] {
            lake.deliver(&report(time, order, "10.00"))?;
            assert_eq!(lake.run()?.outcome(ORDERS)?, "updated", "{name}");
        }
        assert_eq!(lake.run()?.outcome(ORDERS)?, "unchanged", "{name}");
        lake.call(&["maintain"])?.exits_with(0)?;
        lake.call(&["rebuild", ORDERS])?.exits_with(0)?;
        lake.call(&["status"])?.exits_with(0)?;
        let orders = lake.orders()?;
        ensure!(
            ["A-1", "A-2", "A-3"].iter().all(|order| orders.contains(order)),
            "{name}: {orders}"
        );
        let key = report("07:15", "A-1", "10.00").key;
        let why = lake.call(&["why", &key])?.exits_with(0)?;
        ensure!(why.stdout.contains("in_table"), "{name}: {}", why.stdout);
    }
    Ok(())
}

#[test]
fn a_lake_that_was_moved_or_linked_takes_nothing_in_again() -> Result<()> {
    let mut lake = Placed::new("here")?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    lake.run()?;
    let before = lake.orders()?;
    lake.move_to("there")?;
    assert_eq!(lake.run()?.outcome(ORDERS)?, "unchanged");
    let link = lake.around.path().join("link");
    symlink(&lake.place, &link)?;
    let by_link: Run = lake.command_in(&link, &["run"]).output()?.into();
    assert_eq!(by_link.exits_with(0)?.outcome(ORDERS)?, "unchanged");
    // What it has taken in is still found.
    lake.call(&["rebuild", ORDERS])?.exits_with(0)?;
    assert_eq!(lake.orders()?, before);
    for name in [
        report("07:15", "A-1", "10.00").key,
        lake.place
            .join("raw")
            .join(report("07:15", "A-1", "10.00").key)
            .display()
            .to_string(),
    ] {
        let why = lake.call(&["why", &name])?.exits_with(0)?;
        ensure!(why.stdout.contains("in_table"), "{name}: {}", why.stdout);
    }
    Ok(())
}

#[test]
fn a_batch_that_was_claimed_before_a_lake_was_moved_is_taken_in_and_its_rejects_come_again() -> Result<()> {
    let mut lake = Placed::new("here")?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    lake.deliver(&report("07:30", "A-2", "no money"))?;
    let mut dies = lake.command_in(&lake.place, &["run"]);
    let died: Run = dies.env("MARKETLAKE_FAILPOINT", "after_claim").output()?.into();
    ensure!(died.died());
    lake.move_to("there")?;
    lake.run()?;
    ensure!(lake.orders()?.contains("A-1"), "{}", lake.orders()?);
    let rejects = |lake: &Placed| -> Result<String> {
        Ok(lake
            .call(&["quarantine", "show", "--table", ORDERS])?
            .exits_with(0)?
            .stdout)
    };
    ensure!(rejects(&lake)?.contains("no money"), "{}", rejects(&lake)?);
    lake.move_to("elsewhere")?;
    let replay = lake.call(&["quarantine", "replay"])?;
    assert_eq!(replay.about(ORDERS)?["counts"]["objects"], 1);
    ensure!(rejects(&lake)?.contains("no money"), "{}", rejects(&lake)?);
    Ok(())
}

#[test]
fn rejects_of_an_object_that_is_gone_stay_after_a_replay() -> Result<()> {
    let lake = Placed::new("here")?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    lake.deliver(&report("07:30", "A-2", "no money"))?;
    lake.run()?;
    fs::remove_file(lake.place.join("raw").join(report("07:30", "A-2", "").key))?;
    let replay = lake.call(&["quarantine", "replay"])?.exits_with(0)?;
    let about = replay.about(ORDERS)?;
    ensure!(
        about["messages"].to_string().contains("their rejects stay"),
        "{about}"
    );
    assert_eq!(about["batches"], 0);
    let rejects = lake
        .call(&["quarantine", "show", "--table", ORDERS])?
        .exits_with(0)?
        .stdout;
    ensure!(rejects.contains("no money"), "{rejects}");
    Ok(())
}
