//! The lake of the demo: a folder, or a bucket whose objects are made in a folder first.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pipeline::Stores;
use pipeline::account::Account;
use serde::Serialize;
use tempfile::TempDir;
use url::Url;

use crate::at_aws::AtAws;
use crate::buckets;
use crate::config::{Config, FILE_NAME, Options, WhichCatalog};
use crate::exit::usage;
use crate::notice;

/// First line of the configuration that the demo writes; it marks a lake that the demo may make anew.
const MARK: &str = "# Made by `marketlake demo`, which may overwrite this lake as long as this line is here.";

/// The configuration of a lake in a bucket, in the current folder.
const OF_BUCKET: &str = "marketlake-demo.toml";

/// Sources of which the demo makes raw objects.
const SOURCES: [&str; 5] = ["ads", "ams", "jwo", "sp_api", "yojaka"];

/// A lake that belongs to the demo.
#[derive(Debug)]
pub(super) struct Folder {
    /// Where the lake is.
    lake: Url,
    /// What the configuration says of buckets, so that it holds for who uses it later.
    region: Option<String>,
    kms_key: Option<String>,
    /// The databases of Glue, where that is the catalog.
    databases: Option<String>,
    /// The folder that raw objects are made in.
    path: PathBuf,
    /// The configuration.
    file: PathBuf,
    stores: Stores,
    /// Where the lake is in a bucket: what is made is gone with it, once it was delivered.
    temporary: Option<TempDir>,
}

#[derive(Serialize)]
struct File<'a> {
    lake: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog: Option<WhichCatalog>,
    #[serde(skip_serializing_if = "Option::is_none")]
    glue_database: Option<&'a str>,
    /// So that hashed columns have values; what is demonstrated is no secret.
    personal_key: &'a str,
    account: &'a [Account],
}

impl Folder {
    /// Takes the lake when it is new, empty, or made by an earlier demo; that one's work is removed.
    ///
    /// # Errors
    ///
    /// A usage error when anything else is there.
    pub(super) async fn claim(config: &Config, at_aws: &AtAws) -> Result<Self> {
        let zone = |name| Url::parse(&format!("{}/{name}", config.lake.as_str().trim_end_matches('/')));
        if config.settings.raw != zone("raw")? || config.settings.curated != zone("curated")? {
            return Err(usage(
                "the demo makes its own raw and curated zone in the lake; leave raw and curated alone",
            ));
        }
        let folder = Self::of(config, at_aws).await?;
        folder.make_way().await?;
        // Marked before anything else is in it, so that a demo that breaks off can be repeated.
        folder.write(format!("{MARK}\n")).await?;
        Ok(folder)
    }

    async fn of(config: &Config, at_aws: &AtAws) -> Result<Self> {
        let stores = buckets::stores(config, at_aws).await?;
        let local = config.lake_folder();
        let temporary = match &local {
            Some(_) => None,
            None => Some(TempDir::new().context("there is no temporary folder for what the demo makes")?),
        };
        let path = local.or(temporary.as_ref().map(|folder| folder.path().to_owned()));
        let path = path.context("the demo has no folder to work in")?;
        Ok(Self {
            lake: config.lake.clone(),
            region: config.region.clone(),
            kms_key: config.kms_key.clone(),
            databases: (config.catalog == WhichCatalog::Glue).then(|| config.databases.to_string()),
            file: match &temporary {
                Some(_) => PathBuf::from(OF_BUCKET),
                None => path.join(FILE_NAME),
            },
            path,
            stores,
            temporary,
        })
    }

