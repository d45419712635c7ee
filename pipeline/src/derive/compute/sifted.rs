//! What comes of sifting computed rows beside those that go in: counts, and rejects, which are written as they come.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::json::{LineDelimitedWriter, WriterBuilder, writer::LineDelimited};
use deltalake_core::kernel::Add;

use crate::curated::Curated;
use crate::decode::shown;
use crate::error::{Error, Result};
use crate::layout;
use crate::system::ledger::Claim;
use crate::system::quarantine::{self, QuarantineRow};

/// Rejects that wait to be written, and bytes of their texts.
const WAITING: usize = 10_000;
const WAITING_BYTES: usize = 16 << 20;
/// What was said of computed rows.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// Rows computed, and values over which the SQL fails.
    pub(crate) rows: u64,
    /// How many of them were rejected.
    pub(crate) rejected: u64,
    /// Files of rejected rows, written and not yet committed.
    pub(crate) quarantine: Vec<Add>,
    /// Failures of checks that only warn, by check.
    pub(crate) warned: BTreeMap<String, u64>,
    /// Failures of checks that hold the batch, by check.
    pub(crate) held: BTreeMap<String, u64>,
    /// Rejects of parts before this one.
    pub(super) before: u64,
    /// Ordinal, reason and text of rejects that are not yet written.
    pub(super) waiting: Vec<(u64, String, String)>,
    /// Bytes of their texts.
    pub(super) bytes: usize,
}

impl Sifted {
    /// Adds what was said of another part.
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.quarantine.extend(other.quarantine);
        self.waiting.extend(other.waiting);
        self.bytes += other.bytes;
        for (sums, found) in [(&mut self.warned, other.warned), (&mut self.held, other.held)] {
            for (check, rows) in found {
                *sums.entry(check).or_default() += rows;
            }
        }
    }

    /// The SQL fails over the rows of this value of `recompute`.
    pub(super) fn fails(&mut self, value: &RecordBatch, error: &Error) -> Result<()> {
        self.rows += 1;
        self.reject(error.reason(), text(value)?);
        Ok(())
    }

    /// One more reject.
    pub(super) fn reject(&mut self, reason: String, text: String) {
        self.rejected += 1;
        self.bytes += reason.len() + text.len();
        self.waiting.push((self.before + self.rejected, reason, text));
    }

    /// Whether the rejects that wait take much memory.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING || self.bytes >= WAITING_BYTES
    }

    /// Writes the rejects that wait, as ones of the first input.
    pub(super) async fn write(&mut self, curated: &Curated, claim: &Claim, attempt: &str) -> Result<()> {
        let input = claim.draft.inputs.first().map(|input| input.table.to_string());
        let input = input.ok_or_else(|| Error::internal("claim of a computed table names no input"))?;
        let rows = self.waiting.drain(..).map(|(row, reason, text)| QuarantineRow {
            table: claim.draft.table.to_string(),
            batch: claim.draft.batch,
            object: input.clone(),
            path: input.clone(),
            account: None,
            row: Some(row as i64),
            reason,
            raw_text: Some(text),
            rejected_at: claim.claimed_at,
            attempt: attempt.to_owned(),
        });
        let mut writer = quarantine::Writer::new(curated);
        writer.add(rows).await?;
        self.quarantine.extend(writer.finish().await?);
        self.bytes = 0;
        Ok(())
    }
}

/// A row as JSON, without how it came to be.
pub(super) fn text(row: &RecordBatch) -> Result<String> {
    let told = (0..row.num_columns())
        .filter(|column| !layout::is_bookkeeping(row.schema_ref().field(*column).name()));
    let mut bytes = Vec::new();
    let mut writer: LineDelimitedWriter<_> = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(&mut bytes);
    writer.write(&row.project(&told.collect::<Vec<_>>())?)?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ok(shown(text))
}
