//! Whole days: what Amazon's bucket has of one is copied by listing it, and how much of it lies in the raw zone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use schemars::JsonSchema;
use serde::Serialize;

use super::Merchant;
use super::copy::{Copied, Copies, Wanted};
use crate::error::{Error, Result, of_store};
use crate::place::Place;

/// Reports an hour.
const AN_HOUR: usize = 4;
/// Reports a day.
const A_DAY: usize = 24 * AN_HOUR;

/// How complete a day of an account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Day {
    /// Alias of the account.
    pub account: String,
    /// The day, as the paths of reports name it.
    pub date: NaiveDate,
    /// Reports in the raw zone, each with all its parts once.
    pub reports: usize,
    /// Reports that a day has.
    pub of: usize,
    /// Hours with fewer reports than four, each with how many there are.
    pub lacking: BTreeMap<String, usize>,
}

/// What became of copying a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayCopied {
    /// Paths of what was copied in the raw zone.
    pub copied: Vec<String>,
    /// How many reports were there already.
    pub known: u64,
    /// What could not be copied, and why.
    pub failed: Vec<String>,
}

/// Keys of what Amazon's bucket has of a day and the raw zone has not, and how many of its reports are there already.
///
/// # Errors
///
/// When the bucket cannot be listed, or what was copied is not known.
pub async fn lacking(merchant: &Merchant, copies: &Copies, date: NaiveDate) -> Result<(Vec<String>, u64)> {
    let prefix = merchant.prefix.trim_matches('/');
    let folder = match prefix.is_empty() {
        true => format!("Order/{date}"),
        false => format!("{prefix}/Order/{date}"),
    };
    let folder = Path::parse(&folder).map_err(|error| Error::odd(folder, error))?;
    let listed: Vec<ObjectMeta> = copies
        .amazons()
        .list(Some(&folder))
        .try_collect()
        .await
        .map_err(|error| of_store(&format!("{}/{folder}", merchant.bucket), &error))?;
    let (mut keys, mut known) = (Vec::new(), 0);
    for object in &listed {
        let key = object.location.as_ref();
        if let Some(place) = merchant.place_of(key) {
            match copies.has(place, object).await? {
                true => known += 1,
                false => keys.push(key.to_owned()),
            }
        }
    }
    Ok((keys, known))
}

/// Copies what Amazon's bucket has of a day and the raw zone has not; so many reports at the same time.
///
/// # Errors
///
/// As [`lacking`].
pub async fn copy_day(
    merchant: &Merchant,
    copies: &Copies,
    date: NaiveDate,
    parallel: usize,
) -> Result<DayCopied> {
    let (keys, known) = lacking(merchant, copies, date).await?;
    let copied = keys.iter().filter_map(|key| {
        let place = merchant.place_of(key)?;
        let wanted = Wanted {
            key,
            place,
            ..Wanted::default()
        };
        Some(async move { (place, copies.copy(&wanted).await) })
    });
    let mut copied = stream::iter(copied).buffer_unordered(parallel.max(1));
    let mut day = DayCopied {
        known,
        ..DayCopied::default()
    };
    while let Some((place, copied)) = copied.next().await {
        match copied {
            Ok(Copied::New) => day.copied.push(copies.raw().below(place).to_string()),
            Ok(Copied::Known) => day.known += 1,
            // It went between the listing and the copy.
            Ok(Copied::Gone) => day.failed.push(format!("{place}: it is not there any more")),
            Err(error) => day.failed.push(error.to_string()),
        }
    }
    day.copied.sort();
    Ok(day)
}

/// How complete a day lies in the raw zone.
///
/// # Errors
///
/// When it cannot be listed.
pub async fn of_day(account: &str, raw: &Place, date: NaiveDate) -> Result<Day> {
    let folder = raw.below(&format!("Order/{date}"));
    let listed: Vec<ObjectMeta> = folder
        .store()
        .list(Some(folder.path()))
        .try_collect()
        .await
        .map_err(|error| of_store(&folder.to_string(), &error))?;
    let mut hours: BTreeMap<String, BTreeSet<String>> = (0..24)
        .map(|hour| (format!("{hour:02}"), BTreeSet::new()))
        .collect();
    for object in &listed {
        let mut parts = object.location.as_ref().rsplit('/');
        let (file, hour) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        // What follows the name is the number of a part, and perhaps how it is compressed.
        if let (Some((report, _)), Some(reports)) = (file.split_once(".csv"), hours.get_mut(hour)) {
            reports.insert(report.to_owned());
        }
    }
    let lacking = hours.iter().filter(|(_, reports)| reports.len() < AN_HOUR);
    Ok(Day {
        account: account.to_owned(),
        date,
        reports: hours.values().map(BTreeSet::len).sum(),
        of: A_DAY,
        lacking: lacking
            .map(|(hour, reports)| (hour.clone(), reports.len()))
            .collect(),
    })
}
