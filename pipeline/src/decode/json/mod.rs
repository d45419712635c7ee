//! JSON objects one after another: in arrays, on lines, or just concatenated, in any mixture.
//!
//! Nested objects become fields by path (`budget.amount`), arrays stay JSON text, numbers stay as they are
//! written, null and an empty object are no value. A key may come twice with the same value, not with different
//! ones. A broken record does not touch the others; where it ends is guessed, see [`extent`].

pub(crate) mod cursor;
pub(super) mod document;
mod envelope;
mod extent;
mod fields;
pub(crate) mod string;

use std::collections::VecDeque;

use cursor::{Cursor, Stop};
use extent::Extent;
use fields::{Fields, Values};

use super::batch::Batch;
use super::malformed::{Excerpt, Malformed};
use super::window::Window;
use super::{Decoded, Limits};
use crate::Result;
use crate::contract::JsonFormat;

/// The rows of a JSON text.
pub(super) struct JsonRows {
    window: Window,
    sns_envelope: bool,
    limits: Limits,
    fields: Fields,
    values: Values,
    batch: Batch,
    ordinal: i64,
    /// Malformed records to hand out before anything else is read.
    malformed: VecDeque<Malformed>,
    in_array: bool,
    /// Whether the text ends within a record or an array; it is said once.
    cut_short: bool,
    /// White space at the start of the current line, and whether nothing else was on it yet.
    indent: usize,
    at_margin: bool,
}

/// What stands at the front of the window.
enum Front {
    Object,
    /// Something else, which starts with this byte.
    Other(u8),
    Nothing,
}

impl JsonRows {
    pub(super) fn new(window: Window, format: &JsonFormat, limits: Limits) -> Self {
        Self {
            window,
            sns_envelope: format.sns_envelope,
            limits,
            fields: Fields::new(limits.fields),
            values: Values::default(),
            batch: Batch::default(),
            ordinal: 0,
            malformed: VecDeque::new(),
            in_array: false,
            cut_short: false,
            indent: 0,
            at_margin: true,
        }
    }

    fn step(&mut self) -> Result<Option<Decoded>> {
        loop {
            if let Some(malformed) = self.malformed.pop_front() {
                return Ok(Some(Decoded::Malformed(malformed)));
            }
            if self.batch.is_full(&self.limits) {
                return Ok(self.batch.take()?.map(Decoded::Rows));
            }
            match self.advance()? {
                Front::Object => self.take_object()?,
                Front::Other(first) => self.take_other(first)?,
                Front::Nothing if self.in_array => {
                    (self.in_array, self.cut_short) = (false, true);
                    self.reject("is an array that is not closed: the object may be cut short", b"");
                }
                Front::Nothing => {
                    return Ok(match self.batch.take()? {
                        Some(rows) => Some(Decoded::Rows(rows)),
                        None => std::mem::take(&mut self.cut_short).then_some(Decoded::CutShort),
                    });
                }
            }
        }
    }

    /// Goes to the next value, past what is between values.
    fn advance(&mut self) -> Result<Front> {
        loop {
            let Some(byte) = self.window.bytes().first().copied() else {
                if self.window.fill()? {
                    continue;
                }
                return Ok(Front::Nothing);
            };
            match byte {
                b'\n' => (self.indent, self.at_margin) = (0, true),
                b' ' | b'\t' | b'\r' => self.indent += usize::from(self.at_margin),
                _ => {
                    self.at_margin = false;
                    match byte {
                        b',' => {}
                        b'[' if !self.in_array => self.in_array = true,
                        b']' if self.in_array => self.in_array = false,
                        b'{' => return Ok(Front::Object),
                        other => return Ok(Front::Other(other)),
                    }
                }
            }
            self.window.consume(1);
        }
    }

    /// Reads the object at the front of the window.
    fn take_object(&mut self) -> Result<()> {
        loop {
            let text = front(&self.window, self.limits.record);
            let mut cursor = Cursor::new(text);
            let reason = match self.fields.read(&mut cursor, &mut self.values) {
                Ok(()) if cursor.at <= self.limits.record => {
                    let length = cursor.at;
                    self.keep_or_unwrap(length);
                    self.window.consume(length);
                    return Ok(());
                }
                Err(Stop::Broken(reason)) => reason,
                Err(Stop::More) if text.len() <= self.limits.record => {
                    if self.window.fill()? {
                        continue;
                    }
                    self.cut_short = true;
                    "is cut short: the object ends within the record".to_owned()
                }
                Ok(()) | Err(Stop::More) => larger_than(self.limits.record),
            };
            return self.skip_object(&reason);
        }
    }

