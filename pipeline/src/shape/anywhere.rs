//! Personal fields that may stand anywhere: they are taken out of the texts of raw rows before anything looks at these.
//!
//! What their names say becomes a field of its own, called as the contract calls it (`*.otp`), so that SQL can tell
//! whether there was one. In a text of JSON `null` stands in the place of the value.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use crate::contract::{Anywhere, Privacy, letters};
use crate::decode::json::cursor::{Cursor, Quoted, Stop};
use crate::decode::json::string::unescape;
use crate::decode::{self, RawBatch};
use crate::error::Result;

/// Of each name what was found of it in one row.
type Found = Vec<Option<String>>;

/// The rows without what personal fields say that may stand anywhere, and that as fields of their own; none where the
/// contract knows no such fields. Of several values the one of the first field counts, in the order of their names.
pub(super) fn gathered(raw: &RawBatch, privacy: &Privacy) -> Result<Option<RawBatch>> {
    let names = privacy.anywhere();
    if names.is_empty() {
        return Ok(None);
    }
    let mut found: Vec<Found> = vec![vec![None; names.len()]; raw.rows.len()];
    let schema = raw.fields.schema();
    let mut delivered: Vec<(&Arc<Field>, ArrayRef)> = schema
        .fields()
        .iter()
        .zip(raw.fields.columns().iter().cloned())
        .filter(|(field, _)| !names.iter().any(|name| name.name() == field.name()))
        .collect();
    delivered.sort_by_key(|(field, _)| field.name());
    for (field, column) in &mut delivered {
        let said = names.iter().position(|name| name.are_in(field.name()));
        match said.filter(|_| privacy.is_personal(field.name())) {
            Some(name) => {
                let texts = decode::texts(column)?;
                for (found, text) in found.iter_mut().zip(&texts) {
                    note(&mut found[name], text.unwrap_or_default());
                }
            }
            None => {
                if let Some(texts) = column.as_string_opt::<i32>()
                    && let Some(redacted) = redacted(texts, names, &mut found)
                {
                    *column = Arc::new(redacted);
                }
            }
        }
    }
    let (mut fields, mut columns): (Vec<Arc<Field>>, Vec<ArrayRef>) = delivered
        .into_iter()
        .map(|(field, column)| (Arc::clone(field), column))
        .unzip();
    for (at, name) in names.iter().enumerate() {
        let texts: StringArray = found.iter().map(|found| found[at].as_deref()).collect();
        fields.push(Arc::new(Field::new(name.name(), DataType::Utf8, true)));
        columns.push(Arc::new(texts));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(raw.rows.len()));
    let fields = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    Ok(Some(RawBatch {
        fields,
        rows: raw.rows.clone(),
    }))
}

/// The texts of a column without what the names say in them; none where they say nothing.
fn redacted(texts: &StringArray, names: &[Anywhere], found: &mut [Found]) -> Option<StringArray> {
    let mut cells = Vec::new();
    for (row, text) in texts.iter().enumerate() {
        match cleared(text.unwrap_or_default(), names, &mut found[row]) {
            Cleared::AsItIs => {}
            Cleared::Without(text) => cells.push((row, Some(text))),
            Cleared::Gone => cells.push((row, None)),
        }
    }
    if cells.is_empty() {
        return None;
    }
    let mut all: Vec<Option<&str>> = texts.iter().collect();
    for (row, text) in &cells {
        all[*row] = text.as_deref();
    }
    Some(all.into_iter().collect())
}

/// What is left of a text.
enum Cleared {
    AsItIs,
    /// JSON with `null` in the place of what the names say.
    Without(String),
    /// Nothing: it is no JSON, and a name is in it.
    Gone,
}

fn cleared(text: &str, names: &[Anywhere], found: &mut Found) -> Cleared {
    let is_json = text.trim_start().starts_with(['{', '[', '"']);
    let has_signs = text.contains(['{', '[', ':', '=']);
    if !is_json && !has_signs && !has_digit(text) {
        return Cleared::AsItIs;
    }
    if is_json {
        let all = letters(text);
        let is_there = |name: &Anywhere| all.contains(name.letters());
        let mut redaction = Redaction {
            may_be_spoken_of: text.contains("\\u") || names.iter().any(is_there),
            text,
            out: String::new(),
            copied: 0,
            names,
            found,
        };
        if redaction.all().is_ok() {
            return match redaction.copied {
                0 => Cleared::AsItIs,
                copied => Cleared::Without(redaction.out + &text[copied..]),
            };
        }
    }
    let all = letters(text);
    // Without signs a word says a value only where it stands alone: ids are made of letters and digits as well.
    let says = |name: &&Anywhere| {
        all.contains(name.letters())
            && match is_json || has_signs {
                true => name.are_in(text),
                false => stands_alone(name, text),
            }
    };
    match names.iter().position(|name| says(&name)) {
        Some(name) => {
            note(&mut found[name], text);
            Cleared::Gone
        }
        None => Cleared::AsItIs,
    }
}

