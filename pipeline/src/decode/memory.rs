//! Objects that are in memory already.

use std::io::{self, Cursor, Read};
use std::ops::Range;

use bytes::Bytes;

use super::Input;
use crate::{Error, Result};

/// Reads bytes that are in memory.
#[derive(Debug, Clone)]
pub struct InMemory(Cursor<Bytes>);

impl InMemory {
    /// Of these bytes, from their start.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(Cursor::new(bytes.into()))
    }

    /// The same bytes from their start.
    pub fn from_start(&self) -> Self {
        Self::new(self.0.get_ref().clone())
    }
}

impl Read for InMemory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Input for InMemory {
    fn again(&self) -> Result<Box<dyn Input>> {
        Ok(Box::new(self.from_start()))
    }

    fn length(&self) -> u64 {
        self.0.get_ref().len() as u64
    }

    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let within = |at: u64| {
            usize::try_from(at)
                .ok()
                .filter(|at| *at <= self.0.get_ref().len())
        };
        match (within(range.start), within(range.end)) {
            (Some(start), Some(end)) if start <= end => Ok(self.0.get_ref().slice(start..end)),
            _ => Err(Error::data("object is shorter than it says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_again_from_their_start_and_by_range() {
        let mut input = InMemory::new("abc");
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        let mut again = String::new();
        input.again().unwrap().read_to_string(&mut again).unwrap();
        assert_eq!((text.as_str(), again.as_str(), input.length()), ("abc", "abc", 3));
        assert_eq!(input.range(1..3).unwrap(), "bc");
        assert!(input.range(2..4).is_err());
    }
}
