//! The look-back: a run lists only recent periods, or the folders that events name, and once a day everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use crate::contract::TableName;
use crate::error::Result;
use crate::lake::Lake;
use crate::layout::days_before;
use crate::raw::RawObject;
use crate::request::{DayFolder, Selection};
use crate::system::ledger::Ledger;

/// How often everything is listed.
const EVERYTHING_EVERY: TimeDelta = TimeDelta::hours(24);
/// How often where events of the source have come: also a run that is due at the same time of each day finds it is time.
const WHERE_TOLD: TimeDelta = TimeDelta::hours(20);
/// How often where events name folders and none of the source: those may be in another queue, whose run has more time.
const WHERE_SILENT: TimeDelta = TimeDelta::hours(26);
/// Whoever looks through everything after so long blames no event.
const BLAMED: TimeDelta = TimeDelta::hours(60);
/// The event of an object that is younger may still be on its way.
const ON_ITS_WAY: TimeDelta = TimeDelta::minutes(10);

/// What of the raw zone a run lists for a group of tables.
pub(crate) struct LookBack {
    /// First day of the look-back; none where everything is always listed, or only folders are.
    first: Option<NaiveDate>,
    /// Whether this run lists everything: that is noted once everything has been taken in.
    is_due: bool,
    /// What events have told of, where that has been looked through before and this run looks what they did not.
    told: Option<Told>,
}

/// What events have told of until a time.
struct Told {
    folders: Arc<BTreeSet<DayFolder>>,
    source: String,
    until: DateTime<Utc>,
}

impl LookBack {
    /// That of a run that lists nothing for now.
    pub(crate) const NONE: Self = Self {
        first: None,
        is_due: false,
        told: None,
    };

    /// The look-back of a run for tables that read the same objects and can take some in: one that cannot is caught up with by a
    /// look through everything when it can. A selection with a range of periods needs none. When everything was listed last
    /// stands in the ledger, so that it is the same for runners on several machines.
    pub(crate) fn of(lake: &Lake, ledger: &Ledger, selection: &Selection, tables: &[&TableName]) -> Self {
        let days = lake
            .settings()
            .look_back()
            .filter(|_| selection.folders.is_none());
        let is_limited = days.is_some() || selection.folders.is_some();
        let narrows = selection.from.is_none() && selection.to.is_none();
        let Some(source) = tables.first().map(|table| &table.source) else {
            return Self::NONE;
        };
        if !(narrows && is_limited) {
            return Self::NONE;
        }
        let now = Utc::now();
        let ages = tables.iter().map(|table| {
            let listed = ledger.listed_whole_at(table);
            listed.map(|listed| TimeDelta::seconds(now.timestamp() - listed))
        });
        // The longest; none where everything was never listed for one of them.
        let age: Option<TimeDelta> = ages
            .collect::<Option<Vec<_>>>()
            .and_then(|ages| ages.into_iter().max());
        let is_due = age.is_none_or(|age| age >= every(selection, source));
        // Before the first look through everything nobody has missed anything, and what events told of while there was no look
        // for long, as a table was held, was not kept.
        let may_blame = age.is_some_and(|age| age < BLAMED);
        let folders = selection.folders.clone().filter(|_| is_due && may_blame);
        Self {
            first: days.map(|days| days_before(now.date_naive(), days)),
            is_due: is_due && selection.account.is_none(),
            told: folders.map(|folders| Told {
                folders,
                source: source.to_owned(),
                until: now - ON_ITS_WAY,
            }),
        }
    }

