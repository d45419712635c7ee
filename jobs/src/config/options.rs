//! Every setting, once: a key of the file, an environment variable and a flag.

use anyhow::Result;
use clap::{Args, ValueEnum};
use pipeline::account::Account;
use pipeline::secret::Secret;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::logging::LogFormat;
use crate::metrics::MetricsFormat;
use crate::units::{Size, Wait, text_or_integer};

/// One layer of settings: what a file, the environment or the command line says; the rest is `None`.
///
/// The key `lookback_days` of the file is the variable `MARKETLAKE_LOOKBACK_DAYS` and the flag `--lookback-days`.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(next_help_heading = "Options of every command")]
#[allow(rustdoc::invalid_html_tags, reason = "the comments are the texts of --help")]
pub(crate) struct Options {
    /// Root of the lake: holds raw/, curated/ and marketlake.toml [default: ./lake]
    #[arg(long, global = true, value_name = "URI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lake: Option<String>,

    /// Raw zone: objects as the source delivered them; only read [default: <lake>/raw]
    #[arg(long, global = true, value_name = "URI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<String>,

    /// Curated zone: the Delta tables [default: <lake>/curated]
    #[arg(long, global = true, value_name = "URI", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) curated: Option<String>,

    /// Folder with contracts that extend or override those built in
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contracts: Option<String>,

    /// error, warn, info, debug, trace, or a filter such as info,marketlake_pipeline=debug
    /// [default: warn on a terminal, else info]
    #[arg(long, global = true, value_name = "LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,

    /// How lines on stderr are written [default: text on a terminal, else log lines as json and messages as text]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_short_help = true
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_format: Option<LogFormat>,

    /// Write what a job did as metrics among the log lines: emf is CloudWatch's embedded metric format
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_short_help = true
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<MetricsFormat>,

    /// Most raw objects that one commit takes in
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_objects: Option<usize>,

    /// Most raw bytes that one commit takes in; a larger object makes a commit of its own
    #[arg(long, global = true, value_name = "SIZE", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_integer")]
    pub(crate) batch_bytes: Option<Size>,

    /// How many days of raw periods a run without --from lists; 0 lists everything. With a look-back, everything is
    /// listed once a day
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lookback_days: Option<u32>,

    /// How long a run waits for another one on the same table before it says busy
    #[arg(long, global = true, value_name = "TIME", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_integer")]
    pub(crate) busy_wait: Option<Wait>,

    /// Memory that a run may hold: rows of a batch, sorts and queries; what does not fit goes to temporary files, and
    /// below 1GiB unused memory is given back early, which takes up to a sixth of the time [default: half of what the
    /// container may take, else 1GiB]
    #[arg(long, global = true, value_name = "SIZE", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_integer")]
    pub(crate) memory_limit: Option<Size>,

    /// Folder for what does not fit into memory [default: that of the operating system]
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spill_dir: Option<String>,

    /// Most bytes that may lie in that folder at a time [default: as many as it holds]
    #[arg(long, global = true, value_name = "SIZE", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_integer")]
    pub(crate) spill_limit: Option<Size>,

    /// Region of buckets [default: as AWS is configured]
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,

    /// Key of KMS that new objects in buckets are encrypted with [default: as the bucket says]
    #[arg(long, global = true, value_name = "ARN", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key: Option<String>,

    /// Topic of SNS that is told what runs did, by its ARN [default: none]
    #[arg(long, global = true, value_name = "ARN", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notice_topic: Option<String>,

    /// Where other engines look tables up: local is catalog.json of a lake that is a folder, glue the Data Catalog of AWS,
    /// of a lake in a bucket [default: local]
    #[arg(long, global = true, value_name = "WHICH", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<WhichCatalog>,

    /// Database of Glue for the tables of a source, which {source} stands for [default: marketlake_{source}]
    #[arg(long, global = true, value_name = "PATTERN", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) glue_database: Option<String>,

    // A secret has no flag: command lines are visible to everybody on the machine.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) personal_key: Option<Secret>,

    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<Vec<Account>>,

    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acquire: Option<acquire::Settings>,
}

/// A catalog that other engines look tables up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhichCatalog {
    /// A file beside the tables.
    Local,
    /// AWS Glue.
    Glue,
}

/// Every key, in the order in which people are shown them.
pub(crate) const KEYS: [&str; 22] = [
    "lake",
    "raw",
    "curated",
    "contracts",
    "log",
    "log_format",
    "metrics",
    "batch_objects",
    "batch_bytes",
    "lookback_days",
    "busy_wait",
    "memory_limit",
    "spill_dir",
    "spill_limit",
    "region",
    "kms_key",
    "notice_topic",
    "catalog",
    "glue_database",
    "personal_key",
    "account",
    ACQUIRE,
];

/// The key of what is asked of sources. Secrets in it are asked for when a source is.
pub(crate) const ACQUIRE: &str = "acquire";

/// Keys whose values are locations: in a file, relative to the file's folder.
pub(crate) const LOCATIONS: [&str; 5] = ["lake", "raw", "curated", "contracts", "spill_dir"];

/// Keys whose values are not shown.
pub(crate) const SECRETS: [&str; 1] = ["personal_key"];

impl Options {
    /// The flags that say the same; what has no flag is left out.
    ///
    /// # Errors
    ///
    /// When a value cannot be written down.
    pub(crate) fn to_arguments(&self) -> Result<Vec<String>> {
        let flagged = Self {
            personal_key: None,
            account: None,
            acquire: None,
            ..self.clone()
        };
        let flag = |(key, value): (String, Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("--{}={value}", key.replace('_', "-"))
        };
        Ok(Table::try_from(flagged)?.into_iter().map(flag).collect())
    }

    /// What holds where nobody says anything. `raw` and `curated` follow from `lake`, `log` from the terminal.
    pub(crate) fn defaults() -> Self {
        Self {
            lake: Some("lake".to_owned()),
            batch_objects: Some(2_000),
            batch_bytes: Some(Size(128 << 20)),
            lookback_days: Some(0),
            busy_wait: Some(Wait(std::time::Duration::from_secs(30))),
            memory_limit: Some(Size(1 << 30)),
            catalog: Some(WhichCatalog::Local),
            glue_database: Some("marketlake_{source}".to_owned()),
            ..Self::default()
        }
    }
}
