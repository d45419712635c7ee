//! Whether an object in damaged text is a message, or a part of one: by where it stands, and by its keys.

use std::cell::Cell;

use super::cursor::{Cursor, Stop};
use super::fields::Fields;

/// How far it is looked at what follows an object.
pub(super) const AHEAD: usize = 1024;

/// How far it is looked for the end of an array of which no element could be read yet.
const ARRAY_AHEAD: usize = 64 << 10;

/// What stands before a place in damaged text.
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// White space before the damage on its line.
    indent: usize,
    /// Whether messages have lines of their own, and the damage begins one.
    is_on_own_line: bool,
    /// Whether an array begins a line, so that the next one may.
    has_array_lines: bool,
    /// Whether nothing is before the place on its line but a bracket.
    opens_array: bool,
    /// The last byte that is no white space.
    last: u8,
    /// White space so far on a line on which there is nothing else.
    margin: Option<usize>,
    braces: usize,
    brackets: usize,
    closes_array: bool,
    in_string: bool,
    in_escape: bool,
    /// Bytes seen, and up to which of them it is known what is around elements.
    seen: usize,
    judged: Cell<(Around, usize)>,
}

/// What stands after an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// What stands after a message: the next one, or the end.
    Boundary,
    /// What stands after no object.
    Damage,
    /// A comma or the end of an array: elements of any array have that.
    Element,
    /// The rest of an object around it.
    Within,
}

/// What is around an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// Nothing: it is the outermost.
    Nothing,
    /// A value, of which more follows.
    Value,
    /// Its end is too far away, or there is damage before it.
    Unknown,
    /// More text is needed to tell.
    More,
}

/// What the object at some place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// A message of that many bytes, or at least the start of one.
    Message,
    /// Nothing that can be taken for a message.
    Other,
    /// A message that is not there as a whole.
    CutShort,
    /// More text is needed to tell.
    More,
}

impl Before {
    /// Before damage on a line that starts with so much white space.
    pub(super) fn new(indent: usize, is_on_own_line: bool, has_array_lines: bool) -> Self {
        Self {
            indent,
            is_on_own_line,
            has_array_lines,
            opens_array: false,
            last: b'}',
            margin: None,
            braces: 0,
            brackets: 0,
            closes_array: false,
            in_string: false,
            in_escape: false,
            seen: 0,
            judged: Cell::new((Around::Unknown, 0)),
        }
    }

