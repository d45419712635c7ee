//! What the program uses: the settings of file, environment and command line, put together.

mod container;
mod kept;
mod layer;
mod location;
mod options;
mod origin;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aws::Values;
use catalog::Databases;
use pipeline::account::Account;
use pipeline::lake::Settings;
use schemars::JsonSchema;
use serde::Serialize;
use toml::{Table, Value};
use url::Url;

use crate::exit::usage;
use crate::logging::LogFormat;
use crate::metrics::MetricsFormat;
use kept::Keeper;
use layer::Layer;
use options::{ACQUIRE, KEYS, SECRETS};
use origin::Origin;

pub(crate) use location::to_url;
pub(crate) use options::{Options, WhichCatalog};

/// Name of the file, in the current folder or in the lake.
pub(crate) const FILE_NAME: &str = "marketlake.toml";

/// Everything that is in force.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where the lake is.
    pub(crate) lake: Url,
    /// What the pipeline needs to know.
    pub(crate) settings: Settings,
    /// Folder of the user's own contracts.
    pub(crate) contracts: Option<PathBuf>,
    /// Log filter, where somebody named one.
    pub(crate) log: Option<String>,
    /// How lines on stderr are written, where somebody said so.
    pub(crate) log_format: Option<LogFormat>,
    /// How metrics are written, where they are wanted.
    pub(crate) metrics: Option<MetricsFormat>,
    /// Region of buckets, where somebody named one.
    pub(crate) region: Option<String>,
    /// Key of KMS for new objects, where somebody named one.
    pub(crate) kms_key: Option<String>,
    /// ARN of the topic that is told what runs did, where somebody named one.
    pub(crate) notice_topic: Option<String>,
    /// Where other engines look tables up.
    pub(crate) catalog: WhichCatalog,
    /// Which database of Glue is whose.
    pub(crate) databases: Databases,
    /// Accounts, each with its own alias.
    pub(crate) accounts: Vec<Account>,
    /// What is asked of sources.
    pub(crate) acquire: acquire::Settings,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Each key with its value and origin, in the order of the sample file.
    pub(crate) entries: Vec<Entry>,
    /// Environment variables that look like settings and are none.
    pub(crate) unknown_variables: Vec<String>,
}

/// A key, the value in force, and where it comes from.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// Key of the file.
    pub(crate) key: &'static str,
    /// Its value, none where there is none; secrets are masked.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) value: Option<Value>,
    /// `default`, `FILE:LINE`, the variable or the flag.
    pub(crate) origin: String,
}

/// What the program finds around it.
struct Machine<'a> {
    /// The current folder.
    folder: &'a Path,
    /// Bytes of memory that the container may take; none where nobody limits them.
    memory: Option<u64>,
}

impl Config {
    /// Puts together what the command line, the environment and the file say; `file` is the one asked for.
    ///
    /// # Errors
    ///
    /// Usage errors, with the place of the mistake.
    pub(crate) fn load(flags: &Options, file: Option<&Path>) -> Result<Self> {
        let machine = Machine {
            folder: Path::new(""),
            memory: container::memory_limit(Path::new("/")),
        };
        Self::assemble(flags, file, &machine, std::env::vars(), &kept::ask)
    }

