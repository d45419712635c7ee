//! Which reports are wanted: those of a range of days, or those that are due.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;

use super::{Request, Want};
use crate::manifest::Period;

/// What the days of one report have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole days.
    Day,
    /// Whole weeks, from Sunday to Saturday.
    Week,
    /// Whole months.
    Month,
    /// Three whole months, from January, April, July or October.
    Quarter,
    /// Whole years.
    Year,
    /// None: the report says how things are when it is made.
    Present,
}

/// How often something is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Each time that so many hours of a day begin.
    Hours(u32),
    /// Each time that so many days begin.
    Days(u32),
}

/// Days that are asked for again and again, because the source restates them: counted back from the day on which a round
/// begins, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How often.
    pub every: Every,
    /// The oldest day.
    pub from: u32,
    /// The newest day; 0 is the day itself.
    pub to: u32,
}

/// What is asked for of one kind of report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Type, options and marketplaces.
    pub like: Want,
    /// What its days have to be.
    pub unit: Unit,
    /// Most days of one report.
    pub longest: u32,
    /// Days that the source goes back; none: without an end.
    pub history: Option<u32>,
    /// Days that pass before a day is there: 0 where today is, 1 where yesterday is the newest.
    pub lag: u32,
    /// What is restated. Without any, each day is asked for once.
    pub windows: Vec<Window>,
}

/// When it is, and since when there is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// Now.
    pub now: DateTime<Utc>,
    /// In whose days the account counts.
    pub zone: Tz,
    /// The first day of which there is anything.
    pub since: Option<NaiveDate>,
    /// The last one.
    pub until: Option<NaiveDate>,
}

impl Calendar {
    /// The day that it is.
    pub fn today(&self) -> NaiveDate {
        self.now.with_timezone(&self.zone).date_naive()
    }
}

impl Plan {
    /// What is wanted of these days, without what is covered by requests that are known.
    pub fn of_days(&self, days: Period, calendar: &Calendar, known: &[Request]) -> Vec<Want> {
        self.missing(days, calendar, known, &[])
    }

    /// What is due now: the rounds of all windows, and days between the first one that was ever asked for and now that nobody
    /// asked for.
    pub fn due(&self, calendar: &Calendar, known: &[Request]) -> Vec<Want> {
        let mut due = Vec::new();
        for window in &self.windows {
            let (anchor, round) = window.round(calendar);
            let round = Some(round);
            if self.unit == Unit::Present {
                due.push(Want {
                    round,
                    ..self.like.clone()
                });
                continue;
            }
            let days = Period {
                from: back(anchor, window.from),
                to: back(anchor, window.to),
            };
            let Some(days) = self.clipped(days, calendar) else {
                continue;
            };
            due.extend(self.slices(&self.units(days)).into_iter().map(|period| {
                let want = Want {
                    period: Some(period),
                    round: round.clone(),
                    ..self.like.clone()
                };
                asked_already(known, &want).unwrap_or(want)
            }));
        }
        let of_this = known.iter().filter(|request| request.want.is_like(&self.like));
        let asked = of_this.filter_map(|request| Some(request.want.period?.from));
        let first = asked
            .chain(due.iter().filter_map(|want| Some(want.period?.from)))
            .min();
        if let Some(from) = first {
            let to = calendar.today();
            due.extend(self.missing(Period { from, to }, calendar, known, &due));
        }
        due
    }

    /// Days that no request is about, in as few requests as may be; with requests about some of them that are to be made again.
    fn missing(&self, days: Period, calendar: &Calendar, known: &[Request], due: &[Want]) -> Vec<Want> {
        let Some(days) = self.clipped(days, calendar) else {
            return Vec::new();
        };
        let of_this: Vec<&Request> = known
            .iter()
            .filter(|request| request.want.is_like(&self.like))
            .collect();
        let covering = of_this
            .iter()
            .filter(|request| request.state.covers())
            .map(|request| &request.want);
        let mut covered: BTreeSet<NaiveDate> = covering.chain(due).flat_map(days_of).collect();
        let mut wanted = Vec::new();
        for request in of_this.iter().filter(|request| !request.state.covers()) {
            let of_it: Vec<NaiveDate> = days_of(&request.want).collect();
            // As it was it can only be made where the source still has all of it.
            let is_there = |period| self.clipped(period, calendar) == Some(period);
            if !request.want.period.is_some_and(is_there) {
                continue;
            }
            if of_it
                .iter()
                .any(|day| days.contains(*day) && !covered.contains(day))
            {
                covered.extend(of_it);
                wanted.push(request.want.clone());
            }
        }
        let units = self.units(days);
        let units: Vec<Period> = units
            .into_iter()
            .filter(|unit| !days_in(*unit).all(|day| covered.contains(&day)))
            .collect();
        wanted.extend(self.slices(&units).into_iter().map(|period| Want {
            period: Some(period),
            ..self.like.clone()
        }));
        wanted
    }

