//! Rows of an object on their way from decoding to the spools of the tables that take them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::decode::RawBatch;
use crate::error::{Error, Result};
use crate::shape::Shaped;

use super::open::Source;
use super::read::{Intake, Taker};

/// Rows of an object that are being shaped, on threads of their own beside the decoding of the next ones: the oldest
/// first.
pub(crate) struct Shaping<'a> {
    takers: &'a [Taker<'a>],
    ordinal: usize,
    /// How many are at most.
    at_once: usize,
    /// Each with the taker that it is for.
    waiting: VecDeque<(usize, JoinHandle<Result<Shaped>>)>,
}

impl<'a> Shaping<'a> {
    /// For the object with this ordinal; so many batches of rows are shaped at the same time.
    pub(crate) fn new(takers: &'a [Taker<'a>], ordinal: usize, at_once: usize) -> Self {
        Self {
            takers,
            ordinal,
            at_once,
            waiting: VecDeque::new(),
        }
    }

    /// Begins to shape rows for a taker, once there is room for it. The good ones go to the taker's spool.
    pub(crate) async fn begin(
        &mut self,
        taker: usize,
        batch: &Arc<RawBatch>,
        of: &Arc<Source>,
        intakes: &mut [Option<Intake>],
    ) -> Result<()> {
        self.finish(self.at_once - 1, intakes).await?;
        let Taker {
            shaper, spool, stamp, ..
        } = &self.takers[taker];
        let (shaper, spool, stamp, ordinal) = (Arc::clone(shaper), Arc::clone(spool), *stamp, self.ordinal);
        let (batch, of) = (batch.clone(), of.clone());
        let handle = Handle::current();
        let shaped = tokio::task::spawn_blocking(move || {
            let delivered = batch.fields.schema_ref().fields().iter();
            spool.see(
                delivered
                    .map(|field| field.name().as_str())
                    .chain(of.origin().constants()),
            );
            let mut shaped = handle.block_on(shaper.shape(&batch, &of.origin(), stamp))?;
            let none = shaped.rows.slice(0, 0);
            let rows = std::mem::replace(&mut shaped.rows, none);
            spool.push(ordinal, batch.rows.first().copied().unwrap_or_default(), rows)?;
            Ok(shaped)
        });
        self.waiting.push_back((taker, shaped));
        Ok(())
    }

    /// Waits until no more than so many are left, and gives the intakes what comes of the others. After an error nothing is
    /// left: the object is not at work any more.
    pub(crate) async fn finish(&mut self, left: usize, intakes: &mut [Option<Intake>]) -> Result<()> {
        let mut failed = Ok(());
        while self.waiting.len() > left || failed.is_err() {
            let Some((taker, shaped)) = self.waiting.pop_front() else {
                break;
            };
            let panicked = |error| Error::data("object cannot be shaped: shaping panicked").because(error);
            let shaped = shaped.await.map_err(panicked);
            let intake = intakes[taker].as_mut().filter(|one| one.rejected.is_none());
            if let (Ok(()), Some(intake)) = (&failed, intake) {
                failed = shaped.and_then(|shaped| intake.take(shaped));
            }
        }
        failed
    }
}
