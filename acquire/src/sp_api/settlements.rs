//! Reports that Amazon makes by itself, such as settlements: they are listed, and never asked for.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::reports::{ReportsApi, instant};
use crate::book::Book;
use crate::error::Result;
use crate::manifest::Period;
use crate::requests::{Request, State, Want};

/// How far back reports are listed.
const REACH: TimeDelta = TimeDelta::days(90);
/// What was listed is listed again from so long before the last time, as a report may show up late.
const OVERLAP: TimeDelta = TimeDelta::days(2);

/// When reports of a type were listed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// When.
    pub at: DateTime<Utc>,
}

impl ReportsApi {
    /// Lists the reports of a type that Amazon made, on these days or since the last time; those that nobody knew are in the book
    /// afterwards, ready to be downloaded. Nothing is asked where it was a short time ago, unless `again`.
    ///
    /// # Errors
    ///
    /// When they cannot be listed.
    pub async fn list(
        &self,
        kind: &str,
        days: Option<Period>,
        listings: &Book<Listing>,
        again_after: Option<TimeDelta>,
    ) -> Result<()> {
        let now = Utc::now();
        let name = days.map_or_else(
            || kind.to_owned(),
            |days| format!("{kind} {}..{}", days.from, days.to),
        );
        let last = listings.get(&name).await;
        let Some((since, until)) = span(days, last.as_ref(), again_after, now) else {
            return Ok(());
        };
        let query = vec![
            ("reportTypes", kind.to_owned()),
            ("processingStatuses", "DONE".to_owned()),
            ("createdSince", instant(since)),
            ("createdUntil", instant(until)),
            ("pageSize", "100".to_owned()),
        ];
        let reports = self.pages(query).await?;
        let ready = reports.into_iter().filter_map(|stated| {
            let document = stated.document()?;
            let want = Want {
                report: kind.to_owned(),
                options: Default::default(),
                marketplaces: stated.marketplace_ids.clone(),
                period: None,
                round: Some(stated.report_id.clone()),
            };
            let request = Request {
                id: Some(stated.report_id),
                document: Some(document),
                ..Request::intended(want, now)
            };
            Some(request.now(State::Ready))
        });
        let ready: Vec<Request> = ready.collect();
        self.note(ready).await?;
        listings.put(&name, Listing { at: now }).await
    }
}

/// From when to when is listed; none where it was listed so shortly ago, or there is nothing any more.
fn span(
    days: Option<Period>,
    last: Option<&Listing>,
    again_after: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let oldest = now - REACH;
    let begins = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let (since, until) = match days {
        Some(days) => (
            begins(days.from).max(oldest),
            begins(days.to.succ_opt()?).min(now),
        ),
        None => (last.map_or(oldest, |last| (last.at - OVERLAP).max(oldest)), now),
    };
    let is_over = |last: &Listing| days.is_some() && until < last.at - OVERLAP;
    let is_fresh = |last: &Listing| again_after.is_some_and(|after| now < last.at + after || is_over(last));
    (since < until && !last.is_some_and(is_fresh)).then_some((since, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_listed_is_not_listed_again_and_nothing_beyond_what_amazon_keeps() {
        let now: DateTime<Utc> = "2026-06-30T12:00:00Z".parse().unwrap();
        let after = Some(TimeDelta::minutes(30));
        let at = |text: &str| Listing {
            at: text.parse().unwrap(),
        };
        let days = |from: &str, to: &str| {
            Some(Period {
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
            })
        };
        assert_eq!(span(None, None, after, now), Some((now - REACH, now)));
        assert_eq!(span(None, Some(&at("2026-06-30T11:45:00Z")), after, now), None);
        assert!(span(None, Some(&at("2026-06-30T11:45:00Z")), None, now).is_some());
        let (since, _) = span(None, Some(&at("2026-06-29T12:00:00Z")), after, now).unwrap();
        assert_eq!(since, now - TimeDelta::days(3));
        let may = days("2026-05-01", "2026-05-31");
        let (since, until) = span(may, None, after, now).unwrap();
        assert_eq!(
            (instant(since).as_str(), instant(until).as_str()),
            ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")
        );
        assert_eq!(span(may, Some(&at("2026-06-20T00:00:00Z")), after, now), None);
        assert_eq!(span(days("2026-01-01", "2026-01-31"), None, after, now), None);
    }
}
