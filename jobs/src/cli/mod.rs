//! What the user types.

mod acquire;
mod authoring;
mod queues;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use pipeline::contract::TableName;
use pipeline::done::JobId;

use crate::config::Options;
use crate::units::Wait;

pub(crate) use self::acquire::{
    AcquireCommand, AdsCommand, AdsProfilesArgs, AdsReportsArgs, ArrangeArgs, Asking, ItemsArgs,
    NotificationsCommand, ReportsArgs, SchedulesCommand, SpApiCommand,
};
pub(crate) use authoring::{NewArgs, TestArgs};
pub(crate) use queues::{
    AmsArgs, AmsCommand, ApiRegion, Draining, JwoArgs, PatternCommand, SubscriptionsCommand, YojakaArgs,
    YojakaCommand,
};

const FIRST_STEPS: &str = "\
First steps:
  marketlake demo                 a lake with realistic data in ./lake, made and explained
  marketlake status               how fresh each table is
  marketlake query 'SELECT * FROM jwo.orders LIMIT 10'

A table of your own:
  marketlake new shop.visits --sample visits.csv      a contract and a first case, to be read
  marketlake --contracts sql test                     do all cases still give the wanted rows?
  marketlake --contracts sql run shop.visits

Exit codes:
  0  done: updated, unchanged or empty
  1  something failed (the other tables were still worked on)
  2  wrong usage, configuration or contract
  3  done, but something waits for a person: held, busy, or overdue with --strict
  4  stopped by SIGTERM or SIGINT: what is in stays, and the next call goes on (a second signal ends at once)";

/// Amazon merchant data as exact, queryable Delta tables.
///
/// Raw objects lie in the lake's raw/ as the source delivered them; `run` turns them into the Delta tables in
/// curated/, each object exactly once. Data goes to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[command(name = "marketlake", version, after_help = FIRST_STEPS, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    options: Options,

    /// File with settings and accounts [default: marketlake.toml of the lake or the current folder]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MARKETLAKE_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Short for --contracts, before the command
    #[arg(long, value_name = "DIR", conflicts_with = "contracts")]
    sql: Option<String>,

    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Settings as the command line has them.
    pub(crate) fn settings(&self) -> Options {
        let mut options = self.options.clone();
        options.contracts = options.contracts.or_else(|| self.sql.clone());
        options
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a lake with realistic data and its troubles, work on it, show what came out
    Demo(DemoArgs),
    /// Take in what is new: pick up, curate, register, notify
    Run(RunArgs),
    /// How fresh the tables are, what is missing, what runs did
    Status(StatusArgs),
    /// Where an object went, or why a row is as it is
    Why(WhyArgs),
    /// Rows and objects that were rejected, and their return
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// The tables: what they hold, from where, and the SQL that makes them
    Tables(TablesArgs),
    /// Validate contracts and configuration, without reading any data
    Check,
    /// Infer a contract and a first case from a sample of raw data
    New(NewArgs),
    /// Run the golden cases of your own tables
    Test(TestArgs),
    /// SQL over the curated tables
    Query(QueryArgs),
    /// Make a table anew from its raw objects or inputs, in one commit
    Rebuild(RebuildArgs),
    /// Fewer and larger files, shorter logs, and an end to what nobody reads any more
    Maintain(MaintainArgs),
    /// Fill the raw zone from the sources
    #[command(subcommand)]
    Acquire(AcquireCommand),
    /// What other engines are told of the tables: where that is wrong, and mended
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Which settings are in force and where each comes from
    Config(ConfigArgs),
    /// Whether everything is there and allowed that runs need; for what is not, what to change
    Doctor(DoctorArgs),
    /// The JSON Schemas of the documents that --json prints, and of the notice
    Schemas(SchemasArgs),
    /// Print a script that completes commands in your shell
    Completions(CompletionsArgs),
    /// Read one object of the open batches and keep nothing: how a run finds out whether an object kills its readers
    #[command(hide = true)]
    ReadAlone(ReadAloneArgs),
}

