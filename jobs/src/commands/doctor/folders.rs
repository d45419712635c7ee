//! Folders of this machine that a lake is in, or that work is put down in.

use std::path::{Path, PathBuf};

use aws::Check;
use url::Url;

use crate::config::Config;

/// Looks at the zones that are folders, and at the one for what does not fit into memory.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(raw) = folder(&config.settings.raw) {
        checks.push(read("raw zone", &raw));
    }
    for (what, zone) in [
        ("curated zone", &config.settings.curated),
        ("notices", &config.lake),
    ] {
        if let Some(zone) = folder(zone) {
            checks.push(written(what, &zone));
        }
    }
    let spill = config.settings.spill_dir.clone();
    let spill = spill.unwrap_or_else(std::env::temp_dir);
    checks.push(match tempfile::tempfile_in(&spill) {
        Ok(_) => Check::ok("spill_dir", spill.display().to_string()),
        Err(error) => Check::failed(
            "spill_dir",
            format!(
                "no file can be made in {}: {error}; set spill_dir to a folder that takes some",
                spill.display()
            ),
        ),
    });
    checks
}

fn folder(zone: &Url) -> Option<PathBuf> {
    zone.to_file_path().ok()
}

fn read(what: &str, folder: &Path) -> Check {
    let shown = folder.display().to_string();
    match std::fs::read_dir(folder) {
        Ok(_) => Check::ok(what, shown),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::skipped(what, format!("{shown} is not there yet"))
        }
        Err(error) => Check::failed(what, format!("{shown} cannot be read: {error}")),
    }
}

/// Whether files can be made in a folder, or where it would be made. The one that is tried has no name.
fn written(what: &str, folder: &Path) -> Check {
    let there = folder
        .ancestors()
        .find(|ancestor| ancestor.is_dir())
        .unwrap_or(folder);
    match tempfile::tempfile_in(there) {
        Ok(_) => Check::ok(what, folder.display().to_string()),
        Err(error) => Check::failed(
            what,
            format!("no file can be made in {}: {error}", there.display()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws::State;

    #[test]
    fn a_folder_is_looked_at_where_it_is_or_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let not_there = folder.path().join("a/b");
        assert_eq!(written("x", &not_there).state, State::Ok);
        assert_eq!(read("x", &not_there).state, State::Skipped);
        assert_eq!(read("x", folder.path()).state, State::Ok);
        let nowhere = Path::new("/proc/nowhere/lake");
        let refused = written("x", nowhere);
        assert_eq!(refused.state, State::Failed);
        assert!(refused.said.contains("/proc"), "{}", refused.said);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
