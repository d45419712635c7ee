//! Places and objects that cannot be read: what they hold is missing, and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use marketlake_tests::jwo::{orders, report};
use marketlake_tests::{Delivery, LakeUnderTest, Run, new_lake};

const ORDERS: &str = "jwo.orders";
/// Somebody without rights.
const NOBODY: u32 = 65534;
const ACCOUNTS: &str = "[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n\
                        [[account]]\nalias = \"market\"\nsource = \"jwo\"\n";

/// A lake that belongs to somebody without rights, who runs the program, too: to others nothing is refused.
struct Poor {
    lake: LakeUnderTest,
    program: PathBuf,
    i_am_root: bool,
}

impl Poor {
    fn new() -> Result<Self> {
        let lake = new_lake(ACCOUNTS)?;
        let program = lake.path().join("marketlake");
        let built = marketlake_tests::program()?;
        if fs::hard_link(&built, &program).is_err() {
            fs::copy(&built, &program)?;
        }
        let i_am_root = fs::metadata(lake.path())?.uid() == 0;
        Ok(Self {
            lake,
            program,
            i_am_root,
        })
    }

    fn deliver(&self, delivery: &Delivery) -> Result<PathBuf> {
        self.lake.deliver(delivery)?;
        Ok(self.lake.raw().join(&delivery.key))
    }

    fn call(&self, arguments: &[&str]) -> Result<Run> {
        let like = self.lake.command(arguments);
        let mut command = Command::new(&self.program);
        command.args(like.get_args()).current_dir(self.lake.path());
        if self.i_am_root {
            give(self.lake.path(), &self.program)?;
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(command.output()?.into())
    }

    fn run(&self) -> Result<Run> {
        self.call(&["run", "--from", "2020-01-01"])
    }
}

/// Gives all that lies in a folder to [`NOBODY`], but for one file.
fn give(folder: &Path, but: &Path) -> Result<()> {
    lchown(folder, Some(NOBODY), Some(NOBODY))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), but)?;
        } else if entry.path() != but {
            lchown(entry.path(), Some(NOBODY), Some(NOBODY))?;
        }
    }
    Ok(())
}

fn market(time: &str, order: &str, total: &str) -> Delivery {
    let mut delivery = report(time, order, total);
    delivery.key = delivery.key.replace("corner", "market");
    delivery
}

