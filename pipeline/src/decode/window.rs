//! The stretch of an object that is in memory.

use std::io::{self, Read};

use crate::{Error, Kind, Result};

/// Bytes that were read and not yet consumed, in one piece.
pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    chunk: usize,
    ended: bool,
    position: u64,
}

impl Window {
    /// Over `input`, to be read `chunk` bytes at a time.
    pub(super) fn new(input: Box<dyn Read + Send>, chunk: usize) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            chunk: chunk.max(1),
            ended: false,
            position: 0,
        }
    }

    /// What is in the window.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Drops the first `count` bytes of the window.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.position += count as u64;
    }

    /// How many bytes were consumed so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether it is known that nothing comes after what is in the window.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Reads on by a chunk, or by as much again as is in the window: whoever looks at all of it after each call
    /// still does linear work. False when there is nothing more.
    pub(super) fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let before = self.end;
        let wanted = before + before.max(self.chunk);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.end < wanted && !self.ended {
            match self.input.read(&mut self.buffer[self.end..wanted]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error)),
            }
        }
        Ok(self.end > before)
    }
}

/// An error of a reader: our own from below a decompressor, damage that a decompressor found, or anything else.
pub(super) fn read_error(error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.downcast::<Error>() {
        Ok(own) => own,
        Err(error) if error.kind() == UnexpectedEof => {
            Error::data("gzip content ends too early: the object is cut short")
        }
        Err(error) if matches!(error.kind(), InvalidData | InvalidInput) => {
            Error::data("gzip content is damaged").because(error)
        }
        Err(error) => Error::new(Kind::Io, "object could not be read").because(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_until_its_bytes_are_consumed() {
        let mut window = Window::new(Box::new(&b"abcdefgh"[..]), 2);
        assert!(window.fill().unwrap());
        assert_eq!(window.bytes(), b"ab");
        assert!(window.fill().unwrap());
        assert_eq!(window.bytes(), b"abcd");
        window.consume(3);
        assert!(window.fill().unwrap());
        assert_eq!(window.bytes(), b"def");
        window.consume(3);
        assert!(window.fill().unwrap());
        assert_eq!(window.bytes(), b"gh");
        assert!(!window.fill().unwrap());
    }

    #[test]
    fn an_error_of_ours_keeps_its_kind_through_a_reader() {
        let inner = io::Error::other(Error::new(Kind::NotFound, "gone"));
        assert_eq!(read_error(inner).kind(), Kind::NotFound);
        assert_eq!(read_error(io::ErrorKind::ConnectionReset.into()).kind(), Kind::Io);
    }
}
