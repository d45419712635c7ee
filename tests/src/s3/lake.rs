//! A lake in a bucket that processes of the program work on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use cases::{Delivery, Run, contracts};
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use pipeline::Stores;
use pipeline::lake::Lake;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

use super::{KEY_ID, PASS, Proxy, SECRET, Server, TOKEN};
use crate::bucket::{quarantine, rows, settings};
use crate::demo::of_tables;
use crate::program;

/// The bucket of lakes.
const BUCKET: &str = "lake";
const REGION: &str = "us-east-1";
const ROOT: &str = "s3://lake/prod/";

/// Variables that look like settings of a store, and are none.
const HOSTILE: [(&str, &str); 9] = [
    ("TOKEN", "other"),
    ("SESSION_TOKEN", "other"),
    ("REGION", "nowhere"),
    ("BUCKET", "other"),
    ("ENDPOINT", "http://127.0.0.1:1"),
    ("ENDPOINT_URL", "http://127.0.0.1:1"),
    ("ALLOW_HTTP", "false"),
    ("CONDITIONAL_PUT", "disabled"),
    ("SKIP_SIGNATURE", "true"),
];

/// A lake in the bucket `lake` of a server, which the program sees through a proxy and this process directly.
pub struct S3Lake {
    folder: TempDir,
    program: PathBuf,
    proxy: String,
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    contracts: Option<PathBuf>,
    personal_key: Option<String>,
    /// Whether calls are given the key itself, which has no token and does not end.
    has_key: bool,
    /// Whatever calls said, one after another.
    said: Mutex<String>,
}

impl S3Lake {
    /// A lake with this configuration, wherever that says that the lake is, in a folder of its own.
    ///
    /// # Errors
    ///
    /// When the program cannot be built, or what the file system refuses.
    pub fn new(server: &Server, proxy: &Proxy, configuration: &str) -> Result<Self> {
        let mut configuration: toml::Table = toml::from_str(configuration)?;
        configuration.insert("lake".to_owned(), ROOT.into());
        let folder = TempDir::new().context("no temporary folder")?;
        fs::write(
            folder.path().join("marketlake.toml"),
            toml::to_string(&configuration)?,
        )?;
        let text = |key: &str| configuration.get(key).and_then(|value| value.as_str());
        Ok(Self {
            contracts: text("contracts").map(|contracts| folder.path().join(contracts)),
            personal_key: text("personal_key").map(str::to_owned),
            has_key: false,
            folder,
            program: program()?,
            proxy: proxy.uri(),
            store: Arc::new(server.store(BUCKET, REGION)?),
            runtime: Runtime::new()?,
            said: Mutex::default(),
        })
    }

    /// The same, whose calls are given the key itself, without a token, which some servers do not know.
    #[must_use]
    pub fn with_key(self) -> Self {
        Self {
            has_key: true,
            ..self
        }
    }

    /// The folder of the configuration, the current one of calls.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A call of the program that knows of its credentials where to ask for them, unless it has a key.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("MARKETLAKE_") || name.starts_with("AWS_") {
                command.env_remove(&variable);
            }
        }
        command
            .current_dir(self.folder.path())
            .env("AWS_CONFIG_FILE", "/nowhere/config")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials")
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", &self.proxy)
            .env("NO_PROXY", "127.0.0.1")
            .envs(HOSTILE)
            .args(["--json", "--log", "info"])
            .args(arguments)
            .stdin(Stdio::null());
        if self.has_key {
            command.envs([("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
        } else {
            let uri = format!("{}/credentials", self.proxy);
            command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri);
            command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", PASS);
        }
        command
    }

    /// Calls the program and waits for its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started; its exit code is for the caller to judge.
    pub fn call(&self, arguments: &[&str]) -> Result<Run> {
        self.ended(&mut self.command(arguments))
    }

    /// Waits for the end of a call.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn ended(&self, command: &mut Command) -> Result<Run> {
        let run: Run = command.output().context("the program cannot be started")?.into();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(&run.stdout);
        said.push_str(&run.stderr);
        Ok(run)
    }

    /// Delivers objects, in this order; the server says when.
    ///
    /// # Errors
    ///
    /// When one cannot be put.
    pub fn deliver(&self, deliveries: &[Delivery]) -> Result<()> {
        self.runtime.block_on(async {
            for delivery in deliveries {
                let path = ObjectPath::parse(format!("prod/raw/{}", delivery.key))?;
                self.store.put(&path, delivery.bytes.clone().into()).await?;
            }
            Ok(())
        })
    }

    /// What lies in the raw zone, changed when the server says.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn delivered(&self) -> Result<Vec<Delivery>> {
        let raw = self.below("prod/raw")?;
        Ok(raw.into_iter().map(|(delivery, _)| delivery).collect())
    }

    /// Objects below a prefix with the paths that they have there, and their bytes as text.
    fn below(&self, prefix: &str) -> Result<Vec<(Delivery, String)>> {
        self.runtime.block_on(async {
            let prefix = ObjectPath::from(prefix);
            let objects: Vec<_> = self.store.list(Some(&prefix)).try_collect().await?;
            let mut found = Vec::new();
            for object in objects {
                let bytes = self.store.get(&object.location).await?.bytes().await?.to_vec();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let key = object.location.as_ref()[prefix.as_ref().len()..].trim_start_matches('/');
                // Some servers list with milliseconds, and no more than seconds are the same everywhere.
                let modified = chrono::SubsecRound::trunc_subsecs(object.last_modified, 0);
                found.push((Delivery::new(key, bytes).at(modified), text));
            }
            Ok(found)
        })
    }

    /// The rows and the quarantine of every table as text.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn fingerprints(&self) -> Result<Vec<(String, String)>> {
        let stores = Stores::default().with(&Url::parse("s3://lake/")?, self.store.clone())?;
        let contracts = contracts(self.contracts.as_deref())?;
        let names: Vec<_> = contracts.keys().cloned().collect();
        let settings = settings(ROOT, self.personal_key.clone())?;
        let lake = Lake::open(settings, stores, contracts, Vec::new());
        let lake = self.runtime.block_on(lake)?;
        of_tables(names, &|table| {
            let looked = async {
                Ok((
                    rows(&lake, table, ROOT).await?,
                    quarantine(&lake, table, ROOT).await?,
                ))
            };
            self.runtime.block_on(looked)
        })
    }

    /// Fails where a secret was said by a call or is in an object of the lake, in the log of a table or beside it; data files
    /// are looked into by the tables that they are of.
    ///
    /// # Errors
    ///
    /// With what it is in.
    pub fn has_no_secrets(&self) -> Result<()> {
        let secrets = [SECRET, TOKEN, PASS];
        for table in ["marketlake.runs", "marketlake.ledger", "marketlake.quarantine"] {
            self.call(&["query", &format!("SELECT * FROM {table}")])?;
        }
        self.call(&["quarantine", "show", "--limit", "10000"])?;
        self.call(&["config"])?;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(said.contains("s3://lake"), "nothing was said");
        let objects = self
            .below("prod")?
            .into_iter()
            .map(|(object, text)| (object.key, text));
        for (place, text) in objects.chain([("what calls said".to_owned(), said)]) {
            for secret in secrets {
                let at = text.find(secret);
                let around = at.map(|at| {
                    text[at.saturating_sub(200)..]
                        .chars()
                        .take(400)
                        .collect::<String>()
                });
                ensure!(around.is_none(), "{place} has {secret}: {around:?}");
            }
            ensure!(
                !place.ends_with("marketlake.toml") || !text.contains(KEY_ID),
                "{place} has the key"
            );
        }
        Ok(())
    }
}
