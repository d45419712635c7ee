//! The way through a document that is too large to hold.

use super::layout::{Layout, Purpose};
use crate::contract::JsonDocument;
use crate::decode::json::cursor::{Cursor, Stop};
use crate::decode::json::string::{plain_end, unescape};
use crate::decode::malformed::Excerpt;
use crate::decode::window::Window;
use crate::{Error, Result};

/// Deepest nesting of what is passed over.
const DEPTH: usize = 4096;

/// Reads a document token by token, keeps what belongs to the header and stops at the rows.
pub(super) struct Walker {
    window: Window,
    layout: Layout,
    /// Most bytes of a token, of a header and of a row.
    limit: usize,
    /// Objects and arrays around the current place, the outermost first.
    open: Vec<Open>,
    started: bool,
    /// Bytes consumed.
    position: u64,
    /// Text of each header that was met.
    headers: Vec<Option<Box<[u8]>>>,
    /// What is passed over, if somebody wants to see it.
    excerpt: Option<Excerpt>,
}

struct Open {
    closing: u8,
    /// Its place, if something in it matters.
    node: Option<usize>,
    is_first: bool,
}

/// Where a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Within the array of the rows, before its first element.
    Rows,
    /// At the end of the document.
    End,
}

impl Walker {
    /// At the start of the document in `window`.
    pub(super) fn new(window: Window, format: &JsonDocument, limit: usize) -> Self {
        Self {
            window,
            layout: Layout::new(format),
            limit,
            open: Vec::new(),
            started: false,
            position: 0,
            headers: vec![None; format.header.len()],
            excerpt: None,
        }
    }

    /// Text of each header, as far as they were met.
    pub(super) fn headers(&self) -> &[Option<Box<[u8]>>] {
        &self.headers
    }

    pub(super) fn has_all_headers(&self) -> bool {
        self.headers.iter().all(Option::is_some)
    }

    /// Goes on to the rows or to the end. Elements of the rows that are left are passed over.
    pub(super) fn walk(&mut self) -> Result<Met> {
        if !self.started {
            self.started = true;
            if self.value(Some(Layout::ROOT))? {
                return Ok(Met::Rows);
            }
        }
        while !self.open.is_empty() {
            if self.step()? {
                return Ok(Met::Rows);
            }
        }
        match self.peek()? {
            None => Ok(Met::End),
            Some(_) => Err(Error::data(format!(
                "the document goes on after its end at byte {}",
                self.position
            ))),
        }
    }

    /// The first byte of the next element of the array of the rows, which then is to be read or passed over; none
    /// at the array's end.
    pub(super) fn element(&mut self) -> Result<Option<u8>> {
        if self.advance()? {
            self.byte().map(Some)
        } else {
            Ok(None)
        }
    }

    /// What can be read as one element from here on, and one byte more.
    pub(super) fn front(&self) -> &[u8] {
        super::super::front(&self.window, self.limit)
    }

    /// Reads on; an error when there is nothing more.
    pub(super) fn fill(&mut self) -> Result<()> {
        if self.window.fill()? {
            Ok(())
        } else {
            Err(Error::data(
                "the document is cut short: it ends before what it opened",
            ))
        }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.window.memory()
    }

    /// Passes over so many bytes.
    pub(super) fn consume(&mut self, count: usize) {
        if let Some(excerpt) = &mut self.excerpt {
            excerpt.push(&self.window.bytes()[..count]);
        }
        self.window.consume(count);
        self.position += count as u64;
    }

    /// Passes over the element that starts here.
    pub(super) fn skip_element(&mut self) -> Result<Excerpt> {
        self.excerpt = Some(Excerpt::default());
        let depth = self.open.len();
        self.skip()?;
        while self.open.len() > depth {
            self.step()?;
        }
        Ok(self.excerpt.take().unwrap_or_default())
    }

    /// Reads one member of the innermost container, or its end; whether that leads into the rows.
    fn step(&mut self) -> Result<bool> {
        let Some(Open { closing, node, .. }) = self.open.last() else {
            return Ok(false);
        };
        let (closing, node) = (*closing, *node);
        if !self.advance()? {
            return Ok(false);
        }
        let node = if closing == b'}' { self.key(node)? } else { None };
        self.value(node)
    }

    /// Goes to the next member of the innermost container; false when that is closed.
    fn advance(&mut self) -> Result<bool> {
        let byte = self.byte()?;
        let Some(open) = self.open.last_mut() else {
            return Ok(false);
        };
        let is_first = std::mem::replace(&mut open.is_first, false);
        if byte == open.closing {
            self.open.pop();
            self.consume(1);
            return Ok(false);
        }
        if !is_first {
            let closing = open.closing;
            let (_, length) = self.token(|cursor| cursor.goes_on(closing))?;
            self.consume(length);
        }
        Ok(true)
    }

    /// Reads a key and its colon; the place of its value, if it matters.
    fn key(&mut self, node: Option<usize>) -> Result<Option<usize>> {
        self.byte()?;
        let (key, length) = self.token(|cursor| {
            let key = cursor.string()?;
            cursor.expect(b':')?;
            Ok(key)
        })?;
        let child = match node {
            None => None,
            Some(node) => {
                let raw = &self.window.bytes()[key.start..key.end];
                let mut text = Vec::new();
                unescape(raw, &mut text).map_err(fault)?;
                let text = std::str::from_utf8(&text).unwrap_or_default();
                self.layout.child(node, text)
            }
        };
        self.consume(length);
        Ok(child)
    }

