//! Periods that are due after a run, of the tables that it looked for: one look for all who want to know. What has become
//! overdue since the last one is left to be told, once.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::{Contract, Expect, TableName};
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::layout::days_before;
use crate::report::{
    Counts, LatePeriod, LateState, News, Outcome, PeriodGap, PeriodState, RunReport, TableReport,
};
use crate::request::Selection;
use crate::storage::Place;
use crate::system::ledger::Ledger;
use crate::system::outbox;

use super::gaps::{self, Delivered, Due};
use super::{EARLIER, delivered};

/// So soon after a look nothing more is told.
const EVERY: TimeDelta = TimeDelta::minutes(5);
/// Who looks first looks so far back.
const AT_FIRST: TimeDelta = TimeDelta::days(1);

/// A look for periods that are due.
#[derive(Clone, Copy)]
pub struct DueLook<'a> {
    /// The run that is over.
    pub run: &'a RunReport,
    /// What it was about.
    pub selection: &'a Selection,
    /// The queue whose events named the folders of the selection.
    pub queue: Option<&'a str>,
    /// Whether what has become overdue since the last look is left to be told.
    pub tells: bool,
    /// Whether anybody wants to know which periods of the look-back are due.
    pub lists: bool,
}

impl Lake {
    /// Periods of the look-back that are missing or overdue of the tables that a run looked for; none where nobody asks for
    /// them. Of a table whose own run is still to come nothing is said: what it lacks may be there.
    ///
    /// # Errors
    /// When ledger or outbox cannot be read or written: then the next look tells what is to be told.
    pub async fn look_for_due(&self, look: DueLook<'_>) -> Result<Vec<PeriodGap>> {
        look_at(self, look, Utc::now()).await
    }
}

/// Tables that expect the same objects, and what is remembered of looks for these.
struct Sought<'a> {
    tables: Vec<&'a Contract>,
    expect: &'a Expect,
    memory: Memory,
    /// Whether something may be told of it now.
    tells: bool,
}

/// What is remembered of looks, in a file that is called as the first of the tables.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    /// The queue that told of the source last: its runs look for the tables, also where nothing comes.
    queue: Option<String>,
    /// What was due until then is told.
    until: Option<DateTime<Utc>>,
    /// What was due since then may not be, where somebody died before he said that it is.
    since: Option<DateTime<Utc>>,
}

async fn look_at(lake: &Lake, look: DueLook<'_>, now: DateTime<Utc>) -> Result<Vec<PeriodGap>> {
    let ledger = Ledger::open_existing(lake.curated()).await?;
    let ledger = ledger.as_ref();
    let place = lake.lateness()?;
    let sought = gaps::expecting(lake).into_iter().map(|tables| async {
        let memory = Memory::read(&place, &tables[0].name).await?;
        Ok(Sought::of(ledger, look, tables, memory, now))
    });
    let sought: Vec<Option<Sought<'_>>> = try_join_all(sought).await.map_err(|error: Error| error)?;
    let mut sought: Vec<Sought<'_>> = sought.into_iter().flatten().collect();
    let first = lake
        .settings()
        .look_back()
        .map(|days| days_before(now.date_naive(), days));
    let mut due = Vec::new();
    for sought in &mut sought {
        sought.told_by(&place, look).await?;
        if !sought.tells && !look.lists {
            continue;
        }
        let from = sought.from(first.filter(|_| look.lists), look, now);
        let delivered = sought.delivered(ledger, from).await?;
        if sought.tells {
            sought
                .tell(lake, (&place, &look.run.run), &delivered, from, now)
                .await?;
        }
        if look.lists {
            let until_now = Due {
                after: None,
                before: now,
            };
            due.extend(gaps::gaps(lake, &delivered, from, until_now));
        }
    }
    due.retain(|gap| first.is_none_or(|first| first <= gap.period_start.date_naive()));
    due.retain(|gap| is_about(look.selection, gap));
    due.sort_by_cached_key(|gap| (gap.period_start, gap.table.clone(), gap.account.clone()));
    Ok(due)
}

/// Whether a selection does not leave out a period.
fn is_about(selection: &Selection, gap: &PeriodGap) -> bool {
    let day = gap.period_start.date_naive();
    selection
        .account
        .as_ref()
        .is_none_or(|account| *account == gap.account)
        && selection.from.is_none_or(|from| from <= day)
        && selection.to.is_none_or(|to| day <= to)
}

