//! Records that are no rows.

/// Most bytes of a record's text that are shown.
pub(super) const SHOWN: usize = 64 << 10;

/// As much of a text as is shown, with a mark that tells the whole length where that is not all.
pub(crate) fn shown(mut text: String) -> String {
    let length = text.len();
    if length > SHOWN {
        text.truncate(text.floor_char_boundary(SHOWN));
        text.push_str(&format!("… (cut, {length} bytes in all)"));
    }
    text
}

/// A record that is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Ordinal of the record in its object, counted together with the rows.
    pub row: i64,
    /// What is wrong with it, such as `has 12 cells, the header has 14`.
    pub reason: String,
    /// Its raw text, with U+FFFD for what is not UTF-8, cut after 64 KiB with a mark that tells the whole length.
    pub text: String,
}

impl Malformed {
    /// `start` is the beginning of the record's text, or all of it, and `length` its whole length in bytes.
    pub(super) fn new(row: i64, reason: impl Into<String>, start: &[u8], length: u64) -> Self {
        let mut shown = start.len().min(SHOWN);
        if length <= shown as u64 {
            return Self {
                row,
                reason: reason.into(),
                text: String::from_utf8_lossy(start).into_owned(),
            };
        }
        let is_inside_character = |at: usize| start.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        while shown > 0 && is_inside_character(shown) {
            shown -= 1;
        }
        let text = String::from_utf8_lossy(&start[..shown]);
        Self {
            row,
            reason: reason.into(),
            text: format!("{text}… (cut, {length} bytes in all)"),
        }
    }

    /// A record of which `text` is all.
    pub(super) fn whole(row: i64, reason: impl Into<String>, text: &[u8]) -> Self {
        Self::new(row, reason, text, text.len() as u64)
    }
}

/// The beginning of a record that is not held in memory.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    position: u64,
    start: Vec<u8>,
    length: u64,
}

impl Excerpt {
    /// Of a record that begins after so many bytes of the text.
    pub(super) fn at(position: u64) -> Self {
        Self {
            position,
            ..Self::default()
        }
    }

    /// Where it stands in the text, in words.
    pub(super) fn extent(&self) -> String {
        format!("bytes {} to {}", self.position, self.position + self.length)
    }

    /// The record goes on with these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // One byte more than is shown tells whether the cut is inside a character.
        let missing = (SHOWN + 1).saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(&bytes[..missing]);
        self.length += bytes.len() as u64;
    }

    /// What is at the end of it and only stands between records of JSON belongs to none of them.
    pub(super) fn drop_separators(&mut self) {
        while self.length == self.start.len() as u64
            && let Some(b',' | b' ' | b'\t' | b'\r' | b'\n') = self.start.last()
        {
            self.start.pop();
            self.length -= 1;
        }
    }

    /// Takes this byte from its end, and what separates it from what is before it.
    pub(super) fn drop_last(&mut self, byte: u8) {
        self.drop_separators();
        if self.length == self.start.len() as u64 && self.start.last() == Some(&byte) {
            self.start.pop();
            self.length -= 1;
        }
    }

    /// The record is no row.
    pub(super) fn malformed(&self, row: i64, reason: impl Into<String>) -> Malformed {
        if self.length == self.start.len() as u64 {
            let end = self.start.trim_ascii_end();
            return Malformed::whole(row, reason, end);
        }
        Malformed::new(row, reason, &self.start, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_its_length() {
        let mut excerpt = Excerpt::default();
        excerpt.push(&vec![b'x'; SHOWN - 1]);
        excerpt.push("é and more".as_bytes());
        let malformed = excerpt.malformed(3, "is bad");
        let length = SHOWN - 1 + "é and more".len();
        assert_eq!(
            malformed.text,
            format!("{}… (cut, {length} bytes in all)", "x".repeat(SHOWN - 1))
        );
    }

    #[test]
    fn a_text_of_just_the_limit_is_whole() {
        let text = "y".repeat(SHOWN);
        assert_eq!(Malformed::whole(1, "is bad", text.as_bytes()).text, text);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(Malformed::whole(1, "is bad", b"a\xFFb").text, "a\u{FFFD}b");
    }
}
