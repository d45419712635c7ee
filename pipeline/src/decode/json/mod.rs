//! JSON objects one after another: in arrays, on lines, or just concatenated, in any mixture.
//!
//! Nested objects become fields by path (`budget.amount`), arrays stay JSON text, numbers stay as they are
//! written, null and an empty object are no value. A key may come twice with the same value, not with different
//! ones. A broken record does not touch the others: reading goes on with the next whole one, see [`place`].

pub(crate) mod cursor;
pub(super) mod document;
mod envelope;
mod fields;
mod place;
pub(crate) mod string;

use std::collections::VecDeque;

use cursor::{Cursor, Stop};
use fields::{Fields, Values};
use place::{AHEAD, After, Around, Before, Judged, around, judge};

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
    /// What to hand out before anything else is read.
    waiting: VecDeque<Decoded>,
    array: Array,
    /// Whether the bracket of the array began its line: then the next line that does so may be the next array.
    array_begins_line: bool,
    /// Whether the text ends within a record or an array; it is said once.
    cut_short: bool,
    /// White space at the start of the current line, and whether nothing else was on it yet.
    indent: usize,
    at_margin: bool,
    /// Whether the last message began its line.
    has_own_line: bool,
    /// Whether what is at the front of the window begins its line.
    begins_line: bool,
    /// The byte before it that is no white space.
    last: u8,
}

/// The part of the fields that a record may have of which those of all records together may have no more.
const CROWDED: usize = 8;

