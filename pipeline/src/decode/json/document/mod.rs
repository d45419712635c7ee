//! One JSON document, some array of which has the rows.
//!
//! The document is read as a stream: nothing but the header and one element of the array is ever held. Where the
//! array comes before some of the header, the object is read once more from its start to find the rest of it.
//!
//! A document that is not JSON, is cut short or lacks the array is an error as a whole, whatever rows came before the
//! fault: what a document covers is known only when all of it is. An element that is JSON but no row is malformed
//! alone.

mod header;
mod layout;
mod nested;
mod walk;

use std::collections::{BTreeSet, HashSet, VecDeque};

use nested::Nested;
use walk::{Met, Walker};

use super::cursor::{Cursor, Stop};
use super::fields::{Fields, Values};
use super::{larger_than, not_an_object};
use crate::contract::{Charset, JsonDocument};
use crate::decode::batch::Batch;
use crate::decode::malformed::{Excerpt, Malformed};
use crate::decode::open::open;
use crate::decode::window::Window;
use crate::decode::{Decoded, Input, Limits};
use crate::{Error, Result};

/// The rows of one document.
pub(in crate::decode) struct DocumentRows {
    walker: Walker,
    /// The object from its start, until it is known whether it is needed.
    again: Option<Box<dyn Input>>,
    format: JsonDocument,
    limits: Limits,
    stage: Stage,
    /// Name and text of what is copied down.
    header: Vec<(String, String)>,
    /// Of the elements of the array.
    elements: Level,
    nested: Option<Nested>,
    batch: Batch,
    names: HashSet<String>,
    ordinal: i64,
    malformed: VecDeque<Malformed>,
}

/// How far reading has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Rows,
    Rest,
    End,
}

/// The fields of the objects of one array, and the columns of the batch that they go to.
struct Level {
    prefix: String,
    /// A field that is no column.
    hidden: Option<String>,
    fields: Fields,
    values: Values,
    columns: Vec<Option<usize>>,
    /// Fields that have the names of others which are copied down to the rows.
    clashes: BTreeSet<usize>,
}

impl Level {
    fn new(prefix: String, hidden: Option<String>, limit: usize) -> Self {
        Self {
            prefix,
            hidden,
            fields: Fields::new(limit, limit),
            values: Values::default(),
            columns: Vec::new(),
            clashes: BTreeSet::new(),
        }
    }

    /// Reads the object at the cursor.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        self.fields.read(cursor, &mut self.values)
    }

    /// Makes columns of fields that have none.
    fn add_columns(&mut self, batch: &mut Batch, names: &mut HashSet<String>) {
        for field in &self.fields.names()[self.columns.len()..] {
            if self.hidden.as_ref() == Some(field) {
                self.columns.push(None);
                continue;
            }
            let name = format!("{}{field}", self.prefix);
            if !names.insert(name.clone()) {
                self.clashes.insert(self.columns.len());
                self.columns.push(None);
                continue;
            }
            self.columns.push(Some(batch.width()));
            batch.add_column(name, false);
        }
    }

    /// Why what was read from `text` can be no row, if it has a field that is also copied down to it.
    fn clash(&self, text: &[u8]) -> Option<String> {
        let mut columns = self.values.iter(text).map(|(column, _)| column);
        let clash = columns.find(|column| self.clashes.contains(column))?;
        let name = format!("{}{}", self.prefix, self.fields.names()[clash]);
        Some(format!("has the field {name:?}, which is also copied down to it"))
    }

    /// Adds the values that were read from `text` to the current row.
    fn push(&self, text: &[u8], batch: &mut Batch) {
        for (field, value) in self.values.iter(text) {
            if let Some(column) = self.columns[field] {
                batch.push(column, value);
            }
        }
    }
}

impl DocumentRows {
    /// Nothing is read before the first row is asked for.
    pub(in crate::decode) fn new(
        input: Box<dyn Input>,
        format: &JsonDocument,
        limits: Limits,
    ) -> Result<Self> {
        let again = if format.header.is_empty() {
            None
        } else {
            Some(input.again()?)
        };
        let prefix = match &format.inner {
            Some(_) => format!("{}.", format.array.join(".")),
            None => String::new(),
        };
        Ok(Self {
            walker: walker(input, format, limits)?,
            again,
            format: format.clone(),
            limits,
            stage: Stage::Start,
            header: Vec::new(),
            elements: Level::new(prefix, format.inner.clone(), limits.fields),
            nested: None,
            batch: Batch::default(),
            names: HashSet::new(),
            ordinal: 0,
            malformed: VecDeque::new(),
        })
    }

    fn step(&mut self) -> Result<Option<Decoded>> {
        loop {
            if let Some(malformed) = self.malformed.pop_front() {
                return Ok(Some(Decoded::Malformed(malformed)));
            }
            if self.batch.is_full(&self.limits) {
                return Ok(self.batch.take()?.map(Decoded::Rows));
            }
            match self.stage {
                Stage::Start => {
                    self.start()?;
                    self.stage = Stage::Rows;
                    return Ok(Some(Decoded::Header(self.header.clone())));
                }
                Stage::Rows => {
                    if !self.take_nested() {
                        match self.walker.element()? {
                            Some(first) => self.take_element(first)?,
                            None => self.stage = Stage::Rest,
                        }
                    }
                }
                Stage::Rest => {
                    while self.walker.walk()? != Met::End {}
                    self.stage = Stage::End;
                }
                Stage::End => return Ok(self.batch.take()?.map(Decoded::Rows)),
            }
        }
    }