/// Whether there is nothing but blanks and signs beside the words of a name.
fn stands_alone(name: &Anywhere, text: &str) -> bool {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let begins = |start: usize| {
        let mut run = String::new();
        words[start..].iter().any(|word| {
            run.push_str(word);
            run == name.letters()
        })
    };
    (0..words.len()).any(begins)
}

/// Keeps the first value that looks like one: not a truth, a day or nothing at all.
fn note(found: &mut Option<String>, text: &str) {
    let text = text.trim();
    let is_nothing = matches!(text, "" | "null" | "true" | "false" | "[]" | "{}");
    let mut begin = text.chars();
    let is_day = text.len() >= 10
        && "9999-99-99".chars().all(|shape| match (shape, begin.next()) {
            ('9', Some(digit)) => digit.is_ascii_digit(),
            (sign, next) => next == Some(sign),
        });
    if found.is_none() && !is_nothing && !is_day {
        *found = Some(text.to_owned());
    }
}

/// JSON that is being copied without some of its values.
struct Redaction<'a> {
    text: &'a str,
    out: String,
    /// How much of the text is copied, or left out; 0 as long as nothing is left out.
    copied: usize,
    names: &'a [Anywhere],
    found: &'a mut Found,
    /// Whether the letters of a name are in the text at all, for all that is known.
    may_be_spoken_of: bool,
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

