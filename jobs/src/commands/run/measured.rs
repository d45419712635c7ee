//! What a run did, as metrics.

use std::collections::BTreeMap;

use aws::Requests;
use chrono::{DateTime, Utc};
use pipeline::report::{MaintainReport, Outcome, PeriodGap, PeriodState, RunReport};

use crate::exit::{ATTENTION, DONE, STOPPED};
use crate::memory;
use crate::metrics::{Metric, Metrics, Unit};
use crate::session::Session;

/// A job that has ended.
pub(crate) struct Ended<'a> {
    /// The command.
    pub(crate) command: &'static str,
    /// The lake.
    pub(crate) lake: &'a str,
    /// The exit code.
    pub(crate) code: u8,
    /// Requests to buckets.
    pub(crate) requests: Requests,
    /// The most memory that the process held, in bytes.
    pub(crate) memory: u64,
}

impl<'a> Ended<'a> {
    /// One of this process that ends now.
    pub(crate) fn now(session: &'a Session, command: &'static str, code: u8, requests: Requests) -> Self {
        Self {
            command,
            lake: session.config.lake.as_str(),
            code,
            requests,
            memory: memory::peak(),
        }
    }

    /// Writes down what a run did; `due` are the periods that are missing or overdue, where it was looked for them.
    pub(crate) fn write(&self, report: &RunReport, due: Option<&[PeriodGap]>) {
        for metrics in of_run(self, report, due, Utc::now()) {
            metrics.write();
        }
    }
}

/// Writes down what maintenance did, where metrics are wanted.
pub(crate) fn maintenance(session: &Session, report: &MaintainReport) {
    if session.config.metrics.is_some() {
        let ended = Ended::now(session, "maintain", report.exit_code(), session.at_aws.requests());
        ended
            .metrics(Vec::new(), report.started_at, report.ended_at)
            .write();
    }
}

impl Ended<'_> {
    /// Metrics of the job as a whole.
    fn metrics(&self, more: Vec<Metric>, started_at: DateTime<Utc>, ended_at: DateTime<Utc>) -> Metrics {
        let requests = &self.requests;
        let millis = (ended_at - started_at).num_milliseconds();
        let is_failed = ![DONE, ATTENTION, STOPPED].contains(&self.code);
        let mut values = vec![
            ("Failed", Unit::Count, u64::from(is_failed)),
            ("Duration", Unit::Milliseconds, u64::try_from(millis).unwrap_or(0)),
            ("Memory", Unit::Bytes, self.memory),
            ("S3Get", Unit::Count, requests.get),
            ("S3Head", Unit::Count, requests.head),
            ("S3Put", Unit::Count, requests.put),
            ("S3List", Unit::Count, requests.list),
            ("S3Delete", Unit::Count, requests.delete),
            ("S3BytesReceived", Unit::Bytes, requests.bytes_received),
            ("S3BytesSent", Unit::Bytes, requests.bytes_sent),
        ];
        values.extend(more);
        Metrics {
            dimensions: vec![
                ("Lake", self.lake.to_owned()),
                ("Command", self.command.to_owned()),
            ],
            about: vec![("exit_code", self.code.to_string())],
            values,
        }
    }
}

