//! A raw zone of our own making, with the troubles of real ones.
//!
//! Everything follows from the options: two calls write the same bytes with the same modification times.

mod events;
mod firehose;
mod jwo;
mod merchant;
mod message;
mod order;
mod product;
mod reports;
mod stream;
mod trade;
mod troubles;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Utc};
use pipeline::account::Account;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use trade::{ADVERTISERS, Trade};

/// How much to make, and of which days.
#[derive(Debug, Clone)]
pub struct Options {
    /// Multiplies orders and messages; at 1 about 60 orders a day and merchant.
    pub scale: u32,
    /// Days of deliveries.
    pub days: u32,
    /// First day of deliveries (UTC).
    pub start: NaiveDate,
    /// Another seed gives other orders and messages.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scale: 1,
            days: 4,
            start: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap_or_default(),
            seed: 7,
        }
    }
}

impl Options {
    /// Every day of deliveries.
    fn all_days(&self) -> Vec<NaiveDate> {
        self.start.iter_days().take(self.days as usize).collect()
    }

    /// The day of that index, or the last one where there are fewer.
    fn day(&self, index: u32) -> NaiveDate {
        self.start + Days::new(u64::from(index.min(self.days.saturating_sub(1))))
    }

    /// Chance for one part of the raw zone, whatever the others draw.
    fn rng(&self, part: &str) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(part.bytes().fold(1, |stream: u64, byte| {
            stream.wrapping_mul(256).wrapping_add(u64::from(byte))
        }));
        rng
    }

    /// The first instant after the deliveries.
    fn end(&self) -> DateTime<Utc> {
        (self.start + Days::new(u64::from(self.days)))
            .and_time(Default::default())
            .and_utc()
    }
}

/// What was made.
#[derive(Debug)]
pub struct Generated {
    /// Accounts whose raw objects these are.
    pub accounts: Vec<Account>,
    /// Raw objects written.
    pub objects: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Days of deliveries.
    pub days: Vec<NaiveDate>,
    /// One line per trouble planted, naming the object or the order.
    pub story: Vec<String>,
    /// Merchant id and order id of an order that came in three files.
    pub split_order: (String, String),
    /// Campaign and a day of which several reports tell.
    pub restated: (String, NaiveDate),
    /// Merchant and day of which a newer, empty report says that nothing happened after all.
    pub emptied: Option<(String, NaiveDate)>,
    /// One-time passwords that are in the raw zone and must not be anywhere else.
    pub passwords: Vec<String>,
}

/// Writes the raw zone below `raw_root`, which is created; fails on what the file system refuses.
pub fn generate(raw_root: &Path, options: &Options) -> anyhow::Result<Generated> {
    anyhow::ensure!(
        options.days > 0 && options.scale > 0,
        "a demo needs at least one day and a scale of 1"
    );
    let mut desk = Desk {
        raw_root,
        folders: BTreeSet::new(),
        objects: 0,
        bytes: 0,
    };
    let mut story = Vec::new();
    let mut accounts = Vec::new();
    let mut split_order = None;
    for merchant in merchant::ALL {
        let made = jwo::make(merchant, options, &mut story);
        split_order = split_order.or(made.split_order);
        accounts.push(merchant.account(options.start));
        desk.deliver(&made.objects)?;
    }
    let mut trades: Vec<Trade> = ADVERTISERS
        .iter()
        .map(|advertiser| Trade::of(advertiser, options))
        .collect();
    for trade in &mut trades {
        troubles::plant_in_trade(trade, options, &mut story);
    }
    accounts.push(stream::account(options.start));
    for dataset in stream::make(&trades, options, &mut story) {
        desk.deliver(&dataset)?;
    }
    for trade in &trades {
        let mut reports = reports::of(trade, options);
        troubles::plant_in_reports(trade, options, &mut reports, &mut story);
        accounts.extend(reports::accounts(trade.advertiser, options.start));
        desk.deliver(&reports::objects(&reports))?;
    }
    let events = events::make(options, &mut story);
    accounts.push(events::account(options.start));
    desk.deliver(&events.objects)?;
    for account in &mut accounts {
        account.until = options.all_days().last().copied();
    }
    let emptied = trades.iter().find_map(|trade| {
        let (day, _) = trade.worthless?;
        Some((trade.advertiser.merchant.to_owned(), day))
    });
    Ok(Generated {
        accounts,
        objects: desk.objects,
        bytes: desk.bytes,
        days: options.all_days(),
        story,
        split_order: split_order.context("no merchant has a split order")?,
        restated: restated(options),
        emptied,
        passwords: events.passwords,
    })
}

/// A campaign on the first day, which is restated from the second day on, or on the day before where that does not come.
fn restated(options: &Options) -> (String, NaiveDate) {
    let (campaign, _) = ADVERTISERS[0].campaigns[0];
    let back = u64::from(options.days < 2);
    (campaign.to_owned(), options.start - Days::new(back))
}

/// A raw object to be written.
struct RawObject {
    /// Path below the raw root.
    path: String,
    bytes: Vec<u8>,
    /// When it was last delivered: its modification time.
    delivered: DateTime<Utc>,
}

/// Writes objects and counts them.
struct Desk<'a> {
    raw_root: &'a Path,
    folders: BTreeSet<String>,
    objects: u64,
    bytes: u64,
}

impl Desk<'_> {
    fn deliver(&mut self, objects: &[RawObject]) -> anyhow::Result<()> {
        for object in objects {
            let path = self.raw_root.join(&object.path);
            let folder = object.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if self.folders.insert(folder.to_owned()) {
                std::fs::create_dir_all(self.raw_root.join(folder))
                    .with_context(|| format!("could not create the folder of {}", path.display()))?;
            }
            let write = || -> std::io::Result<()> {
                let mut file = File::create(&path)?;
                file.write_all(&object.bytes)?;
                file.set_modified(object.delivered.into())
            };
            write().with_context(|| format!("could not write {}", path.display()))?;
            self.objects += 1;
            self.bytes += object.bytes.len() as u64;
        }
        Ok(())
    }
}

/// The instant of that second of a local day.
fn at_local(zone: chrono_tz::Tz, day: NaiveDate, second: u32) -> DateTime<Utc> {
    let local = day.and_time(Default::default()) + TimeDelta::seconds(i64::from(second));
    let instant = zone.from_local_datetime(&local).earliest();
    instant.map_or_else(|| local.and_utc(), |instant| instant.with_timezone(&Utc))
}

/// The bytes as a gzip member.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // A vector takes every byte: neither call can fail.
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