    fn keep_or_unwrap(&mut self, length: usize) {
        let text = &self.window.bytes()[..length];
        if self.sns_envelope
            && let Some(envelope) = envelope::of(&self.fields, &self.values, text)
        {
            match envelope {
                Ok(message) => self.take_message(&message),
                Err(reason) => {
                    self.ordinal += 1;
                    self.malformed
                        .push_back(Malformed::whole(self.ordinal, reason, text));
                }
            }
            return;
        }
        keep(
            &self.fields,
            &self.values,
            text,
            &mut self.batch,
            &mut self.ordinal,
        );
    }

    /// Rows of what was in an envelope: an object, or an array of objects.
    fn take_message(&mut self, message: &[u8]) {
        let mut cursor = Cursor::new(message);
        let read = envelope::each_object(&mut cursor, |cursor| {
            self.fields.read(cursor, &mut self.values)?;
            keep(
                &self.fields,
                &self.values,
                message,
                &mut self.batch,
                &mut self.ordinal,
            );
            Ok(())
        });
        if let Err(reason) = read {
            self.reject(format!("is an SNS notification whose message {reason}"), message);
        }
    }

    /// Passes over the object at the front of the window, which cannot be read.
    fn skip_object(&mut self, reason: &str) -> Result<()> {
        let mut extent = Extent::new(self.indent);
        let mut excerpt = Excerpt::default();
        loop {
            let text = self.window.bytes();
            let end = extent.scan(text);
            let length = end.unwrap_or(text.len());
            excerpt.push(&text[..length]);
            self.window.consume(length);
            if end.is_none() && self.window.fill()? {
                continue;
            }
            // What is open at the end is this record's fault, not the array's.
            self.in_array &= end.is_some();
            if let Some(margin) = extent.margin() {
                (self.indent, self.at_margin) = (margin, true);
            }
            self.ordinal += 1;
            self.malformed.push_back(excerpt.malformed(self.ordinal, reason));
            return Ok(());
        }
    }

    /// Passes over a value that is no object, or else over the rest of the line.
    fn take_other(&mut self, first: u8) -> Result<()> {
        loop {
            let text = front(&self.window, self.limits.record);
            let mut cursor = Cursor::new(text);
            match cursor.value(0) {
                Ok(()) if cursor.at <= self.limits.record => {
                    let length = cursor.at;
                    self.ordinal += 1;
                    let reason = not_an_object(first);
                    self.malformed
                        .push_back(Malformed::whole(self.ordinal, reason, &text[..length]));
                    self.window.consume(length);
                    return Ok(());
                }
                Err(Stop::More) if text.len() <= self.limits.record => {
                    if !self.window.fill()? {
                        return self.skip_line("is not an object");
                    }
                }
                Err(Stop::Broken(_)) => return self.skip_line("is not an object"),
                Ok(()) | Err(Stop::More) => return self.skip_line(&larger_than(self.limits.record)),
            }
        }
    }

    /// Passes over the rest of the line.
    fn skip_line(&mut self, reason: &str) -> Result<()> {
        let mut excerpt = Excerpt::default();
        loop {
            let text = self.window.bytes();
            let end = text.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(text.len());
            excerpt.push(&text[..length]);
            self.window.consume(length);
            if end.is_some() || !self.window.fill()? {
                self.ordinal += 1;
                self.malformed.push_back(excerpt.malformed(self.ordinal, reason));
                return Ok(());
            }
        }
    }

    fn reject(&mut self, reason: impl Into<String>, text: &[u8]) {
        self.ordinal += 1;
        self.malformed
            .push_back(Malformed::whole(self.ordinal, reason, text));
    }
}

/// What can be read as one record, and one byte more: so it does not matter how much else is in the window.
#[inline]
fn front(window: &Window, limit: usize) -> &[u8] {
    let bytes = window.bytes();
    &bytes[..bytes.len().min(limit + 1)]
}

/// What is wrong with a value that starts with `first` and stands where an object should.
fn not_an_object(first: u8) -> String {
    let what = match first {
        b'"' => "a string",
        b'[' => "an array in an array",
        b't' | b'f' | b'n' => "a constant",
        _ => "a number",
    };
    format!("is {what}, not an object")
}

fn larger_than(limit: usize) -> String {
    format!("is larger than {limit} bytes")
}

/// Adds the row that was read from `text`.
#[inline]
fn keep(fields: &Fields, values: &Values, text: &[u8], batch: &mut Batch, ordinal: &mut i64) {
    for name in &fields.names()[batch.width()..] {
        batch.add_column(name.clone(), false);
    }
    for (column, value) in values.iter(text) {
        batch.push(column, value);
    }
    *ordinal += 1;
    batch.end_row(*ordinal);
}

impl Iterator for JsonRows {
    type Item = Result<Decoded>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests;
