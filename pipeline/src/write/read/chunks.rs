//! Byte ranges of a file in memory, readable as if they were the file.

use std::ops::Range;
use std::sync::Arc;

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

/// Some byte ranges of a file of which the rest is not here; cheap to clone.
#[derive(Clone)]
pub(crate) struct Chunks {
    size: u64,
    parts: Arc<[(u64, Bytes)]>,
}

impl Chunks {
    /// The ranges of a file of `size` bytes, each with what was read there.
    pub(crate) fn new(size: u64, ranges: &[Range<u64>], bytes: Vec<Bytes>) -> Self {
        Self {
            size,
            parts: ranges.iter().map(|range| range.start).zip(bytes).collect(),
        }
    }

    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let holds = |(begin, bytes): &&(u64, Bytes)| *begin <= start && start < begin + bytes.len() as u64;
        match self.parts.iter().find(holds) {
            Some((begin, bytes)) => Ok(bytes.slice((start - begin) as usize..)),
            None => Err(ParquetError::EOF(format!(
                "byte {start} is outside of the column chunks that were read"
            ))),
        }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Chunks {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            let end = start + length as u64;
            return Err(ParquetError::EOF(format!(
                "bytes {start} to {end} reach beyond their column chunk"
            )));
        }
        Ok(bytes.slice(..length))
    }
}
