//! Tables at rest. What the ledger says of them is enough to know that nothing is to be done to a table: a run that finds
//! nothing looks at the ledger and at listings alone.

use crate::contract::TableName;
use crate::delta::Snapshot;
use crate::error::Result;

use super::Ledger;

/// How a batch left its table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Left {
    /// The mark of the rules under which it rests from now on; none where it has to be looked at again.
    pub(crate) rest: Option<i64>,
    /// Whether rows of it came, went or changed.
    pub(crate) changed: bool,
}

impl Ledger {
    /// Whether the newest claim of a table is in and recorded, and nothing of it waits or was only begun, under the rules
    /// that have this `mark`: under others it has to be found out whether the table goes on. One that never claimed anything
    /// rests, too.
    pub(crate) fn rests(&self, table: &TableName, mark: i64) -> bool {
        let progress = self.progress(table);
        let is_marked = || self.snapshot.txn(&rest_app(table)) == Some(mark);
        progress.claimed == progress.recorded && (progress.claimed == 0 || is_marked())
    }

    /// Whether a computed table claimed all that its inputs have.
    pub(crate) fn has_seen(&self, table: &TableName, inputs: &[TableName]) -> bool {
        let mut inputs = inputs.iter();
        if self.progress(table).claimed == 0 {
            return inputs.all(|input| self.progress(input).claimed == 0);
        }
        inputs.all(|input| self.snapshot.txn(&seen_app(table, input)) == Some(news(&self.snapshot, input)))
    }

    /// Says that rows of a table are going to change without a batch. Until [`Self::rest`] the table is looked at by
    /// every run; tables computed from it look for what changed.
    pub(crate) async fn begin_merge(&mut self, table: &TableName) -> Result<()> {
        let table = table.clone();
        let begun = Left {
            rest: None,
            changed: true,
        };
        self.note("MERGE", move |snapshot| Some(left(snapshot, &table, begun)))
            .await
    }

    /// Says that what was begun is done, and that the table goes on under the rules that have this mark. Its rows changed after
    /// that was announced: who read it in between has not seen it.
    pub(crate) async fn rest(&mut self, table: &TableName, mark: i64) -> Result<()> {
        let table = table.clone();
        let done = Left {
            rest: Some(mark),
            changed: true,
        };
        self.note("REST", move |snapshot| Some(left(snapshot, &table, done)))
            .await
    }
}

/// A number that grows with whatever changes rows of a table.
pub(super) fn news(snapshot: &Snapshot, table: &TableName) -> i64 {
    snapshot.txn(&news_app(table)).unwrap_or(0)
}

/// What the record of a batch, on top of this version, says of how it left the table.
pub(super) fn left(snapshot: &Snapshot, table: &TableName, left: Left) -> Vec<(String, i64)> {
    let mut said = vec![(rest_app(table), left.rest.unwrap_or(UNREST))];
    if left.changed {
        said.push((news_app(table), news(snapshot, table) + 1));
    }
    said
}

/// The mark of a table that has to be looked at: rules have others.
const UNREST: i64 = 0;

/// Under which rules a table was at rest last.
fn rest_app(table: &TableName) -> String {
    format!("rest:{table}")
}

/// What a computed table claimed of an input, as the news that the input had.
pub(super) fn seen_app(table: &TableName, input: &TableName) -> String {
    format!("seen:{table}:{input}")
}

/// How often rows of a table changed.
fn news_app(table: &TableName) -> String {
    format!("news:{table}")
}