    /// Goes to the rows and settles the header.
    fn start(&mut self) -> Result<()> {
        if self.walker.walk()? == Met::End {
            let rows = self.format.array.join(".");
            return Err(Error::data(format!("the document has no array {rows:?}")));
        }
        let again = self.again.take();
        if let Some(again) = again.filter(|_| !self.walker.has_all_headers()) {
            let mut scout = walker(again, &self.format, self.limits)?;
            while scout.walk()? != Met::End {}
            self.header = header::fields(&self.format.header, scout.headers(), self.limits.fields)?;
        } else {
            self.header = header::fields(&self.format.header, self.walker.headers(), self.limits.fields)?;
        }
        for (name, _) in &self.header {
            if !self.names.insert(name.clone()) {
                return Err(Error::data(format!(
                    "the header has the field {name:?} in two ways"
                )));
            }
            self.batch.add_column(name.clone(), true);
        }
        Ok(())
    }

    /// Reads the element of the array that the walker stands at and that starts with `first`.
    fn take_element(&mut self, first: u8) -> Result<()> {
        if first != b'{' {
            return self.reject(&not_an_object(first));
        }
        loop {
            let text = self.walker.front();
            let mut cursor = Cursor::new(text);
            let reason = match self.elements.read(&mut cursor) {
                Ok(()) if cursor.at <= self.limits.record => {
                    let length = cursor.at;
                    self.keep(length);
                    return Ok(());
                }
                Err(Stop::Broken(reason)) => reason,
                Err(Stop::More) if text.len() <= self.limits.record => {
                    self.walker.fill()?;
                    continue;
                }
                Ok(()) | Err(Stop::More) => larger_than(self.limits.record),
            };
            return self.reject(&reason);
        }
    }

    /// Makes rows of the element that was just read, which has so many bytes.
    fn keep(&mut self, length: usize) {
        self.elements.add_columns(&mut self.batch, &mut self.names);
        let text = &self.walker.front()[..length];
        let reason = match (&self.format.inner, self.elements.clash(text)) {
            (_, Some(reason)) => Some(reason),
            (None, None) => {
                push_header(&self.header, &mut self.batch);
                self.elements.push(text, &mut self.batch);
                self.ordinal += 1;
                self.batch.end_row(self.ordinal);
                None
            }
            (Some(inner), None) => {
                let array = self.elements.fields.column(inner);
                let array = array.and_then(|column| self.elements.values.verbatim(column, text));
                match array.filter(|array| array.starts_with(b"[")) {
                    Some(array) => {
                        let limit = self.limits.fields;
                        let nested = self.nested.get_or_insert_with(|| Nested::new(limit));
                        nested.start(text, array);
                        None
                    }
                    None => Some(format!("has no array {inner:?}")),
                }
            }
        };
        if let Some(reason) = reason {
            self.ordinal += 1;
            self.malformed
                .push_back(Malformed::whole(self.ordinal, reason, text));
        }
        self.walker.consume(length);
    }

    /// Makes a row of the next object of an array within an element; false when there is none.
    fn take_nested(&mut self) -> bool {
        let Some(nested) = &mut self.nested else {
            return false;
        };
        let Some((place, mut reason)) = nested.next() else {
            return false;
        };
        self.ordinal += 1;
        if reason.is_none() {
            nested.level.add_columns(&mut self.batch, &mut self.names);
            reason = nested.level.clash(nested.array());
        }
        match reason {
            None => {
                push_header(&self.header, &mut self.batch);
                self.elements.push(&nested.element, &mut self.batch);
                nested.level.push(nested.array(), &mut self.batch);
                self.batch.end_row(self.ordinal);
            }
            Some(reason) => {
                let malformed = Malformed::whole(self.ordinal, reason, &nested.array()[place]);
                self.malformed.push_back(malformed);
            }
        }
        true
    }

    /// Passes over the element that the walker stands at.
    fn reject(&mut self, reason: &str) -> Result<()> {
        let excerpt: Excerpt = self.walker.skip_element()?;
        self.ordinal += 1;
        self.malformed.push_back(excerpt.malformed(self.ordinal, reason));
        Ok(())
    }
}

fn push_header(header: &[(String, String)], batch: &mut Batch) {
    for (column, (_, value)) in header.iter().enumerate() {
        batch.push(column, value.as_bytes());
    }
}

fn walker(input: Box<dyn Input>, format: &JsonDocument, limits: Limits) -> Result<Walker> {
    let window = Window::new(open(Box::new(input), Charset::Utf8)?, limits.chunk);
    Ok(Walker::new(window, format, limits.record))
}

impl Iterator for DocumentRows {
    type Item = Result<Decoded>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod streaming_tests;
#[cfg(test)]
mod tests;
