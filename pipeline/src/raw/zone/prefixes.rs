//! What is listed of a place: as few prefixes as the days and accounts of a selection allow.

use std::collections::BTreeSet;

use chrono::{NaiveDate, Utc};
use object_store::path::Path;

use crate::request::{DayFolder, Selection};
use crate::storage::{Place, address};

use super::{LISTED_BY_DAY, Watched};

/// What to list.
pub(super) struct Prefix {
    pub(super) path: Path,
    /// Only what lies behind this in the order of paths.
    pub(super) after: Option<Path>,
    /// Whose folder it is, where it is one's.
    pub(super) account: Option<String>,
}

/// What to list: one prefix a day (and account) for a short range, else everything the pattern can match. In a bucket, where
/// the order of paths is that of days, what comes before the first day is passed over, and days that go on until today are
/// one prefix: nothing lies behind them.
pub(super) fn prefixes(
    root: &Place,
    (source, watched): (&str, &Watched),
    accounts: &[Option<String>],
    selection: &Selection,
) -> Vec<Prefix> {
    let mut prefixes = Vec::new();
    for account in accounts {
        let alias = account.as_deref();
        let days = match &selection.folders {
            Some(folders) => Some(days_in(folders, source, watched.account.as_deref().or(alias))),
            None => days_of(selection),
        };
        let goes_on = days.is_none() || selection.to >= Some(Utc::now().date_naive());
        let after = selection.from.filter(|_| goes_on && !root.is_local());
        let after = after.and_then(|from| watched.pattern.before(alias, from));
        let of_account: BTreeSet<String> = match &days {
            Some(days) if after.is_none() => days
                .iter()
                .flat_map(|day| watched.pattern.prefixes_of(alias, *day))
                .collect(),
            _ => BTreeSet::from([watched.pattern.prefix(alias)]),
        };
        prefixes.extend(of_account.into_iter().map(|prefix| Prefix {
            path: address::join(root.path(), &prefix),
            after: after.as_ref().map(|after| address::join(root.path(), after)),
            account: account.clone(),
        }));
    }
    prefixes
}

fn days_of(selection: &Selection) -> Option<Vec<NaiveDate>> {
    let (from, to) = (selection.from?, selection.to?);
    let days: Vec<NaiveDate> = from
        .iter_days()
        .take_while(|day| *day <= to)
        .take(LISTED_BY_DAY + 1)
        .collect();
    (days.len() <= LISTED_BY_DAY).then_some(days)
}

/// The days of an account, or of all where it is none, among folders.
fn days_in(folders: &BTreeSet<DayFolder>, source: &str, account: Option<&str>) -> Vec<NaiveDate> {
    let of_source = folders.iter().filter(|folder| folder.source == source);
    let named = of_source.filter(|folder| account.is_none() || folder.account.as_deref() == account);
    let days: BTreeSet<NaiveDate> = named.map(|folder| folder.day).collect();
    days.into_iter().collect()
}

/// The accounts whose folders at a place are among these, where accounts have folders there; else one that is none, if any is.
pub(super) fn accounts_in(
    folders: &BTreeSet<DayFolder>,
    source: &str,
    watched: &Watched,
) -> Vec<Option<String>> {
    let named = folders.iter().filter(|folder| folder.source == source);
    let named = named.filter(|folder| watched.account.is_none() || folder.account == watched.account);
    let has_folders = watched.account.is_none() && watched.pattern.has_account_folders();
    let accounts: BTreeSet<Option<String>> = named
        .map(|folder| folder.account.clone().filter(|_| has_folders))
        .collect();
    accounts.into_iter().collect()
}
