//! What `acquire` takes.

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::queues::{AmsArgs, JwoArgs, YojakaArgs};

/// A source that is asked for what it has.
#[derive(Debug, Subcommand)]
pub(crate) enum AcquireCommand {
    /// The Amazon Ads API: reports, and the profiles that they are about
    #[command(subcommand)]
    Ads(AdsCommand),
    /// The Selling Partner API, of sellers and vendors
    #[command(subcommand)]
    SpApi(SpApiCommand),
    /// Order reports of Just Walk Out, as messages of the merchants' queues tell of them
    Jwo(JwoArgs),
    /// What Marketing Stream sends to queues, and subscriptions to it
    Ams(AmsArgs),
    /// Events of Smart Connect (Yojaka) from queues, subscriptions to them, patterns of rules
    Yojaka(YojakaArgs),
}

/// What the Amazon Ads API is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum AdsCommand {
    /// Reports: asked for, waited for, and laid down in the raw zone
    Reports(AdsReportsArgs),
    /// Which profiles the logins see, and as which accounts they are known here
    Profiles(AdsProfilesArgs),
}

/// Which reports of the Amazon Ads API are asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Without days, what is due is asked for: the last 31 days every day, and every week those before them that Amazon restates.
What was asked for before, and has not come to its end, is gone on with. Exit 3 says that something waits for a later call.

Examples:
  marketlake acquire ads reports                     what is due, of all profiles
  marketlake acquire ads reports spCampaigns --from 2026-01-01 --to 2026-03-31 --dry-run
  marketlake acquire ads reports --profile 1234567890 --again")]
pub(crate) struct AdsReportsArgs {
    /// Reports, such as spCampaigns or sdTargeting-matchedTarget; those that are configured where none is named
    #[arg(value_name = "TYPE")]
    pub(crate) reports: Vec<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// Only this profile
    #[arg(long, value_name = "ID")]
    pub(crate) profile: Option<String>,
}

/// Of which logins the profiles are shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks Amazon, also where it was asked a short while ago. An account of the source ads whose fields have this profile_id gives
a profile its alias; else it is the profile's id.

Examples:
  marketlake acquire ads profiles
  marketlake acquire ads profiles --login main-eu --json")]
pub(crate) struct AdsProfilesArgs {
    /// Only those that this login sees: its name, or application and region
    #[arg(long, value_name = "NAME")]
    pub(crate) login: Option<String>,
}

/// What the Selling Partner API is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum SpApiCommand {
    /// Reports: asked for, waited for, and laid down in the raw zone
    Reports(ReportsArgs),
    /// What Amazon's catalog says about products: pages, laid down in the raw zone
    Catalog(ItemsArgs),
    /// What sellers list: pages, laid down in the raw zone
    Listings(ItemsArgs),
    /// Reports that Amazon makes by itself, again and again
    #[command(subcommand)]
    Schedules(SchedulesCommand),
    /// Where Amazon says that a report is done
    #[command(subcommand)]
    Notifications(NotificationsCommand),
}

/// Which products are asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
A list has an identifier a line, or is a table whose first line names its columns: asin, sku, fnsku, ean, upc, gtin, isbn,
jan, minsan, seller_id, marketplace_id. Columns of a query are named so, too. Pages of today that lie in the raw zone are not
asked for again.

Examples:
  marketlake acquire sp-api catalog                            what is configured
  marketlake acquire sp-api catalog --asins asins.txt --dry-run
  marketlake acquire sp-api listings --skus - --account corner
  marketlake acquire sp-api catalog --query 'SELECT DISTINCT asin FROM sp_api.orders'")]
pub(crate) struct ItemsArgs {
    /// Products by ASIN, out of a file; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) asins: Option<String>,
    /// Products by a seller's SKUs, out of a file; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) skus: Option<String>,
    /// All that sellers list, by their ids out of a file; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) sellers: Option<String>,
    /// Products out of the lake: the names of the columns say what is in them
    #[arg(long, value_name = "SQL")]
    pub(crate) query: Option<String>,
    /// Only this account
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Option<String>,
    /// Say how many calls it would be and how long they take, and ask for nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask again for what failed or was refused today, however short ago that was
    #[arg(long)]
    pub(crate) again: bool,
}

/// What is done about schedules of reports.
#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesCommand {
    /// Make the configured schedules that are not there
    Create(ArrangeArgs),
    /// Those of the configured report types, and of others
    List {
        #[command(flatten)]
        arrange: ArrangeArgs,
        /// Report types
        #[arg(value_name = "TYPE")]
        types: Vec<String>,
    },
    /// End schedules
    Delete {
        #[command(flatten)]
        arrange: ArrangeArgs,
        /// Their ids
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

/// What is done about notifications.
#[derive(Debug, Subcommand)]
pub(crate) enum NotificationsCommand {
    /// Make the configured destination and subscriptions that are not there
    Create(ArrangeArgs),
    /// The application's destinations, and the account's subscriptions
    List(ArrangeArgs),
    /// End the account's subscriptions
    Delete {
        #[command(flatten)]
        arrange: ArrangeArgs,
        /// Delete this destination of the application, too
        #[arg(long, value_name = "ID")]
        destination: Option<String>,
    },
}

/// For which account something is arranged.
#[derive(Debug, Args)]
pub(crate) struct ArrangeArgs {
    /// Only this account
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which reports of the Selling Partner API are asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Without days, what is due is asked for: the newest days, and those that Amazon restates. What was asked for before, and has
not come to its end, is gone on with. Exit 3 says that something waits for a later call.

Examples:
  marketlake acquire sp-api reports                  what is due of all that is configured
  marketlake acquire sp-api reports GET_SALES_AND_TRAFFIC_REPORT --from 2026-01-01 --to 2026-03-31 --dry-run
  marketlake acquire sp-api reports --account corner --again")]
pub(crate) struct ReportsArgs {
    /// Report types; those that are configured where none is named
    #[arg(value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

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
