//! Memory that a statement may hold, and files for what does not fit.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::spill_file::{SpillFile as Spilled, SpillWriter, TempFileFactory};
use futures::{Stream, stream};
use tokio::task::spawn_blocking;

use crate::storage::{Spill, SpillFile};

/// Bytes of a file that are read at once.
const PIECE: usize = 256 << 10;

/// What work may take. Memory is each one's own, the files are all of one folder.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Bytes of memory.
    pub(crate) memory: usize,
    /// Where the rest goes.
    pub(crate) spill: Spill,
}

impl Room {
    /// So many bytes of memory, and as many files as the operating system's folder for them holds.
    #[cfg(test)]
    pub(crate) fn of(memory: usize) -> Self {
        Self {
            memory,
            spill: Spill::default(),
        }
    }

    /// The same with one of so many parts of the memory.
    pub(crate) fn part(&self, parts: usize) -> Self {
        Self {
            memory: self.memory / parts,
            spill: self.spill.clone(),
        }
    }

    /// Files for operators that hold more than they may.
    pub(super) fn files(&self) -> DiskManagerBuilder {
        let factory = Arc::new(Files(self.spill.clone()));
        DiskManagerBuilder::default().with_mode(DiskManagerMode::Custom(factory))
    }
}

struct Files(Spill);

impl TempFileFactory for Files {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn Spilled>> {
        let file = self.0.file().map_err(DataFusionError::IoError)?;
        Ok(Arc::new(OneFile(Arc::new(file))))
    }
}

struct OneFile(Arc<SpillFile>);

impl Spilled for OneFile {
    fn size(&self) -> Option<u64> {
        Some(self.0.len())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let file = self.0.clone();
        let pieces = stream::try_unfold(0, move |at| {
            let file = file.clone();
            async move {
                let piece = spawn_blocking(move || file.read_at(at, PIECE)).await;
                let piece = piece.map_err(|error| DataFusionError::External(Box::new(error)))?;
                let piece = piece.map_err(DataFusionError::IoError)?;
                let next = at + piece.len() as u64;
                Ok((!piece.is_empty()).then(|| (Bytes::from(piece), next)))
            }
        });
        Ok(Box::pin(pieces))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer(self.0.clone())))
    }
}

struct Writer(Arc<SpillFile>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
