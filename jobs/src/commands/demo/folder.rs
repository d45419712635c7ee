//! The folder of the demo's lake.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pipeline::account::Account;
use serde::Serialize;

use crate::config::{Config, FILE_NAME, Options};
use crate::exit::usage;
use crate::notice;

/// First line of the configuration that the demo writes; it marks a lake that the demo may make anew.
const MARK: &str = "# Made by `marketlake demo`, which may overwrite this lake as long as this line is here.";

/// Sources of which the demo makes raw objects.
const SOURCES: [&str; 5] = ["ads", "ams", "jwo", "sp_api", "yojaka"];

/// A folder that belongs to the demo.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

#[derive(Serialize)]
struct File<'a> {
    lake: &'a str,
    /// So that hashed columns have values; what is demonstrated is no secret.
    personal_key: &'a str,
    account: &'a [Account],
}

impl Folder {
    /// Takes the lake's folder when it is new, empty, or made by an earlier demo; that one's work is removed.
    ///
    /// # Errors
    ///
    /// A usage error when anything else is there.
    pub(super) fn claim(config: &Config) -> Result<Self> {
        let folder = Self {
            path: config.lake.clone(),
        };
        let inside = config.settings.raw.to_file_path() == Ok(folder.raw())
            && config.settings.curated.to_file_path() == Ok(folder.path.join("curated"));
        if !inside {
            return Err(usage(
                "the demo makes its own raw and curated zone in the lake; leave raw and curated alone",
            ));
        }
        let shown = folder.path.display();
        let occupied = match fs::read_dir(&folder.path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        if occupied {
            if !folder.is_marked() {
                return Err(usage(format!(
                    "{shown} is not empty and was not made by a demo; name another folder with --lake"
                )));
            }
            folder.clear()?;
        }
        fs::create_dir_all(&folder.path).with_context(|| format!("{shown} cannot be made"))?;
        // Marked before anything else is in it, so that a demo that breaks off can be repeated.
        folder.write(format!("{MARK}\n"))?;
        Ok(folder)
    }

    fn is_marked(&self) -> bool {
        fs::read_to_string(self.config_file()).is_ok_and(|text| text.starts_with(MARK))
    }

    /// Removes what a demo makes, and nothing else: raw objects of other sources than its own stay.
    fn clear(&self) -> Result<()> {
        let raw = SOURCES.map(|source| self.raw().join(source));
        for zone in raw.into_iter().chain([self.path.join("curated")]) {
            match fs::remove_dir_all(&zone) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{} cannot be removed", zone.display()));
                }
                _ => {}
            }
        }
        // Where nothing else is in it.
        let _ = fs::remove_dir(self.raw());
        match fs::remove_file(notice::file_of(&self.path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("notices cannot be removed")
            }
            _ => Ok(()),
        }
    }

    /// Writes the configuration of a lake with these accounts.
    pub(super) fn write_config(&self, accounts: &[Account]) -> Result<()> {
        let file = File {
            lake: ".",
            personal_key: "demo",
            account: accounts,
        };
        let text = toml::to_string(&file).context("accounts cannot be written down")?;
        self.write(format!("{MARK}\n\n{text}"))
    }

    fn write(&self, text: String) -> Result<()> {
        let path = self.config_file();
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Root of the raw zone.
    pub(super) fn raw(&self) -> PathBuf {
        self.path.join("raw")
    }

    /// The configuration.
    pub(super) fn config_file(&self) -> PathBuf {
        self.path.join(FILE_NAME)
    }

    /// How a person calls the program on this lake from the current folder.
    pub(super) fn call(&self) -> String {
        let default = Options::defaults()
            .lake
            .and_then(|lake| std::path::absolute(lake).ok());
        if default.as_deref() == Some(self.path()) && !Path::new(FILE_NAME).exists() {
            "marketlake".to_owned()
        } else {
            format!("marketlake --lake {}", self.path.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lake: &Path) -> Config {
        let flags = Options {
            lake: Some(lake.to_string_lossy().into_owned()),
            ..Options::default()
        };
        Config::load(&flags, None).unwrap()
    }

    #[test]
    fn a_lake_with_other_things_in_it_is_refused_and_left_alone() {
        let lake = tempfile::tempdir().unwrap();
        let file = lake.path().join("curated");
        fs::write(&file, "precious").unwrap();
        let refused = Folder::claim(&config(lake.path())).unwrap_err().to_string();
        assert!(refused.contains("was not made by a demo"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(fs::read_dir(lake.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lake_of_an_earlier_demo_is_made_anew_but_strange_files_stay() {
        let lake = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&config(lake.path())).unwrap();
        fs::create_dir_all(folder.raw().join("jwo")).unwrap();
        fs::write(lake.path().join("mine.sql"), "SELECT 1").unwrap();
        Folder::claim(&config(lake.path())).unwrap();
        assert!(!folder.raw().exists());
        fs::create_dir_all(folder.raw().join("shop")).unwrap();
        fs::create_dir_all(folder.raw().join("ams")).unwrap();
        Folder::claim(&config(lake.path())).unwrap();
        assert!(folder.raw().join("shop").exists() && !folder.raw().join("ams").exists());
        assert!(lake.path().join("mine.sql").exists());
    }

    #[test]
    fn zones_outside_the_lake_are_refused() {
        let lake = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(lake.path().join(name).to_string_lossy().into_owned());
        let flags = Options {
            lake: path("lake"),
            raw: path("elsewhere"),
            ..Options::default()
        };
        let config = Config::load(&flags, None).unwrap();
        assert!(
            Folder::claim(&config)
                .unwrap_err()
                .to_string()
                .contains("leave raw and curated alone")
        );
    }

    #[test]
    fn the_configuration_that_is_written_can_be_read() {
        let lake = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&config(lake.path())).unwrap();
        let account: Account =
            toml::from_str("alias = \"corner\"\nsource = \"jwo\"\nsince = \"2026-03-01\"").unwrap();
        folder.write_config(std::slice::from_ref(&account)).unwrap();
        let read = Config::load(&Options::default(), Some(&folder.config_file())).unwrap();
        assert_eq!(read.accounts, [account]);
        assert_eq!(read.lake, folder.path());
    }
}
