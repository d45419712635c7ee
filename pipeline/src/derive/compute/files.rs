//! Computed rows go into the files of their table.
//!
//! Where whole files go away, their rows come in new ones, sorted and written as they come. Else rows are replaced in the
//! files in which they lie, portion by portion.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use crate::apply::sorted::{self, Sorted, Target};
use crate::apply::{Applied, WorkingSet, of_new, replace};
use crate::contract::Contract;
use crate::curated::Curated;
use crate::delta::{DataFile, DeltaLog};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::layout;
use crate::shape::Checks;
use crate::system::ledger::Claim;

use super::sieve::Sieve;
use super::sifted::Sifted;
use super::{Computation, Failure, Part, next};

/// Where computed rows go.
pub(crate) enum Destination<'a> {
    /// New files.
    New {
        /// How they are written.
        target: Target<'a>,
        /// Those that are.
        sorted: Sorted,
    },
    /// The files of the table, in the place of the rows that their values have there.
    Old {
        /// The files.
        set: WorkingSet<'a>,
        /// Bytes of rows that go in at once.
        portion: usize,
    },
}

impl Destination<'_> {
    /// Removes what was written and will not be committed.
    pub(crate) async fn discard(self, log: &DeltaLog) {
        match self {
            Self::New { sorted, .. } => sorted.discard(log).await,
            Self::Old { set, .. } => set.changes().discard(log).await,
        }
    }

    /// The new files.
    pub(crate) fn into_sorted(self) -> Sorted {
        match self {
            Self::New { sorted, .. } => sorted,
            Self::Old { .. } => Sorted::default(),
        }
    }

    /// What puts the rows into the table, `away` being the files that new ones take the place of.
    pub(crate) fn finish(self, contract: &Contract, away: Vec<DataFile>) -> Applied {
        match self {
            Self::New { sorted, .. } => Applied::replaced(contract, &away, sorted),
            Self::Old { set, .. } => set.changes().finish(contract),
        }
    }
}

/// Computes parts and puts their rows where they go; what was said of them.
pub(crate) async fn put(
    computation: &Computation<'_>,
    parts: Vec<Part>,
    claim: &Claim,
    curated: &Curated,
    attempt: &str,
    into: &mut Destination<'_>,
) -> Result<Sifted> {
    let contract = computation.contract;
    let job = Job {
        computation,
        checks: Checks::new(contract, &layout::schema(contract))?,
        claim,
        curated,
        attempt,
    };
    let put = job.put(parts, into).await;
    match put {
        Ok(sifted) => Ok(sifted),
        Err(Failure::Rows(error) | Failure::Size(error) | Failure::Other(error)) => {
            Err(error.with("table", &contract.name))
        }
    }
}

struct Job<'a> {
    computation: &'a Computation<'a>,
    checks: Checks,
    claim: &'a Claim,
    curated: &'a Curated,
    attempt: &'a str,
}

/// What is computed at once.
struct Piece {
    part: Part,
    /// Values over which the SQL fails, whose rows only go; none where they were not looked for.
    failing: Option<RecordBatch>,
}

impl Piece {
    fn of(part: Part) -> Self {
        Self { part, failing: None }
    }

    /// Whether there is nothing to compute, and nothing that goes.
    fn is_empty(&self) -> bool {
        let none = |values: &RecordBatch| values.num_rows() == 0;
        matches!(&self.part, Part::Values(values) if none(values)) && self.failing.as_ref().is_none_or(none)
    }

    fn halves(self, first: RecordBatch, rest: RecordBatch) -> (Self, Self) {
        let none = self.failing.as_ref().map(|failing| failing.slice(0, 0));
        let half = |values, failing| Self {
            part: Part::Values(values),
            failing,
        };
        (half(first, self.failing), half(rest, none))
    }
}