/// The array around the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Array {
    /// There is none.
    None,
    /// It is open.
    Open,
    /// It is open, unless it was closed in what is damaged, or is within a message that lacks its beginning.
    Unsure,
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
            fields: Fields::new(limits.fields, limits.fields / CROWDED),
            values: Values::default(),
            batch: Batch::default(),
            ordinal: 0,
            waiting: VecDeque::new(),
            array: Array::None,
            array_begins_line: false,
            cut_short: false,
            indent: 0,
            at_margin: true,
            has_own_line: false,
            begins_line: true,
            last: b']',
        }
    }

    fn step(&mut self) -> Result<Option<Decoded>> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                return Ok(Some(next));
            }
            if self.batch.is_full(&self.limits) {
                return Ok(self.batch.take()?.map(Decoded::Rows));
            }
            match self.advance()? {
                Front::Object => self.take_object()?,
                Front::Other(first) => self.take_other(first)?,
                Front::Nothing if self.array == Array::Open => {
                    (self.array, self.cut_short) = (Array::None, true);
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
                    self.begins_line = std::mem::take(&mut self.at_margin);
                    match byte {
                        b',' => {}
                        b'[' if self.array != Array::Open => {
                            let is_usual = self.last == b']' || !self.fields.know_messages();
                            self.array = if is_usual { Array::Open } else { Array::Unsure };
                            self.array_begins_line = self.begins_line;
                        }
                        b']' if self.array != Array::None => self.array = Array::None,
                        b'{' => return Ok(Front::Object),
                        other => return Ok(Front::Other(other)),
                    }
                    self.last = byte;
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
                    if !self.is_message(length)? {
                        self.fields.disown();
                        let reason = "is a part of a message: the rest of it follows";
                        return self.pass(reason, length, false);
                    }
                    self.fields.learn();
                    self.has_own_line = self.begins_line;
                    self.keep_or_unwrap(length)?;
                    self.window.consume(length);
                    self.last = b'}';
                    return Ok(());
                }
                Err(Stop::Broken(_)) if self.fields.are_crowded() => return self.start_over(),
                Err(Stop::Broken(reason)) => match self.length_of_value()? {
                    // It is only what it says that cannot be.
                    Some(length) => {
                        let malformed = self.malformed(reason, length);
                        self.waiting.push_back(malformed);
                        self.window.consume(length);
                        return Ok(());
                    }
                    None => reason,
                },
                Err(Stop::More) if text.len() <= self.limits.record => {
                    if self.window.fill()? {
                        continue;
                    }
                    return self.pass("is cut short: the object ends within the record", 0, true);
                }
                Ok(()) | Err(Stop::More) => larger_than(self.limits.record),
            };
            return self.pass(&reason, 0, false);
        }
    }

    /// Whether the object of so many bytes, which was read and stands where a message can begin, is one: not where the rest of
    /// another object follows, unless it has the keys of messages.
    #[inline]
    fn is_message(&mut self, length: usize) -> Result<bool> {
        if let [b'{', ..] | [b'\n', b'{', ..] = self.window.bytes()[length..] {
            return Ok(true);
        }
        while self.window.bytes().len() < length + AHEAD && self.window.fill()? {}
        let rest = &self.window.bytes()[length..];
        if self.begins_line && matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..]) {
            return Ok(true);
        }
        if self.begins_line
            && self.indent == 0
            && matches!(rest, [b',', b'\n', ..] | [b',', b'\r', b'\n', ..])
        {
            return Ok(true);
        }
        let begins_text = self.window.position() == 0;
        let after = After::of(&rest[..rest.len().min(AHEAD)]);
        Ok(match after {
            After::Boundary => true,
            // What is damaged before it may be an object around it.
            After::Element if !self.fields.know_messages() && self.ordinal > 0 => {
                self.around(length)? != Around::Value
            }
            // Nothing is known that it could be unlike.
            _ if !self.fields.know_messages() && (self.array == Array::Open || begins_text) => true,
            After::Element | After::Damage if self.array == Array::Open => true,
            After::Element if self.array == Array::Unsure && self.around(length)? == Around::Nothing => {
                self.array = Array::Open;
                true
            }
            After::Element | After::Damage => {
                !self.fields.know_messages() || self.fields.is_of_message(false)
            }
            After::Within => self.fields.is_of_message(true),
        })
    }

    /// What is around the array of the element at the front of the window, which has so many bytes.
    fn around(&mut self, length: usize) -> Result<Around> {
        loop {
            let (around, _) = around(&self.window.bytes()[length..], self.window.has_ended());
            if around != Around::More {
                return Ok(around);
            }
            self.window.fill()?;
        }
    }

    /// The length of the value at the front of the window, whatever it says; none where it is no JSON or too large.
    fn length_of_value(&mut self) -> Result<Option<usize>> {
        loop {
            let text = front(&self.window, self.limits.record);
            let mut cursor = Cursor::new(text);
            match cursor.value(0) {
                Ok(()) if cursor.at <= self.limits.record => return Ok(Some(cursor.at)),
                Err(Stop::More) if text.len() <= self.limits.record => {
                    if !self.window.fill()? {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
        }
    }

    /// Hands out the rows so far, and begins to count fields anew.
    fn start_over(&mut self) -> Result<()> {
        self.waiting.extend(self.batch.take()?.map(Decoded::Rows));
        self.batch = Batch::default();
        self.fields.start_over();
        Ok(())
    }

    /// The next record, of so many bytes, which is no row.
    fn malformed(&mut self, reason: String, length: usize) -> Decoded {
        self.ordinal += 1;
        let text = &self.window.bytes()[..length];
        Decoded::Malformed(Malformed::whole(self.ordinal, reason, text))
    }

    /// Passes over damage: over so many bytes, and over all that follow up to the next message. `is_cut` says that the text ends
    /// within it, unless there is a message.
    fn pass(&mut self, reason: &str, length: usize, is_cut: bool) -> Result<()> {
        self.pass_to(reason, length, is_cut, false)
    }

    fn pass_to(&mut self, reason: &str, length: usize, mut is_cut: bool, on_line: bool) -> Result<()> {
        let is_on_own_line = self.begins_line && self.has_own_line;
        let has_array_lines = self.array != Array::None && self.array_begins_line;
        let mut before = Before::new(self.indent, is_on_own_line, has_array_lines);
        let mut passed = Excerpt::at(self.window.position());
        let mut ends_line = false;
        let mut at = length.max(1);
        loop {
            let text = self.window.bytes();
            let stop = |byte: &u8| *byte == b'{' || on_line && *byte == b'\n';
            let found = text.get(at..).and_then(|rest| rest.iter().position(stop));
            let end = found.map_or(text.len(), |found| at + found);
            text[..end].iter().for_each(|byte| before.see(*byte));
            passed.push(&text[..end]);
            self.window.consume(end);
            at = 0;
            if found.is_none() {
                if self.window.fill()? {
                    continue;
                }
                self.cut_short |= is_cut;
                // What is open at the end is the damage's fault, not the array's.
                self.array = Array::None;
                break;
            }
            if self.window.bytes().first() == Some(&b'\n') {
                ends_line = true;
                break;
            }
            match self.judge(0, &before)? {
                Judged::Message => break,
                judged => is_cut |= judged == Judged::CutShort,
            }
            at = 1;
        }
        let may_have_ended = before.closes_array() || ends_line && has_array_lines;
        if before.opens_array() {
            self.array = Array::Open;
            passed.drop_last(b'[');
        } else if self.array == Array::Open && may_have_ended {
            self.array = Array::Unsure;
        }
        if let Some(margin) = before.margin() {
            (self.indent, self.at_margin) = (margin, true);
        }
        self.ordinal += 1;
        self.last = b'}';
        passed.drop_separators();
        let reason = format!("{reason}: {}", passed.extent());
        let malformed = passed.malformed(self.ordinal, reason);
        self.waiting.push_back(Decoded::Malformed(malformed));
        Ok(())
    }

    /// What the object is that stands so many bytes behind the front of the window.
    fn judge(&mut self, at: usize, before: &Before) -> Result<Judged> {
        loop {
            let judged = judge(
                &self.window.bytes()[at..],
                self.window.has_ended(),
                self.limits.record,
                before,
                self.array != Array::None,
                &self.fields,
            );
            if judged != Judged::More {
                return Ok(judged);
            }
            self.window.fill()?;
        }
    }

    /// Passes over a value that is no object; else over what is no value, up to the next message on the line or to its end.
    fn take_other(&mut self, first: u8) -> Result<()> {
        if first == b']' && self.last == b']' {
            // There is one too many; nothing is damaged that could go on behind it.
            let malformed = self.malformed("is a bracket that closes no array".to_owned(), 1);
            self.waiting.push_back(malformed);
            self.window.consume(1);
            return Ok(());
        }
        let length = match self.length_of_value()? {
            Some(length) if first != b'"' || !self.has_message_within(length)? => length,
            _ => return self.pass_to("is not an object", 0, false, true),
        };
        let malformed = self.malformed(not_an_object(first), length);
        self.waiting.push_back(malformed);
        self.window.consume(length);
        Ok(())
    }

    /// Whether a message begins within the string of so many bytes at the front of the window: where a quote opens by mistake,
    /// it makes a string of the beginning of what follows.
    fn has_message_within(&mut self, length: usize) -> Result<bool> {
        let mut before = Before::new(self.indent, false, false);
        for at in 0..length {
            let byte = self.window.bytes()[at];
            if byte == b'{' && self.judge(at, &before)? == Judged::Message {
                return Ok(true);
            }
            before.see(byte);
        }
        Ok(false)
    }

    fn reject(&mut self, reason: impl Into<String>, text: &[u8]) {
        self.ordinal += 1;
        let malformed = Malformed::whole(self.ordinal, reason, text);
        self.waiting.push_back(Decoded::Malformed(malformed));
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
