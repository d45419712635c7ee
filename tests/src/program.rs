//! The binary under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// Path of the `marketlake` binary of this build, which is built first where it is missing or old.
///
/// # Errors
///
/// When cargo cannot build it.
pub fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// Tests are at `<target>/<profile>/deps/<name>`, binaries at `<target>/<profile>/<name>`. Cargo sets no variable
/// with the path of another package's binary.
fn build() -> Result<PathBuf> {
    let this = std::env::current_exe().context("the test does not know where it is")?;
    let folder = this
        .ancestors()
        .nth(2)
        .context("the test is in no build folder")?;
    let target = folder.parent().context("the build folder has no parent")?;
    let profile = folder
        .file_name()
        .and_then(|name| name.to_str())
        .context("the build folder has no name")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells this test about its own package would look like a changed environment to build scripts.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().into_owned();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
            .iter()
            .any(|own| name.starts_with(own))
        {
            command.env_remove(variable);
        }
    }
    let built = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "marketlake",
            "--profile",
        ])
        .arg(if profile == "debug" { "dev" } else { profile })
        .arg("--target-dir")
        .arg(target)
        .output()
        .context("cargo cannot be started")?;
    ensure!(
        built.status.success(),
        "marketlake cannot be built:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    Ok(folder.join(format!("marketlake{}", std::env::consts::EXE_SUFFIX)))
}
