//! What `acquire` takes.

use chrono::NaiveDate;
use clap::{Args, Subcommand};

/// A source that is asked for what it has.
#[derive(Debug, Subcommand)]
pub(crate) enum AcquireCommand {}

/// Which days are asked for, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Asking {
    /// Only this account
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Option<String>,
    /// First day, as YYYY-MM-DD; without days, what is due is asked for
    #[arg(long, value_name = "DATE", requires = "to")]
    pub(crate) from: Option<NaiveDate>,
    /// Last day, inclusive
    #[arg(long, value_name = "DATE", requires = "from")]
    pub(crate) to: Option<NaiveDate>,
    /// Say what would be asked for, in how many calls and how long that takes, and ask for nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask again for what failed, was refused or was not there, however short ago that was
    #[arg(long)]
    pub(crate) again: bool,
}