impl<'a> Sought<'a> {
    /// None where the run did not look for these tables, or did not get to know what there is.
    fn of(
        ledger: Option<&Ledger>,
        look: DueLook<'_>,
        tables: Vec<&'a Contract>,
        memory: Memory,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let DueLook {
            run,
            selection,
            queue,
            ..
        } = look;
        let names: BTreeSet<String> = tables.iter().map(|table| table.name.to_string()).collect();
        let mut reports = run.tables.iter().filter(|report| names.contains(&report.table));
        let got_through = |report: &TableReport| !matches!(report.outcome, Outcome::Busy | Outcome::Stopped);
        let expect = gaps::expect_of(tables[0]).filter(|_| reports.any(got_through))?;
        let is_told_of = || queue.is_some() && memory.queue.as_deref() == queue;
        // Those of them that are held were not.
        let was_listed = || {
            tables.iter().any(|table| {
                let listed = ledger.and_then(|ledger| ledger.listed_whole_at(&table.name));
                listed.is_some_and(|listed| listed >= run.started_at.timestamp())
            })
        };
        let is_sought = match &selection.folders {
            None => true,
            Some(_) => names_source(selection, tables[0]) || is_told_of() || was_listed(),
        };
        let is_soon = memory.since.is_none() && memory.until.is_some_and(|until| now - until < EVERY);
        let is_whole = selection.account.is_none() && selection.from.is_none() && selection.to.is_none();
        is_sought.then_some(Self {
            tables,
            expect,
            memory,
            tells: look.tells && is_whole && !is_soon,
        })
    }

    /// The first of the tables: what is missed is told of it.
    fn name(&self) -> &TableName {
        &self.tables[0].name
    }

    /// Remembers the queue that has told of the source.
    async fn told_by(&mut self, place: &Place, look: DueLook<'_>) -> Result<()> {
        let queue = look.queue.map(str::to_owned);
        if queue.is_none() || self.memory.queue == queue || !names_source(look.selection, self.tables[0]) {
            return Ok(());
        }
        self.memory.queue = queue;
        self.memory.write(place, self.name()).await
    }

    /// The first day of which has to be known what came; none: of all.
    fn from(&self, first: Option<NaiveDate>, look: DueLook<'_>, now: DateTime<Utc>) -> Option<NaiveDate> {
        let longest = self.expect.every_minutes / (24 * 60);
        let told = days_before(self.begin(now).date_naive(), EARLIER + longest);
        match (look.lists, first.map(|first| days_before(first, EARLIER))) {
            (true, None) => None,
            (true, Some(first)) if self.tells => Some(first.min(told)),
            (true, first) => first,
            (false, _) => Some(told),
        }
    }

    /// Since when nothing is told for certain.
    fn begin(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let Memory { until, since, .. } = self.memory;
        since.or(until).unwrap_or(now - AT_FIRST)
    }

    /// The periods of each of the tables that are in since a day.
    async fn delivered(
        &self,
        ledger: Option<&Ledger>,
        from: Option<NaiveDate>,
    ) -> Result<BTreeMap<TableName, Delivered>> {
        let looks = self.tables.iter().map(|table| async {
            let name = &table.name;
            let Some(ledger) = ledger else {
                return Ok((name.clone(), Delivered::new()));
            };
            let rows = match from {
                Some(from) => ledger.rows_since(name, from).await?,
                None => ledger.rows(name).await?,
            };
            let delivered = delivered(&rows, ledger.progress(name).recorded);
            Ok((name.clone(), delivered))
        });
        let looked: Vec<_> = try_join_all(looks).await.map_err(|error: Error| error)?;
        Ok(looked.into_iter().collect())
    }

    /// Leaves to be told what has become overdue. What somebody left who died before he noted it comes first, under the ids that
    /// he gave it.
    async fn tell(
        &mut self,
        lake: &Lake,
        (place, run): (&Place, &str),
        delivered: &BTreeMap<TableName, Delivered>,
        from: Option<NaiveDate>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let name = self.name().clone();
        let begin = self.begin(now);
        let died_at = self.memory.until.filter(|_| self.memory.since.is_some());
        let stretches = once(begin)
            .chain(died_at)
            .zip(died_at.into_iter().chain(once(now)));
        for (after, before) in stretches {
            let due = Due {
                after: Some(after),
                before,
            };
            let mut late: BTreeMap<String, Vec<PeriodGap>> = BTreeMap::new();
            for gap in gaps::gaps(lake, delivered, from, due) {
                late.entry(gap.account.clone()).or_default().push(gap);
            }
            (self.memory.since, self.memory.until) = (Some(after), Some(before));
            if !late.is_empty() {
                // First: who dies from here on has said under which ids it is told.
                self.memory.write(place, &name).await?;
            }
            for (account, gaps) in &late {
                let news = news((&name.to_string(), account), gaps, run, before);
                outbox::put(lake.curated(), &news).await?;
            }
        }
        self.memory.since = None;
        self.memory.write(place, &name).await
    }
}

impl Memory {
    /// What is not readable counts as nothing.
    async fn read(place: &Place, table: &TableName) -> Result<Self> {
        let bytes = place.read(&table.to_string()).await?;
        let memory = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(memory.unwrap_or_default())
    }