impl Command {
    /// Whether it ends what is on its way when a signal asks for its end. Others write nothing, or nothing that the next
    /// call would not write again: they die of it.
    pub(crate) fn ends_in_order(&self) -> bool {
        matches!(
            self,
            Self::Demo(_)
                | Self::Run(_)
                | Self::Quarantine(QuarantineCommand::Replay(_))
                | Self::Query(_)
                | Self::Rebuild(_)
                | Self::Maintain(_)
                | Self::Acquire(_)
                | Self::Catalog(_)
        )
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Makes the raw zone, then runs day by day in processes of its own, two of which die on the way.
Needs a new or empty lake; a lake that an earlier demo made is made anew.

Examples:
  marketlake demo
  marketlake demo --first 2026-03-01                      the same days, whenever it is called
  marketlake --lake /tmp/big demo --scale 20 --days 14")]
pub(crate) struct DemoArgs {
    /// Multiplies orders and messages
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) scale: u32,
    /// Days of deliveries
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub(crate) days: u32,
    /// First day of deliveries [default: so that the last one is yesterday]
    #[arg(long, value_name = "DATE")]
    pub(crate) first: Option<NaiveDate>,
    /// Another seed gives other orders
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Only make the raw zone and the configuration
    #[arg(long)]
    pub(crate) generate_only: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --from, the last days are looked through (lookback_days). Running twice, after a crash,
or beside another run changes nothing: an object is in a table once.

Examples:
  marketlake run                                          everything new
  marketlake run jwo.orders jwo.order_lines --account corner
  marketlake run --from 2026-03-01 --to 2026-03-07        a range of periods, inclusive
  marketlake run --events https://sqs.…/intake --watch    where S3 says that something came, until told to stop
  marketlake run --dry-run                                what would be taken in")]
pub(crate) struct RunArgs {
    /// Only these tables
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<TableName>,
    /// Only objects of this account
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Option<String>,
    /// First period, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<NaiveDate>,
    /// Last period, inclusive
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<NaiveDate>,
    /// Commit this table's batch although a check with `hold` failed
    #[arg(long, value_name = "TABLE", conflicts_with = "dry_run")]
    pub(crate) release: Vec<TableName>,
    /// Print objects, partitions, columns and axis, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit with 3 when a period of the look-back is overdue or missing of what the run looked for
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) strict: bool,
    /// Look only where events of S3 in this queue of SQS say, and once a day through everything
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = ["tables", "account", "from", "to", "release", "dry_run"]
    )]
    pub(crate) events: Option<String>,
    /// Begin once no event has come for so long
    #[arg(long, value_name = "TIME", requires = "events")]
    pub(crate) quiet: Option<Wait>,
    /// Go on with what comes until SIGTERM or SIGINT
    #[arg(long, requires = "events", conflicts_with = "strict")]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) start: Start,
}

/// Of which start of a job this is one.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Id of the job, such as the time that it is scheduled for: started twice under one id, it is done once, and again
    /// only where it failed, was stopped or found another one at work
    #[arg(
        long = "run-id",
        value_name = "ID",
        env = "MARKETLAKE_RUN_ID",
        hide_env_values = true
    )]
    pub(crate) id: Option<JobId>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A period is missing when a newer one has arrived, overdue when nothing newer has.

Examples:
  marketlake status
  marketlake status --gaps --json | jq .periods")]
pub(crate) struct StatusArgs {
    /// List every missing and overdue period
    #[arg(long)]
    pub(crate) gaps: bool,
    /// List what past runs did
    #[arg(long)]
    pub(crate) runs: bool,
    /// Count objects, rejects and periods of all time, not of the look-back and 31 days at least
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with 3 when a period is overdue or missing
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For an object: every table that took it, in which commit, how many rows, how many rejected.
For a row: every raw object that spoke about it, each value, which one stayed and why.

Examples:
  marketlake why lake/raw/jwo/corner/Order/2026-03-01/07/ALL45.csv000
  marketlake why jwo.orders --where \"order_id = 'A-17'\"")]
pub(crate) struct WhyArgs {
    /// Path or URI of a raw object; with --where a table
    #[arg(value_name = "OBJECT|TABLE")]
    pub(crate) subject: String,
    /// SQL condition that finds the rows
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) condition: Option<String>,
}

