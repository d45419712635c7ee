//! JSON: objects one after another, or one document with its rows in an array.

use pipeline::contract::{Format, JsonDocument, JsonFormat};
use serde_json::{Deserializer, Map, Value};

use super::Guess;

/// How deep an array of rows is looked for.
const DEPTH: usize = 4;

/// How a text of JSON is read; or why it cannot be. `rows` is the path of the rows where it is known.
pub(super) fn guess(text: &str, rows: Option<&str>) -> Result<Guess, String> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let first = match values.next() {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(format!("it begins like JSON, but: {error}")),
        None => return Err("it holds no JSON value".to_owned()),
    };
    match values.next() {
        Some(Ok(_)) => Ok(one_after_another(&first)),
        Some(Err(error)) => Err(format!(
            "after its first JSON value there is something else: {error}"
        )),
        None => document(&first, rows),
    }
}

/// Messages, of which the first is `first`.
fn one_after_another(first: &Value) -> Guess {
    let envelope =
        |value: &Value| value.get("Message").is_some_and(Value::is_string) && value.get("Type").is_some();
    let sns_envelope = match first {
        Value::Array(values) => values.first().is_some_and(envelope),
        value => envelope(value),
    };
    Guess {
        format: Format::JsonRows(JsonFormat { sns_envelope }),
        notes: Vec::new(),
    }
}

/// One value: a document with an array of rows, or a single message.
fn document(value: &Value, rows: Option<&str>) -> Result<Guess, String> {
    let fields = match value {
        Value::Array(_) => {
            return Ok(Guess {
                format: Format::Json(JsonDocument::default()),
                notes: Vec::new(),
            });
        }
        Value::Object(fields) => fields,
        other => return Err(format!("it is the JSON value {other}, and no object or array")),
    };
    let mut arrays = Vec::new();
    collect(fields, &mut Vec::new(), &mut arrays);
    let chosen = match rows {
        Some(wanted) => arrays
            .iter()
            .find(|(path, _)| path.join(".") == wanted)
            .ok_or_else(|| {
                let there: Vec<String> = arrays.iter().map(|(path, _)| path.join(".")).collect();
                format!(
                    "--rows {wanted} is no array of objects in it; there is {}",
                    there.join(", ")
                )
            })?,
        None => match arrays.iter().max_by_key(|(_, length)| *length) {
            Some(longest) => longest,
            None => return Ok(one_after_another(value)),
        },
    };
    let array = chosen.0.clone();
    let others: Vec<String> = arrays
        .iter()
        .filter(|(path, _)| *path != array)
        .map(|(path, _)| path.join("."))
        .collect();
    let notes = if others.is_empty() {
        Vec::new()
    } else {
        vec![format!(
            "The document has further arrays of objects, each of which can be a table of its own (--rows): {}.",
            others.join(", ")
        )]
    };
    let header = header(fields, &array);
    Ok(Guess {
        format: Format::Json(JsonDocument {
            array,
            inner: None,
            header,
        }),
        notes,
    })
}

/// Paths and lengths of the arrays that hold objects.
fn collect(fields: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, usize)>) {
    for (key, value) in fields {
        path.push(key.clone());
        match value {
            Value::Array(values) if values.first().is_some_and(Value::is_object) => {
                found.push((path.clone(), values.len()));
            }
            Value::Object(fields) if path.len() < DEPTH => collect(fields, path, found),
            _ => {}
        }
        path.pop();
    }
}

/// What of the document belongs to each row: everything at its top that is neither around the rows nor rows itself.
fn header(fields: &Map<String, Value>, array: &[String]) -> Vec<String> {
    let is_rows =
        |value: &Value| matches!(value, Value::Array(values) if values.first().is_none_or(Value::is_object));
    let plain = |key: &str| !key.is_empty() && !key.contains(['.', '[', ']', '$']);
    let mut header: Vec<String> = Vec::new();
    let mut level = fields;
    let mut above = String::new();
    for inner in array {
        let beside = level
            .iter()
            .filter(|(key, value)| *key != inner && plain(key) && !is_rows(value));
        header.extend(beside.map(|(key, _)| format!("{above}{key}")));
        match level.get(inner) {
            Some(Value::Object(fields)) => level = fields,
            _ => break,
        }
        above.push_str(inner);
        above.push('.');
    }
    header
}
