//! Records of a delimited text, one at a time.

use super::scan::{Cells, Dialect, Stop};
use crate::Result;
use crate::decode::malformed::Excerpt;
use crate::decode::window::Window;

/// Byte order mark of UTF-8.
pub(super) const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads records. The current one stays readable until the next is asked for.
pub(super) struct Records {
    window: Window,
    dialect: Dialect,
    limit: usize,
    follows_line_end: bool,
    cells: Cells,
    open_quote: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record.
    Record,
    /// Something that is no record, to be passed over.
    Damage(Damage),
    /// Nothing more.
    End,
}

/// Why a text is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Text follows a closing quote; whether they are on the first line of it.
    AfterQuote { on_first_line: bool },
    /// A quote is open at the end of the text.
    OpenQuote,
    /// It is larger than the limit.
    TooLarge,
}

impl Records {
    /// Over the text in `window`; records of more than `limit` bytes are damaged.
    pub(super) fn new(window: Window, delimiter: u8, limit: usize) -> Self {
        Self::with(window, Dialect::quoted(delimiter), limit)
    }

    /// Over lines that end with LF or CR LF, with cells between tabs and no quotes.
    pub(super) fn tabbed(window: Window, limit: usize) -> Self {
        Self::with(window, Dialect::tabbed(), limit)
    }

    fn with(window: Window, dialect: Dialect, limit: usize) -> Self {
        Self {
            window,
            dialect,
            limit,
            follows_line_end: false,
            cells: Cells::default(),
            open_quote: false,
        }
    }

    /// Whether there are line ends right before the current record; for the first one, whether lines are empty. Of
    /// tabbed lines it is not known.
    pub(super) fn follows_line_end(&self) -> bool {
        self.follows_line_end
    }

    /// Whether a quote was met that nothing closes, neither to the end of the text nor within the limit of a record.
    pub(super) fn have_open_quote(&self) -> bool {
        self.open_quote
    }

    /// Whether cells stand between tabs and are not quoted.
    pub(super) fn are_tabbed(&self) -> bool {
        self.dialect.is_tabbed()
    }

    /// The current record as it is in the text, with its line end.
    pub(super) fn raw(&self) -> &[u8] {
        &self.window.bytes()[..self.cells.length()]
    }

    /// Whether the current record ends with a line.
    pub(super) fn ends_line(&self) -> bool {
        self.raw()
            .last()
            .is_some_and(|byte| self.dialect.ends_line(*byte))
    }

    /// Whether the current record is nothing but what fills up blocks and marks the ends of files.
    pub(super) fn is_padding(&self) -> bool {
        self.raw().iter().all(|byte| matches!(byte, 0 | 0x1A))
    }

    /// How many cells the current record has.
    pub(super) fn count(&self) -> usize {
        self.cells.count()
    }

