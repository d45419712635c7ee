//! Periods that have become overdue since somebody looked last: each is left to be told once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::try_join_all;
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::{Contract, Expect, TableName};
use crate::error::Result;
use crate::lake::Lake;
use crate::layout::days_before;
use crate::report::{Counts, LatePeriod, LateState, News, Outcome, PeriodGap, PeriodState, TableReport};
use crate::storage::Place;
use crate::system::ledger::Ledger;
use crate::system::outbox;

use super::gaps::{self, Delivered, Due};
use super::{EARLIER, delivered};

/// The file that says until when periods have been looked for.
const LOOKED_AT: &str = "looked_at";
/// So soon after a look nobody looks again: it reads what the ledger says of some weeks.
const EVERY: TimeDelta = TimeDelta::minutes(5);
/// Who looks first looks so far back.
const AT_FIRST: TimeDelta = TimeDelta::days(1);

impl Lake {
    /// Leaves to be told which periods have become overdue since the last look, for the run of that id.
    ///
    /// # Errors
    /// When ledger or outbox cannot be read or written: then the next look tells it.
    pub async fn look_for_late(&self, run: &str) -> Result<()> {
        look_at(self, run, Utc::now()).await
    }
}

async fn look_at(lake: &Lake, run: &str, now: DateTime<Utc>) -> Result<()> {
    let expecting = |contract: &&Contract| expect_of(contract).is_some();
    let contracts: Vec<&Contract> = lake.contracts().values().filter(expecting).collect();
    let place = lake.lateness()?;
    let looked = last_look(&place).await?;
    if contracts.is_empty() || looked.is_some_and(|looked| now - looked < EVERY) {
        return Ok(());
    }
    let looked = looked.unwrap_or(now - AT_FIRST);
    let longest = contracts.iter().filter_map(|contract| expect_of(contract));
    let longest = longest.map(|expect| expect.every_minutes / (24 * 60)).max();
    let from = days_before(looked.date_naive(), EARLIER + longest.unwrap_or(0));
    let ledger = Ledger::open_existing(lake.curated()).await?;
    let rows = contracts.iter().map(|contract| async {
        let Some(ledger) = &ledger else {
            return Ok(Delivered::new());
        };
        let rows = ledger.rows_since(&contract.name, from).await?;
        Ok(delivered(&rows, ledger.progress(&contract.name).recorded))
    });
    let rows: Vec<Delivered> = try_join_all(rows).await.map_err(|error: crate::Error| error)?;
    let names = contracts.iter().map(|contract| contract.name.clone());
    let delivered: BTreeMap<TableName, Delivered> = names.zip(rows).collect();
    let mut late: BTreeMap<String, Vec<PeriodGap>> = BTreeMap::new();
    let due = Due {
        after: Some(looked),
        before: now,
    };
    for gap in gaps::gaps(lake, &delivered, Some(from), due) {
        late.entry(gap.table.clone()).or_default().push(gap);
    }
    for (table, gaps) in &late {
        outbox::put(lake.curated(), &news(table, gaps, run, now)).await?;
    }
    // Last: who dies before it has left the same to be told, under the same ids.
    place.write(LOOKED_AT, now.to_rfc3339()).await
}

/// When a table's periods are expected.
fn expect_of(contract: &Contract) -> Option<&Expect> {
    contract.raw_feed()?.expect.as_ref()
}

/// Until when somebody has looked. What is not readable counts as nothing.
async fn last_look(place: &Place) -> Result<Option<DateTime<Utc>>> {
    let bytes = place.read(LOOKED_AT).await?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(text.and_then(|text| text.parse().ok()))
}

