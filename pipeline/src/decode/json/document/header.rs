//! What a document says of all its rows.

use super::super::cursor::{Cursor, Stop};
use super::super::fields::{Fields, Values};
use super::super::string::unescape;
use crate::{Error, Result};

/// Name and text of every header field that has a value: of objects all that is in them, by path. An array of one
/// scalar is that scalar, any other stays JSON.
pub(super) fn fields(
    paths: &[String],
    texts: &[Option<Box<[u8]>>],
    limit: usize,
) -> Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for (path, text) in paths.iter().zip(texts) {
        if let Some(text) = text {
            let fault = |stop| match stop {
                Stop::Broken(reason) => Error::data(format!("the header {path:?} {reason}")),
                Stop::More => Error::data(format!("the header {path:?} is cut short")),
            };
            add(path, text, limit, &mut fields).map_err(fault)?;
        }
    }
    Ok(fields)
}

fn add(path: &str, text: &[u8], limit: usize, fields: &mut Vec<(String, String)>) -> Result<(), Stop> {
    if !text.starts_with(b"{") {
        let value = value(text)?;
        fields.extend(value.map(|value| (path.to_owned(), value)));
        return Ok(());
    }
    let mut values = Values::default();
    let mut known = Fields::new(limit, limit);
    known.read(&mut Cursor::new(text), &mut values)?;
    for (column, bytes) in values.iter(text) {
        let value = match values.string(column, text) {
            Some(string) => Some(utf8(string)?),
            None => value(bytes)?,
        };
        let name = format!("{path}.{}", known.names()[column]);
        fields.extend(value.map(|value| (name, value)));
    }
    Ok(())
}

/// The text of a scalar or an array; null has none.
fn value(text: &[u8]) -> Result<Option<String>, Stop> {
    match text.first() {
        Some(b'[') => match only_scalar(text) {
            Some(only) => scalar(only),
            None => utf8(text).map(Some),
        },
        _ => scalar(text),
    }
}

fn scalar(text: &[u8]) -> Result<Option<String>, Stop> {
    match text {
        b"null" => Ok(None),
        [b'"', inner @ .., b'"'] => {
            let mut string = Vec::new();
            unescape(inner, &mut string)?;
            utf8(&string).map(Some)
        }
        other => utf8(other).map(Some),
    }
}

/// The element of an array that has just one, if that is a scalar.
fn only_scalar(array: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(array);
    cursor.expect(b'[').ok()?;
    let first = cursor.peek().ok()?;
    if matches!(first, b']' | b'[' | b'{') {
        return None;
    }
    let start = cursor.at;
    cursor.value(0).ok()?;
    let end = cursor.at;
    let goes_on = cursor.goes_on(b']').ok()?;
    (!goes_on).then(|| &array[start..end])
}

fn utf8(bytes: &[u8]) -> Result<String, Stop> {
    let text = std::str::from_utf8(bytes).map_err(|_| Stop::Broken("is not valid UTF-8".to_owned()))?;
    Ok(text.to_owned())
}