    /// Reads the value at a place, or enters it; whether it is the array of the rows.
    fn value(&mut self, node: Option<usize>) -> Result<bool> {
        let first = self.byte()?;
        let Some(node) = node else {
            return self.skip().map(|()| false);
        };
        let purpose = self.layout.purpose(node);
        if self.layout.see(node) && !matches!(purpose, Purpose::Header(_)) {
            let path = self.layout.path(node);
            return Err(Error::data(format!("the document has the key {path:?} twice")));
        }
        match purpose {
            Purpose::Rows if first == b'[' => {
                self.enter(b']', None)?;
                return Ok(true);
            }
            Purpose::Rows => return Err(self.another(node, first, "an array of rows")),
            Purpose::Way if first != b'{' && node == Layout::ROOT => {
                return Err(self.another(node, first, "an object"));
            }
            Purpose::Header(index) => self.header(index, node)?,
            Purpose::Way if first == b'{' => self.enter(b'}', Some(node))?,
            Purpose::Way => self.skip()?,
        }
        Ok(false)
    }

    /// That the value at a place, which starts with `first`, is another one than wanted.
    fn another(&self, node: usize, first: u8, wanted: &str) -> Error {
        let what = match first {
            b'{' => "an object",
            b'[' => "an array",
            b'"' => "a string",
            b'n' => "null",
            b't' | b'f' => "a constant",
            b'-' | b'0'..=b'9' => "a number",
            _ => return self.broken("a value is missing"),
        };
        let name = match self.layout.path(node) {
            "" => "the document".to_owned(),
            path => format!("{path:?} of the document"),
        };
        Error::data(format!("{name} is {what}, not {wanted}"))
    }

    fn header(&mut self, index: usize, node: usize) -> Result<()> {
        let (_, length) = self.token(|cursor| cursor.value(0))?;
        let path = self.layout.path(node);
        let text = &self.window.bytes()[..length];
        if std::str::from_utf8(text).is_err() {
            return Err(Error::data(format!("the header {path:?} is not valid UTF-8")));
        }
        match &self.headers[index] {
            Some(known) if **known == *text => {}
            Some(_) => {
                let message = format!("the document has the key {path:?} twice with different values");
                return Err(Error::data(message));
            }
            None => self.headers[index] = Some(text.into()),
        }
        self.consume(length);
        Ok(())
    }

    /// Passes over the value that starts here, or enters it when it is not in memory as a whole.
    fn skip(&mut self) -> Result<()> {
        let first = self.byte()?;
        match first {
            b'"' => self.skip_string(),
            b'{' | b'[' => {
                let mut cursor = Cursor::new(self.front());
                match cursor.value(0) {
                    Ok(()) => {
                        let length = cursor.at;
                        self.consume(length);
                        Ok(())
                    }
                    // What is wrong with it, if so, is found out piece by piece.
                    Err(_) => self.enter(if first == b'{' { b'}' } else { b']' }, None),
                }
            }
            _ => {
                let (_, length) = self.token(|cursor| cursor.value(0))?;
                self.consume(length);
                Ok(())
            }
        }
    }

    /// Passes over a string of any length.
    fn skip_string(&mut self) -> Result<()> {
        self.consume(1);
        loop {
            let bytes = self.window.bytes();
            let end = plain_end(bytes, 0);
            let next = bytes.get(end).copied();
            self.consume(end);
            match next {
                None => self.fill()?,
                Some(b'"') => {
                    self.consume(1);
                    return Ok(());
                }
                Some(b'\\') => {
                    let (length, _) = self.token(|cursor| {
                        cursor.at = cursor.escape(1)?;
                        Ok(cursor.at)
                    })?;
                    self.consume(length);
                }
                Some(_) => return Err(self.broken("a string has a control character")),
            }
        }
    }

    fn enter(&mut self, closing: u8, node: Option<usize>) -> Result<()> {
        if self.open.len() >= DEPTH {
            return Err(Error::data(format!(
                "the document is nested deeper than {DEPTH} levels"
            )));
        }
        self.consume(1);
        self.open.push(Open {
            closing,
            node,
            is_first: true,
        });
        Ok(())
    }

    /// The next byte that is no white space, which is passed over.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let bytes = self.window.bytes();
            let space = bytes
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            let space = space.count();
            let next = bytes.get(space).copied();
            self.consume(space);
            if next.is_some() || !self.window.fill()? {
                return Ok(next);
            }
        }
    }

    /// The next byte that is no white space, which has to be there.
    fn byte(&mut self) -> Result<u8> {
        match self.peek()? {
            Some(byte) => Ok(byte),
            None if self.position == 0 => Err(Error::data("the object is empty: there is no JSON document")),
            None => self.fill().map(|()| 0),
        }
    }

    /// Reads something small here, and how many bytes it has; it stays where it is.
    fn token<T>(&mut self, read: impl Fn(&mut Cursor<'_>) -> Result<T, Stop>) -> Result<(T, usize)> {
        loop {
            let text = super::super::front(&self.window, self.limit);
            let mut cursor = Cursor::after(self.position, text);
            match read(&mut cursor) {
                Ok(token) if cursor.at <= self.limit => return Ok((token, cursor.at)),
                Err(Stop::Broken(reason)) => return Err(fault(Stop::Broken(reason))),
                Err(Stop::More) if text.len() <= self.limit => self.fill()?,
                Ok(_) | Err(Stop::More) => {
                    return Err(Error::data(format!(
                        "the document has a value larger than {} bytes at byte {}",
                        self.limit, self.position
                    )));
                }
            }
        }
    }

    fn broken(&self, what: &str) -> Error {
        fault(Cursor::after(self.position, b"").broken(what))
    }
}

fn fault(stop: Stop) -> Error {
    match stop {
        Stop::Broken(reason) => Error::data(format!("the document {reason}")),
        Stop::More => Error::data("the document is cut short"),
    }
}