/// What is told of periods of a table, under an id that is theirs.
fn news(table: &str, gaps: &[PeriodGap], run: &str, now: DateTime<Utc>) -> News {
    let named: Vec<String> = gaps
        .iter()
        .map(|gap| format!("{} {}", gap.account, gap.period_start.timestamp()))
        .collect();
    News {
        id: format!("{table}-late-{:016x}", xxh3_64(named.join("\n").as_bytes())),
        run: run.to_owned(),
        at: now,
        table: TableReport {
            table: table.to_owned(),
            outcome: Outcome::Late,
            batches: 0,
            version: None,
            counts: Counts::default(),
            late_objects: 0,
            over_budget: false,
            waiting_documents: 0,
            messages: messages(gaps),
            millis: 0,
        },
        parts: Vec::new(),
        late_periods: gaps.iter().map(period).collect(),
        told: BTreeSet::new(),
    }
}

/// A sentence per account.
fn messages(gaps: &[PeriodGap]) -> Vec<String> {
    let mut accounts: BTreeMap<&str, (usize, &PeriodGap)> = BTreeMap::new();
    for gap in gaps {
        accounts.entry(&gap.account).or_insert((0, gap)).0 += 1;
    }
    let say = |(account, (periods, first)): (&str, (usize, &PeriodGap))| {
        let whose = if account.is_empty() { "the source" } else { account };
        format!(
            "{periods} periods of {whose} have not come in time, the first is that of {}",
            first.period_start.format("%Y-%m-%dT%H:%MZ")
        )
    };
    accounts.into_iter().map(say).collect()
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
    use chrono::NaiveDate;

    use super::*;
    use crate::inspect::testing::{TestLake, table};

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        day.and_hms_opt(hour, minute, 0).unwrap().and_utc()
    }

    /// Tells everything: what was late, and in which state.
    async fn told(lake: &Lake) -> Vec<String> {
        let news = lake.news().await.unwrap();
        lake.told(&news, &[]).await.unwrap();
        let periods = news
            .iter()
            .filter(|news| news.table.outcome == Outcome::Late)
            .flat_map(|news| &news.late_periods);
        periods
            .map(|late| format!("{} {:?}", late.period_start.format("%H:%M"), late.state))
            .collect()
    }

    #[tokio::test]
    async fn a_period_is_told_once_when_it_is_overdue_and_the_first_look_goes_back_a_day() {
        let test = TestLake::new().await;
        // 00:00, 00:15 and 00:30 came, as far as they are in; each may take half an hour.
        let first = test.claim(&table("jwo.orders"), 1, &["a", "c"]).await;
        test.commit(&first).await;
        test.record(&first).await;
        told(&test.lake).await;
        look_at(&test.lake, "r", at(1, 31)).await.unwrap();
        assert_eq!(told(&test.lake).await, ["00:15 Missing", "00:45 Overdue"]);
        // Soon after nobody looks again, and later only what has become overdue since is told.
        look_at(&test.lake, "r", at(1, 33)).await.unwrap();
        assert!(told(&test.lake).await.is_empty());
        look_at(&test.lake, "r", at(1, 44)).await.unwrap();
        assert!(told(&test.lake).await.is_empty());
        look_at(&test.lake, "r", at(1, 50)).await.unwrap();
        assert_eq!(told(&test.lake).await, ["01:00 Overdue"]);
    }

    #[tokio::test]
    async fn who_dies_before_the_look_is_noted_leaves_the_same_to_be_told() {
        let test = TestLake::new().await;
        look_at(&test.lake, "one", at(1, 1)).await.unwrap();
        let one = test.lake.news().await.unwrap();
        let place = test.lake.lateness().unwrap();
        place
            .remove(vec![place.path().clone().join(LOOKED_AT)])
            .await
            .unwrap();
        look_at(&test.lake, "two", at(1, 1)).await.unwrap();
        let two = test.lake.news().await.unwrap();
        let ids = |news: &[News]| news.iter().map(|news| news.id.clone()).collect::<Vec<_>>();
        assert!(!one.is_empty());
        assert_eq!(ids(&one), ids(&two));
        let said = &two[0].table.messages[0];
        assert!(
            said.starts_with("2 periods of corner have not come in time"),
            "{said}"
        );
    }
}
