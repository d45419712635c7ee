//! What is between the quotes of a string.

use super::cursor::Stop;

/// The first of quote, backslash and control characters from `at` on, or the end.
#[inline]
pub(super) fn plain_end(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let equal = |word: u64, byte: u8| {
        let difference = word ^ (ONES * u64::from(byte));
        difference.wrapping_sub(ONES) & !difference & HIGH
    };
    // Eight bytes at a time; the lowest marked byte is exact, those above it need not be.
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*bytes);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let marked = equal(word, b'"') | equal(word, b'\\') | control;
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text
        .get(at)
        .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
    {
        at += 1;
    }
    at
}

/// Appends the text that an escaped string stands for.
pub(crate) fn unescape(escaped: &[u8], text: &mut Vec<u8>) -> Result<(), Stop> {
    let mut rest = escaped;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        text.extend_from_slice(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let (plain, length) = match rest.first() {
            Some(b'b') => (b'\x08', 1),
            Some(b'f') => (b'\x0C', 1),
            Some(b'n') => (b'\n', 1),
            Some(b'r') => (b'\r', 1),
            Some(b't') => (b'\t', 1),
            Some(b'u') => {
                let (character, length) = unicode(rest)?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[length..];
                continue;
            }
            Some(same) => (*same, 1),
            None => return Err(Stop::Broken("is not valid JSON: an escape is cut off".to_owned())),
        };
        text.push(plain);
        rest = &rest[length..];
    }
    text.extend_from_slice(rest);
    Ok(())
}

/// The character of `uXXXX` or `uXXXX\uXXXX`, and how many bytes say so.
fn unicode(text: &[u8]) -> Result<(char, usize), Stop> {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(text.get(at..at + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let half = || Stop::Broken("has half of a surrogate pair in a string".to_owned());
    let first = unit(1).ok_or_else(half)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 5));
    }
    let second = if text.get(5..7) == Some(b"\\u") {
        unit(7)
    } else {
        None
    };
    match (first, second) {
        (0xD800..0xDC00, Some(second @ 0xDC00..0xE000)) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            char::from_u32(code)
                .map(|character| (character, 11))
                .ok_or_else(half)
        }
        _ => Err(half()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_at_every_distance() {
        for length in 0..40 {
            for stop in ["\"", "\\", "\n", "\u{1f}"] {
                let text = format!("{}{stop}{}", "é~".repeat(length), "\"\"\"\"\"\"\"\"");
                assert_eq!(plain_end(text.as_bytes(), 0), length * 3, "{text:?}");
            }
        }
    }

    #[test]
    fn escapes_become_characters() {
        let mut text = Vec::new();
        unescape(br#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000z"#, &mut text).unwrap();
        assert_eq!(text, "a\"\\/\u{8}\u{c}\n\r\té😀\0z".as_bytes());
    }

    #[test]
    fn half_a_surrogate_pair_is_broken() {
        for text in [r"\ud83d", r"\ud83dx", r"\ude00", r"\ud83d\u0041", r"\ud83d\n"] {
            assert!(unescape(text.as_bytes(), &mut Vec::new()).is_err(), "{text}");
        }
    }
}