/// What to do with rejected rows.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Open rejects by table, object and reason
    List(QuarantineArgs),
    /// The rejected rows with their text
    Show {
        #[command(flatten)]
        filter: QuarantineArgs,
        /// At most so many rows
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Run the rejected rows' objects again, whole, after a rule was mended
    Replay(QuarantineArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketlake quarantine list
  marketlake quarantine show --table jwo.orders --reason decimal
  marketlake quarantine replay --table jwo.orders")]
pub(crate) struct QuarantineArgs {
    /// Only rejects of this table
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<TableName>,
    /// Only objects whose URI contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) object: Option<String>,
    /// Only reasons that contain this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketlake tables
  marketlake tables jwo.orders
  marketlake tables jwo.orders --sql      the whole statement, what the program adds included")]
pub(crate) struct TablesArgs {
    /// Table to describe
    #[arg(value_name = "TABLE")]
    pub(crate) table: Option<TableName>,
    /// Print the SQL that makes the table's rows
    #[arg(long, requires = "table")]
    pub(crate) sql: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tables are named source.table, as `marketlake tables` lists them. The SQL is DataFusion's.

Examples:
  marketlake query 'SELECT order_date, count(*) FROM jwo.orders GROUP BY 1 ORDER BY 1'
  marketlake query --format csv 'SELECT * FROM jwo.order_lines' > lines.csv
  marketlake query - < report.sql")]
pub(crate) struct QueryArgs {
    /// One statement; - reads it from stdin
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// How to print the rows; json is one object a line, and what --json means here
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The way out for a table that is held or refused: its rules changed, the key for personal columns is
another one, somebody else wrote to it, it or the ledger was set back, or the ledger was lost.

The table is made from the raw objects that the ledger names (where the ledger does not know them,
from those that lie in the raw zone), or, where it is computed, from its inputs in full. Readers see
the old rows until one commit at the end. What was done before a crash is not done again: run the
same command. Other tables, and this one unless it is held, can be run meanwhile.

Tables computed from this one are brought up to date by the next run.

Examples:
  marketlake rebuild jwo.orders
  marketlake rebuild jwo.orders --accept-missing          raw objects are gone for good
  marketlake rebuild shop.visits --from 2026-03-01 --to 2026-03-07")]
pub(crate) struct RebuildArgs {
    /// Table to make anew
    #[arg(value_name = "TABLE")]
    pub(crate) table: TableName,
    /// First period, as YYYY-MM-DD; for tables laid out by the period of their objects
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<NaiveDate>,
    /// Last period, inclusive
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<NaiveDate>,
    /// Go on although raw objects are gone: their rows will be missing, and the objects in quarantine
    #[arg(long)]
    pub(crate) accept_missing: bool,
    /// Let rows in although a check with `hold` failed
    #[arg(long)]
    pub(crate) release: bool,
    #[command(flatten)]
    pub(crate) start: Start,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Per table, in this order:
  audit       a key has one row; copies are merged, where rows are computed they are reported
  compaction  small files of a partition become few, sorted; no row changes, and tables computed
              from this one see nothing
  vacuum      files go that no version younger than --retention names, and those of dead attempts
  log         a checkpoint after some commits; log entries before one go after --log-retention

What a table computed from another one has still to read of it stays, however old it is. Runs can go
on meanwhile. Once a day is a good rhythm; after a first load of many small files it pays at once.

Examples:
  marketlake maintain --dry-run
  marketlake maintain jwo.orders marketlake.ledger
  marketlake maintain --retention 14d")]
pub(crate) struct MaintainArgs {
    /// Only these tables; marketlake.changes, .ledger, .quarantine and .runs are tables, too
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<TableName>,
    /// How long versions can still be read after a newer one came
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) retention: Wait,
    /// How long log entries stay, at least 7 days
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub(crate) log_retention: Wait,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) start: Start,
}

/// What to do with the catalog.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Where the catalog says something else than the tables; exits with 3 where it does
    Diff(CatalogArgs),
    /// Make the catalog say what the tables say, also where they have moved
    Sync {
        #[command(flatten)]
        tables: CatalogArgs,
        /// Make databases that are missing
        #[arg(long)]
        create_databases: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
A run registers the tables that it changed. This is for those that were there before there was a
catalog, and for what somebody else changed in it.

Examples:
  marketlake catalog diff
  marketlake catalog sync --create-databases
  marketlake catalog sync jwo.orders")]
pub(crate) struct CatalogArgs {
    /// Only these tables
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<TableName>,
}

/// How rows of a query are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// Boxed columns for people.
    Table,
    /// RFC 4180 with a header.
    Csv,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Looks at configuration, folders, credentials, buckets (list, read, put on condition, remove; the key of KMS
with them), the clock, the topic, databases of Glue and a queue, one by one, and leaves nothing behind. Exits with 1 where something is
not as runs need it.

Examples:
  marketlake doctor
  marketlake --lake s3://retail-lake/prod doctor --json | jq '.checks[] | select(.state == \"failed\")'")]
pub(crate) struct DoctorArgs {
    /// Look at this queue of S3 events, too; a message that it shows stays, and counts as received once
    #[arg(long, value_name = "QUEUE_URL")]
    pub(crate) events: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print a sample file with every option instead
    #[arg(long)]
    pub(crate) sample: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The documents may get more fields; their number `schema` grows only when one changes its meaning or goes.

Examples:
  marketlake schemas                       which there are
  marketlake schemas notice                one of them
  marketlake schemas --json                all in one document")]
pub(crate) struct SchemasArgs {
    /// Document to print the schema of
    #[arg(value_name = "DOCUMENT")]
    pub(crate) document: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  marketlake completions bash > ~/.local/share/bash-completion/completions/marketlake"
)]
pub(crate) struct CompletionsArgs {
    /// Shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ReadAloneArgs {
    /// Address of the object, as the ledger has it
    pub(crate) object: String,
    /// Tables whose open batches name it
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<TableName>,
}
