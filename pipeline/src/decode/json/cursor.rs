//! The grammar of JSON, over a slice that may end before the value does.

use super::string::plain_end;

/// Deepest nesting of objects and arrays.
pub(crate) const DEPTH: usize = 64;

/// Why reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The slice ends within the value.
    More,
    /// This is no value, or one that is not accepted; the reason, to follow the thing's name.
    Broken(String),
}

/// A place in JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    /// The text.
    pub(crate) text: &'a [u8],
    /// Bytes already read.
    pub(crate) at: usize,
    /// Bytes before the text.
    before: u64,
}

/// A string in the text, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// First byte.
    pub(crate) start: usize,
    /// After the last byte.
    pub(crate) end: usize,
    /// Whether there are escapes in it.
    pub(crate) escaped: bool,
}

impl<'a> Cursor<'a> {
    /// At the start of `text`.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self::after(0, text)
    }

    /// At the start of `text`, which comes after so many bytes: messages count from there.
    pub(crate) fn after(before: u64, text: &'a [u8]) -> Self {
        Self { text, at: 0, before }
    }

    /// The next byte after white space, which stays unread.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Stop::More),
            }
        }
    }

    /// Reads `byte`, after white space.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek()? != byte {
            return Err(self.broken(&format!("{:?} is missing", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a comma (true) or `closing` (false), after white space.
    #[inline]
    pub(crate) fn goes_on(&mut self, closing: u8) -> Result<bool, Stop> {
        let next = self.peek()?;
        if next != b',' && next != closing {
            return Err(self.broken(&format!("',' or {:?} is missing", char::from(closing))));
        }
        self.at += 1;
        Ok(next == b',')
    }

    /// Reads a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Quoted, Stop> {
        if self.peek()? != b'"' {
            return Err(self.broken("a string is missing"));
        }
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            end = plain_end(self.text, end);
            match self.text.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    return Ok(Quoted { start, end, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    end = self.escape(end + 1)?;
                }
                Some(_) => {
                    self.at = end;
                    return Err(self.broken("a string has a control character"));
                }
                None => return Err(Stop::More),
            }
        }
    }

    /// Passes over what follows a backslash.
    pub(super) fn escape(&mut self, at: usize) -> Result<usize, Stop> {
        match self.text.get(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
            Some(b'u') => {
                for digit in at + 1..at + 5 {
                    match self.text.get(digit) {
                        Some(byte) if byte.is_ascii_hexdigit() => {}
                        Some(_) => return self.bad_escape(at),
                        None => return Err(Stop::More),
                    }
                }
                Ok(at + 5)
            }
            Some(_) => self.bad_escape(at),
            None => Err(Stop::More),
        }
    }

    fn bad_escape(&mut self, at: usize) -> Result<usize, Stop> {
        self.at = at;
        Err(self.broken("a string has an unknown escape"))
    }

    /// Reads a number; it is as long as it is written.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<(), Stop> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let first = self.text.get(self.at).copied();
        let integer = self.digits()?;
        if first == Some(b'0') && integer > 1 {
            return Err(self.broken("a number starts with 0"));
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        match self.text.get(self.at) {
            Some(_) => Ok(()),
            None => Err(Stop::More),
        }
    }

    #[inline]
    fn digits(&mut self) -> Result<usize, Stop> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        match self.text.get(self.at) {
            None => Err(Stop::More),
            Some(_) if self.at == start => Err(self.broken("a number lacks digits")),
            Some(_) => Ok(self.at - start),
        }
    }

    /// Reads `true`, `false` or `null`.
    #[inline]
    pub(crate) fn word(&mut self, word: &[u8]) -> Result<(), Stop> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(if word.starts_with(rest) {
            Stop::More
        } else {
            self.broken("there is no such value")
        })
    }

    /// Reads any value; `depth` counts the containers around it.
    pub(crate) fn value(&mut self, depth: usize) -> Result<(), Stop> {
        match self.peek()? {
            b'{' => {
                self.enter(depth)?;
                if self.peek()? == b'}' {
                    self.at += 1;
                    return Ok(());
                }
                loop {
                    self.string()?;
                    self.expect(b':')?;
                    self.value(depth + 1)?;
                    if !self.goes_on(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.enter(depth)?;
                if self.peek()? == b']' {
                    self.at += 1;
                    return Ok(());
                }
                loop {
                    self.value(depth + 1)?;
                    if !self.goes_on(b']')? {
                        return Ok(());
                    }
                }
            }
            b'"' => self.string().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.broken("a value is missing")),
        }
    }

    /// Reads the opening brace or bracket of a container that has `depth` containers around it.
    pub(crate) fn enter(&mut self, depth: usize) -> Result<(), Stop> {
        if depth >= DEPTH {
            return Err(Stop::Broken(format!("is nested deeper than {DEPTH} levels")));
        }
        self.at += 1;
        Ok(())
    }

    /// That the text here is not JSON.
    #[cold]
    pub(crate) fn broken(&self, what: &str) -> Stop {
        Stop::Broken(format!(
            "is not valid JSON: {what} at byte {}",
            self.before + self.at as u64
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<usize, Stop> {
        let mut cursor = Cursor::new(text.as_bytes());
        cursor.value(0).map(|()| cursor.at)
    }

    #[test]
    fn values_end_where_they_end() {
        let ok = r#"{"a":[1,-0.5e+3,true,false,null,"x\"\\\u00e9",{},[]]}"#;
        assert_eq!(value(&format!("{ok} rest")), Ok(ok.len()));
        assert_eq!(value("12 "), Ok(2));
    }

    #[test]
    fn every_prefix_of_a_value_asks_for_more() {
        let text = r#"{"a":[1,-0.5e+3,true,null,"x\"\\\u00e9"],"b":{}}"#;
        for length in 0..text.len() {
            assert_eq!(value(&text[..length]), Err(Stop::More), "{}", &text[..length]);
        }
    }

    #[test]
    fn what_is_not_json_is_broken() {
        let wrong = [
            "{a:1} ",
            "{\"a\" 1} ",
            "{\"a\":1,} ",
            "[1,] ",
            "[1 2] ",
            "01 ",
            "1. ",
            ".5 ",
            "+1 ",
            "- ",
            "1e ",
            "tru ",
            "nul} ",
            "NaN ",
            "\"\\x\" ",
            "\"\\u00g0\" ",
            "\"a\nb\" ",
            "'a' ",
            "} ",
        ];
        for text in wrong {
            assert!(matches!(value(text), Err(Stop::Broken(_))), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}{} ", "[".repeat(depth), "]".repeat(depth));
        assert!(value(&nested(DEPTH)).is_ok());
        assert_eq!(
            value(&nested(DEPTH + 1)),
            Err(Stop::Broken("is nested deeper than 64 levels".into()))
        );
    }
}
