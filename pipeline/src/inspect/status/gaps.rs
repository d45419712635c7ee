//! Periods that an account should have delivered by now and did not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::contract::{Contract, Expect, TableName};
use crate::lake::Lake;
use crate::raw::account::Account;
use crate::report::{PeriodGap, PeriodState};

/// Most gaps that are told: holes before silence, the newest holes, and of a silence its begin.
const MOST: usize = 10_000;

/// Minutes of a day.
const DAY: u32 = 1440;

/// Periods of claimed objects by the account's alias; no alias where paths name no account.
pub(super) type Delivered = BTreeMap<Option<String>, BTreeSet<NaiveDateTime>>;

/// Tables that read the same objects, by the first of them.
struct Family<'a> {
    contract: &'a Contract,
    expect: &'a Expect,
    delivered: Delivered,
}

/// When periods were due that are looked for.
#[derive(Clone, Copy)]
pub(super) struct Due {
    /// Only later than this; none: however long ago.
    pub(super) after: Option<DateTime<Utc>>,
    /// And before this.
    pub(super) before: DateTime<Utc>,
}

/// The gaps of all accounts, oldest first. Objects that several tables read are missed once. What was delivered before the
/// day `from` is not known.
pub(super) fn gaps(
    lake: &Lake,
    delivered: &BTreeMap<TableName, Delivered>,
    from: Option<NaiveDate>,
    due: Due,
) -> Vec<PeriodGap> {
    let mut gaps = Vec::new();
    for family in families(lake, delivered) {
        for (alias, periods) in &family.delivered {
            let account = lake
                .accounts()
                .iter()
                .find(|account| is(account, &family, alias.as_deref()));
            // Longer periods are counted from the day since which it delivers.
            let from = from.filter(|_| family.expect.every_minutes <= DAY);
            let since = account
                .and_then(|account| account.since)
                .map(|day| from.map_or(day, |from| from.max(day)))
                .map(|day| day.and_time(NaiveTime::MIN));
            let end = account
                .and_then(|account| account.until?.succ_opt())
                .map(|day| day.and_time(NaiveTime::MIN));
            gaps.extend(
                missed(family.expect, since, periods, due)
                    .into_iter()
                    .filter(|(start, ..)| end.is_none_or(|end| *start < end))
                    .map(|(start, due, state)| PeriodGap {
                        account: alias.clone().unwrap_or_default(),
                        table: family.contract.name.to_string(),
                        period_start: start.and_utc(),
                        due_at: due.and_utc(),
                        state,
                    }),
            );
        }
    }
    let place = |gap: &PeriodGap| (gap.period_start, gap.table.clone(), gap.account.clone());
    gaps.sort_by_cached_key(|gap| {
        let newest_hole_first = (gap.state == PeriodState::Missing).then_some(Reverse(gap.period_start));
        (gap.state, newest_hole_first, place(gap))
    });
    let surplus = gaps.len().saturating_sub(MOST);
    if surplus > 0 {
        tracing::warn!(
            at_least = surplus,
            "more periods are missing or overdue than are told"
        );
        gaps.truncate(MOST);
    }
    gaps.sort_by_cached_key(place);
    gaps
}

/// When a table's periods are expected.
pub(super) fn expect_of(contract: &Contract) -> Option<&Expect> {
    contract.raw_feed()?.expect.as_ref()
}

/// The tables that expect something; together those that expect the same objects.
pub(super) fn expecting(lake: &Lake) -> Vec<Vec<&Contract>> {
    let mut all: Vec<Vec<&Contract>> = Vec::new();
    for contract in lake.contracts().values() {
        let (Some(feed), Some(expect)) = (contract.raw_feed(), expect_of(contract)) else {
            continue;
        };
        let same = |tables: &&mut Vec<&Contract>| {
            tables[0].name.source == contract.name.source
                && tables[0].raw_feed().is_some_and(|of| of.paths == feed.paths)
                && expect_of(tables[0]) == Some(expect)
        };
        match all.iter_mut().find(same) {
            Some(tables) => tables.push(contract),
            None => all.push(vec![contract]),
        }
    }
    all
}

/// Those of which it is known what was delivered.
fn families<'a>(lake: &'a Lake, delivered: &BTreeMap<TableName, Delivered>) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'a>> = Vec::new();
    for tables in expecting(lake) {
        let first = tables[0];
        let known: Vec<&Delivered> = tables
            .iter()
            .filter_map(|table| delivered.get(&table.name))
            .collect();
        let (Some(feed), Some(expect), false) = (first.raw_feed(), expect_of(first), known.is_empty()) else {
            continue;
        };
        let mut of_all = Delivered::new();
        for account in lake.accounts() {
            let attributable = account.raw.is_some() || feed.paths.iter().any(|path| path.names_account());
            if account.source == first.name.source && attributable {
                of_all.insert(Some(account.alias.clone()), BTreeSet::new());
            }
        }
        for (alias, periods) in known.into_iter().flatten() {
            of_all.entry(alias.clone()).or_default().extend(periods);
        }
        families.push(Family {
            contract: first,
            expect,
            delivered: of_all,
        });
    }
    families
}

