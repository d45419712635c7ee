//! Where a record of delimited text ends, and its cells, over a slice that may end before the record does.

use memchr::memchr;

/// What has a meaning in the text.
pub(super) struct Dialect {
    delimiter: u8,
    /// Whether a tab and a line feed are all that means something.
    tabbed: bool,
    /// Bytes that a cell that is not in quotes goes on over.
    plain: [bool; 256],
}

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The slice ends before the record does, maybe within quotes.
    More {
        /// Whether it ends within quotes.
        quoted: bool,
    },
    /// Something other than a delimiter or a line end follows a closing quote, so many bytes after the record's start: RFC
    /// 4180 has no such record.
    AfterQuote(usize),
}

/// The cells of one record.
#[derive(Default)]
pub(super) struct Cells {
    spans: Vec<Span>,
    /// Quoted cells without the doubling of their quotes, one after another.
    undoubled: Vec<u8>,
    length: usize,
    bare_quote: bool,
}

/// Where a cell stands: in the text of the record, or among the undoubled cells.
struct Span {
    start: usize,
    end: usize,
    undoubled: bool,
}

impl Dialect {
    /// RFC 4180 with that delimiter. A line may end with LF, CR LF or CR, and a quote within a cell that does not begin
    /// with one is a character.
    pub(super) fn quoted(delimiter: u8) -> Self {
        Self::new(delimiter, false, &[delimiter, b'\n', b'\r', b'"'])
    }

    /// Lines that end with LF or CR LF, with cells between tabs and no quotes.
    pub(super) fn tabbed() -> Self {
        Self::new(b'\t', true, b"\t\n")
    }

    fn new(delimiter: u8, tabbed: bool, special: &[u8]) -> Self {
        let mut plain = [true; 256];
        for byte in special {
            plain[usize::from(*byte)] = false;
        }
        Self {
            delimiter,
            tabbed,
            plain,
        }
    }

    /// Whether a tab and a line feed are all that means something.
    pub(super) fn is_tabbed(&self) -> bool {
        self.tabbed
    }

    /// Whether the byte ends a line.
    pub(super) fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || byte == b'\r' && !self.tabbed
    }

    /// Reads the record at the start of the text, which is not empty. `is_all` says that nothing comes after the text,
    /// which then ends the record, unless that is in quotes.
    pub(super) fn scan(&self, text: &[u8], is_all: bool, cells: &mut Cells) -> Result<(), Stop> {
        cells.clear();
        let mut at = 0;
        loop {
            let after = if !self.tabbed && text.get(at) == Some(&b'"') {
                self.quoted_cell(text, at + 1, is_all, cells)?
            } else {
                self.plain_cell(text, at, is_all, cells)?
            };
            match text.get(after) {
                Some(byte) if *byte == self.delimiter => at = after + 1,
                ending => {
                    cells.length = after + usize::from(ending.is_some());
                    return Ok(());
                }
            }
        }
    }

    /// Reads a cell that does not begin with a quote; where its delimiter or line end stands.
    #[inline]
    fn plain_cell(&self, text: &[u8], start: usize, is_all: bool, cells: &mut Cells) -> Result<usize, Stop> {
        let mut at = start;
        loop {
            match text.get(at) {
                Some(byte) if self.plain[usize::from(*byte)] => at += 1,
                Some(b'"') if self.delimiter != b'"' => {
                    cells.bare_quote = true;
                    at += 1;
                }
                None if !is_all => return Err(Stop::More { quoted: false }),
                ending => {
                    let mut end = at;
                    // It belongs to the line end.
                    let ends_line = ending.is_none_or(|byte| *byte == b'\n');
                    if self.tabbed && ends_line && at > start && text[at - 1] == b'\r' {
                        end -= 1;
                    }
                    cells.push(start, end);
                    return Ok(at);
                }
            }
        }
    }

    /// Reads a cell from behind its opening quote; where its delimiter or line end stands.
    fn quoted_cell(&self, text: &[u8], start: usize, is_all: bool, cells: &mut Cells) -> Result<usize, Stop> {
        let mut at = start;
        let mut doubled = false;
        loop {
            let Some(length) = memchr(b'"', &text[at..]) else {
                return Err(Stop::More { quoted: true });
            };
            let end = at + length;
            match text.get(end + 1) {
                Some(b'"') => {
                    doubled = true;
                    at = end + 2;
                    continue;
                }
                // What comes may be another quote, and then the cell goes on.
                None if !is_all => return Err(Stop::More { quoted: true }),
                Some(byte) if *byte != self.delimiter && !self.ends_line(*byte) => {
                    return Err(Stop::AfterQuote(end + 1));
                }
                _ => {}
            }
            if doubled {
                cells.push_undoubled(&text[start..end]);
            } else {
                cells.push(start, end);
            }
            return Ok(end + 1);
        }
    }
}

impl Cells {
    /// Forgets the record.
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.undoubled.clear();
        self.length = 0;
        self.bare_quote = false;
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of the record, its line end among them.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether there is a quote within a cell that does not begin with one.
    pub(super) fn has_bare_quote(&self) -> bool {
        self.bare_quote
    }

    /// The cells without their quotes, of the record that was read from `text`.
    pub(super) fn of<'a>(&'a self, text: &'a [u8]) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.spans.iter().map(move |span| {
            let from = if span.undoubled { &self.undoubled } else { text };
            &from[span.start..span.end]
        })
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize) {
        self.spans.push(Span {
            start,
            end,
            undoubled: false,
        });
    }

    fn push_undoubled(&mut self, doubled: &[u8]) {
        let start = self.undoubled.len();
        let mut rest = doubled;
        while let Some(quote) = memchr(b'"', rest) {
            self.undoubled.extend_from_slice(&rest[..=quote]);
            // Its double: quotes within come in pairs.
            rest = &rest[quote + 2..];
        }
        self.undoubled.extend_from_slice(rest);
        self.spans.push(Span {
            start,
            end: self.undoubled.len(),
            undoubled: true,
        });
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.undoubled.capacity()
    }
}
