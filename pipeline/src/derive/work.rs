//! What a batch of a computed table has to compute, and where its rows go.

use arrow::array::RecordBatch;
use futures::future::try_join_all;
use serde_json::Value;

use crate::apply::sorted::Sorted;
use crate::apply::{Applied, WorkingSet, whole_files};
use crate::contract::{Contract, InputFeed};
use crate::delta::{DataFile, DeltaLog, changes};
use crate::error::Result;
use crate::lake::Lake;
use crate::request::QuarantineFilter;
use crate::system::ledger::{Claim, Ledger};
use crate::system::open_rejects;

use super::compute::{Computation, Destination, Input, Part, Sifted, put, recompute_schema};
use super::touched::Collector;
use crate::commit::table::Table;

/// The part of the memory limit that touched values may take: of more everything is computed.
const TOUCHED: usize = 16;
/// The part of the memory limit that the rows of touched values go in by.
const PORTION: usize = 16;
/// Values whose rows are looked for in the table's files at once.
const PIECE: usize = 100_000;

/// The inputs of a claim at the versions that it names.
pub(crate) async fn inputs(lake: &Lake, claim: &Claim) -> Result<Vec<Input>> {
    let inputs = claim.draft.inputs.iter().map(async |range| {
        let log = lake.table_log(&range.table)?;
        let snapshot = log.load_at(range.to).await?;
        Ok(Input {
            range: range.clone(),
            log,
            snapshot,
        })
    });
    try_join_all(inputs).await
}

/// What of a table is computed anew.
pub(crate) async fn touched(
    lake: &Lake,
    ledger: &Ledger,
    contract: &Contract,
    feed: &InputFeed,
    inputs: &[Input],
    table: &Table,
) -> Result<Part> {
    let most = lake.settings().memory_limit / TOUCHED;
    match changed(contract, feed, inputs, most).await? {
        Some(collector) => again(lake, ledger, contract, table, collector).await,
        None => Ok(Part::Everything),
    }
}

/// What the inputs' changes touch; none where that is not known, or too much.
async fn changed(
    contract: &Contract,
    feed: &InputFeed,
    inputs: &[Input],
    most: usize,
) -> Result<Option<Collector>> {
    let mut collector = Collector::new(recompute_schema(contract, feed)?, most)?;
    for input in inputs {
        // An id that is not the snapshot's is that of an input that was made anew since the claim.
        let from = input.range.from.filter(|_| input.range.id == input.snapshot.id);
        let Some(from) = from else {
            return Ok(None);
        };
        let Some(changes) = changes(&input.log, from, input.range.to).await? else {
            return Ok(None);
        };
        if !collector.add(&input.log, &changes).await? {
            return Ok(None);
        }
    }
    Ok(Some(collector))
}

/// What is computed: what is touched, and again what was rejected, since the rejects of a table are those of its latest
/// batch.
async fn again(
    lake: &Lake,
    ledger: &Ledger,
    contract: &Contract,
    table: &Table,
    mut collector: Collector,
) -> Result<Part> {
    let counts = table.last.as_ref().and_then(|(_, about)| about.get("counts"));
    let rejected = counts
        .and_then(|counts| counts.get("rows_rejected"))
        .and_then(Value::as_u64);
    // A commit that no longer says it may have rejected some.
    if rejected != Some(0) {
        let own = QuarantineFilter {
            table: Some(contract.name.clone()),
            ..QuarantineFilter::default()
        };
        let rejects = open_rejects(lake.curated(), ledger, &own).await?;
        let texts = rejects.iter().map(|reject| reject.raw_text.as_deref());
        if !collector.add_texts(texts)? {
            return Ok(Part::Everything);
        }
    }
    Ok(Part::Values(collector.finish()?))
}

/// The work of one try at a batch.
pub(crate) struct Work<'a> {
    computation: &'a Computation<'a>,
    log: &'a DeltaLog,
    attempt: &'a str,
    parts: Vec<Part>,
    /// Files all of whose rows go.
    away: Vec<DataFile>,
    destination: Destination<'a>,
}

impl<'a> Work<'a> {
    /// Plans how the rows of what is touched take the place of those in the table.
    pub(crate) fn of(
        lake: &Lake,
        computation: &'a Computation<'a>,
        table: &'a Table,
        touched: &Part,
        attempt: &'a str,
    ) -> Result<Self> {
        let (log, files) = (&table.log, &table.snapshot.files);
        let (part, away) = match touched {
            Part::Values(values) if !is_most(values, files) => {
                let whole = whole_files(computation.contract(), computation.feed(), files, values)?;
                (touched.clone(), whole)
            }
            _ => (Part::Everything, Some(files.to_vec())),
        };
        let (parts, destination) = match &away {
            Some(_) => {
                let (target, sorted) = (computation.target(log, attempt), Sorted::default());
                (vec![part], Destination::New { target, sorted })
            }
            None => {
                let set = WorkingSet::new(log, files.to_vec(), attempt);
                let portion = lake.settings().memory_limit / PORTION;
                (pieces(&part), Destination::Old { set, portion })
            }
        };
        Ok(Self {
            computation,
            log,
            attempt,
            parts,
            away: away.unwrap_or_default(),
            destination,
        })
    }

    /// Computes the rows and writes them to files that no commit names yet; what was said of them.
    pub(crate) async fn done(&mut self, lake: &Lake, claim: &Claim) -> Result<Sifted> {
        let parts = std::mem::take(&mut self.parts);
        let (computation, attempt) = (self.computation, self.attempt);
        put(
            computation,
            parts,
            claim,
            lake.curated(),
            attempt,
            &mut self.destination,
        )
        .await
    }

    /// Removes the files.
    pub(crate) async fn discard(self) {
        self.destination.discard(self.log).await;
    }

    /// What puts the files into the table.
    pub(crate) fn finish(self) -> Applied {
        self.destination.finish(self.computation.contract(), self.away)
    }
}

/// Whether values are many and most of what the table has, so that computing everything costs less than finding theirs.
fn is_most(values: &RecordBatch, files: &[DataFile]) -> bool {
    let rows: u64 = files.iter().filter_map(DataFile::rows).sum();
    values.num_rows() > PIECE && values.num_rows() as u64 > rows / 2
}

/// Values in pieces that are looked for in the table's files at once.
fn pieces(part: &Part) -> Vec<Part> {
    let Part::Values(values) = part else {
        return vec![Part::Everything];
    };
    let firsts = (0..values.num_rows()).step_by(PIECE);
    let piece = |first| Part::Values(values.slice(first, PIECE.min(values.num_rows() - first)));
    firsts.map(piece).collect()
}