/// A line of every table with news or with periods that are due, and one of the run.
fn of_run(
    ended: &Ended<'_>,
    report: &RunReport,
    due: Option<&[PeriodGap]>,
    now: DateTime<Utc>,
) -> Vec<Metrics> {
    let mut late: BTreeMap<&str, u64> = BTreeMap::new();
    for period in due.unwrap_or_default() {
        let seconds = u64::try_from((now - period.due_at).num_seconds()).unwrap_or(0);
        let longest = late.entry(&period.table).or_default();
        *longest = seconds.max(*longest);
    }
    let mut all = Vec::new();
    let mut sums: Vec<Metric> = Vec::new();
    for table in &report.tables {
        let counts = &table.counts;
        let mut values = vec![
            ("Objects", Unit::Count, counts.objects),
            ("Rows", Unit::Count, counts.rows_read),
            (
                "Quarantined",
                Unit::Count,
                counts.rows_rejected + counts.objects_rejected,
            ),
            ("Late", Unit::Count, table.late_objects),
            ("Bytes", Unit::Bytes, counts.bytes_read),
        ];
        match sums.is_empty() {
            true => sums.clone_from(&values),
            false => sums.iter_mut().zip(&values).for_each(|(sum, one)| sum.2 += one.2),
        }
        let lateness = late.get(table.table.as_str()).copied();
        if table.outcome == Outcome::Unchanged && lateness.is_none() {
            continue;
        }
        values.push(("Duration", Unit::Milliseconds, table.millis));
        values.extend(due.map(|_| ("Lateness", Unit::Seconds, lateness.unwrap_or(0))));
        all.push(Metrics {
            dimensions: vec![("Lake", ended.lake.to_owned()), ("Table", table.table.clone())],
            about: vec![
                ("run", report.run.clone()),
                ("outcome", table.outcome.as_str().to_owned()),
            ],
            values,
        });
    }
    if let Some(due) = due {
        let of_state = |state| due.iter().filter(|period| period.state == state).count() as u64;
        sums.extend([
            ("Overdue", Unit::Count, of_state(PeriodState::Overdue)),
            ("Missing", Unit::Count, of_state(PeriodState::Missing)),
            (
                "Lateness",
                Unit::Seconds,
                late.values().copied().max().unwrap_or(0),
            ),
        ]);
    }
    let mut whole = ended.metrics(sums, report.started_at, report.ended_at);
    whole.about.push(("run", report.run.clone()));
    all.push(whole);
    all
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use pipeline::report::{Counts, TableReport};

    use super::*;

    fn table(name: &str, outcome: Outcome, objects: u64) -> TableReport {
        TableReport {
            table: name.to_owned(),
            outcome,
            batches: 1,
            version: None,
            counts: Counts {
                objects,
                rows_rejected: objects,
                objects_rejected: 1,
                ..Counts::default()
            },
            late_objects: 2,
            over_budget: false,
            waiting_documents: 0,
            messages: Vec::new(),
            millis: 7,
        }
    }

    fn value(metrics: &Metrics, name: &str) -> Option<u64> {
        let found = metrics.values.iter().find(|(known, _, _)| *known == name);
        found.map(|(_, _, value)| *value)
    }

    #[test]
    fn tables_with_news_or_periods_that_are_due_have_a_line_and_the_run_has_one() {
        let at = DateTime::UNIX_EPOCH;
        let report = RunReport {
            schema: 1,
            run: "r".to_owned(),
            started_at: at,
            ended_at: at + TimeDelta::milliseconds(1_500),
            tables: vec![
                table("a.x", Outcome::Updated, 3),
                table("a.y", Outcome::Unchanged, 0),
                table("a.z", Outcome::Unchanged, 0),
            ],
            unfinished: Vec::new(),
        };
        let gap = |state, hours| PeriodGap {
            account: "corner".to_owned(),
            table: "a.z".to_owned(),
            period_start: at,
            due_at: at - TimeDelta::hours(hours),
            state,
        };
        let due = [gap(PeriodState::Missing, 2), gap(PeriodState::Overdue, 1)];
        let ended = Ended {
            command: "run",
            lake: "s3://lake/",
            code: 3,
            requests: Requests {
                get: 9,
                ..Requests::default()
            },
            memory: 4096,
        };
        let lines = of_run(&ended, &report, Some(&due), at);
        let [x, z, whole] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(x.dimensions[1], ("Table", "a.x".to_owned()));
        assert_eq!(
            (value(x, "Quarantined"), value(x, "Lateness")),
            (Some(4), Some(0))
        );
        assert_eq!(
            (value(z, "Lateness"), value(z, "Duration")),
            (Some(7200), Some(7))
        );
        let wanted = [
            ("Objects", 3),
            ("Quarantined", 6),
            ("Late", 6),
            ("Lateness", 7200),
            ("Overdue", 1),
            ("Missing", 1),
            ("Failed", 0),
            ("Duration", 1500),
            ("Memory", 4096),
            ("S3Get", 9),
        ];
        for (name, number) in wanted {
            assert_eq!(value(whole, name), Some(number), "{name}");
        }
        // CloudWatch takes a hundred metrics and thirty dimensions of a line.
        assert!(
            lines
                .iter()
                .all(|line| line.values.len() <= 100 && line.dimensions.len() <= 30)
        );
        assert_eq!(value(&of_run(&ended, &report, None, at)[0], "Lateness"), None);
    }
}
