//! A machine that refuses: no space, no right to write, a clock that goes backwards.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, ensure};
use marketlake_tests::jwo::{ACCOUNT, orders, report};
use marketlake_tests::{Delivery, LakeUnderTest, Run, instant, new_lake};

/// Somebody without rights.
const NOBODY: u32 = 65534;

fn three() -> [Delivery; 3] {
    [
        report("07:15", "A-1", "10.00"),
        report("07:30", "A-2", "20.00"),
        report("07:45", "A-1", "11.00"),
    ]
}

/// A call of the program with this shell command before it.
fn under(lake: &LakeUnderTest, shell: &str, arguments: &[&str]) -> Result<Run> {
    let program = lake.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")]);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(lake.path());
    Ok(command.output()?.into())
}

#[test]
fn a_disk_that_is_full_loses_nothing() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver_all(&three())?;
    // Files of no more than so many blocks of half a kilobyte; a larger one fails as on a full disk.
    for blocks in [0, 1, 4, 8, 12, 16] {
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}");
        let run = under(&lake, &limit, &["run", "--from", "2020-01-01"])?;
        ensure!(
            matches!(run.code, Some(0 | 1 | 3)),
            "{blocks}: {:?} {}",
            run.code,
            run.said()
        );
        if run.code == Some(1) {
            ensure!(run.said().contains("File too large"), "{blocks}: {}", run.said());
        }
    }
    lake.run(&[])?.exits_with(0)?;
    let total = |order: &str, total: &str| (order.to_owned(), total.to_owned());
    assert_eq!(orders(&lake)?, [total("A-1", "11.0000"), total("A-2", "20.0000")]);
    assert!(
        lake.quarantine("jwo.orders")?.is_empty(),
        "a full disk is no fault of an object"
    );
    Ok(())
}

#[test]
fn a_lake_that_cannot_be_written_is_an_error_and_can_be_read() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver_all(&three()[..2])?;
    lake.run(&[])?.exits_with(0)?;
    let wanted = orders(&lake)?;
    lake.deliver(&three()[2])?;
    let program = lake.path().join("marketlake");
    fs::copy(marketlake_tests::program()?, &program)?;
    let i_am_root = fs::metadata(lake.path())?.uid() == 0;
    if i_am_root {
        chown(lake.path(), Some(NOBODY), Some(NOBODY))?;
    }
    let mut writable = Vec::new();
    let mut folders = vec![lake.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o555))?;
        writable.push(folder);
    }
    let call = |arguments: &[&str]| -> Result<Run> {
        let like = lake.command(arguments);
        let mut command = Command::new(&program);
        command.args(like.get_args()).current_dir(lake.path());
        if i_am_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(command.output()?.into())
    };
    let run = call(&["run", "--from", "2020-01-01"]);
    let status = call(&["status"]);
    let query = call(&["query", "SELECT count(*) AS n FROM jwo.orders"]);
    for folder in writable {
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
    }
    let run = run?.exits_with(1)?;
    ensure!(run.said().contains("ermission denied"), "{}", run.said());
    status?.exits_with(0)?;
    query?.exits_with(0)?;
    assert_eq!(orders(&lake)?, wanted);
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?[0].1, "11.0000");
    Ok(())
}

#[test]
fn a_clock_that_goes_backwards_changes_no_result() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    lake.deliver_all(&three())?;
    // Later objects with earlier times of change, and one from the future.
    lake.deliver(&report("08:00", "A-1", "12.00").at(instant("2001-01-01T00:00:00Z")))?;
    lake.run(&[])?.exits_with(0)?;
    lake.deliver(&report("08:15", "A-2", "21.00").at(instant("2096-01-01T00:00:00Z")))?;
    lake.run(&[])?.exits_with(0)?;
    lake.deliver(&report("08:30", "A-2", "22.00").at(instant("1999-01-01T00:00:00Z")))?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(
        orders(&lake)?
            .iter()
            .map(|(_, total)| total.as_str())
            .collect::<Vec<_>>(),
        ["12.0000", "22.0000"]
    );
    lake.call(&["maintain"])?.exits_with(0)?;
    lake.call(&["status"])?.exits_with(0)?;
    Ok(())
}