impl Job<'_> {
    async fn put(&self, parts: Vec<Part>, into: &mut Destination<'_>) -> Result<Sifted, Failure> {
        failpoint::reading(&self.computation.contract.name.to_string());
        let mut all = Sifted::default();
        let mut waiting: Vec<Piece> = parts.into_iter().rev().map(Piece::of).collect();
        while let Some(piece) = waiting.pop() {
            match self.one(&piece, into, all.rejected).await {
                Ok(sifted) => all.add(sifted),
                Err(Failure::Size(error)) => {
                    let values = self.computation.values(&piece.part).await?;
                    let half = values.num_rows() / 2;
                    if half == 0 {
                        return Err(Failure::Size(error));
                    }
                    let rest = values.slice(half, values.num_rows() - half);
                    let (first, rest) = piece.halves(values.slice(0, half), rest);
                    waiting.extend([rest, first]);
                }
                Err(Failure::Rows(_)) if piece.failing.is_none() => {
                    let values = self.computation.values(&piece.part).await?;
                    let (sound, failing) = self.computation.sound(&values, &mut all).await?;
                    waiting.push(Piece {
                        part: Part::Values(sound),
                        failing: Some(failing),
                    });
                }
                Err(failure) => return Err(failure),
            }
            if all.is_full() {
                all.write(self.curated, self.claim, self.attempt).await?;
            }
        }
        all.write(self.curated, self.claim, self.attempt).await?;
        Ok(all)
    }

    /// Computes one piece. Where that fails nothing of it is left, or there is no other way.
    async fn one(&self, piece: &Piece, into: &mut Destination<'_>, before: u64) -> Result<Sifted, Failure> {
        let part = &piece.part;
        if piece.is_empty() {
            return Ok(Sifted::default());
        }
        let copied = match self.computation.copies_meet() {
            true => None,
            false => Some(self.computation.copied(part).await?),
        };
        let mut sieve = Sieve::new(
            self.computation.contract,
            self.claim,
            &self.checks,
            copied,
            before,
        )?;
        match into {
            Destination::New { target, sorted } => self.sorted(part, &mut sieve, target, sorted).await?,
            Destination::Old { set, portion } => self.replaced(piece, &mut sieve, set, *portion).await?,
        }
        Ok(sieve.sifted)
    }

    /// Writes the rows of a part to new files, as they come.
    async fn sorted(
        &self,
        part: &Part,
        sieve: &mut Sieve<'_>,
        target: &Target<'_>,
        sorted: &mut Sorted,
    ) -> Result<(), Failure> {
        let rows = self.computation.ordered(part).await?;
        let mut failed = None;
        let batches = futures::stream::try_unfold(
            (Some(rows), sieve, &mut failed),
            |(rows, sieve, failed)| async move {
                let Some(mut rows) = rows else { return Ok(None) };
                if sieve.sifted.is_full() {
                    sieve.sifted.write(self.curated, self.claim, self.attempt).await?;
                }
                match next(&mut rows).await {
                    Ok(Some(batch)) => Ok(Some((sieve.next(&batch)?, (Some(rows), sieve, failed)))),
                    Ok(None) => Ok(sieve.end()?.map(|last| (last, (None, sieve, failed)))),
                    Err(failure) => {
                        *failed = Some(failure);
                        Err(Error::data("SQL of the contract failed"))
                    }
                }
            },
        );
        let written = sorted::write_ordered(batches, target).await;
        if let Some(failure) = failed {
            return Err(failure);
        }
        let written = written?;
        sorted.rows += written.rows;
        sorted.adds.extend(written.adds);
        Ok(())
    }

    /// Puts the rows of a part in the place of those that its values have. They are computed before anything is changed,
    /// but for a single value with more rows than a portion.
    async fn replaced(
        &self,
        piece: &Piece,
        sieve: &mut Sieve<'_>,
        set: &mut WorkingSet<'_>,
        portion: usize,
    ) -> Result<(), Failure> {
        let contract = self.computation.contract;
        let Part::Values(values) = &piece.part else {
            return Err(Failure::Other(Error::internal(
                "all rows are replaced by new files",
            )));
        };
        let go = concat_batches(&values.schema(), [values].into_iter().chain(&piece.failing));
        let go = go.map_err(Error::from)?;
        let mut rows = self.computation.ordered(&piece.part).await?;
        let (mut batches, mut bytes, mut is_begun) = (Vec::new(), 0, false);
        let mut come = true;
        while come {
            let batch = match next(&mut rows).await? {
                Some(batch) => Some(sieve.next(&batch)?),
                None => {
                    come = false;
                    sieve.end()?
                }
            };
            if let Some(batch) = batch {
                bytes += batch.get_array_memory_size();
                batches.push(batch);
            }
            if come && bytes <= portion {
                continue;
            }
            if come && values.num_rows() > 1 {
                let what = "rows of the values take more memory than a portion";
                return Err(Failure::Size(Error::new(Kind::Usage, what)));
            }
            let new = concat_batches(&layout::schema(contract), &batches).map_err(Error::from)?;
            (batches, bytes) = (Vec::new(), 0);
            let plan = match is_begun {
                false => replace(contract, set.open_files(), set.files(), &go, new).await?,
                true => of_new(contract, new)?,
            };
            set.apply(contract, plan).await?;
            is_begun = true;
        }
        Ok(())
    }
}
