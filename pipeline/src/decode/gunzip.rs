//! Gzip: members one after another, and what may follow them.

use std::io::{self, BufRead, BufReader, Read};
use std::mem;

use flate2::bufread::GzDecoder;

use super::window::read_error;
use crate::{Error, Kind, Result};

/// First bytes of a member.
pub(super) const GZIP: &[u8] = &[0x1F, 0x8B];

/// The content of all members of an object (RFC 1952 2.2). Zero bytes after them are padding, as of tapes and of blocks, and
/// mean nothing; anything else there is damage. After an error every read gives it again.
pub(super) struct Gunzip(State);

enum State {
    /// Within a member.
    Member(Box<GzDecoder<BufReader<Counted>>>),
    Ended,
    Failed(Kind, String),
}

/// A reader that knows how many bytes it gave.
struct Counted {
    input: Box<dyn Read + Send>,
    count: u64,
}

impl Gunzip {
    /// Of an input that begins with a member.
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        let input = BufReader::with_capacity(64 << 10, Counted { input, count: 0 });
        Self(State::Member(Box::new(GzDecoder::new(input))))
    }

    /// Goes on after the end of a member.
    fn next_member(mut input: BufReader<Counted>) -> Result<State> {
        let mut is_padded = false;
        loop {
            let rest = input.fill_buf().map_err(read_error)?;
            let Some(first) = rest.first().copied() else {
                return Ok(State::Ended);
            };
            if first == 0 {
                let zeros = rest.iter().take_while(|byte| **byte == 0).count();
                input.consume(zeros);
                is_padded = true;
                continue;
            }
            if first == GZIP[0] && !is_padded {
                return Ok(State::Member(Box::new(GzDecoder::new(input))));
            }
            let at = input.get_ref().count - input.buffer().len() as u64;
            let after = if is_padded { "zero bytes after it" } else { "it" };
            return Err(Error::data(format!(
                "gzip content ends, and after {after} there is something else from byte {at} on"
            )));
        }
    }

    fn advance(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match &mut self.0 {
                State::Member(member) => {
                    let length = loop {
                        match member.read(buffer) {
                            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                            read => break read.map_err(read_error)?,
                        }
                    };
                    if length > 0 || buffer.is_empty() {
                        return Ok(length);
                    }
                }
                State::Ended => return Ok(0),
                State::Failed(kind, message) => return Err(Error::new(*kind, message.clone())),
            }
            if let State::Member(member) = mem::replace(&mut self.0, State::Ended) {
                self.0 = Self::next_member((*member).into_inner())?;
            }
        }
    }
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.advance(buffer).map_err(|error| {
            self.0 = State::Failed(error.kind(), error.chain());
            io::Error::other(error)
        })
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.count += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::decode::testing::gzip;

    fn content(bytes: Vec<u8>) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut reader = Gunzip::new(Box::new(Cursor::new(bytes)));
        reader.read_to_end(&mut content).map_err(read_error)?;
        Ok(content)
    }

    #[test]
    fn zero_bytes_after_the_last_member_mean_nothing() {
        for zeros in [0, 1, 512, 200_000] {
            let bytes = [gzip(b"a"), gzip(b""), gzip(b"b"), vec![0; zeros]].concat();
            assert_eq!(content(bytes).unwrap(), b"ab", "{zeros} zero bytes");
        }
    }

    #[test]
    fn what_is_no_member_is_damage_and_says_where_it_is() {
        let member = gzip(b"a");
        for (after, reason) in [
            (&b"rubbish"[..], "after it there is something else"),
            (
                b"\0\0rubbish",
                "after zero bytes after it there is something else",
            ),
            (
                b"\0\0\x1F\x8B",
                "after zero bytes after it there is something else",
            ),
        ] {
            let error = content([&member, after].concat()).unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            let at = member.len() + after.iter().take_while(|byte| **byte == 0).count();
            assert!(error.message().contains(reason), "{error}");
            assert!(
                error.message().ends_with(&format!("from byte {at} on")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_error_stays_when_read_on() {
        let whole = gzip(b"some text that is long enough");
        let mut damaged = whole.clone();
        let checksum = damaged.len() - 6;
        damaged[checksum] ^= 0xFF;
        for bytes in [
            damaged,
            whole[..whole.len() - 3].to_vec(),
            [&whole, &b"x"[..]].concat(),
            [&whole, &[0x1F, 0x8B, 8][..]].concat(),
        ] {
            let mut reader = Gunzip::new(Box::new(Cursor::new(bytes)));
            let mut errors = Vec::new();
            while errors.len() < 3 {
                if let Err(error) = reader.read(&mut [0; 7]) {
                    errors.push(read_error(error).chain());
                }
            }
            assert!(!errors[0].is_empty());
            assert_eq!([&errors[1], &errors[2]], [&errors[0]; 2]);
        }
    }
}
