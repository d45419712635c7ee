//! `acquire jwo`: order reports of Just Walk Out, as messages tell of them or by listing days.

use std::collections::BTreeMap;

use acquire::intake::Named;
use acquire::jwo::{Copies, Merchant, Merchants, copy_day, lacking, of_day};
use acquire::{AtAws, Period};
use anyhow::Result;
use aws::Aws;

use super::queues::{Drained, OfQueue, verifier, worked_on};
use super::{Account, Ground};
use crate::cli::JwoArgs;
use crate::exit::usage;
use crate::session::Session;

/// What is remembered of an account, and what its lease is about.
const KIND: &str = "reports";

pub(super) async fn jwo(session: &Session, arguments: &JwoArgs) -> Result<u8> {
    let mut ground = Ground::open(session).await?;
    let wanted = arguments.account.as_deref();
    let is_meant = |merchant: &&Merchant| wanted.is_none_or(|alias| alias == merchant.account);
    let merchants: Vec<&Merchant> = ground.settings.jwo.iter().filter(is_meant).collect();
    if merchants.is_empty() {
        return Err(usage(match wanted {
            Some(alias) => format!("there is no [[acquire.jwo]] with account = {alias:?}"),
            None => "there is no [[acquire.jwo]]: say account, queue and bucket of a merchant".to_owned(),
        }));
    }
    let at = ground.at.clone();
    let aws = AtAws::aws(&*at).await.map_err(|error| usage(error.to_string()))?;
    let (mut drained, mut held, mut ready) = (Drained::new(), Vec::new(), Vec::new());
    for merchant in merchants {
        match copies(&mut ground, aws, merchant).await? {
            Some((account, copies)) => {
                held.push(account);
                ready.push((merchant.clone(), copies));
            }
            None => drained.busy(&merchant.account),
        }
    }
    match arguments.days()? {
        Some(days) if arguments.dry_run => wanted_days(&ground, days, &ready, &mut drained).await?,
        Some(days) => copied_days(&ground, days, &ready, &mut drained).await?,
        None => from_queues(&ground, aws, arguments, ready, &mut drained).await?,
    }
    for account in held {
        account.end().await;
    }
    drained.end(&ground, arguments.draining.watch)
}

/// What was copied of a merchant, and the right to copy more; none where another process has it.
async fn copies(
    ground: &mut Ground<'_>,
    aws: &Aws,
    merchant: &Merchant,
) -> Result<Option<(Account, Copies)>> {
    let from = merchant.store(aws).map_err(|error| usage(error.to_string()))?;
    let Some(account) = ground.account("jwo", KIND, &merchant.account).await? else {
        return Ok(None);
    };
    let amazons = format!("s3://{}/", merchant.bucket);
    let own = account.configured.raw.as_deref().unwrap_or_default();
    if format!("{own}/").starts_with(&amazons) {
        return Err(usage(format!(
            "the raw zone of {} is Amazon's bucket {} itself, so that there is nothing to copy: `marketlake run --events` \
             reads it where it is",
            merchant.account, merchant.bucket
        )));
    }
    let (to, remembered) = (account.raw.clone(), account.remembered.clone());
    let copies = Copies::new(from, to, remembered, ground.spool.clone());
    Ok(Some((account, copies)))
}

/// Says what of whole days would be copied.
async fn wanted_days(
    ground: &Ground<'_>,
    days: Period,
    ready: &[(Merchant, Copies)],
    drained: &mut Drained,
) -> Result<()> {
    for (merchant, copies) in ready {
        let mut of_account = OfQueue::of_days(&merchant.account);
        for date in days.from.iter_days().take_while(|date| *date <= days.to) {
            match ground.unless_stopped(lacking(merchant, copies, date)).await? {
                Ok((keys, known)) => {
                    of_account.counts.known += known;
                    of_account.wanted.extend(keys);
                }
                Err(error) => drained.failed(ground, &merchant.account, &error)?,
            }
        }
        drained.add(of_account);
    }
    Ok(())
}

/// Copies whole days by listing them.
async fn copied_days(
    ground: &Ground<'_>,
    days: Period,
    ready: &[(Merchant, Copies)],
    drained: &mut Drained,
) -> Result<()> {
    for (merchant, copies) in ready {
        let mut of_account = OfQueue::of_days(&merchant.account);
        for date in days.from.iter_days().take_while(|date| *date <= days.to) {
            let copied = async {
                let copied = copy_day(merchant, copies, date, ground.settings.parallel).await?;
                let day = of_day(&merchant.account, copies.raw(), date).await?;
                Ok::<_, acquire::Error>((copied, day))
            };
            match ground.unless_stopped(copied).await? {
                Ok((copied, day)) => {
                    of_account.counts.known += copied.known;
                    of_account.counts.landed += copied.copied.len() as u64;
                    of_account.objects.extend(copied.copied);
                    drained.day(day);
                    for why in copied.failed {
                        let error = acquire::Error::store(date.to_string(), why);
                        drained.failed(ground, &merchant.account, &error)?;
                    }
                }
                Err(error) => drained.failed(ground, &merchant.account, &error)?,
            }
        }
        drained.add(of_account);
    }
    Ok(())
}

/// Copies what messages name, from all queues at the same time.
async fn from_queues(
    ground: &Ground<'_>,
    aws: &Aws,
    arguments: &JwoArgs,
    ready: Vec<(Merchant, Copies)>,
    drained: &mut Drained,
) -> Result<()> {
    let verifier = &verifier(ground)?;
    let mut queues: BTreeMap<Named, Vec<(Merchant, Copies)>> = BTreeMap::new();
    for (merchant, copies) in ready {
        queues
            .entry(merchant.named())
            .or_default()
            .push((merchant, copies));
    }
    let works = queues.into_iter().map(|(named, merchants)| async move {
        let accounts = merchants.iter().map(|(merchant, _)| merchant.account.clone());
        let accounts = accounts.collect();
        let mut work = Merchants::new(merchants, verifier, ground.settings.parallel);
        let (counts, result) = worked_on(ground, aws, &named, &arguments.draining, &mut work).await;
        let of_queue = OfQueue {
            queue: Some(named.url),
            accounts,
            counts,
            objects: work.copied().to_vec(),
            wanted: Vec::new(),
        };
        (of_queue, work.days().await, result)
    });
    for (of_queue, days, result) in futures::future::join_all(works).await {
        let name = of_queue.queue.clone().unwrap_or_default();
        drained.add(of_queue);
        match days {
            Ok(days) => days.into_iter().for_each(|day| drained.day(day)),
            Err(error) => drained.failed(ground, &name, &error)?,
        }
        if let Err(error) = result {
            drained.failed(ground, &name, &error)?;
        }
    }
    Ok(())
}
