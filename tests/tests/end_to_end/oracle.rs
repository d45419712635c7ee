//! The tables, read and computed by an engine that shares no code with this program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use marketlake_tests::demo::Demo;

#[test]
fn duckdb_computes_the_same_tables_from_the_raw_files_and_reads_ours() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle");
    let python = environment(&folder)?;
    let demo = Demo::of_days(4)?;
    let lake = demo.lake()?;
    lake.deliver_all(&demo.deliveries)?;
    for day in &demo.days {
        let day = day.to_string();
        lake.call(&["run", "--from", &day, "--to", &day])?.takes_in()?;
    }
    let configuration: toml::Table = toml::from_str(&demo.configuration)?;
    let accounts = lake.path().join("accounts.json");
    fs::write(
        &accounts,
        serde_json::to_string(configuration.get("account").context("the demo has no accounts")?)?,
    )?;
    let key = configuration
        .get("personal_key")
        .and_then(toml::Value::as_str)
        .context("the demo has no key")?;
    let compared = Command::new(&python)
        .arg(folder.join("compare.py"))
        .arg("--raw")
        .arg(lake.raw())
        .arg("--curated")
        .arg(lake.path().join("curated"))
        .arg("--accounts")
        .arg(&accounts)
        .args(["--personal-key", key])
        .output()?;
    let said = String::from_utf8_lossy(&compared.stdout);
    ensure!(
        compared.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&compared.stderr)
    );
    Ok(())
}

/// Python with the packages that a folder pins, in a folder beside the build; made when it is not there or the pins changed.
pub(crate) fn environment(folder: &Path) -> Result<PathBuf> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let requirements = folder.join("requirements.txt");
    let pins = fs::read_to_string(&requirements)?;
    let program = marketlake_tests::program()?;
    let name = folder.file_name().context("the folder has no name")?;
    let place = program
        .parent()
        .context("the program is in no folder")?
        .join(format!("{}-python", name.display()));
    let (python, mark) = (place.join("bin/python"), place.join("installed.txt"));
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == pins) {
        return Ok(python);
    }
    let missing =
        "this test needs python3 (3.9 or later) with its module venv: install python3 and python3-venv";
    run(
        "python3",
        &[
            OsStr::new("-m"),
            "venv".as_ref(),
            "--clear".as_ref(),
            place.as_os_str(),
        ],
    )
    .context(missing)?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]
    .map(OsStr::new);
    run(
        &python,
        &[install.as_slice(), &[requirements.as_os_str()]].concat(),
    )
    .context(format!(
        "the packages in {} could not be installed: is a package index reachable?",
        requirements.display()
    ))?;
    fs::write(&mark, pins)?;
    Ok(python)
}

fn run(program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> Result<()> {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    ensure!(
        output.status.success(),
        "{} {arguments:?} failed:\n{}{}",
        program.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
