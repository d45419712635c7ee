//! Maps from text to text.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{MapArray, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;

use super::Fault;
use crate::contract::ColumnType;
use crate::decode::json::cursor::{Cursor, Quoted, Stop};
use crate::decode::json::string::unescape;
use crate::{Error, Result};

/// The entries of a map, in the order of their keys: equal maps are stored as equal bytes.
pub(super) type Entries = BTreeMap<String, Option<String>>;

/// The entries of a JSON object. Strings are unescaped, null is no value, anything else stays as it is written.
pub(super) fn entries(text: &str) -> Result<Entries, Fault> {
    read(text).map_err(|stop| match stop {
        Stop::More => Fault::IsNot,
        Stop::Broken(reason) if reason.starts_with("is not") => Fault::IsNot,
        Stop::Broken(reason) => Fault::Because(reason),
    })
}

fn read(text: &str) -> Result<Entries, Stop> {
    let mut cursor = Cursor::new(text.as_bytes());
    let mut entries = Entries::new();
    cursor.expect(b'{')?;
    let mut goes_on = cursor.peek()? != b'}';
    if !goes_on {
        cursor.at += 1;
    }
    while goes_on {
        let key = cursor.string()?;
        let key = unquoted(text, key)?;
        cursor.expect(b':')?;
        let value = value(text, &mut cursor)?;
        match entries.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(entry) if *entry.get() == value => {}
            Entry::Occupied(_) => {
                return Err(Stop::Broken("has a key twice with different values".to_owned()));
            }
        }
        goes_on = cursor.goes_on(b'}')?;
    }
    if cursor.at < text.len() {
        return Err(cursor.broken("there is more after its end"));
    }
    Ok(entries)
}

fn value(text: &str, cursor: &mut Cursor<'_>) -> Result<Option<String>, Stop> {
    match cursor.peek()? {
        b'"' => cursor
            .string()
            .and_then(|quoted| unquoted(text, quoted))
            .map(Some),
        first => {
            let start = cursor.at;
            cursor.value(1)?;
            Ok((first != b'n').then(|| text[start..cursor.at].to_owned()))
        }
    }
}

fn unquoted(text: &str, Quoted { start, end, escaped }: Quoted) -> Result<String, Stop> {
    if !escaped {
        return Ok(text[start..end].to_owned());
    }
    let mut bytes = Vec::new();
    unescape(&text.as_bytes()[start..end], &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Stop::Broken("is not valid UTF-8".to_owned()))
}

/// The maps as a column.
pub(super) fn array(maps: &[Entries], nulls: Option<NullBuffer>) -> Result<MapArray> {
    let DataType::Map(field, ordered) = ColumnType::Map.arrow() else {
        return Err(Error::internal("the map type is no map"));
    };
    let DataType::Struct(fields) = field.data_type() else {
        return Err(Error::internal("the entries of a map are no struct"));
    };
    let keys: StringArray = maps.iter().flatten().map(|(key, _)| Some(key)).collect();
    let values: StringArray = maps.iter().flatten().map(|(_, value)| value.as_deref()).collect();
    let entries = StructArray::try_new(fields.clone(), vec![Arc::new(keys), Arc::new(values)], None)?;
    let offsets = OffsetBuffer::from_lengths(maps.iter().map(BTreeMap::len));
    Ok(MapArray::try_new(field, offsets, entries, nulls, ordered)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, Option<String>)> {
        entries(text).unwrap().into_iter().collect()
    }

    #[test]
    fn values_keep_their_text_and_keys_are_sorted() {
        let text = r#"{"z":1.50,"a":"x\n\u00e9","m":{"k": [1, 2]},"n":null,"b":true}"#;
        let wanted = [
            ("a", Some("x\né")),
            ("b", Some("true")),
            ("m", Some(r#"{"k": [1, 2]}"#)),
            ("n", None),
            ("z", Some("1.50")),
        ];
        let wanted: Vec<_> = wanted
            .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)))
            .into();
        assert_eq!(pairs(text), wanted);
        assert_eq!(pairs("{ }"), []);
    }

    #[test]
    fn equal_keys_need_equal_values() {
        assert_eq!(pairs(r#"{"a":1,"a":1}"#).len(), 1);
        let twice = Fault::Because("has a key twice with different values".to_owned());
        assert_eq!(entries(r#"{"a":1,"a":2}"#), Err(twice));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "[]",
            "1",
            "{",
            r#"{"a":1"#,
            r#"{"a":1} x"#,
            "{}{}",
            "{a:1}",
            r#"{"a":}"#,
            "null",
        ] {
            assert_eq!(entries(text), Err(Fault::IsNot), "{text}");
        }
    }
}