    async fn write(&self, place: &Place, table: &TableName) -> Result<()> {
        let bytes = serde_json::to_vec(self).context(Kind::Internal, "memory has no JSON form")?;
        place.write(&table.to_string(), bytes).await
    }
}

/// Whether a selection names folders of the source of a table.
fn names_source(selection: &Selection, table: &Contract) -> bool {
    let mut folders = selection.folders.iter().flat_map(|folders| folders.iter());
    folders.any(|folder| folder.source == table.name.source)
}

/// What is told of periods of an account that have become overdue until a time: under an id that is theirs, whoever tells it.
fn news((table, account): (&str, &str), gaps: &[PeriodGap], run: &str, until: DateTime<Utc>) -> News {
    let whose = format!("{account}\n{}", until.timestamp_micros());
    News {
        id: format!("{table}-late-{:016x}", xxh3_64(whose.as_bytes())),
        run: run.to_owned(),
        at: until,
        table: TableReport {
            table: table.to_owned(),
            outcome: Outcome::Late,
            batches: 0,
            version: None,
            counts: Counts::default(),
            late_objects: 0,
            over_budget: false,
            waiting_documents: 0,
            messages: message(account, gaps).into_iter().collect(),
            millis: 0,
        },
        parts: Vec::new(),
        late_periods: gaps.iter().map(period).collect(),
        told: BTreeSet::new(),
    }
}

