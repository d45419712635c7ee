//! Records of a delimited text, one at a time.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::Result;
use crate::decode::malformed::Excerpt;
use crate::decode::window::Window;

/// Reads records. The current one stays readable until the next is asked for.
pub(super) struct Records {
    window: Window,
    reader: Reader,
    /// Whether a tab and a line feed are all that means something.
    tabbed: bool,
    limit: usize,
    follows_line_end: bool,
    /// Bytes of the window that belong to the current record.
    scanned: usize,
    /// Cells without their quotes, one after another.
    text: Vec<u8>,
    text_length: usize,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
    count: usize,
}

/// What comes next.
pub(super) enum Found {
    /// A record.
    Record,
    /// A record larger than the limit; reading goes on after it.
    TooLarge(Excerpt),
    /// The last record, which has an open quote.
    Unclosed(Excerpt),
    /// Nothing more.
    End,
}

impl Records {
    /// Over the text in `window`; records of more than `limit` bytes are passed over.
    pub(super) fn new(window: Window, delimiter: u8, limit: usize) -> Self {
        Self::with(window, ReaderBuilder::new().delimiter(delimiter).build(), limit)
    }

    /// Over lines that end with LF or CR LF, with cells between tabs and no quotes.
    pub(super) fn tabbed(window: Window, limit: usize) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(b'\t').quoting(false);
        let reader = builder.terminator(Terminator::Any(b'\n')).build();
        Self {
            tabbed: true,
            ..Self::with(window, reader, limit)
        }
    }

    fn with(window: Window, reader: Reader, limit: usize) -> Self {
        Self {
            window,
            reader,
            tabbed: false,
            limit,
            follows_line_end: false,
            scanned: 0,
            text: vec![0; 4096],
            text_length: 0,
            ends: vec![0; 64],
            count: 0,
        }
    }

    /// Whether there are line ends right before the current record; for the first one, whether lines are empty. Of
    /// tabbed lines it is not known.
    pub(super) fn follows_line_end(&self) -> bool {
        self.follows_line_end
    }

    /// The current record as it is in the text, with its line end.
    pub(super) fn raw(&self) -> &[u8] {
        &self.window.bytes()[..self.scanned]
    }

    /// How many cells the current record has.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The cells of the current record, unquoted.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let ends = &self.ends[..self.count];
        ends.iter().enumerate().map(|(index, end)| {
            let start = if index == 0 { 0 } else { ends[index - 1] };
            let cell = &self.text[start..*end];
            // It belongs to the line end.
            let is_last = self.tabbed && index + 1 == ends.len();
            is_last
                .then(|| cell.strip_suffix(b"\r"))
                .flatten()
                .unwrap_or(cell)
        })
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.window.memory() + self.text.len() + self.ends.len() * size_of::<usize>()
    }

    /// Goes to the next record.
    pub(super) fn next(&mut self) -> Result<Found> {
        self.window.consume(self.scanned);
        (self.scanned, self.text_length, self.count) = (0, 0, 0);
        self.skip_line_ends()?;
        let mut too_large: Option<Excerpt> = None;
        loop {
            if self.scanned > self.limit {
                too_large.get_or_insert_default();
            }
            if let Some(excerpt) = &mut too_large {
                excerpt.push(&self.window.bytes()[..self.scanned]);
                self.window.consume(self.scanned);
                (self.scanned, self.text_length, self.count) = (0, 0, 0);
            }
            let at_end = self.scanned == self.window.bytes().len() && !self.window.fill()?;
            if at_end && self.scanned == 0 && too_large.is_none() {
                return Ok(Found::End);
            }
            match self.advance(at_end) {
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record if too_large.is_none() && self.scanned <= self.limit => {
                    return Ok(Found::Record);
                }
                ReadRecordResult::InputEmpty if !at_end => {}
                ReadRecordResult::Record | ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    let is_large = too_large.is_some() || self.scanned > self.limit;
                    let mut excerpt = too_large.unwrap_or_default();
                    excerpt.push(self.raw());
                    return Ok(if is_large {
                        Found::TooLarge(excerpt)
                    } else {
                        Found::Unclosed(excerpt)
                    });
                }
            }
        }
    }

    /// Passes over empty lines, and over the second half of a line end.
    fn skip_line_ends(&mut self) -> Result<()> {
        if self.tabbed {
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

    /// Goes on with what the window has after the bytes already scanned. At the end of the text that is a line end,
    /// which closes the record unless it is inside of quotes.
    #[inline]
    fn advance(&mut self, at_end: bool) -> ReadRecordResult {
        let rest = if at_end {
            b"\n"
        } else {
            &self.window.bytes()[self.scanned..]
        };
        let (result, read, written, ended) = self.reader.read_record(
            rest,
            &mut self.text[self.text_length..],
            &mut self.ends[self.count..],
        );
        self.scanned += if at_end { 0 } else { read };
        self.text_length += written;
        self.count += ended;
        result
    }
}
