//! The look-back: a run lists only recent periods, and once a day everything.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::{Days, NaiveDate, Utc};

use crate::error::{Context, Kind, Result};
use crate::lake::Lake;
use crate::layout::days_before;
use crate::request::Selection;

/// How often everything is listed.
const EVERYTHING_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What of the raw zone a run lists for a group of tables.
pub(super) struct LookBack {
    /// First day of the look-back; none where everything is always listed.
    first: Option<NaiveDate>,
    /// Touched once everything has been listed and taken in; none when this run does not list everything.
    marker: Option<PathBuf>,
}

impl LookBack {
    /// The look-back of a run; a selection with a range of periods needs none.
    pub(super) fn of(lake: &Lake, selection: &Selection, group: &str) -> Result<Self> {
        let narrows = selection.from.is_none() && selection.to.is_none();
        let Some(days) = lake.settings().look_back().filter(|_| narrows) else {
            return Ok(Self {
                first: None,
                marker: None,
            });
        };
        let marker = lake.attempts()?.join(format!("{group}.listed"));
        let listed = std::fs::metadata(&marker).and_then(|meta| meta.modified()).ok();
        let age = listed.and_then(|time| SystemTime::now().duration_since(time).ok());
        let due = selection.account.is_none() && age.is_none_or(|age| age >= EVERYTHING_EVERY);
        Ok(Self {
            first: Some(days_before(Utc::now().date_naive(), days)),
            marker: due.then_some(marker),
        })
    }

    /// The selection to list.
    pub(super) fn narrow(&self, selection: &Selection) -> Selection {
        match self.first.filter(|_| self.marker.is_none()) {
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
    pub(super) fn is_late(&self, day: NaiveDate) -> bool {
        self.first.is_some_and(|first| day < first)
    }

    /// Everything that a listing of everything found has been taken in.
    pub(super) fn done(&self) -> Result<()> {
        let Some(marker) = &self.marker else { return Ok(()) };
        std::fs::create_dir_all(marker.parent().unwrap_or(marker))
            .and_then(|()| std::fs::write(marker, ""))
            .context(Kind::Io, "time of the last whole listing could not be noted")
    }
}