    fn assemble(
        flags: &Options,
        file: Option<&Path>,
        machine: &Machine<'_>,
        variables: impl Iterator<Item = (String, String)>,
        keeper: Keeper<'_>,
    ) -> Result<Self> {
        let (endpoints, variables) = variables.partition(|(name, _)| name.starts_with(acquire::VARIABLES));
        let endpoints: Vec<(String, String)> = endpoints;
        let variables: Vec<(String, String)> = variables;
        let (environment, unknown_variables) = layer::environment(variables.into_iter())?;
        let mut written = layer::defaults(machine.memory)?;
        let mut spoken = environment;
        spoken.extend(layer::flags(flags)?);
        let file = match file {
            Some(file) => Some(file.to_owned()),
            None => find_file(
                machine.folder,
                spoken.get("lake").and_then(|(value, _)| value.as_str()),
            ),
        };
        let mut said = String::new();
        if let Some(file) = &file {
            said = std::fs::read_to_string(file)
                .map_err(|error| usage(format!("{} cannot be read: {error}", file.display())))?;
            written.extend(layer::file(file, &said)?);
        }
        let is_of_file = |key: &str| !spoken.contains_key(key);
        written.extend(spoken.clone());
        let references = kept::references(&written)?;
        let values = match references.is_empty() {
            true => Values::default(),
            false => {
                let region = text(&written, "region").filter(|region| !kept::is_marked(region));
                keeper(&references, region.as_deref())?
            }
        };
        if let Some(file) = &file {
            layer::check(file, &said, &values, is_of_file)?;
        }
        let layers = kept::put(&written, &values)?;
        let config = Self::from_layers(layers, &written, file, unknown_variables);
        let config = config.and_then(|config| config.with_endpoints(endpoints.into_iter()));
        config.map_err(|error| {
            // What stands below a value by reference may have it in its words.
            match references.is_empty() {
                true => error,
                false => usage(values.hidden(&format!("{error:#}"))),
            }
        })
    }

    /// From what is in force, and as it is shown.
    fn from_layers(
        mut layers: Layer,
        written: &Layer,
        file: Option<PathBuf>,
        unknown_variables: Vec<String>,
    ) -> Result<Self> {
        let lake = text(&layers, "lake").context("there is no lake")?;
        let mut shown = layers.clone();
        for (key, (value, origin)) in written.iter().filter(|(_, (value, _))| kept::has_any(value)) {
            shown.insert(key.clone(), (value.clone(), origin.clone()));
        }
        for layers in [&mut layers, &mut shown] {
            let lake = text(layers, "lake").context("there is no lake")?;
            for (key, folder) in [("raw", "raw"), ("curated", "curated")] {
                let below = location::below(&lake, folder);
                layers
                    .entry(key.to_owned())
                    .or_insert((Value::String(below), Origin::Below("lake")));
            }
        }
        let values: Table = layers
            .iter()
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect();
        let options: Options = values.try_into().context("settings do not fit together")?;
        let required = |key: &'static str| move || format!("setting {key} has no value");
        let settings = Settings {
            curated: location::to_url(&options.curated.with_context(required("curated"))?)?,
            raw: location::to_url(&options.raw.with_context(required("raw"))?)?,
            batch_objects: options.batch_objects.with_context(required("batch_objects"))?,
            batch_bytes: options.batch_bytes.with_context(required("batch_bytes"))?.0,
            lookback_days: options.lookback_days.with_context(required("lookback_days"))?,
            busy_wait: options.busy_wait.with_context(required("busy_wait"))?.0,
            personal_key: options.personal_key,
            memory_limit: usize::try_from(options.memory_limit.with_context(required("memory_limit"))?.0)?,
            spill_dir: options.spill_dir.map(PathBuf::from),
            spill_limit: options.spill_limit.map(|limit| limit.0),
        };
        if settings.batch_objects == 0 {
            return Err(usage("batch_objects is 0; a batch needs at least one object"));
        }
        let catalog = options.catalog.with_context(required("catalog"))?;
        let databases = options.glue_database.with_context(required("glue_database"))?;
        let databases = Databases::new(&databases).map_err(|error| usage(error.to_string()))?;
        if catalog == WhichCatalog::Glue && settings.curated.scheme() != "s3" {
            return Err(usage(format!(
                "catalog is glue and the tables are in {}, where Athena does not find them; set catalog = \"local\", or curated to \
                 s3://BUCKET/PREFIX",
                settings.curated
            )));
        }
        let accounts = options.account.unwrap_or_default();
        check(&accounts)?;
        if let Some(topic) = &options.notice_topic {
            check_topic(topic)?;
        }
        Ok(Self {
            lake: location::to_url(&lake)?,
            settings,
            contracts: options.contracts.map(PathBuf::from),
            log: options.log,
            log_format: options.log_format,
            metrics: options.metrics,
            region: options.region,
            kms_key: options.kms_key,
            notice_topic: options.notice_topic,
            catalog,
            databases,
            accounts,
            acquire: options.acquire.unwrap_or_default(),
            file,
            entries: KEYS.iter().map(|key| entry(key, &shown)).collect(),
            unknown_variables,
        })
    }

