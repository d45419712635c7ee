//! What `acquire` takes for the sources that come through queues.

use std::path::PathBuf;

use acquire::Period;
use anyhow::Result;
use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};

use crate::exit::usage;
use crate::units::Wait;

/// How long queues are worked on.
#[derive(Debug, Clone, Args)]
pub(crate) struct Draining {
    /// Go on until a signal asks for the end
    #[arg(long)]
    pub(crate) watch: bool,
    /// A queue is empty when nothing has come for so long
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(crate) quiet: Wait,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Copies what messages of the merchants' queues name, that version of it; a message is deleted after its copy.

Examples:
  marketlake acquire jwo                             until the queues are empty
  marketlake acquire jwo --watch
  marketlake acquire jwo --date 2026-03-01           all of a day, by listing Amazon's bucket")]
pub(crate) struct JwoArgs {
    /// Only this account
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Option<String>,
    /// Copy this day by listing it, without any queue
    #[arg(long, value_name = "DATE", conflicts_with_all = ["watch", "from", "to"])]
    date: Option<NaiveDate>,
    /// First of several days
    #[arg(long, value_name = "DATE", requires = "to", conflicts_with = "watch")]
    from: Option<NaiveDate>,
    /// Last of several days, inclusive
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// Of days: say what would be copied, and copy nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) draining: Draining,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Confirms subscriptions of topics that are Amazon's, and lays data down as Firehose does. A message is deleted when its
object lies there.

Examples:
  marketlake acquire ams                             until the queues are empty
  marketlake acquire ams --watch
  marketlake acquire ams subscriptions list --api-region EU"
)]
pub(crate) struct AmsArgs {
    #[command(flatten)]
    pub(crate) draining: Draining,
    #[command(subcommand)]
    pub(crate) command: Option<AmsCommand>,
}

/// What else there is to do about Marketing Stream.
#[derive(Debug, Subcommand)]
pub(crate) enum AmsCommand {
    /// Subscriptions of an advertiser's profile to data sets
    #[command(subcommand)]
    Subscriptions(SubscriptionsCommand),
}

/// What to do about subscriptions.
#[derive(Debug, Subcommand)]
pub(crate) enum SubscriptionsCommand {
    /// Subscribe to a data set
    Create(CreateArgs),
    /// Show one subscription
    Get(GetArgs),
    /// Show all subscriptions
    List(ListArgs),
    /// Archive a subscription, which cannot be undone
    Update(UpdateArgs),
}

impl SubscriptionsCommand {
    /// The region of the Ads API that is asked.
    pub(crate) fn region(&self) -> ApiRegion {
        match self {
            Self::Create(arguments) => arguments.api.api_region,
            Self::Get(arguments) => arguments.api.api_region,
            Self::List(arguments) => arguments.api.api_region,
            Self::Update(arguments) => arguments.api.api_region,
        }
    }
}

/// Which API is asked.
#[derive(Debug, Args)]
pub(crate) struct Api {
    /// Region of the Ads API
    #[arg(
        long,
        short = 'a',
        value_name = "REGION",
        value_enum,
        default_value = "NA",
        ignore_case = true
    )]
    api_region: ApiRegion,
}

/// A region of the Ads API.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum ApiRegion {
    /// North America.
    Na,
    /// Europe.
    Eu,
    /// Far East.
    Fe,
}

/// What a subscription can become.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum SubscriptionStatus {
    /// Nothing more is sent.
    Archived,
}

impl SubscriptionStatus {
    /// As the API calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Archived => "ARCHIVED",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    api: Api,
    /// ARN of the queue that messages go to, or of a delivery stream of Firehose
    #[arg(long, short = 'e', value_name = "ARN")]
    pub(crate) destination_arn: String,
    /// By which the service knows this request when it is made again [default: one that is new]
    #[arg(long, short = 'c', value_name = "TOKEN")]
    pub(crate) client_request_token: Option<String>,
    /// Words of your own
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) notes: Option<String>,
    /// The data set, such as sp-traffic
    #[arg(long, short, value_name = "NAME")]
    pub(crate) data_set_id: String,
    /// For Firehose: the role by which SNS writes to it
    #[arg(long, value_name = "ARN", requires = "subscriber_role_arn")]
    pub(crate) subscription_role_arn: Option<String>,
    /// For Firehose: the role that Amazon takes on to subscribe it
    #[arg(long, value_name = "ARN", requires = "subscription_role_arn")]
    pub(crate) subscriber_role_arn: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    api: Api,
    /// The subscription
    #[arg(long, short, value_name = "ID")]
    pub(crate) subscription_id: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    api: Api,
    /// The subscription
    #[arg(long, short, value_name = "ID")]
    pub(crate) subscription_id: String,
    /// What it becomes
    #[arg(long, short = 't', value_name = "STATUS", value_enum, ignore_case = true)]
    pub(crate) status: SubscriptionStatus,
    /// Words of your own
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) notes: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Lays events down in the raw zone of their sellers, without one-time passwords.

Examples:
  marketlake acquire yojaka                          until the queues are empty
  marketlake acquire yojaka --account shop subscribe
  marketlake acquire yojaka pattern print --event Orders.Created
  marketlake acquire yojaka pattern test --pattern rule.json event.json")]
pub(crate) struct YojakaArgs {
    /// Only this account
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) draining: Draining,
    #[command(subcommand)]
    pub(crate) command: Option<YojakaCommand>,
}

/// What else there is to do about Smart Connect.
#[derive(Debug, Subcommand)]
pub(crate) enum YojakaCommand {
    /// Subscribe a seller to events: a seller has one subscription
    Subscribe(SubscribeArgs),
    /// Patterns of EventBridge rules
    #[command(subcommand)]
    Pattern(PatternCommand),
}

#[derive(Debug, Args)]
pub(crate) struct SubscribeArgs {
    /// File with what is sent, instead of what follows from event_bus and events
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
}

/// What to do about patterns.
#[derive(Debug, Subcommand)]
pub(crate) enum PatternCommand {
    /// Print the pattern of a rule for these events
    Print(PrintArgs),
    /// Say which events a pattern matches; exit code 3 where it does not match one
    Test(TestPatternArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PrintArgs {
    /// Only events of this seller, by its alias; can be repeated
    #[arg(long, value_name = "ALIAS")]
    pub(crate) account: Vec<String>,
    /// Only events of this seller, by its merchantId; can be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) merchant: Vec<String>,
    /// Only these events, such as Orders.Created; can be repeated
    #[arg(long, value_name = "TYPE")]
    pub(crate) event: Vec<String>,
    /// Events of the sandbox, not of production
    #[arg(long)]
    pub(crate) sandbox: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestPatternArgs {
    /// File with the pattern
    #[arg(long, value_name = "FILE")]
    pub(crate) pattern: PathBuf,
    /// File with events: one, a list, or one after another; - for stdin
    #[arg(value_name = "EVENTS")]
    pub(crate) events: PathBuf,
}

impl JwoArgs {
    /// The days that are copied by listing them; none: what messages name.
    pub(crate) fn days(&self) -> Result<Option<Period>> {
        let from = self.from.or(self.date);
        let Some((from, to)) = from.zip(self.to.or(self.date)) else {
            return match self.dry_run {
                true => Err(usage(
                    "--dry-run is for days, which are listed: what a queue holds is known to who receives it",
                )),
                false => Ok(None),
            };
        };
        match from <= to {
            true => Ok(Some(Period { from, to })),
            false => Err(usage(format!("--from {from} is after --to {to}"))),
        }
    }
}
