//! Rows in an array within each element of an array.

use std::ops::Range;

use super::super::cursor::{Cursor, Stop};
use super::super::not_an_object;
use super::Level;

/// Goes through the array within one element after another.
pub(super) struct Nested {
    /// Of the objects in the array.
    pub(super) level: Level,
    /// The text of the element around it.
    pub(super) element: Vec<u8>,
    /// The text of the array, and how much of it was read.
    array: Vec<u8>,
    at: usize,
}

impl Nested {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            level: Level::new(String::new(), None, limit),
            element: Vec::new(),
            array: Vec::new(),
            at: 0,
        }
    }

    /// Begins with the array of another element; both are JSON.
    pub(super) fn start(&mut self, element: &[u8], array: &[u8]) {
        self.element.clear();
        self.element.extend_from_slice(element);
        self.array.clear();
        self.array.extend_from_slice(array);
        self.at = 0;
    }

    /// The text that the values of [`level`](Self::level) were read from.
    pub(super) fn array(&self) -> &[u8] {
        &self.array
    }

    /// Reads the next object of the array; where it is, and what is wrong with it when it can be no row.
    pub(super) fn next(&mut self) -> Option<(Range<usize>, Option<String>)> {
        let mut cursor = Cursor::new(&self.array);
        // The bracket or comma before it.
        cursor.at = self.at;
        if self.at >= self.array.len() {
            return None;
        }
        cursor.peek().ok()?;
        cursor.at += 1;
        let first = cursor.peek().ok()?;
        if first == b']' {
            return None;
        }
        let start = cursor.at;
        let read = match first {
            b'{' => self.level.read(&mut cursor),
            _ => Err(Stop::Broken(not_an_object(first))),
        };
        let reason = match read {
            Ok(()) => {
                let place = start..cursor.at;
                self.at = end_of_member(&mut cursor);
                return Some((place, None));
            }
            Err(Stop::Broken(reason)) => reason,
            Err(Stop::More) => "is cut short".to_owned(),
        };
        cursor.at = start;
        let end = cursor.value(0).map_or(self.array.len(), |()| cursor.at);
        cursor.at = end;
        self.at = end_of_member(&mut cursor);
        Some((start..end, Some(reason)))
    }
}

/// Where the comma after a member is, or else the end of the text.
fn end_of_member(cursor: &mut Cursor<'_>) -> usize {
    match cursor.peek() {
        Ok(b',') => cursor.at,
        _ => cursor.text.len(),
    }
}