    /// The cells of the current record, unquoted.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.cells.of(self.window.bytes())
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.window.memory() + self.cells.memory()
    }

    /// Goes to the next record.
    pub(super) fn next(&mut self) -> Result<Found> {
        self.window.consume(self.cells.length());
        self.cells.clear();
        self.skip_line_ends()?;
        self.skip_mark()?;
        self.read()
    }

    /// Passes over damage: over the line that begins here and, as long as a quote may be open, over all that follow until one
    /// begins a record of `width` cells. The last line of a quoted cell is not taken for one: its closing quote gives it
    /// away.
    pub(super) fn pass(&mut self, width: usize) -> Result<Excerpt> {
        let mut passed = Excerpt::at(self.window.position());
        let mut quotes = 0;
        loop {
            quotes += self.pass_line(&mut passed)?;
            let goes_on = match self.read()? {
                _ if quotes % 2 == 0 || self.dialect.is_tabbed() => true,
                Found::Record => {
                    let is_empty = self.raw().iter().all(|byte| self.dialect.ends_line(*byte));
                    self.cells.count() == width && !self.cells.has_bare_quote() && !is_empty
                }
                // It is damaged by itself, so it is told by itself.
                Found::Damage(Damage::AfterQuote { on_first_line }) => on_first_line,
                Found::Damage(_) => false,
                Found::End => true,
            };
            self.cells.clear();
            if goes_on {
                return Ok(passed);
            }
        }
    }

    /// Reads the record at the front of the window.
    fn read(&mut self) -> Result<Found> {
        loop {
            if self.window.bytes().is_empty() && !self.window.fill()? {
                return Ok(Found::End);
            }
            let bytes = self.window.bytes();
            // One byte more than a record may have: so it does not matter how much else is in the window.
            let text = &bytes[..bytes.len().min(self.limit + 1)];
            let is_all = text.len() <= self.limit && self.window.has_ended();
            let damage = match self.dialect.scan(text, is_all, &mut self.cells) {
                Ok(()) if self.cells.length() <= self.limit => return Ok(Found::Record),
                Ok(()) => Damage::TooLarge,
                Err(Stop::AfterQuote(at)) => Damage::AfterQuote {
                    on_first_line: !text[..at].iter().any(|byte| self.dialect.ends_line(*byte)),
                },
                Err(Stop::More { quoted }) if text.len() > self.limit => {
                    self.open_quote |= quoted;
                    Damage::TooLarge
                }
                Err(Stop::More { .. }) if !is_all => {
                    self.window.fill()?;
                    continue;
                }
                Err(Stop::More { .. }) => {
                    self.open_quote = true;
                    Damage::OpenQuote
                }
            };
            self.cells.clear();
            return Ok(Found::Damage(damage));
        }
    }

    /// Passes over the rest of the line; how many quotes are in it.
    fn pass_line(&mut self, passed: &mut Excerpt) -> Result<usize> {
        let mut quotes = 0;
        loop {
            let text = self.window.bytes();
            let end = text.iter().position(|byte| self.dialect.ends_line(*byte));
            let length = match end {
                Some(end) if text[end] == b'\r' => match text.get(end + 1) {
                    Some(b'\n') => end + 2,
                    Some(_) => end + 1,
                    // What comes decides how long the line end is.
                    None if self.window.has_ended() => end + 1,
                    None => {
                        self.window.fill()?;
                        continue;
                    }
                },
                Some(end) => end + 1,
                None => text.len(),
            };
            quotes += text[..length].iter().filter(|byte| **byte == b'"').count();
            passed.push(&text[..length]);
            self.window.consume(length);
            if end.is_some() || !self.window.fill()? {
                return Ok(quotes);
            }
        }
    }

    /// Passes over empty lines, and over the second half of a line end.
    fn skip_line_ends(&mut self) -> Result<()> {
        if self.dialect.is_tabbed() {
            return self.skip_empty_lines();
        }
        self.follows_line_end = false;
        loop {
            let bytes = self.window.bytes();
            let length = bytes
                .iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                .count();
            let is_all = length == bytes.len();
            self.follows_line_end |= length > 0;
            self.window.consume(length);
            if !is_all || !self.window.fill()? {
                return Ok(());
            }
        }
    }

    /// Passes over a byte order mark before a quote, which it would hide: files that were put together have one where each of
    /// them begins. Before anything else it may be text.
    fn skip_mark(&mut self) -> Result<()> {
        loop {
            let bytes = self.window.bytes();
            if let Some(rest) = bytes.strip_prefix(MARK)
                && let Some(next) = rest.first()
            {
                if *next == b'"' && !self.dialect.is_tabbed() {
                    self.window.consume(MARK.len());
                }
                return Ok(());
            }
            if !MARK.starts_with(&bytes[..bytes.len().min(MARK.len())]) || !self.window.fill()? {
                return Ok(());
            }
        }
    }

    /// Passes over empty lines. A CR elsewhere is part of a cell.
    fn skip_empty_lines(&mut self) -> Result<()> {
        loop {
            match self.window.bytes() {
                [b'\n', ..] => self.window.consume(1),
                [b'\r', b'\n', ..] => self.window.consume(2),
                [] | [b'\r'] => {
                    if !self.window.fill()? {
                        self.window.consume(1);
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
    }
}
