//! Progress of a run: a bar on a terminal, log events elsewhere.

use std::io::{IsTerminal, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pipeline::report::{Observer, Outcome, TableReport};

const STYLE: &str = "{spinner} {wide_msg} {bar:30} {pos}/{len} objects {prefix} {elapsed}";

/// Shows a run while it goes on.
pub(crate) struct Progress {
    bars: MultiProgress,
    bar: ProgressBar,
}

impl Progress {
    /// A bar among `bars`, visible on a terminal only.
    pub(crate) fn new(bars: &MultiProgress) -> Self {
        let bar = if stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bars.add(bar.with_style(style));
        Self {
            bars: bars.clone(),
            bar,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}

impl Observer for Progress {
    fn batch_started(&self, tables: &[String], objects: u64, bytes: u64) {
        tracing::info!(?tables, objects, bytes, "batch started");
        self.bar.set_message(tables.join(", "));
        self.bar.inc_length(objects);
    }

    fn object_done(&self, uri: &str, bytes: u64) {
        tracing::debug!(object = uri, bytes, "object decoded");
        self.bar.inc(1);
    }

    fn table_finished(&self, report: &TableReport) {
        let TableReport {
            table,
            outcome,
            batches,
            version,
            counts,
            millis,
            messages,
            ..
        } = report;
        let outcome_name = outcome.as_str();
        match outcome {
            Outcome::Unchanged => tracing::info!(table, outcome = outcome_name, millis, "table finished"),
            Outcome::Late | Outcome::Held | Outcome::Busy | Outcome::Stopped | Outcome::Failed => {
                tracing::warn!(
                    table,
                    outcome = outcome_name,
                    batches,
                    version,
                    ?messages,
                    millis,
                    "table finished"
                );
            }
            Outcome::Empty | Outcome::Updated | Outcome::PartlyQuarantined => tracing::info!(
                table,
                outcome = outcome_name,
                batches,
                version,
                objects = counts.objects,
                rows_read = counts.rows_read,
                rows_inserted = counts.rows_inserted,
                rows_updated = counts.rows_updated,
                rows_removed = counts.rows_removed,
                rows_rejected = counts.rows_rejected,
                millis,
                "table finished"
            ),
        }
    }
}