    /// Removes what an earlier demo left, or refuses what somebody else has there.
    async fn make_way(&self) -> Result<()> {
        let is_marked = |text: &[u8]| text.starts_with(MARK.as_bytes());
        if self.is_in_bucket() {
            let mine = self.stores.read(&self.lake, FILE_NAME).await?;
            if !mine.is_some_and(|text| is_marked(&text)) && !self.stores.is_empty(&self.lake).await? {
                return Err(self.is_taken(&format!("name another prefix with --lake than {}", self.lake)));
            }
            if fs::read(&self.file).is_ok_and(|text| !is_marked(&text)) {
                return Err(self.is_taken(&format!(
                    "{OF_BUCKET} is in this folder; call it from another one"
                )));
            }
            return self.clear().await;
        }
        let shown = self.path.display();
        let occupied = match fs::read_dir(&self.path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        if occupied {
            if !fs::read(&self.file).is_ok_and(|text| is_marked(&text)) {
                return Err(self.is_taken(&format!("{shown}: name another folder with --lake")));
            }
            self.clear().await?;
        }
        fs::create_dir_all(&self.path).with_context(|| format!("{shown} cannot be made"))
    }

    fn is_taken(&self, way_out: &str) -> anyhow::Error {
        usage(format!(
            "what is there is not empty and was not made by a demo; {way_out}"
        ))
    }

    /// Removes what a demo makes, and nothing else: raw objects of other sources than its own stay.
    async fn clear(&self) -> Result<()> {
        let raw = SOURCES.map(|source| format!("raw/{source}"));
        let raw = raw.iter().map(String::as_str);
        for name in raw.chain(["curated", notice::FOLDER]) {
            self.stores.remove(&self.lake, name).await?;
        }
        if self.is_in_bucket() {
            return Ok(());
        }
        // Where nothing else is in it.
        let _ = fs::remove_dir(self.raw());
        match fs::remove_file(notice::of_lake(&self.path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("notices cannot be removed")
            }
            _ => Ok(()),
        }
    }

    /// Brings the raw objects that were made to where the lake is, and writes the configuration of a lake with these
    /// accounts.
    pub(super) async fn deliver(&self, accounts: &[Account]) -> Result<()> {
        if self.is_in_bucket() {
            let made = Url::from_directory_path(self.raw()).ok();
            let made = made.context("the temporary folder has no absolute path")?;
            let raw = Url::parse(&format!("{}/raw", self.lake.as_str().trim_end_matches('/')))?;
            self.stores.copy(&made, &raw).await?;
        }
        let file = File {
            lake: if self.is_in_bucket() {
                self.lake.as_str()
            } else {
                "."
            },
            region: self.region.as_deref(),
            kms_key: self.kms_key.as_deref(),
            catalog: self.databases.as_ref().map(|_| WhichCatalog::Glue),
            glue_database: self.databases.as_deref(),
            personal_key: "demo",
            account: accounts,
        };
        let text = toml::to_string(&file).context("accounts cannot be written down")?;
        self.write(format!("{MARK}\n\n{text}")).await
    }

    async fn write(&self, text: String) -> Result<()> {
        if self.is_in_bucket() {
            self.stores.write(&self.lake, FILE_NAME, text.clone()).await?;
        }
        fs::write(&self.file, text).with_context(|| format!("{} cannot be written", self.file.display()))
    }

    fn is_in_bucket(&self) -> bool {
        self.temporary.is_some()
    }

    /// The lake, as people write it.
    pub(super) fn shown(&self) -> String {
        match self.is_in_bucket() {
            true => self.lake.as_str().trim_end_matches('/').to_owned(),
            false => self.path.display().to_string(),
        }
    }

    /// The folder in which raw objects are made.
    pub(super) fn raw(&self) -> PathBuf {
        self.path.join("raw")
    }

    /// The configuration.
    pub(super) fn config_file(&self) -> &Path {
        &self.file
    }

    /// Where it is told what runs did.
    pub(super) fn notices(&self) -> String {
        match self.is_in_bucket() {
            true => format!("{}/{}/", self.shown(), notice::FOLDER),
            false => notice::of_lake(&self.path).display().to_string(),
        }
    }

    /// How a person calls the program on this lake from the current folder.
    pub(super) fn call(&self) -> String {
        if self.is_in_bucket() {
            return format!("marketlake --config {OF_BUCKET}");
        }
        let default = Options::defaults()
            .lake
            .and_then(|lake| std::path::absolute(lake).ok());
        if default.as_deref() == Some(&*self.path) && !Path::new(FILE_NAME).exists() {
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

    #[tokio::test]
    async fn a_lake_with_other_things_in_it_is_refused_and_left_alone() {
        let lake = tempfile::tempdir().unwrap();
        let file = lake.path().join("curated");
        fs::write(&file, "precious").unwrap();
        let refused = Folder::claim(&config(lake.path()), &AtAws::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("was not made by a demo"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(fs::read_dir(lake.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_lake_of_an_earlier_demo_is_made_anew_but_strange_files_stay() {
        let lake = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&config(lake.path()), &AtAws::default())
            .await
            .unwrap();
        fs::create_dir_all(folder.raw().join("jwo")).unwrap();
        fs::write(lake.path().join("mine.sql"), "SELECT 1").unwrap();
        Folder::claim(&config(lake.path()), &AtAws::default())
            .await
            .unwrap();
        assert!(!folder.raw().exists());
        fs::create_dir_all(folder.raw().join("shop")).unwrap();
        fs::create_dir_all(folder.raw().join("ams")).unwrap();
        Folder::claim(&config(lake.path()), &AtAws::default())
            .await
            .unwrap();
        assert!(folder.raw().join("shop").exists() && !folder.raw().join("ams").exists());
        assert!(lake.path().join("mine.sql").exists());
    }

    #[tokio::test]
    async fn zones_outside_the_lake_are_refused() {
        let lake = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(lake.path().join(name).to_string_lossy().into_owned());
        let flags = Options {
            lake: path("lake"),
            raw: path("elsewhere"),
            ..Options::default()
        };
        let config = Config::load(&flags, None).unwrap();
        assert!(
            Folder::claim(&config, &AtAws::default())
                .await
                .unwrap_err()
                .to_string()
                .contains("leave raw and curated alone")
        );
    }

    #[tokio::test]
    async fn the_configuration_that_is_written_can_be_read() {
        let lake = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&config(lake.path()), &AtAws::default())
            .await
            .unwrap();
        let account: Account =
            toml::from_str("alias = \"corner\"\nsource = \"jwo\"\nsince = \"2026-03-01\"").unwrap();
        folder.deliver(std::slice::from_ref(&account)).await.unwrap();
        let read = Config::load(&Options::default(), Some(folder.config_file())).unwrap();
        assert_eq!(read.accounts, [account]);
        assert_eq!(read.lake_folder().as_deref(), Some(lake.path()));
    }
}