    /// What there can be anything of.
    fn clipped(&self, days: Period, calendar: &Calendar) -> Option<Period> {
        if self.unit == Unit::Present {
            return None;
        }
        let today = calendar.today();
        let oldest = self.history.map(|history| back(today, history));
        let from = [oldest, calendar.since]
            .into_iter()
            .flatten()
            .fold(days.from, NaiveDate::max);
        let newest = back(today, self.lag);
        let to = [Some(newest), calendar.until]
            .into_iter()
            .flatten()
            .fold(days.to, NaiveDate::min);
        (from <= to).then_some(Period { from, to })
    }

    /// The whole units in a range of days, in their order.
    fn units(&self, days: Period) -> Vec<Period> {
        let mut units = Vec::new();
        let mut day = days.from;
        while day <= days.to {
            let unit = unit_of(self.unit, day);
            if unit.from >= days.from && unit.to <= days.to {
                units.push(unit);
            }
            day = forth(unit.to, 1);
        }
        units
    }

    /// Units that follow one another as one request, as many as may be.
    fn slices(&self, units: &[Period]) -> Vec<Period> {
        let mut slices: Vec<Period> = Vec::new();
        for unit in units {
            if let Some(last) = slices.last_mut() {
                let longer = Period {
                    from: last.from,
                    to: unit.to,
                };
                if forth(last.to, 1) == unit.from && longer.days() <= i64::from(self.longest) {
                    *last = longer;
                    continue;
                }
            }
            slices.push(*unit);
        }
        slices
    }
}

impl Window {
    /// The day that the round of now counts back from, and its name.
    fn round(&self, calendar: &Calendar) -> (NaiveDate, String) {
        let today = calendar.today();
        match self.every {
            Every::Hours(hours) => {
                let hour = calendar.now.with_timezone(&calendar.zone).hour();
                let begun = hour - hour % hours.clamp(1, 24);
                (today, format!("{today}T{begun:02}"))
            }
            Every::Days(days) => {
                let days = i64::from(days.max(1));
                let into = i64::from(today.num_days_from_ce()).rem_euclid(days);
                let anchor = back(today, u32::try_from(into).unwrap_or_default());
                (anchor, anchor.to_string())
            }
        }
    }
}

/// What a round asked for already, when its first days were still to be had: they leave the source's history while it lasts.
fn asked_already(known: &[Request], want: &Want) -> Option<Want> {
    let is_it = |request: &&Request| {
        request.want.is_like(want)
            && request.want.round == want.round
            && request.want.period.map(|period| period.to) == want.period.map(|period| period.to)
            && request.state.covers()
    };
    Some(known.iter().find(is_it)?.want.clone())
}

/// The unit that a day is in.
fn unit_of(unit: Unit, day: NaiveDate) -> Period {
    match unit {
        Unit::Day | Unit::Present => Period { from: day, to: day },
        Unit::Week => {
            let from = back(day, day.weekday().num_days_from_sunday());
            Period {
                from,
                to: forth(from, 6),
            }
        }
        Unit::Month => months(day, day.month0(), 1),
        Unit::Quarter => months(day, day.month0() - day.month0() % 3, 3),
        Unit::Year => months(day, 0, 12),
    }
}

/// So many months of the day's year from that one on, January being 0.
fn months(day: NaiveDate, first: u32, number: u32) -> Period {
    let from = NaiveDate::from_ymd_opt(day.year(), first + 1, 1).unwrap_or(day);
    let next = from
        .checked_add_months(Months::new(number))
        .unwrap_or(NaiveDate::MAX);
    Period {
        from,
        to: back(next, 1),
    }
}

