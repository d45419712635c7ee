//! Delimited text: RFC 4180, and what is written in its name.
//!
//! Quoted cells may hold delimiters, quotes (doubled) and line ends; a record ends with LF, CR LF or CR; empty
//! lines are no records. Each record stands alone: one that is malformed does not touch the others. A quote that opens
//! by mistake makes a record of what may be many: where it cannot be one, because text follows its closing quote or
//! nothing closes it, reading goes back and on with the next line that can be one.
//!
//! Tabbed text is read with the same means, but nothing is quoted in it, and only LF and CR LF end a line.

mod header;
mod records;
mod scan;

use header::First;
use records::{Damage, Found, MARK, Records};

use super::batch::Batch;
use super::malformed::Malformed;
use super::window::Window;
use super::{Decoded, Limits};
use crate::contract::{CsvFormat, Header, TsvFormat};
use crate::{Error, Result};

/// The rows of a delimited text.
pub(super) struct CsvRows {
    records: Records,
    format: CsvFormat,
    limits: Limits,
    batch: Batch,
    /// Where the columns come from, once they are known.
    columns_from: Option<&'static str>,
    /// The text of the header; nothing where there is none.
    header: Vec<u8>,
    ordinal: i64,
    /// Whether the last record, or the header, has neither all of its cells nor a line end.
    ends_within_record: bool,
    ended: bool,
}

const DECLARED: &str = "the declared columns are";
const HEADER: &str = "the header has";

impl CsvRows {
    pub(super) fn new(window: Window, format: &CsvFormat, limits: Limits) -> Result<Self> {
        if !format.delimiter.is_ascii() || matches!(format.delimiter, b'"' | b'\r' | b'\n') {
            let delimiter = char::from(format.delimiter);
            return Err(Error::usage(format!(
                "{delimiter:?} cannot delimit CSV: use an ASCII character"
            )));
        }
        let mut rows = Self {
            records: Records::new(window, format.delimiter, limits.record),
            format: format.clone(),
            limits,
            batch: Batch::default(),
            columns_from: None,
            header: Vec::new(),
            ordinal: 0,
            ends_within_record: false,
            ended: false,
        };
        if format.header == Header::Absent {
            let columns = header::declared(format)?;
            rows.set_columns(columns, DECLARED);
        }
        Ok(rows)
    }

    /// The rows of lines of cells between tabs.
    pub(super) fn tabbed(window: Window, format: &TsvFormat, limits: Limits) -> Self {
        let TsvFormat {
            null,
            rename,
            known,
            charset,
        } = format.clone();
        Self {
            records: Records::tabbed(window, limits.record),
            format: CsvFormat {
                null,
                rename,
                known,
                charset,
                ..CsvFormat::default()
            },
            limits,
            batch: Batch::default(),
            columns_from: None,
            header: Vec::new(),
            ordinal: 0,
            ends_within_record: false,
            ended: false,
        }
    }

    fn set_columns(&mut self, names: Vec<String>, from: &'static str) {
        for name in names {
            self.batch.add_column(name, true);
        }
        self.columns_from = Some(from);
    }

    /// Settles the columns by the first record; whether that was a header.
    fn take_header(&mut self) -> Result<bool> {
        if self.records.follows_line_end() {
            return Err(Error::data("the first line is empty where the header should be"));
        }
        if self.records.are_tabbed() && self.records.raw().trim_ascii_end().contains(&b'\r') {
            return Err(Error::data(
                "the header line holds a carriage return: lines of tabbed text end with LF or CR LF, not with CR alone",
            ));
        }
        let first = header::first(&self.records.cells(), &self.format)?;
        match first {
            First::Header(names) => {
                self.header = self.records.raw().trim_ascii_end().to_vec();
                let last = names.last().map_or("", String::as_str);
                // A report without rows may lack its line end; a name that nobody knows may be the begin of another.
                self.ends_within_record = !self.records.ends_line() && !header::is_known(last, &self.format);
                self.set_columns(names, HEADER);
                Ok(true)
            }
            First::Row(names) => {
                self.set_columns(names, DECLARED);
                Ok(false)
            }
        }
    }

    /// Whether the record is the header of another file that was put behind the first one, with its byte order mark or without.
    fn is_header_again(&self) -> bool {
        let raw = self.records.raw().trim_ascii_end();
        !self.header.is_empty() && raw.strip_prefix(MARK).unwrap_or(raw) == self.header
    }

    /// Reads one record; the malformed one when it is none.
    fn take_record(&mut self) -> Option<Malformed> {
        self.ordinal += 1;
        let (count, width) = (self.records.count(), self.batch.width());
        self.ends_within_record = count < width && !self.records.ends_line() && !self.records.is_padding();
        let fault = if count != width {
            let from = self.columns_from.unwrap_or(DECLARED);
            Some(format!(
                "has {count} {}, {from} {width}",
                if count == 1 { "cell" } else { "cells" }
            ))
        } else if width > 1 && self.is_header_again() {
            Some("is the header again".to_owned())
        } else if std::str::from_utf8(self.records.raw()).is_err() {
            Some(format!("is not valid {}", self.format.charset))
        } else {
            None
        };
        if let Some(reason) = fault {
            return Some(Malformed::whole(
                self.ordinal,
                reason,
                self.records.raw().trim_ascii_end(),
            ));
        }
        for (column, cell) in self.records.cells().enumerate() {
            if !self.format.null.iter().any(|null| null.as_bytes() == cell) {
                self.batch.push(column, cell);
            }
        }
        self.batch.end_row(self.ordinal);
        None
    }

    fn step(&mut self) -> Result<Option<Decoded>> {
        loop {
            if self.batch.is_full(&self.limits) {
                return Ok(self.batch.take()?.map(Decoded::Rows));
            }
            let damage = match self.records.next()? {
                Found::End if self.columns_from.is_none() => {
                    self.columns_from = Some(HEADER);
                    return Ok(Some(Decoded::Nothing));
                }
                Found::End => return self.end(),
                Found::Record => {
                    if self.columns_from.is_none() && self.take_header()? {
                        continue;
                    }
                    match self.take_record() {
                        Some(malformed) => return Ok(Some(Decoded::Malformed(malformed))),
                        None => continue,
                    }
                }
                Found::Damage(damage) => damage,
            };
            let reason = match damage {
                Damage::AfterQuote { .. } => "has text after a closing quote".to_owned(),
                Damage::OpenQuote => "has a quote that is not closed".to_owned(),
                Damage::TooLarge => format!("is larger than {} bytes", self.limits.record),
            };
            if self.columns_from.is_none() {
                return Err(Error::data(format!(
                    "the first record, which may be the header, {reason}"
                )));
            }
            let passed = self.records.pass(self.batch.width())?;
            self.ordinal += 1;
            let malformed = passed.malformed(self.ordinal, format!("{reason}: {}", passed.extent()));
            return Ok(Some(Decoded::Malformed(malformed)));
        }
    }

    /// The last rows, and after them that the text ends where it should not.
    fn end(&mut self) -> Result<Option<Decoded>> {
        if let Some(rows) = self.batch.take()? {
            return Ok(Some(Decoded::Rows(rows)));
        }
        let is_cut = self.ends_within_record || self.records.have_open_quote();
        Ok((is_cut && !std::mem::replace(&mut self.ended, true)).then_some(Decoded::CutShort))
    }
}

impl Iterator for CsvRows {
    type Item = Result<Decoded>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tabbed_tests;
#[cfg(test)]
mod tests;