fn allow(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

fn messages(run: &Run) -> Result<String> {
    Ok(run.about(ORDERS)?["messages"].to_string())
}

#[test]
fn a_folder_that_cannot_be_listed_is_told_with_its_account_and_all_else_goes_in() -> Result<()> {
    let poor = Poor::new()?;
    poor.deliver(&report("07:15", "A-1", "10.00"))?;
    poor.deliver(&market("07:15", "B-1", "20.00"))?;
    let closed = poor.lake.raw().join("jwo/market");
    allow(&closed, 0)?;
    let run = poor.run();
    allow(&closed, 0o755)?;
    let run = run?.exits_with(1)?;
    let said = messages(&run)?;
    ensure!(
        said.contains("account: market") && said.contains("ermission denied"),
        "{said}"
    );
    ensure!(!said.contains("corner"), "{said}");
    assert_eq!(orders(&poor.lake)?.len(), 1);
    poor.run()?.exits_with(0)?;
    assert_eq!(orders(&poor.lake)?.len(), 2);
    Ok(())
}

#[test]
fn an_object_that_is_refused_holds_up_nothing_and_comes_in_when_it_can_be_read() -> Result<()> {
    let poor = Poor::new()?;
    poor.deliver(&report("07:15", "A-1", "10.00"))?;
    let closed = poor.deliver(&market("07:15", "B-1", "20.00"))?;
    allow(&closed, 0)?;
    for _ in 0..2 {
        let run = poor.run()?.exits_with(1)?;
        ensure!(messages(&run)?.contains("ALL15.csv000"), "{}", messages(&run)?);
    }
    let run = poor.run()?.exits_with(3)?;
    assert_eq!(run.outcome(ORDERS)?, "held");
    ensure!(
        messages(&run)?.contains("jwo/market/Order"),
        "{}",
        messages(&run)?
    );
    assert_eq!(orders(&poor.lake)?.len(), 1);
    // It is said as long as it is so, and what comes after it goes in.
    poor.deliver(&report("07:30", "A-2", "11.00"))?;
    let run = poor.run()?.exits_with(3)?;
    ensure!(
        messages(&run)?.contains("jwo/market/Order"),
        "{}",
        messages(&run)?
    );
    assert_eq!(orders(&poor.lake)?.len(), 2);
    let waits = poor.lake.quarantine(ORDERS)?;
    ensure!(
        waits.len() == 1 && waits[0].object.contains("market"),
        "{waits:?}"
    );
    let run = poor.run()?.exits_with(3)?;
    assert_eq!(run.about(ORDERS)?["batches"], 0);

    allow(&closed, 0o644)?;
    poor.run()?.exits_with(0)?;
    assert_eq!(orders(&poor.lake)?.len(), 3);
    ensure!(poor.lake.quarantine(ORDERS)?.is_empty());
    let run = poor.run()?.exits_with(0)?;
    assert_eq!(run.outcome(ORDERS)?, "unchanged");
    Ok(())
}

#[test]
fn a_table_is_not_made_anew_without_an_object_that_is_refused() -> Result<()> {
    let poor = Poor::new()?;
    poor.deliver(&report("07:15", "A-1", "10.00"))?;
    let closed = poor.deliver(&market("07:15", "B-1", "20.00"))?;
    poor.run()?.exits_with(0)?;
    allow(&closed, 0)?;
    for _ in 0..4 {
        let run = poor.call(&["rebuild", ORDERS])?.exits_with(1)?;
        ensure!(run.said().contains("market"), "{}", run.said());
    }
    assert_eq!(orders(&poor.lake)?.len(), 2);
    allow(&closed, 0o644)?;
    poor.call(&["rebuild", ORDERS])?.exits_with(0)?;
    assert_eq!(orders(&poor.lake)?.len(), 2);
    Ok(())
}

#[test]
fn a_raw_zone_that_is_not_there_makes_no_rejects() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    lake.deliver(&market("07:15", "B-1", "20.00"))?;
    ensure!(lake.run_until("after_claim", &[])?.died());
    let away = lake.path().join("away");
    fs::rename(lake.raw(), &away)?;
    for attempt in 0..5 {
        // What a place looks like on which nothing is mounted.
        if attempt == 1 {
            fs::create_dir(lake.raw())?;
        }
        let run = lake.run(&[])?.exits_with(1)?;
        ensure!(
            messages(&run)?.contains("no object of the batch is there"),
            "{}",
            messages(&run)?
        );
    }
    fs::remove_dir(lake.raw())?;
    fs::rename(&away, lake.raw())?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 2);
    ensure!(lake.quarantine(ORDERS)?.is_empty());
    Ok(())
}

#[test]
fn a_batch_of_which_everything_is_gone_waits_for_some_runs_and_not_for_ever() -> Result<()> {
    let lake = new_lake(ACCOUNTS)?;
    lake.deliver(&report("07:15", "A-1", "10.00"))?;
    ensure!(lake.run_until("after_claim", &[])?.died());
    fs::remove_file(lake.raw().join(report("07:15", "A-1", "10.00").key))?;
    lake.deliver(&market("07:15", "B-1", "20.00"))?;
    let mut runs = 0;
    while lake.run(&[])?.code == Some(1) {
        runs += 1;
        ensure!(runs < 10, "it waits for ever");
    }
    ensure!(runs >= 2, "it was rejected after {runs} runs");
    assert_eq!(orders(&lake)?.len(), 1);
    let rejects = lake.quarantine(ORDERS)?;
    ensure!(
        rejects.len() == 1 && rejects[0].reason.contains("gone"),
        "{rejects:?}"
    );
    Ok(())
}