fn message(account: &str, gaps: &[PeriodGap]) -> Option<String> {
    let first = gaps.first()?;
    let whose = if account.is_empty() { "the source" } else { account };
    Some(format!(
        "{} periods of {whose} have not come in time, the first is that of {}",
        gaps.len(),
        first.period_start.format("%Y-%m-%dT%H:%MZ")
    ))
}
fn period(gap: &PeriodGap) -> LatePeriod {
    LatePeriod {
        period_start: gap.period_start,
        account: Some(gap.account.clone()).filter(|account| !account.is_empty()),
        due_at: Some(gap.due_at),
        state: match gap.state {
            PeriodState::Missing => LateState::Missing,
            PeriodState::Overdue => LateState::Overdue,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::NaiveDate;

    use super::*;
    use crate::inspect::testing::{TestLake, table};
    use crate::report::SCHEMA;
    use crate::request::DayFolder;

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        day.and_hms_opt(hour, minute, 0).unwrap().and_utc()
    }

    /// A run that came out so with the orders.
    fn run(outcome: Outcome) -> RunReport {
        RunReport {
            schema: SCHEMA,
            run: "r".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
            tables: vec![TableReport {
                table: "jwo.orders".to_owned(),
                outcome,
                ..news(("", ""), &[], "", DateTime::UNIX_EPOCH).table
            }],
            unfinished: Vec::new(),
        }
    }

    /// Where events of that queue told of a day of the source, or of nothing.
    fn told_of(source: Option<&str>) -> Selection {
        let folder = |source: &str| DayFolder {
            source: source.to_owned(),
            account: Some("corner".to_owned()),
            day: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
        };
        Selection {
            folders: Some(Arc::new(source.map(folder).into_iter().collect())),
            ..Selection::default()
        }
    }

    async fn look(
        lake: &Lake,
        run: &RunReport,
        (selection, queue): (&Selection, Option<&str>),
        now: DateTime<Utc>,
    ) {
        let look = DueLook {
            run,
            selection,
            queue,
            tells: true,
            lists: false,
        };
        assert_eq!(look_at(lake, look, now).await.unwrap(), []);
    }

    /// What waits to be told: what is late, and in which state.
    async fn waiting(lake: &Lake) -> (BTreeSet<String>, Vec<String>) {
        let news = lake.news().await.unwrap();
        let late = news.iter().filter(|news| news.table.outcome == Outcome::Late);
        let periods = late.clone().flat_map(|news| &news.late_periods);
        let said = |late: &LatePeriod| format!("{} {:?}", late.period_start.format("%H:%M"), late.state);
        (
            late.clone().map(|news| news.id.clone()).collect(),
            periods.map(said).collect(),
        )
    }

    /// Tells it.
    async fn told(lake: &Lake) -> Vec<String> {
        let periods = waiting(lake).await.1;
        let news = lake.news().await.unwrap();
        lake.told(&news, &[]).await.unwrap();
        periods
    }

    /// A lake in which 00:00 and 00:30 of the orders are in; each may take half an hour.
    async fn with_orders() -> TestLake {
        let test = TestLake::new().await;
        let first = test.claim(&table("jwo.orders"), 1, &["a", "c"]).await;
        test.commit(&first).await;
        test.record(&first).await;
        told(&test.lake).await;
        test
    }

    /// The first of the tables that read what the orders do.
    fn name_of_orders(lake: &Lake) -> TableName {
        let all = gaps::expecting(lake);
        let of_orders = all
            .iter()
            .find(|tables| tables.iter().any(|one| one.name == table("jwo.orders")));
        of_orders.unwrap()[0].name.clone()
    }

    #[tokio::test]
    async fn a_period_is_told_once_when_it_is_overdue_and_the_first_look_goes_back_a_day() {
        let test = with_orders().await;
        let (run, whole) = (run(Outcome::Unchanged), Selection::default());
        let look_at = async |hour, minute| {
            look(&test.lake, &run, (&whole, None), at(hour, minute)).await;
            told(&test.lake).await
        };
        assert_eq!(look_at(1, 31).await, ["00:15 Missing", "00:45 Overdue"]);
        // Soon after nobody looks again, and later only what has become overdue since is told.
        assert!(look_at(1, 33).await.is_empty());
        assert!(look_at(1, 44).await.is_empty());
        assert_eq!(look_at(1, 50).await, ["01:00 Overdue"]);
    }

    #[tokio::test]
    async fn who_dies_before_the_look_is_noted_leaves_the_same_to_be_told_under_the_same_id() {
        let test = with_orders().await;
        let (run, whole) = (run(Outcome::Unchanged), Selection::default());
        look(&test.lake, &run, (&whole, None), at(1, 31)).await;
        let (ids, before) = waiting(&test.lake).await;
        assert_eq!((ids.len(), before.len()), (1, 2));
        let (place, name) = (test.lake.lateness().unwrap(), name_of_orders(&test.lake));
        let noted = Memory::read(&place, &name).await.unwrap();
        assert_eq!((noted.since, noted.until), (None, Some(at(1, 31))));
        let unnoted = Memory {
            since: Some(at(1, 31) - AT_FIRST),
            ..noted
        };
        unnoted.write(&place, &name).await.unwrap();
        look(&test.lake, &run, (&whole, None), at(1, 50)).await;
        let (after, periods) = waiting(&test.lake).await;
        assert!(after.is_superset(&ids) && after.len() == 2, "{after:?}");
        assert_eq!(periods, ["00:15 Missing", "00:45 Overdue", "01:00 Overdue"]);
    }

    #[tokio::test]
    async fn of_tables_that_a_run_did_not_look_for_nothing_is_told() {
        let test = with_orders().await;
        let whole = Selection::default();
        for outcome in [Outcome::Busy, Outcome::Stopped] {
            look(&test.lake, &run(outcome), (&whole, None), at(1, 31)).await;
        }
        let run = run(Outcome::Unchanged);
        let of_an_account = Selection {
            account: Some("corner".to_owned()),
            ..Selection::default()
        };
        look(&test.lake, &run, (&of_an_account, None), at(1, 31)).await;
        // Events of other sources, or none at all, say nothing of this one.
        for source in [Some("ads"), None] {
            look(&test.lake, &run, (&told_of(source), Some("others")), at(1, 31)).await;
        }
        assert!(told(&test.lake).await.is_empty());
        // The queue of the source does, from then on also where nothing comes.
        look(&test.lake, &run, (&told_of(Some("jwo")), Some("ours")), at(1, 31)).await;
        assert_eq!(told(&test.lake).await, ["00:15 Missing", "00:45 Overdue"]);
        look(&test.lake, &run, (&told_of(None), Some("others")), at(1, 50)).await;
        assert!(told(&test.lake).await.is_empty());
        look(&test.lake, &run, (&told_of(None), Some("ours")), at(1, 50)).await;
        assert_eq!(told(&test.lake).await, ["01:00 Overdue"]);
        // And so does a look through everything.
        let mut ledger = Ledger::open(test.lake.curated()).await.unwrap();
        ledger
            .note_listed_whole(&[&table("jwo.orders")], 1)
            .await
            .unwrap();
        look(&test.lake, &run, (&told_of(None), Some("others")), at(2, 5)).await;
        assert_eq!(told(&test.lake).await, ["01:15 Overdue"]);
    }

    #[tokio::test]
    async fn who_asks_for_all_that_is_due_gets_it_and_what_is_told_does_not_go_from_it() {
        let test = with_orders().await;
        let (run, selection) = (run(Outcome::Unchanged), Selection::default());
        let look = DueLook {
            run: &run,
            selection: &selection,
            queue: None,
            tells: true,
            lists: true,
        };
        for _ in 0..2 {
            let due = look_at(&test.lake, look, at(1, 31)).await.unwrap();
            let starts: Vec<_> = due
                .iter()
                .map(|gap| gap.period_start.format("%H:%M").to_string())
                .collect();
            assert_eq!(starts, ["00:15", "00:45"]);
        }
        assert_eq!(told(&test.lake).await, ["00:15 Missing", "00:45 Overdue"]);
    }
}
