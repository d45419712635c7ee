//! From stored bytes to UTF-8: decompression, byte order mark and charset.

use std::io::{Cursor, ErrorKind, Read};

use super::charset::Transcoded;
use super::gunzip::{GZIP, Gunzip};
use super::window::read_error;
use crate::contract::Charset;
use crate::{Error, Result};

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// First bytes of encodings that are not read, and what they are.
const REFUSED: [(&[u8], &str); 4] = [
    (&[0x28, 0xB5, 0x2F, 0xFD], "compressed with zstd"),
    (b"BZh91AY&SY", "compressed with bzip2"),
    (&[0xFF, 0xFE], "UTF-16 text"),
    (&[0xFE, 0xFF], "UTF-16 text"),
];

/// The text of an object in UTF-8: gunzipped where it is gzip (also of several members), without byte order mark,
/// which tells that it is UTF-8 whatever the charset.
pub(super) fn open(input: Box<dyn Read + Send>, charset: Charset) -> Result<Box<dyn Read + Send>> {
    let (head, input) = peek(input, 10)?;
    if !head.starts_with(GZIP) {
        return text(input, charset);
    }
    let (head, content) = peek(Box::new(Gunzip::new(input)), GZIP.len())?;
    if head.starts_with(GZIP) {
        return Err(Error::data(
            "object is gzip in gzip: it is unpacked once, so deliver it packed once",
        ));
    }
    text(content, charset)
}

fn text(input: Box<dyn Read + Send>, charset: Charset) -> Result<Box<dyn Read + Send>> {
    let (head, mut input) = peek(input, 10)?;
    if let Some((_, what)) = REFUSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Error::data(format!(
            "object is {what}: text is read in UTF-8 or in the charset of its format, plain or gzip"
        )));
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        input
            .read_exact(&mut [0; BYTE_ORDER_MARK.len()])
            .map_err(read_error)?;
        return Ok(input);
    }
    Ok(match Transcoded::encoding(charset) {
        Some(encoding) => Box::new(Transcoded::new(input, encoding)),
        None => input,
    })
}

/// The first `count` bytes (fewer when there are no more), and the whole input.
fn peek(mut input: Box<dyn Read + Send>, count: usize) -> Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = vec![0; count];
    let mut length = 0;
    while length < count {
        match input.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(error)),
        }
    }
    head.truncate(length);
    Ok((head.clone(), Box::new(Cursor::new(head).chain(input))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::decode::testing::gzip;

    fn text_of(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        open(Box::new(Cursor::new(bytes.to_vec())), Charset::Utf8)?
            .read_to_end(&mut text)
            .map_err(read_error)?;
        Ok(text)
    }

    #[test]
    fn plain_bytes_come_as_they_are() {
        assert_eq!(text_of(b"").unwrap(), b"");
        assert_eq!(text_of(b"a").unwrap(), b"a");
        assert_eq!(text_of(b"a,b\n1,2\n").unwrap(), b"a,b\n1,2\n");
    }

    #[test]
    fn gzip_members_are_joined() {
        let both = [gzip(b"a,b\n"), gzip(b"1,2\n")].concat();
        assert_eq!(text_of(&both).unwrap(), b"a,b\n1,2\n");
        assert_eq!(text_of(&gzip(b"")).unwrap(), b"");
    }

    #[test]
    fn gzip_in_gzip_is_named() {
        let error = text_of(&gzip(&gzip(b"a,b\n1,2\n"))).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.message().contains("gzip in gzip"), "{error}");
        assert_eq!(
            text_of(&[gzip(b"a,b\n"), vec![0; 512]].concat()).unwrap(),
            b"a,b\n"
        );
    }

    #[test]
    fn a_byte_order_mark_is_dropped_inside_and_outside_gzip() {
        let marked = "\u{FEFF}a,b".as_bytes();
        assert_eq!(text_of(marked).unwrap(), b"a,b");
        assert_eq!(text_of(&gzip(marked)).unwrap(), b"a,b");
    }

    #[test]
    fn truncated_gzip_is_an_error_of_the_data() {
        let whole = gzip(b"a,b\n1,2\n");
        for length in [2, 12, whole.len() - 9, whole.len() - 1] {
            let error = text_of(&whole[..length]).unwrap_err();
            assert_eq!(error.kind(), Kind::Data, "cut to {length}");
        }
    }

    #[test]
    fn damaged_gzip_is_an_error_of_the_data() {
        let mut damaged = gzip(b"a,b\n1,2\n");
        let checksum = damaged.len() - 6;
        damaged[checksum] ^= 0xFF;
        assert_eq!(text_of(&damaged).unwrap_err().kind(), Kind::Data);
        let followed = [gzip(b"a"), b"rubbish after the member".to_vec()].concat();
        assert_eq!(text_of(&followed).unwrap_err().kind(), Kind::Data);
    }

    #[test]
    fn encodings_that_are_not_read_are_named() {
        let zstd = [0x28, 0xB5, 0x2F, 0xFD, 0, 0];
        assert!(text_of(&zstd).unwrap_err().message().contains("zstd"));
        assert!(
            text_of(&[0xFF, 0xFE, b'a', 0])
                .unwrap_err()
                .message()
                .contains("UTF-16")
        );
    }
}
