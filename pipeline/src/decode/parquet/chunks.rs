//! An object as the Parquet reader wants it: by ranges.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::Error;
use crate::decode::Input;

/// Bytes of one request, unless more are asked for at once.
const BLOCK: u64 = 1 << 20;
/// Blocks held: the columns of a file take turns.
const HELD: usize = 16;

/// An object of which blocks are held.
#[derive(Clone)]
pub(super) struct Chunks(Arc<Shared>);

struct Shared {
    input: Box<dyn Input>,
    length: u64,
    /// Number and content, the one used last at the end.
    blocks: Mutex<VecDeque<(u64, Bytes)>>,
    failure: Mutex<Option<Error>>,
}

impl Chunks {
    pub(super) fn new(input: Box<dyn Input>) -> Self {
        Self(Arc::new(Shared {
            length: input.length(),
            input,
            blocks: Mutex::default(),
            failure: Mutex::default(),
        }))
    }

    /// The error of the last request that failed, which the Parquet reader makes a text of.
    pub(super) fn failure(&self) -> Option<Error> {
        self.0
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn request(&self, start: u64, end: u64) -> Result<Bytes> {
        self.0.input.range(start..end).map_err(|error| {
            let said = ParquetError::General(error.to_string());
            *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            said
        })
    }

    /// The bytes from `start` to the end of their block.
    fn rest_of_block(&self, start: u64) -> Result<Bytes> {
        let number = start / BLOCK;
        let mut blocks = self.0.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let held = blocks.iter().position(|(known, _)| *known == number);
        let block = match held.and_then(|index| blocks.remove(index)) {
            Some((_, block)) => block,
            None => self.request(number * BLOCK, self.0.length.min((number + 1) * BLOCK))?,
        };
        if blocks.len() == HELD {
            blocks.pop_front();
        }
        blocks.push_back((number, block.clone()));
        Ok(block.slice((start % BLOCK) as usize..))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.length
    }
}

impl ChunkReader for Chunks {
    type T = Onward;

    fn get_read(&self, start: u64) -> Result<Onward> {
        Ok(Onward {
            chunks: self.clone(),
            position: start,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.0.length {
            let message = format!("{length} bytes at {start} are beyond the end");
            return Err(ParquetError::EOF(message));
        }
        if length as u64 > BLOCK {
            return self.request(start, end);
        }
        let mut bytes = BytesMut::with_capacity(length);
        while bytes.len() < length {
            let rest = self.rest_of_block(start + bytes.len() as u64)?;
            let wanted = rest.len().min(length - bytes.len());
            bytes.extend_from_slice(&rest[..wanted]);
        }
        Ok(bytes.freeze())
    }
}

/// A reader from some position on.
pub(super) struct Onward {
    chunks: Chunks,
    position: u64,
}

impl Read for Onward {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.chunks.0.length {
            return Ok(0);
        }
        let rest = self
            .chunks
            .rest_of_block(self.position)
            .map_err(io::Error::other)?;
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.position += length as u64;
        Ok(length)
    }
}