    /// The same, with addresses of sources that variables of the environment say.
    fn with_endpoints(mut self, variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mistake = |error: acquire::Error| usage(error.to_string());
        self.acquire.endpoints = self
            .acquire
            .endpoints
            .with_variables(variables)
            .map_err(mistake)?;
        self.acquire.check().map_err(mistake)?;
        Ok(self)
    }

    /// The lake as a folder of this machine; none where it is in a bucket.
    pub(crate) fn lake_folder(&self) -> Option<PathBuf> {
        self.lake.to_file_path().ok()
    }

    /// The curated zone as a folder of this machine; none where it is in a bucket.
    pub(crate) fn curated_folder(&self) -> Option<PathBuf> {
        self.settings.curated.to_file_path().ok()
    }
}

/// The lake's own file where a lake is named, else the one in the current folder, else that of the default lake.
fn find_file(folder: &Path, named_lake: Option<&str>) -> Option<PathBuf> {
    let default_lake = Options::defaults().lake.unwrap_or_default();
    // The lake of another URI has no file: what it needs is in the one that --config names, and in the environment.
    let of_lake = |lake: &str| {
        let path = match lake.split_once("://") {
            Some((scheme, path)) => (scheme == "file").then_some(path)?,
            None => lake,
        };
        Some(folder.join(path).join(FILE_NAME))
    };
    let candidates = [
        named_lake.and_then(of_lake),
        Some(folder.join(FILE_NAME)),
        of_lake(&default_lake),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|candidate| candidate.is_file())
}

fn text(layers: &Layer, key: &str) -> Option<String> {
    layers
        .get(key)
        .and_then(|(value, _)| value.as_str())
        .map(str::to_owned)
}

/// Whether a text is the ARN of a topic.
fn check_topic(topic: &str) -> Result<()> {
    let parts: Vec<&str> = topic.split(':').collect();
    match parts[..] {
        ["arn", _, "sns", region, _, name] if !region.is_empty() && !name.is_empty() => Ok(()),
        _ => Err(usage(format!(
            "notice_topic {topic:?} is no topic of SNS; give its ARN, arn:aws:sns:REGION:ACCOUNT:NAME"
        ))),
    }
}

/// What no account alone is wrong about, and days that cannot be.
fn check(accounts: &[Account]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for account in accounts {
        if !seen.insert((&account.source, &account.alias)) {
            return Err(usage(format!(
                "two accounts of the source {:?} have the alias {:?}; rename one of them",
                account.source, account.alias
            )));
        }
        if let (Some(since), Some(until)) = (account.since, account.until)
            && since > until
        {
            return Err(usage(format!(
                "account {:?} of {:?} delivers since {since} and until {until}, which is before",
                account.alias, account.source
            )));
        }
    }
    Ok(())
}

fn entry(key: &'static str, layers: &Layer) -> Entry {
    let (value, origin) = match layers.get(key) {
        Some((value, origin)) if SECRETS.contains(&key) && !kept::is_reference(value) => {
            (Some(Value::String("****".to_owned())), origin)
        }
        Some((value, origin)) if key == ACQUIRE => (shown(value), origin),
        Some((value, origin)) => (Some(value.clone()), origin),
        None => (None, &Origin::Default),
    };
    Entry {
        key,
        value,
        origin: origin.to_string(),
    }
}

/// What is asked of sources, with `****` in the place of secrets.
fn shown(value: &Value) -> Option<Value> {
    let settings: acquire::Settings = value.clone().try_into().ok()?;
    Value::try_from(settings).ok()
}

#[cfg(test)]
mod tests;
