//! Where a record that cannot be read ends.

/// Looks for the end of a broken record, piece by piece: after the brace that closes it; else before a brace that
/// opens a line and stands no further in than the record's own line; else before a bracket that closes what
/// the record did not open.
pub(super) struct Extent {
    /// White space before the record on its line.
    indent: usize,
    braces: usize,
    brackets: usize,
    in_string: bool,
    in_escape: bool,
    /// White space so far on a line on which there is nothing else.
    margin: Option<usize>,
}

impl Extent {
    /// Of a record on a line that starts with so much white space.
    pub(super) fn new(indent: usize) -> Self {
        Self {
            indent,
            braces: 0,
            brackets: 0,
            in_string: false,
            in_escape: false,
            margin: None,
        }
    }

    /// The next piece of the text, the first starting with the record; how much of it is the record's rest, if
    /// it ends in it.
    pub(super) fn scan(&mut self, text: &[u8]) -> Option<usize> {
        for (at, byte) in text.iter().enumerate() {
            if *byte == b'\n' {
                // No string goes over a line end.
                (self.in_string, self.in_escape, self.margin) = (false, false, Some(0));
                continue;
            }
            if self.in_string {
                match byte {
                    _ if self.in_escape => self.in_escape = false,
                    b'\\' => self.in_escape = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' => {
                    if let Some(margin) = &mut self.margin {
                        *margin += 1;
                    }
                    continue;
                }
                // Some writers put the comma between records at the start of the line.
                b',' if self.margin.is_some() => continue,
                b'{' if self.margin.is_some_and(|margin| margin <= self.indent) => return Some(at),
                b'{' => self.braces += 1,
                b'}' => {
                    self.braces = self.braces.saturating_sub(1);
                    if self.braces == 0 {
                        return Some(at + 1);
                    }
                }
                b'[' => self.brackets += 1,
                b']' if self.brackets == 0 => return Some(at),
                b']' => self.brackets -= 1,
                b'"' => self.in_string = true,
                _ => {}
            }
            self.margin = None;
        }
        None
    }

    /// White space before the next record on its line, when the record ended where a line began.
    pub(super) fn margin(&self) -> Option<usize> {
        self.margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_end(indent: usize, record: &str, rest: &str) {
        let text = format!("{record}{rest}");
        assert_eq!(
            Extent::new(indent).scan(text.as_bytes()),
            Some(record.len()),
            "{text:?}"
        );
        let mut extent = Extent::new(indent);
        let ends: Vec<_> = text.as_bytes().iter().map(|byte| extent.scan(&[*byte])).collect();
        let end = ends.iter().position(Option::is_some).unwrap();
        assert_eq!(end + ends[end].unwrap(), record.len(), "{text:?} byte by byte");
    }

    #[test]
    fn a_record_that_closes_ends_there() {
        assert_end(0, r#"{"a": oops}"#, r#",{"b":1}"#);
        assert_end(0, r#"{"a": "}\"}", "b": {} }"#, r#"{"b":1}"#);
        assert_end(
            2,
            "{\n    \"a\": oops,\n    \"b\": [\n      {\n      }\n    ]\n  }",
            ",\n  {}",
        );
    }

    #[test]
    fn a_record_that_does_not_close_ends_before_the_next_line_that_opens_one() {
        assert_end(0, "{\"a\":1,\"b\":\n", "{\"a\":2}");
        assert_end(0, "{\"a\":\"x\n", "{\"a\":2}");
        assert_end(0, "{\"a\": \"b\"c\"d}\n", "{\"a\":2}");
        assert_end(2, "{\"a\":1,\n  ", "{\"a\":2}");
        assert_end(0, "{\"a\":1\n,", "{\"a\":2}");
    }

    #[test]
    fn a_record_that_does_not_close_ends_with_the_array_around_it() {
        assert_end(0, "{\"a\": [1], {\"b\":2}", "]");
    }

    #[test]
    fn a_record_may_reach_to_the_end() {
        assert_eq!(Extent::new(0).scan(b"{\"a\":{\"b\":1}\n"), None);
    }
}