fn days_of(want: &Want) -> impl Iterator<Item = NaiveDate> {
    want.period.into_iter().flat_map(days_in)
}

fn days_in(period: Period) -> impl Iterator<Item = NaiveDate> {
    period.from.iter_days().take_while(move |day| *day <= period.to)
}

fn back(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_sub_days(Days::new(days.into()))
        .unwrap_or(NaiveDate::MIN)
}

fn forth(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_add_days(Days::new(days.into()))
        .unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::super::State;
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn days(from: &str, to: &str) -> Period {
        Period {
            from: day(from),
            to: day(to),
        }
    }

    fn calendar(now: &str) -> Calendar {
        Calendar {
            now: now.parse().unwrap(),
            zone: chrono_tz::Europe::Berlin,
            since: None,
            until: None,
        }
    }

    fn plan(unit: Unit, longest: u32) -> Plan {
        let like = Want {
            report: "SALES".to_owned(),
            options: [("a".to_owned(), "b".to_owned())].into(),
            marketplaces: vec!["A1".to_owned()],
            period: None,
            round: None,
        };
        Plan {
            like,
            unit,
            longest,
            history: Some(730),
            lag: 1,
            windows: Vec::new(),
        }
    }

    fn done(want: &Want, state: State) -> Request {
        Request::intended(want.clone(), Utc.timestamp_nanos(0)).now(state)
    }

    fn periods(wants: &[Want]) -> Vec<String> {
        wants
            .iter()
            .filter_map(|want| Some(want.period?.to_string()))
            .collect()
    }

    #[test]
    fn a_range_is_asked_for_once_in_slices_and_never_beyond_what_there_is() {
        let plan = plan(Unit::Day, 31);
        let calendar = calendar("2026-03-10T23:30:00Z");
        let wanted = plan.of_days(days("2026-01-05", "2026-04-30"), &calendar, &[]);
        assert_eq!(
            periods(&wanted),
            [
                "2026-01-05 to 2026-02-04",
                "2026-02-05 to 2026-03-07",
                "2026-03-08 to 2026-03-10"
            ],
            "it is the 11th in Berlin, and yesterday is the newest day"
        );
        let known: Vec<Request> = wanted.iter().map(|want| done(want, State::Landed)).collect();
        assert!(
            plan.of_days(days("2026-01-05", "2026-04-30"), &calendar, &known)
                .is_empty()
        );
        let more = plan.of_days(days("2026-01-01", "2026-03-10"), &calendar, &known);
        assert_eq!(periods(&more), ["2026-01-01 to 2026-01-04"]);
        let ancient = plan.of_days(days("2020-01-01", "2024-03-12"), &calendar, &[]);
        assert_eq!(periods(&ancient), ["2024-03-11 to 2024-03-12"]);
    }

    #[test]
    fn what_failed_is_wanted_again_as_it_was_and_only_that() {
        let plan = plan(Unit::Day, 10);
        let calendar = calendar("2026-03-10T12:00:00Z");
        let wanted = plan.of_days(days("2026-02-01", "2026-02-20"), &calendar, &[]);
        let known = [done(&wanted[0], State::Landed), done(&wanted[1], State::Failed)];
        let again = plan.of_days(days("2026-02-05", "2026-02-15"), &calendar, &known);
        assert_eq!(again, wanted[1..]);
    }

    #[test]
    fn weeks_and_months_are_whole() {
        let calendar = calendar("2026-05-10T12:00:00Z");
        let weeks = plan(Unit::Week, 7).of_days(days("2026-03-02", "2026-03-21"), &calendar, &[]);
        assert_eq!(
            periods(&weeks),
            ["2026-03-08 to 2026-03-14", "2026-03-15 to 2026-03-21"]
        );
        let two = plan(Unit::Week, 20).of_days(days("2026-03-01", "2026-03-21"), &calendar, &[]);
        assert_eq!(
            periods(&two),
            ["2026-03-01 to 2026-03-14", "2026-03-15 to 2026-03-21"]
        );
        let months = plan(Unit::Month, 31).of_days(days("2026-01-02", "2026-04-30"), &calendar, &[]);
        assert_eq!(
            periods(&months),
            [
                "2026-02-01 to 2026-02-28",
                "2026-03-01 to 2026-03-31",
                "2026-04-01 to 2026-04-30"
            ]
        );
        let quarters = plan(Unit::Quarter, 184).of_days(days("2025-02-01", "2026-04-30"), &calendar, &[]);
        assert_eq!(
            periods(&quarters),
            ["2025-04-01 to 2025-09-30", "2025-10-01 to 2026-03-31"]
        );
        let years = plan(Unit::Year, 366).of_days(days("2024-12-31", "2026-04-30"), &calendar, &[]);
        assert_eq!(periods(&years), ["2025-01-01 to 2025-12-31"]);
    }

    #[test]
    fn what_is_restated_is_asked_for_each_round_and_missed_days_once() {
        let mut plan = plan(Unit::Day, 31);
        let every = |days, from, to| Window {
            every: Every::Days(days),
            from,
            to,
        };
        plan.windows = vec![every(1, 31, 1), every(7, 62, 32)];
        let today = calendar("2026-03-10T12:00:00Z");
        let first = plan.due(&today, &[]);
        assert_eq!(periods(&first)[0], "2026-02-07 to 2026-03-09");
        let known: Vec<Request> = first.iter().map(|want| done(want, State::Landed)).collect();
        let is_new = |want: &Want| !known.iter().any(|request| request.want.key() == want.key());
        assert!(
            !plan.due(&today, &known).iter().any(is_new),
            "the second run asks for nothing"
        );
        let tomorrow: Vec<Want> = plan.due(&calendar("2026-03-11T12:00:00Z"), &known);
        let tomorrow: Vec<Want> = tomorrow.into_iter().filter(is_new).collect();
        assert_eq!(periods(&tomorrow)[0], "2026-02-08 to 2026-03-10");
        let later = plan.due(&calendar("2026-05-20T12:00:00Z"), &known);
        let mut asked: BTreeSet<NaiveDate> = known
            .iter()
            .map(|request| &request.want)
            .flat_map(days_of)
            .collect();
        asked.extend(later.iter().flat_map(days_of));
        let all = days_in(days("2026-02-07", "2026-05-19"));
        assert!(
            all.into_iter().all(|day| asked.contains(&day)),
            "no day is never asked for"
        );
    }

    #[test]
    fn a_round_stays_one_while_its_first_days_leave_the_history() {
        let mut plan = plan(Unit::Day, 31);
        plan.history = Some(59);
        plan.windows = vec![Window {
            every: Every::Days(7),
            from: 59,
            to: 32,
        }];
        let days = (1..=14).map(|day| calendar(&format!("2026-03-{day:02}T12:00:00Z")));
        let mut known: Vec<Request> = Vec::new();
        for day in days {
            let due = plan.due(&day, &known);
            let is_round = |want: &&Want| want.round.is_some();
            assert!(
                due.iter()
                    .all(|want| plan.clipped(want.period.unwrap(), &day).is_some())
            );
            for want in due.iter().filter(is_round) {
                if known.iter().all(|request| request.want != *want) {
                    known.push(done(want, State::Landed));
                }
            }
        }
        assert!(known.len() <= 3, "a request a week, whatever day of it is today");
        // What failed is asked for with the days that are left.
        let failed = [done(
            &plan.due(&calendar("2026-03-05T12:00:00Z"), &[])[0],
            State::Failed,
        )];
        let later = calendar("2026-03-08T12:00:00Z");
        for want in plan.due(&later, &failed) {
            assert_eq!(plan.clipped(want.period.unwrap(), &later), want.period);
        }
    }

    #[test]
    fn the_present_is_asked_for_once_a_round() {
        let mut plan = plan(Unit::Present, 1);
        plan.windows = vec![Window {
            every: Every::Hours(6),
            from: 0,
            to: 0,
        }];
        let rounds = [
            "2026-03-10T05:30:00Z",
            "2026-03-10T10:59:00Z",
            "2026-03-10T11:00:00Z",
        ];
        let rounds = rounds.map(|now| plan.due(&calendar(now), &[])[0].round.clone().unwrap());
        assert_eq!(rounds, ["2026-03-10T06", "2026-03-10T06", "2026-03-10T12"]);
        assert!(
            plan.of_days(
                days("2026-01-01", "2026-02-01"),
                &calendar("2026-03-10T12:00:00Z"),
                &[]
            )
            .is_empty()
        );
    }
}
