//! `acquire sp-api catalog` and `listings`: pages about products.

use std::io::Read;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use acquire::Told;
use acquire::sp_api::items::{Api, Items, Kind, Pages, Wanted, batches, listed, of_rows};
use acquire::sp_api::{self, SpApi};
use anyhow::{Context, Result};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::stream::{self, StreamExt};
use pipeline::lake::Lake;

use super::sp_api::{ACCOUNTS, SOURCE, meant};
use super::{Account, Ground};
use crate::cli::ItemsArgs;
use crate::exit::usage;
use crate::session::Session;

/// Asks one of the two APIs for the products that the call, or else the configuration, names.
pub(super) async fn fetch(session: &Session, api: Api, args: ItemsArgs) -> Result<u8> {
    let mut ground = Ground::open(session).await?;
    let accounts = meant(&ground, |alias| {
        args.account.as_deref().is_none_or(|wanted| wanted == alias)
    })?;
    let named = named(&ground.lake, api, &args).await?;
    let mut work = Vec::new();
    for account in accounts {
        let items = configured(account, api);
        items
            .check(api)
            .map_err(|error| usage(format!("{}: {error}", account.account)))?;
        let wanted = match &named {
            Some(named) => named.clone(),
            None => of_configuration(&ground.lake, api, items).await?,
        };
        if wanted.is_empty() {
            continue;
        }
        if let Some(held) = ground.account(SOURCE, api.folder(), &account.account).await? {
            work.push((account, wanted, held));
        }
    }
    if work.is_empty() && !ground.is_busy() {
        return Err(usage(
            "no product is wanted: say --asins, --skus, --sellers or --query, or asins, skus, sellers or query in `catalog` or \
             `listings` of [[acquire.sp_api]]",
        ));
    }
    let work = stream::iter(work)
        .map(|(account, wanted, held)| {
            let (ground, args) = (&ground, &args);
            async move {
                let went = Box::pin(one(ground, (api, account), &wanted, &held, args)).await;
                held.end().await;
                (account.account.clone(), went)
            }
        })
        .buffer_unordered(ACCOUNTS)
        .collect::<Vec<_>>();
    for (account, went) in ground.unless_stopped(work).await? {
        let (told, would, error) = went;
        if let Some((calls, takes)) = would {
            ground.would(calls, takes);
        }
        ground.tell(&account, Ok(told))?;
        if let Some(error) = error {
            ground.tell(&account, Err(error))?;
        }
    }
    ground.end()
}

/// What was told of an account, what would be asked, and why it ended early.
type Went = (Vec<Told>, Option<(u64, Duration)>, Option<acquire::Error>);

/// The products of one account.
async fn one(
    ground: &Ground<'_>,
    of: (Api, &sp_api::Account),
    wanted: &[Wanted],
    held: &Account,
    args: &ItemsArgs,
) -> Went {
    let told = Mutex::new(Vec::new());
    let tell = |one: Told| told.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    let went = asked(ground, of, wanted, held, (args, &tell)).await;
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    match went {
        Ok(would) => (told, would, None),
        Err(error) => (told, None, Some(error)),
    }
}

async fn asked(
    ground: &Ground<'_>,
    (which, account): (Api, &sp_api::Account),
    wanted: &[Wanted],
    held: &Account,
    (args, tell): (&ItemsArgs, &(dyn Fn(Told) + Sync)),
) -> acquire::Result<Option<(u64, Duration)>> {
    let (transport, at) = (ground.transport.clone(), ground.at.clone());
    let api = SpApi::open(ground.settings, account, transport, &held.remembered, at).await?;
    let settings = (configured(account, which), ground.settings);
    let places = (held.raw.clone(), &held.remembered);
    let pages = Pages::open(&api, which, settings, places, ground.spool.clone(), args.again).await?;
    let seller = account.seller.as_deref();
    let batches = batches(which, wanted, &held.configured.marketplaces, seller);
    for (name, why) in batches.refused {
        tell(Told::refused(
            &account.account,
            which.folder(),
            format!("{name}: {why}"),
        ));
    }
    if args.dry_run {
        return pages.would(&batches.batches).await.map(Some);
    }
    pages.fetch(&batches.batches, tell).await?;
    Ok(None)
}

fn configured(account: &sp_api::Account, api: Api) -> &Items {
    match api {
        Api::Catalog => &account.catalog,
        Api::Listings => &account.listings,
    }
}

/// What the call itself names; none where it names nothing.
async fn named(lake: &Lake, api: Api, args: &ItemsArgs) -> Result<Option<Vec<Wanted>>> {
    let lists = [
        (&args.asins, Some(Kind::Asin)),
        (&args.skus, Some(Kind::Sku)),
        (&args.sellers, None),
    ];
    let lists = lists
        .iter()
        .filter_map(|(file, kind)| Some((file.as_ref()?, *kind)));
    let mut wanted = None;
    for (file, kind) in lists {
        let of_list = listed(&text(file)?, kind, api).map_err(|error| usage(format!("{file}: {error}")))?;
        wanted.get_or_insert_with(Vec::new).extend(of_list);
    }
    if let Some(sql) = &args.query {
        wanted
            .get_or_insert_with(Vec::new)
            .extend(queried(lake, api, sql).await?);
    }
    Ok(wanted)
}

async fn of_configuration(lake: &Lake, api: Api, items: &Items) -> Result<Vec<Wanted>> {
    let mut wanted = items.wanted();
    if let Some(sql) = &items.query {
        wanted.extend(queried(lake, api, sql).await?);
    }
    Ok(wanted)
}

fn text(file: &str) -> Result<String> {
    let mut text = String::new();
    match file {
        "-" => std::io::stdin()
            .read_to_string(&mut text)
            .map(drop)
            .context("stdin cannot be read")?,
        _ => text = std::fs::read_to_string(file).map_err(|error| usage(format!("{file}: {error}")))?,
    }
    Ok(text)
}

/// What the rows of a statement want.
async fn queried(lake: &Lake, api: Api, sql: &str) -> Result<Vec<Wanted>> {
    let mut rows = lake.query_rows(sql).await?;
    let schema = rows.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    // Also where there are no rows: what the columns are called is right or wrong anyway.
    let mut wanted = of_rows(&names, [], api).map_err(|error| usage(error.to_string()))?;
    let options = FormatOptions::default();
    while let Some(batch) = rows.next().await? {
        let columns = batch.columns().iter();
        let cells = columns.map(|column| ArrayFormatter::try_new(column, &options));
        let cells = cells.collect::<std::result::Result<Vec<_>, _>>()?;
        let of_batch = (0..batch.num_rows()).map(|row| {
            let columns = batch.columns().iter().zip(&cells);
            let texts =
                columns.map(|(column, cell)| column.is_valid(row).then(|| cell.value(row).to_string()));
            texts.collect()
        });
        wanted.extend(of_rows(&names, of_batch, api).map_err(|error| usage(error.to_string()))?);
    }
    Ok(wanted)
}