    /// Goes on over a byte. Nesting is counted as if the text were no worse than it seems.
    pub(super) fn see(&mut self, byte: u8) {
        self.seen += 1;
        if byte == b'\n' {
            // No string goes over a line end.
            (self.in_string, self.in_escape, self.margin) = (false, false, Some(0));
            self.opens_array = false;
            return;
        }
        if matches!(byte, b' ' | b'\t' | b'\r') {
            if let Some(margin) = &mut self.margin {
                *margin += 1;
            }
            self.in_escape = false;
            return;
        }
        self.last = byte;
        // Some writers put the comma between records at the start of the line.
        if byte == b'[' && self.has_array_lines && self.margin.is_some() && !self.opens_array {
            self.opens_array = true;
        } else if byte != b',' {
            (self.margin, self.opens_array) = (None, false);
        }
        if self.in_string {
            match byte {
                _ if self.in_escape => self.in_escape = false,
                b'\\' => self.in_escape = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.braces += 1,
            b'}' => self.braces = self.braces.saturating_sub(1),
            b'[' => self.brackets += 1,
            b']' if self.brackets == 0 => self.closes_array = true,
            b']' => self.brackets -= 1,
            _ => {}
        }
    }

    /// White space before the place on its line, where nothing else is before it.
    pub(super) fn margin(&self) -> Option<usize> {
        self.margin
    }

    /// Whether there was a bracket before the place that closes what was open before the damage.
    pub(super) fn closes_array(&self) -> bool {
        self.closes_array
    }

    /// Whether the place is the first of an array that begins its line as the damaged one did.
    pub(super) fn opens_array(&self) -> bool {
        self.opens_array && self.begins_line()
    }

    /// Whether the place begins a line and stands no further in than the damage does.
    fn begins_line(&self) -> bool {
        self.margin.is_some_and(|margin| margin <= self.indent)
    }

    /// What is around the array of the element at the place, which has so many bytes.
    fn around(&self, length: usize, rest: &[u8], is_all: bool) -> Around {
        let (known, until) = self.judged.get();
        if self.seen < until {
            // Its neighbours stand in the same array: what was found out by one of them holds for all.
            return known;
        }
        let (around, end) = around(rest, is_all);
        if around != Around::More {
            self.judged.set((around, self.seen + length + end));
        }
        around
    }

    /// Whether an object at the place may be within another one: a value or an element.
    fn may_be_within(&self) -> bool {
        matches!(self.last, b':' | b'[' | b',')
    }

    /// Whether what is damaged seems to be closed.
    fn is_closed(&self) -> bool {
        self.braces == 0 && self.brackets == 0 && !self.in_string
    }
}

impl After {
    /// Of the text after an object, of which [`AHEAD`] bytes are enough.
    #[inline]
    pub(super) fn of(text: &[u8]) -> Self {
        let mut cursor = Cursor::new(text);
        match cursor.peek() {
            Ok(b'}' | b':') => Self::Within,
            Ok(b']') => Self::Element,
            Ok(b',') => {
                cursor.at += 1;
                let is_key = cursor.string().is_ok() && cursor.peek() == Ok(b':');
                if is_key { Self::Within } else { Self::Element }
            }
            Ok(b'{' | b'[') | Err(_) => Self::Boundary,
            // What begins the next line is not its fault.
            Ok(_) if text[..cursor.at].contains(&b'\n') => Self::Boundary,
            Ok(_) => Self::Damage,
        }
    }
}

/// Judges the object at the start of the text, of which `limit` bytes may be a record. `is_all` says that nothing comes after
/// the text.
///
/// Where an object begins a line as the damaged one did, the next record begins, whatever it is. Elsewhere it has to be whole.
/// Where it cannot be within another object it is a message; where it can, it has to have the keys that messages have.
pub(super) fn judge(
    text: &[u8],
    is_all: bool,
    limit: usize,
    before: &Before,
    in_array: bool,
    fields: &Fields,
) -> Judged {
    if before.begins_line() {
        return Judged::Message;
    }
    let front = &text[..text.len().min(limit + 1)];
    let mut cursor = Cursor::new(front);
    let keys = match keys(&mut cursor) {
        Ok(keys) if cursor.at <= limit => keys,
        Err(Stop::More) if front.len() <= limit => {
            return match is_all {
                false => Judged::More,
                true if before.may_be_within() => Judged::Other,
                true => Judged::CutShort,
            };
        }
        _ => return Judged::Other,
    };
    let rest = &text[cursor.at..];
    if rest.len() < AHEAD && !is_all {
        return Judged::More;
    }
    let after = After::of(&rest[..rest.len().min(AHEAD)]);
    let around = match after {
        After::Element if in_array && !fields.know_messages() => before.around(cursor.at, rest, is_all),
        _ => Around::Unknown,
    };
    if around == Around::More {
        return Judged::More;
    }
    // The next message has a line of its own, too.
    let can_have = fields.know_messages() || after != After::Within;
    let has_keys = can_have && fields.are_of_message(&keys, after == After::Within);
    let is_known = has_keys && !before.is_on_own_line;
    let is_unlike = fields.know_messages() || around == Around::Value;
    let is_element = || in_array && before.is_closed() && !is_unlike;
    let is_message = match after {
        After::Boundary if !before.may_be_within() => true,
        After::Damage if !before.may_be_within() => has_keys || !fields.know_messages(),
        After::Boundary | After::Damage => is_known || before.last == b',' && is_element(),
        After::Element => is_known || before.last != b':' && (around == Around::Nothing || is_element()),
        After::Within => is_known,
    };
    // An empty object tells nothing.
    let is_message = is_message && !keys.is_empty();
    if is_message {
        Judged::Message
    } else {
        Judged::Other
    }
}

/// What is around the array that goes on after an element, and after how many bytes that shows. Of the text [`ARRAY_AHEAD`]
/// bytes are enough.
pub(super) fn around(text: &[u8], is_all: bool) -> (Around, usize) {
    let text = &text[..text.len().min(ARRAY_AHEAD)];
    let is_short = !is_all && text.len() < ARRAY_AHEAD;
    let mut cursor = Cursor::new(text);
    loop {
        let stop = match cursor.peek() {
            Ok(b']') => {
                let rest = &text[cursor.at + 1..];
                let around = match After::of(rest) {
                    _ if is_short && rest.len() < AHEAD => Around::More,
                    After::Boundary => Around::Nothing,
                    _ => Around::Value,
                };
                return (around, cursor.at);
            }
            Ok(b',') => {
                cursor.at += 1;
                cursor.peek().and_then(|_| cursor.value(1)).err()
            }
            Ok(_) => Some(Stop::Broken(String::new())),
            Err(stop) => Some(stop),
        };
        match stop {
            Some(Stop::More) if is_short => return (Around::More, cursor.at),
            Some(_) => return (Around::Unknown, cursor.at),
            None => {}
        }
    }
}

/// Reads the object at the cursor; its keys as they are written.
fn keys<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<&'a [u8]>, Stop> {
    let mut keys = Vec::new();
    cursor.expect(b'{')?;
    if cursor.peek()? == b'}' {
        cursor.at += 1;
        return Ok(keys);
    }
    loop {
        let key = cursor.string()?;
        keys.push(&cursor.text[key.start..key.end]);
        cursor.expect(b':')?;
        cursor.value(1)?;
        if !cursor.goes_on(b'}')? {
            return Ok(keys);
        }
    }
}
