//! The look-back: a run lists only recent periods, and once a day everything.

use chrono::{Days, NaiveDate, Utc};

use crate::error::Result;
use crate::lake::Lake;
use crate::layout::days_before;
use crate::request::Selection;
use crate::system::ledger::Ledger;

/// How often everything is listed, in seconds.
const EVERYTHING_EVERY: i64 = 24 * 3600;

/// What of the raw zone a run lists for a group of tables.
pub(crate) struct LookBack {
    /// First day of the look-back; none where everything is always listed.
    first: Option<NaiveDate>,
    /// The group, where this run lists everything: it is noted once everything has been taken in.
    due: Option<String>,
}

impl LookBack {
    /// The look-back of a run; a selection with a range of periods needs none. When everything was listed last stands in the
    /// ledger, so that it is the same for runners on several machines.
    pub(crate) fn of(lake: &Lake, ledger: &Ledger, selection: &Selection, group: String) -> Self {
        let narrows = selection.from.is_none() && selection.to.is_none();
        let Some(days) = lake.settings().look_back().filter(|_| narrows) else {
            return Self {
                first: None,
                due: None,
            };
        };
        let now = Utc::now();
        let listed = ledger.listed_whole_at(&group);
        let is_due = listed.is_none_or(|listed| now.timestamp() - listed >= EVERYTHING_EVERY);
        Self {
            first: Some(days_before(now.date_naive(), days)),
            due: Some(group).filter(|_| is_due && selection.account.is_none()),
        }
    }

    /// The selection to list.
    pub(crate) fn narrow(&self, selection: &Selection) -> Selection {
        match self.first.filter(|_| self.due.is_none()) {
            // A last day as well, so that days can be listed instead of everything; nobody delivers beyond it, and
            // the daily whole listing finds it if somebody does.
            Some(first) => Selection {
                from: Some(first),
                to: Utc::now().date_naive().checked_add_days(Days::new(1)),
                ..selection.clone()
            },
            None => selection.clone(),
        }
    }

    /// Whether a period lies before the look-back.
    pub(crate) fn is_late(&self, day: NaiveDate) -> bool {
        self.first.is_some_and(|first| day < first)
    }

    /// Whether this run lists everything and has to say so.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Everything that a listing of everything found has been taken in.
    pub(crate) async fn done(&self, ledger: &mut Ledger) -> Result<()> {
        match &self.due {
            Some(group) => ledger.note_listed_whole(group, Utc::now().timestamp()).await,
            None => Ok(()),
        }
    }
}
