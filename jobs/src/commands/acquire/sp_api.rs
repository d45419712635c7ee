//! `acquire sp-api`: the Selling Partner API.

use std::sync::Arc;

use acquire::sp_api::{self, Acquisition, Days, SpApi, Wanted};
use acquire::{Period, Told};
use anyhow::Result;
use futures::stream::{self, StreamExt};

use super::{Account, Ground};
use crate::cli::ReportsArgs;
use crate::exit::usage;
use crate::session::Session;

/// The source, as accounts and paths name it.
pub(super) const SOURCE: &str = "sp_api";
/// Accounts that are worked on at the same time: each waits for Amazon most of the time.
pub(super) const ACCOUNTS: usize = 8;

/// Reports from the API to the raw zone.
pub(super) async fn reports(session: &Session, args: ReportsArgs) -> Result<u8> {
    let days = args.asking.days()?;
    let mut ground = Ground::open(session).await?;
    let meant = meant(&ground, |alias| args.asking.is_meant(alias))?;
    let mut accounts = Vec::new();
    for account in meant {
        if let Some(held) = ground.account(SOURCE, "reports", &account.account).await? {
            accounts.push((account, held));
        }
    }
    let work = stream::iter(accounts)
        .map(|(account, held)| {
            let (ground, args) = (&ground, &args);
            async move {
                let became = Box::pin(one(ground, account, &held, args, days)).await;
                held.end().await;
                (account.account.clone(), became)
            }
        })
        .buffer_unordered(ACCOUNTS)
        .collect::<Vec<_>>();
    let became = ground.unless_stopped(work).await?;
    for (account, became) in became {
        let told = became.map(|became| {
            if let Became::Would(wanted) = &became {
                ground.would(wanted.calls, wanted.takes);
            }
            became.told()
        });
        ground.tell(&account, told)?;
    }
    ground.end()
}

/// The configured accounts that are meant, by their aliases; a mistake where it is none.
pub(super) fn meant<'a>(
    ground: &Ground<'a>,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Vec<&'a sp_api::Account>> {
    let configured = ground.settings.sp_api.iter();
    let meant: Vec<&sp_api::Account> = configured.filter(|one| is_meant(&one.account)).collect();
    match meant.is_empty() {
        true => Err(usage(
            "no account of the Selling Partner API is meant: say [[acquire.sp_api]] with account, application, region and refresh_token",
        )),
        false => Ok(meant),
    }
}

/// What became of an account.
enum Became {
    Asked(Vec<Told>),
    /// Nothing was asked.
    Would(Wanted),
}

impl Became {
    fn told(self) -> Vec<Told> {
        match self {
            Self::Asked(told) => told,
            Self::Would(wanted) => wanted.requests,
        }
    }
}

/// The reports of one account.
async fn one(
    ground: &Ground<'_>,
    account: &sp_api::Account,
    held: &Account,
    args: &ReportsArgs,
    days: Option<Period>,
) -> acquire::Result<Became> {
    let api = SpApi::open(
        ground.settings,
        account,
        ground.transport.clone(),
        &held.remembered,
        ground.at.clone(),
    )
    .await?;
    let of_account = Days {
        zone: held.configured.zone,
        since: held.configured.since,
        until: held.configured.until,
        marketplaces: held.configured.marketplaces.clone(),
    };
    let places = (held.raw.clone(), held.remembered.clone());
    let acquisition = Acquisition::open(
        Arc::new(api),
        ground.settings,
        account,
        of_account,
        places,
        &ground.spool,
    )
    .await?
    .again(args.asking.again);
    if args.asking.dry_run {
        return acquisition.would(&args.types, days).await.map(Became::Would);
    }
    let queue = match &account.queue {
        Some(url) => Some(ground.at.aws().await?.queue(url)),
        None => None,
    };
    let told = acquisition.acquire(&args.types, days, queue.as_ref()).await?;
    Ok(Became::Asked(told))
}