impl Redaction<'_> {
    /// Reads the whole text, which is one value.
    fn all(&mut self) -> Result<(), Stop> {
        let text = self.text;
        let mut cursor = Cursor::new(text.as_bytes());
        self.value(&mut cursor, 0)?;
        match cursor.peek() {
            Err(Stop::More) => Ok(()),
            _ => Err(cursor.broken("there is more after its end")),
        }
    }

    /// The name that something in the object or array at the cursor is called by, other than by its key: `{"name": "otp",
    /// "value": ...}`, `["otp", ...]`, or `{"otp 482913": ...}`.
    fn spoken_of(&self, mut cursor: Cursor<'_>, depth: usize) -> Result<Option<usize>, Stop> {
        let is_object = cursor.peek()? == b'{';
        let closing = if is_object { b'}' } else { b']' };
        cursor.at += 1;
        if cursor.peek()? == closing {
            return Ok(None);
        }
        loop {
            if is_object {
                let key = cursor.string()?;
                let key = self.unquoted(key)?;
                let said = self.names.iter().position(|name| name.are_in(&key));
                if said.is_some() && has_digit(&key) {
                    return Ok(said);
                }
                cursor.expect(b':')?;
            }
            if cursor.peek()? == b'"' {
                let text = cursor.string()?;
                let text = letters(&self.unquoted(text)?);
                let said = self.names.iter().position(|name| name.letters() == text);
                if said.is_some() {
                    return Ok(said);
                }
            } else {
                cursor.value(depth + 1)?;
            }
            if !cursor.goes_on(closing)? {
                return Ok(None);
            }
        }
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Stop> {
        let first = cursor.peek()?;
        let start = cursor.at;
        if matches!(first, b'{' | b'[')
            && self.may_be_spoken_of
            && let Some(name) = self.spoken_of(cursor.clone(), depth)?
        {
            cursor.value(depth)?;
            return self.leave_out(name, start..cursor.at);
        }
        match first {
            b'{' => {
                cursor.enter(depth)?;
                if cursor.peek()? == b'}' {
                    cursor.at += 1;
                    return Ok(());
                }
                loop {
                    let key = cursor.string()?;
                    let key = self.unquoted(key)?;
                    cursor.expect(b':')?;
                    cursor.peek()?;
                    let start = cursor.at;
                    match self.names.iter().position(|name| name.are_in(&key)) {
                        Some(name) => {
                            cursor.value(depth + 1)?;
                            self.leave_out(name, start..cursor.at)?;
                        }
                        None => self.value(cursor, depth + 1)?,
                    }
                    if !cursor.goes_on(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                cursor.enter(depth)?;
                if cursor.peek()? == b']' {
                    cursor.at += 1;
                    return Ok(());
                }
                loop {
                    self.value(cursor, depth + 1)?;
                    if !cursor.goes_on(b']')? {
                        return Ok(());
                    }
                }
            }
            b'"' => {
                let start = cursor.at;
                let text = cursor.string()?;
                let text = self.unquoted(text)?;
                if !matches!(cleared(&text, self.names, self.found), Cleared::AsItIs) {
                    self.skip(start..cursor.at);
                }
                Ok(())
            }
            _ => cursor.value(depth),
        }
    }

    /// Notes a value and leaves it out.
    fn leave_out(&mut self, name: usize, place: Range<usize>) -> Result<(), Stop> {
        let value = &self.text[place.clone()];
        let value = if value.starts_with('"') {
            let inner = Quoted {
                start: place.start + 1,
                end: place.end - 1,
                escaped: true,
            };
            self.unquoted(inner)?
        } else {
            value.to_owned()
        };
        note(&mut self.found[name], &value);
        self.skip(place);
        Ok(())
    }

    fn skip(&mut self, place: Range<usize>) {
        self.out.push_str(&self.text[self.copied..place.start]);
        self.out.push_str("null");
        self.copied = place.end;
    }

    fn unquoted(&self, Quoted { start, end, .. }: Quoted) -> Result<String, Stop> {
        let mut bytes = Vec::new();
        unescape(&self.text.as_bytes()[start..end], &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| Stop::Broken("is not valid UTF-8".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;
    use crate::contract::{SourceFile, load};

    fn privacy() -> Privacy {
        let text = "description = \"One event.\"\npath = \"a/{date}/{name}\"\nformat = \"json_rows\"\nkeep = \"every_row\"\n\
                    key = [\"id\"]\n[columns]\nid = \"text\"\n\
                    otp = { type = \"text\", from = [\"*.otp\", \"*.one_time_pin\"], personal = \"drop\" }\n";
        let file = SourceFile {
            path: "a/b.toml".to_owned(),
            text: text.to_owned(),
        };
        let contracts = load(&[file], &[]).unwrap();
        contracts.values().next().unwrap().privacy()
    }

    /// The cells of one row after gathering.
    fn gather(cells: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let columns = cells
            .iter()
            .map(|(name, text)| (*name, Arc::new(StringArray::from(vec![*text])) as ArrayRef, true));
        let raw = RawBatch {
            fields: RecordBatch::try_from_iter_with_nullable(columns).unwrap(),
            rows: vec![1],
        };
        let gathered = gathered(&raw, &privacy()).unwrap().unwrap();
        let schema = gathered.fields.schema();
        let columns = schema.fields().iter().zip(gathered.fields.columns());
        let cell = |column: &ArrayRef| {
            let texts = column.as_string::<i32>();
            texts.is_valid(0).then(|| texts.value(0).to_owned())
        };
        columns
            .map(|(field, column)| (field.name().clone(), cell(column)))
            .collect()
    }

    fn of(cells: &[(String, Option<String>)], name: &str) -> Option<String> {
        cells.iter().find(|(field, _)| field == name).unwrap().1.clone()
    }

    #[test]
    fn a_password_is_found_by_its_name_and_in_texts_and_taken_out_of_them() {
        for (field, text, left) in [
            ("detail.OTP", "482913", Some("482913")),
            ("detail.otp.value", "482913", Some("482913")),
            (
                "x",
                r#"{"otp":482913,"a":1.50}"#,
                Some(r#"{"otp":null,"a":1.50}"#),
            ),
            (
                "x",
                r#"[ {"n":1}, {"returnOtp" : "482913"} ]"#,
                Some(r#"[ {"n":1}, {"returnOtp" : null} ]"#),
            ),
            (
                "x",
                r#"[{"payload":"{\"otp\":\"482913\"}"},"ok"]"#,
                Some(r#"[{"payload":null},"ok"]"#),
            ),
            ("x", r#"{"otp":"482913""#, None),
            ("x", "OTP: 482913", None),
            ("x", "Your OTP is 482913", None),
            ("x", "<otp>482913</otp>", None),
            (
                "x",
                r#"[{"name":"otp","value":"482913"},{"name":"size","value":"4"}]"#,
                Some(r#"[null,{"name":"size","value":"4"}]"#),
            ),
            ("x", r#"{"a":["OTP",{"v":482913}]}"#, Some(r#"{"a":null}"#)),
            ("x", r#"[{"otp 482913":{"x":1}}]"#, Some("[null]")),
        ] {
            let cells = gather(&[("id", "e1"), (field, text)]);
            assert_eq!(of(&cells, field).as_deref(), left, "{text}");
            assert!(of(&cells, "*.otp").unwrap().contains("482913"), "{text}");
            assert_eq!(of(&cells, "id").as_deref(), Some("e1"));
        }
        let pin = gather(&[("detail.oneTimePin", "77")]);
        assert_eq!(of(&pin, "*.one_time_pin").as_deref(), Some("77"));
        assert_eq!(of(&pin, "*.otp"), None);
    }

    #[test]
    fn other_texts_stay_as_they_are_and_no_password_is_none() {
        for text in [
            "A1OTP9EXAMPLE",
            r#"["arn:aws:x"]"#,
            r#"{"spotPrice":1}"#,
            "RETURN_OTP_SENT",
            r#"{"state":"OTP_SENT","at":"2026-03-01"}"#,
            "[not json: at all]",
            "2026-03-01T09:00:00Z",
        ] {
            let cells = gather(&[("id", text)]);
            assert_eq!(of(&cells, "id").as_deref(), Some(text));
            assert_eq!(of(&cells, "*.otp"), None, "{text}");
        }
        for nothing in ["", "null", "false", "2026-03-01T20:00:00Z"] {
            assert_eq!(of(&gather(&[("otp.x", nothing)]), "*.otp"), None, "{nothing}");
        }
    }
}
