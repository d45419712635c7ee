//! From other charsets to UTF-8, as a stream.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, SHIFT_JIS, WINDOWS_1252};

use crate::contract::Charset;

/// Stands for bytes that mean no character. It is no UTF-8, so that whoever reads the text rejects what holds it.
const UNDECODABLE: u8 = 0xFF;
/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// The UTF-8 of a text in another charset.
pub(super) struct Transcoded {
    input: Box<dyn Read + Send>,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// How much of `text` was given away.
    given: usize,
    ended: bool,
}

impl Transcoded {
    /// How to decode a charset; none for UTF-8, which needs no decoding.
    pub(super) fn encoding(charset: Charset) -> Option<&'static Encoding> {
        match charset {
            Charset::Utf8 => None,
            Charset::Windows1252 => Some(WINDOWS_1252),
            Charset::ShiftJis => Some(SHIFT_JIS),
        }
    }

    pub(super) fn new(input: Box<dyn Read + Send>, encoding: &'static Encoding) -> Self {
        Self {
            input,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: vec![0; CHUNK],
            text: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    /// Decodes the next piece of the input.
    fn advance(&mut self) -> io::Result<()> {
        let length = self.input.read(&mut self.raw)?;
        self.ended = length == 0;
        self.text.clear();
        self.given = 0;
        let mut rest = &self.raw[..length];
        loop {
            let start = self.text.len();
            let needed = self
                .decoder
                .max_utf8_buffer_length_without_replacement(rest.len());
            // More than three bytes for one is nowhere needed.
            self.text.resize(start + needed.unwrap_or(3 * rest.len() + 16), 0);
            let (result, read, written) =
                self.decoder
                    .decode_to_utf8_without_replacement(rest, &mut self.text[start..], self.ended);
            self.text.truncate(start + written);
            mark_controls(&mut self.text[start..]);
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.text.push(UNDECODABLE),
            }
        }
    }
}

/// Marks the control characters U+0080 to U+009F, which the decoders make of bytes that their charsets leave open.
fn mark_controls(text: &mut [u8]) {
    for at in 1..text.len() {
        if text[at - 1] == 0xC2 && matches!(text[at], 0x80..=0x9F) {
            text[at - 1..=at].fill(UNDECODABLE);
        }
    }
}

impl Read for Transcoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.advance()?;
        }
        let left = &self.text[self.given..];
        let length = buffer.len().min(left.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{EncoderResult, Encoding};
    use proptest::prelude::*;

    use super::*;
    use crate::decode::testing::Trickle;

    fn text_of(bytes: Vec<u8>, sizes: Vec<usize>, encoding: &'static Encoding) -> Vec<u8> {
        let input = Trickle {
            sizes,
            ..Trickle::whole(bytes)
        };
        let mut text = Vec::new();
        Transcoded::new(Box::new(input), encoding)
            .read_to_end(&mut text)
            .unwrap();
        text
    }

    fn at_once(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
        text_of(bytes.to_vec(), vec![usize::MAX], encoding)
    }

    #[test]
    fn western_european_bytes_become_characters() {
        assert_eq!(
            at_once(b"caf\xE9 \x80 \x93x\x94 \x85\xA0", WINDOWS_1252),
            "café € “x” …\u{A0}".as_bytes()
        );
    }

    #[test]
    fn japanese_bytes_become_characters_also_those_that_windows_added() {
        assert_eq!(
            at_once(b"\x8F\xA4\x95i\t\xB1\x87@\xFB\xFC", SHIFT_JIS),
            "商品\tｱ①髙".as_bytes()
        );
    }

    #[test]
    fn bytes_that_mean_nothing_are_marked_and_those_around_them_stay() {
        assert_eq!(at_once(b"a\x81b\x9D", WINDOWS_1252), b"a\xFF\xFFb\xFF\xFF");
        assert_eq!(at_once(b"a\xFDb", SHIFT_JIS), b"a\xFFb");
        assert_eq!(at_once(b"a\x80b", SHIFT_JIS), b"a\xFF\xFFb");
        assert_eq!(
            at_once(b"\x81\tb", SHIFT_JIS),
            b"\xFF\tb",
            "the tab is not swallowed"
        );
        assert_eq!(
            at_once(b"ab\x8F", SHIFT_JIS),
            b"ab\xFF",
            "a character that is cut off"
        );
    }

    fn encoded(text: &str, encoding: &'static Encoding) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 4 * text.len() + 16];
        let mut encoder = encoding.new_encoder();
        let (result, _, written) = encoder.encode_from_utf8_without_replacement(text, &mut bytes, true);
        bytes.truncate(written);
        (result == EncoderResult::InputEmpty).then_some(bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn texts_survive_in_any_pieces(
            text in proptest::collection::vec(prop::sample::select("aé€“…商品ｱ髙\t\n~".chars().collect::<Vec<_>>()), 0..60),
            sizes in proptest::collection::vec(1_usize..9, 1..4),
        ) {
            for encoding in [WINDOWS_1252, SHIFT_JIS] {
                let text: String = text.iter().filter(|one| encoded(&one.to_string(), encoding).is_some()).collect();
                let bytes = encoded(&text, encoding).unwrap();
                prop_assert_eq!(text_of(bytes, sizes.clone(), encoding), text.into_bytes());
            }
        }

        #[test]
        fn any_bytes_give_the_same_in_any_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            sizes in proptest::collection::vec(1_usize..9, 1..4),
        ) {
            for encoding in [WINDOWS_1252, SHIFT_JIS] {
                prop_assert_eq!(text_of(bytes.clone(), sizes.clone(), encoding), at_once(&bytes, encoding));
            }
        }
    }
}