    /// The selection to list.
    pub(crate) fn narrow(&self, selection: &Selection) -> Selection {
        if self.is_due {
            return Selection {
                folders: None,
                ..selection.clone()
            };
        }
        match self.first {
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

    /// Whether an event should have told of an object and did not.
    pub(crate) fn is_untold(&self, object: &RawObject) -> bool {
        self.told.as_ref().is_some_and(|told| {
            let folder = DayFolder {
                source: told.source.clone(),
                account: object.account.clone(),
                day: object.period.date(),
            };
            object.modified < told.until && !told.folders.contains(&folder)
        })
    }

    /// Whether this run lists everything and has to say so.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// These tables have taken in everything that a listing of everything found.
    pub(crate) async fn done(&self, ledger: &mut Ledger, tables: &[&TableName]) -> Result<()> {
        match self.is_due {
            true => ledger.note_listed_whole(tables, Utc::now().timestamp()).await,
            false => Ok(()),
        }
    }
}

/// How often everything of a source is listed.
fn every(selection: &Selection, source: &str) -> TimeDelta {
    match &selection.folders {
        None => EVERYTHING_EVERY,
        Some(folders) if folders.iter().any(|folder| folder.source == source) => WHERE_TOLD,
        Some(_) => WHERE_SILENT,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use tempfile::TempDir;
    use url::Url;

    use super::*;
    use crate::contract::{SourceFile, load};
    use crate::lake::Settings;
    use crate::report::{Outcome, Silent, TableReport};
    use crate::storage::Stores;

    async fn lake(folder: &Path) -> Lake {
        let file = |path: &str, text: &str| SourceFile {
            path: format!("shop/{path}"),
            text: text.to_owned(),
        };
        let contract = "description = \"One visit.\"\npath = \"shop/{account}/{date}/{name}.csv\"\nformat = \"csv\"\n\
                        keep = \"every_row\"\nkey = [\"id\"]\n[columns]\nid = \"text\"\n";
        let contracts = load(
            &[],
            &[
                file("visits.toml", contract),
                file("visits.sql", "SELECT id FROM raw"),
            ],
        );
        let root = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
        Lake::open(
            Settings::of_test(&root),
            Stores::default(),
            contracts.unwrap(),
            Vec::new(),
        )
        .await
        .unwrap()
    }

    /// Delivers a visit of that day, changed so long ago.
    fn deliver(folder: &TempDir, day: u32, ago: Duration) {
        let folder = folder.path().join(format!("raw/shop/corner/2026-03-{day:02}"));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("visits.csv");
        fs::write(&file, format!("id\nv{day}\n")).unwrap();
        let file = File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - ago).unwrap();
    }

    /// What a run takes in of which events have told of these days, and what it says.
    async fn run(lake: &Lake, days: &[u32]) -> TableReport {
        let folders = days.iter().map(|day| DayFolder {
            source: "shop".to_owned(),
            account: Some("corner".to_owned()),
            day: NaiveDate::from_ymd_opt(2026, 3, *day).unwrap(),
        });
        let selection = Selection {
            folders: Some(Arc::new(folders.collect())),
            ..Selection::default()
        };
        let report = lake.run(&selection, &Silent).await.unwrap();
        report.tables.into_iter().next().unwrap()
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn only_folders_that_events_name_are_listed_and_once_a_day_everything_which_says_what_they_missed()
    {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path()).await;
        deliver(&folder, 1, HOUR);
        deliver(&folder, 2, HOUR);
        deliver(&folder, 3, Duration::ZERO);
        // Everything was looked through before, and it is time again.
        let mut ledger = Ledger::open(lake.curated()).await.unwrap();
        let before = Utc::now() - WHERE_TOLD - TimeDelta::minutes(1);
        let visits = "shop.visits".parse().unwrap();
        ledger
            .note_listed_whole(&[&visits], before.timestamp())
            .await
            .unwrap();
        // Where nothing of the source has come its events may be in another queue.
        assert_eq!(run(&lake, &[]).await.outcome, Outcome::Unchanged);
        let report = run(&lake, &[1]).await;
        assert_eq!(report.counts.rows_inserted, 3, "{report:?}");
        // Of the third one an event may still come.
        let said = "the daily look through everything found 1 objects of which no event had told";
        assert_eq!(report.messages, [said]);

        deliver(&folder, 4, HOUR);
        let report = run(&lake, &[1, 5]).await;
        assert_eq!((report.outcome, report.messages.len()), (Outcome::Unchanged, 0));
        let report = run(&lake, &[4]).await;
        assert_eq!(
            (report.counts.rows_inserted, report.messages.len()),
            (1, 0),
            "{report:?}"
        );
    }

    #[tokio::test]
    async fn the_first_look_through_everything_blames_no_event() {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path()).await;
        deliver(&folder, 1, HOUR);
        let report = run(&lake, &[]).await;
        assert_eq!(
            (report.counts.rows_inserted, report.messages.len()),
            (1, 0),
            "{report:?}"
        );
        deliver(&folder, 2, HOUR);
        assert_eq!(run(&lake, &[]).await.outcome, Outcome::Unchanged);
    }
}