fn is(account: &Account, family: &Family<'_>, alias: Option<&str>) -> bool {
    account.source == family.contract.name.source && Some(account.alias.as_str()) == alias
}

/// Start, due time and state of each missed period: holes, newest first, then the silence at the end, oldest first;
/// of either a few more than are told. Periods are counted in UTC from midnight of the day `since` which, or else of
/// the first day on which, something was delivered; in the latter case none before the first delivery is missed.
fn missed(
    expect: &Expect,
    since: Option<NaiveDateTime>,
    periods: &BTreeSet<NaiveDateTime>,
    looked_for: Due,
) -> Vec<(NaiveDateTime, NaiveDateTime, PeriodState)> {
    let every = TimeDelta::minutes(i64::from(expect.every_minutes.max(1)));
    let within = TimeDelta::minutes(i64::from(expect.within_minutes));
    let first_day = || Some(periods.first()?.date().and_time(NaiveTime::MIN));
    let Some(origin) = since.or_else(first_day) else {
        return Vec::new();
    };
    let now = looked_for.before.naive_utc();
    let slot = |time: NaiveDateTime| (time - origin).num_seconds().div_euclid(every.num_seconds());
    let delivered: BTreeSet<i64> = periods.iter().map(|period| slot(*period)).collect();
    let first = match (since, delivered.first()) {
        (None, Some(first)) => *first,
        _ => 0,
    };
    let silent_from = delivered.last().map_or(first, |newest| (newest + 1).max(first));
    let gap = |slot: i64, state: PeriodState| {
        let start = origin + every * i32::try_from(slot).ok()?;
        let due = start + every + within;
        (due < now).then_some((start, due, state))
    };
    // The first one that is due later than that.
    let earliest = looked_for
        .after
        .map_or(first, |after| slot(after.naive_utc() - within).max(first));
    let holes = (earliest..silent_from)
        .rev()
        .filter(|slot| !delivered.contains(slot));
    let holes = holes
        .filter_map(|slot| gap(slot, PeriodState::Missing))
        .take(MOST + 1);
    let silence = silent_from.max(earliest)..=slot(now - within);
    let silence = silence
        .filter_map(|slot| gap(slot, PeriodState::Overdue))
        .take(MOST + 1);
    holes.chain(silence).collect()
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
        let due = Due {
            after: None,
            before: now.and_utc(),
        };
        missed(expect, since, &seen, due)
            .into_iter()
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
            ["02 00:15 missing", "02 00:00 missing", "02 00:45 overdue"]
        );
    }

    #[test]
    fn days_are_expected_since_the_account_delivers() {
        let days = Expect {
            every_minutes: 1440,
            within_minutes: 60,
        };
        let found = starts(&days, Some(time(1, 0, 0)), &[time(2, 13, 0)], time(4, 1, 1));
        assert_eq!(found, ["01 00:00 missing", "03 00:00 overdue"]);
        assert_eq!(
            starts(&days, Some(time(9, 0, 0)), &[], time(4, 1, 1)),
            Vec::<String>::new()
        );
        assert_eq!(starts(&days, None, &[], time(4, 1, 1)), Vec::<String>::new());
    }

    #[test]
    fn a_long_silence_is_cut_and_hides_no_hole() {
        let minutes = Expect {
            every_minutes: 1,
            within_minutes: 1,
        };
        let found = starts(
            &minutes,
            Some(time(1, 0, 0)),
            &[time(1, 0, 0), time(1, 0, 2)],
            time(31, 0, 0),
        );
        assert_eq!(found.len(), 1 + MOST + 1);
        assert_eq!(found[..2], ["01 00:01 missing", "01 00:03 overdue"]);
    }

    #[test]
    fn only_what_was_due_after_a_time_is_looked_for_however_long_the_silence_was_before() {
        let minutes = Expect {
            every_minutes: 1,
            within_minutes: 1,
        };
        let seen = [time(30, 23, 0), time(30, 23, 58)].into_iter().collect();
        let after = |hour: u32, minute: u32| {
            let due = Due {
                after: Some(time(30, hour, minute).and_utc()),
                before: time(31, 0, 2).and_utc() + TimeDelta::seconds(1),
            };
            missed(&minutes, Some(time(1, 0, 0)), &seen, due)
                .into_iter()
                .map(|(start, due, state)| {
                    assert!(due > time(30, hour, minute), "{due}");
                    format!("{} {state}", start.format("%d %H:%M"))
                })
                .collect::<Vec<_>>()
        };
        let silence = ["30 23:59 overdue", "31 00:00 overdue"];
        assert_eq!(after(23, 58), [&["30 23:57 missing"], &silence[..]].concat());
        assert_eq!(after(23, 59), silence);
        // 23:59 of the day before, and all minutes of the day but the two that came.
        assert_eq!(after(0, 0).len(), 1 + 24 * 60 - 2 + 1);
    }
}
