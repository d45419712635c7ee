//! Periods that an account should have delivered by now and did not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::account::Account;
use crate::contract::{Contract, Expect, Feed, RawFeed, TableName};
use crate::lake::Lake;
use crate::report::{PeriodGap, PeriodState};

/// Most gaps that are told; the newest are.
const MOST: usize = 10_000;

/// Periods of claimed objects by the account's alias; no alias where paths name no account.
pub(super) type Delivered = BTreeMap<Option<String>, BTreeSet<NaiveDateTime>>;

/// Tables that read the same objects, by the first of them.
struct Family<'a> {
    contract: &'a Contract,
    feed: &'a RawFeed,
    expect: &'a Expect,
    delivered: Delivered,
}

/// The gaps of all accounts, oldest first. Objects that several tables read are missed once.
pub(super) fn gaps(
    lake: &Lake,
    delivered: &BTreeMap<TableName, Delivered>,
    now: DateTime<Utc>,
) -> Vec<PeriodGap> {
    let mut gaps = Vec::new();
    for family in families(lake, delivered) {
        for (alias, periods) in &family.delivered {
            let account = lake
                .accounts()
                .iter()
                .find(|account| is(account, &family, alias.as_deref()));
            let since = account
                .and_then(|account| account.since)
                .map(|day| day.and_time(NaiveTime::MIN));
            gaps.extend(
                missed(family.expect, since, periods, now.naive_utc()).map(|(start, due, state)| PeriodGap {
                    account: alias.clone().unwrap_or_default(),
                    table: family.contract.name.to_string(),
                    period_start: start.and_utc(),
                    due_at: due.and_utc(),
                    state,
                }),
            );
        }
    }
    gaps.sort_by(|a, b| (a.period_start, &a.table, &a.account).cmp(&(b.period_start, &b.table, &b.account)));
    let surplus = gaps.len().saturating_sub(MOST);
    if surplus > 0 {
        tracing::warn!(
            at_least = surplus,
            "more periods are missing than are told; the oldest are left out"
        );
        gaps.drain(..surplus);
    }
    gaps
}

fn families<'a>(lake: &'a Lake, delivered: &BTreeMap<TableName, Delivered>) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'a>> = Vec::new();
    for (name, contract) in lake.contracts() {
        let Feed::Raw(feed) = &contract.feed else { continue };
        let Some(expect) = &feed.expect else { continue };
        let same = |family: &Family<'_>| {
            family.contract.name.source == name.source
                && family.feed.paths == feed.paths
                && family.expect == expect
        };
        let position = families.iter().position(same).unwrap_or_else(|| {
            let mut silent = Delivered::new();
            for account in lake.accounts() {
                let attributable =
                    account.raw.is_some() || feed.paths.iter().any(|path| path.names_account());
                if account.source == name.source && attributable {
                    silent.insert(Some(account.alias.clone()), BTreeSet::new());
                }
            }
            families.push(Family {
                contract,
                feed,
                expect,
                delivered: silent,
            });
            families.len() - 1
        });
        for (alias, periods) in delivered.get(name).into_iter().flatten() {
            families[position]
                .delivered
                .entry(alias.clone())
                .or_default()
                .extend(periods);
        }
    }
    families
}

fn is(account: &Account, family: &Family<'_>, alias: Option<&str>) -> bool {
    account.source == family.contract.name.source && Some(account.alias.as_str()) == alias
}

/// Start, due time and state of each missed period, newest first. Periods are counted in UTC from midnight of the
/// day `since` which, or else of the first day on which, something was delivered; in the latter case none before
/// the first delivery is missed.
fn missed(
    expect: &Expect,
    since: Option<NaiveDateTime>,
    periods: &BTreeSet<NaiveDateTime>,
    now: NaiveDateTime,
) -> impl Iterator<Item = (NaiveDateTime, NaiveDateTime, PeriodState)> {
    let every = TimeDelta::minutes(i64::from(expect.every_minutes.max(1)));
    let within = TimeDelta::minutes(i64::from(expect.within_minutes));
    let begin = since.or_else(|| Some(periods.first()?.date().and_time(NaiveTime::MIN)));
    let origin = begin.unwrap_or(now);
    let slot = move |time: NaiveDateTime| (time - origin).num_seconds().div_euclid(every.num_seconds());
    let delivered: HashSet<i64> = periods.iter().map(|period| slot(*period)).collect();
    let newest = delivered.iter().max().copied();
    let first = if since.is_some() {
        0
    } else {
        periods.first().map_or(0, |period| slot(*period))
    };
    let last = if begin.is_some() {
        slot(now - within)
    } else {
        first - 1
    };
    (first..=last)
        .rev()
        .filter(move |slot| !delivered.contains(slot))
        .filter_map(move |slot| {
            let start = origin + every * i32::try_from(slot).ok()?;
            let due = start + every + within;
            let state = if newest > Some(slot) {
                PeriodState::Missing
            } else {
                PeriodState::Overdue
            };
            (due < now).then_some((start, due, state))
        })
        .take(MOST + 1)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn time(day: u32, hour: u32, minute: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 3, day)
            .unwrap()
            .and_hms_opt(hour, minute, 0)
            .unwrap()
    }

    fn starts(
        expect: &Expect,
        since: Option<NaiveDateTime>,
        seen: &[NaiveDateTime],
        now: NaiveDateTime,
    ) -> Vec<String> {
        let seen = seen.iter().copied().collect();
        missed(expect, since, &seen, now)
            .map(|(start, _, state)| format!("{} {state}", start.format("%d %H:%M")))
            .collect()
    }

    #[test]
    fn holes_are_missing_the_end_is_overdue_and_what_is_not_due_is_neither() {
        let quarters = Expect {
            every_minutes: 15,
            within_minutes: 30,
        };
        // A report is counted to the quarter of an hour in which it was made.
        let seen = [time(1, 23, 52), time(2, 0, 31)];
        let found = starts(&quarters, None, &seen, time(2, 1, 31));
        assert_eq!(
            found,
            ["02 00:45 overdue", "02 00:15 missing", "02 00:00 missing"]
        );
    }

    #[test]
    fn days_are_expected_since_the_account_delivers() {
        let days = Expect {
            every_minutes: 1440,
            within_minutes: 60,
        };
        let found = starts(&days, Some(time(1, 0, 0)), &[time(2, 13, 0)], time(4, 1, 1));
        assert_eq!(found, ["03 00:00 overdue", "01 00:00 missing"]);
        assert_eq!(
            starts(&days, Some(time(9, 0, 0)), &[], time(4, 1, 1)),
            Vec::<String>::new()
        );
        assert_eq!(starts(&days, None, &[], time(4, 1, 1)), Vec::<String>::new());
    }

    #[test]
    fn a_long_silence_is_cut_to_its_newest_periods() {
        let minutes = Expect {
            every_minutes: 1,
            within_minutes: 1,
        };
        let found = starts(&minutes, Some(time(1, 0, 0)), &[], time(31, 0, 0));
        assert_eq!(found.len(), MOST + 1);
        assert_eq!(found[0], "30 23:57 overdue");
    }
}
