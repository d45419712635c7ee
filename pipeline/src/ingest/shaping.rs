//! Rows of an object on their way from decoding to the buffers of the tables that take them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::decode::RawBatch;
use crate::error::{Error, Result};
use crate::shape::Shaped;

use super::open::Source;
use super::read::{ObjectRows, TableReader};

/// Rows of an object that are being shaped, on threads of their own beside the decoding of the next ones: the oldest
/// first.
pub(crate) struct Shaping<'a> {
    readers: &'a [TableReader<'a>],
    ordinal: usize,
    /// How many are at most.
    at_once: usize,
    /// Each with the reader that it is for.
    waiting: VecDeque<(usize, JoinHandle<Result<Shaped>>)>,
}

impl<'a> Shaping<'a> {
    /// For the object with this ordinal; so many batches of rows are shaped at the same time.
    pub(crate) fn new(readers: &'a [TableReader<'a>], ordinal: usize, at_once: usize) -> Self {
        Self {
            readers,
            ordinal,
            at_once,
            waiting: VecDeque::new(),
        }
    }

    /// Begins to shape rows for a reader, once there is room for it. The good ones go to the reader's buffer.
    pub(crate) async fn begin(
        &mut self,
        reader: usize,
        batch: &Arc<RawBatch>,
        of: &Arc<Source>,
        by_table: &mut [Option<ObjectRows>],
    ) -> Result<()> {
        self.finish(self.at_once - 1, by_table).await?;
        let TableReader {
            shaper,
            buffer,
            stamp,
            ..
        } = &self.readers[reader];
        let (shaper, buffer, stamp, ordinal) = (Arc::clone(shaper), Arc::clone(buffer), *stamp, self.ordinal);
        let (batch, of) = (batch.clone(), of.clone());
        let handle = Handle::current();
        let shaped = tokio::task::spawn_blocking(move || {
            let delivered = batch.fields.schema_ref().fields().iter();
            buffer.see(
                delivered
                    .map(|field| field.name().as_str())
                    .chain(of.origin().constants()),
            );
            let mut shaped = handle.block_on(shaper.shape(&batch, &of.origin(), stamp))?;
            let none = shaped.rows.slice(0, 0);
            let rows = std::mem::replace(&mut shaped.rows, none);
            buffer.push(ordinal, batch.rows.first().copied().unwrap_or_default(), rows)?;
            Ok(shaped)
        });
        self.waiting.push_back((reader, shaped));
        Ok(())
    }

    /// Waits until no more than so many are left, and gives the tables what comes of the others. After an error nothing is
    /// left: the object is not at work any more.
    pub(crate) async fn finish(&mut self, left: usize, by_table: &mut [Option<ObjectRows>]) -> Result<()> {
        let mut failed = Ok(());
        while self.waiting.len() > left || failed.is_err() {
            let Some((reader, shaped)) = self.waiting.pop_front() else {
                break;
            };
            let panicked = |error| Error::data("object cannot be shaped: shaping panicked").because(error);
            let shaped = shaped.await.map_err(panicked);
            let gave = by_table[reader].as_mut().filter(|one| one.rejected.is_none());
            if let (Ok(()), Some(gave)) = (&failed, gave) {
                failed = shaped.and_then(|shaped| gave.take(shaped));
            }
        }
        failed
    }
}
