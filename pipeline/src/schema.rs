//! JSON Schemas (draft 2020-12) of documents, made of the types that are serialised.
//!
//! A field that can be missing is not required; every other field always stands there, if only as null. Readers have to
//! expect fields that they do not know: a document's `schema` number does not grow with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, json};

pub use marketlake_schema::Schema;
pub use serde_json::Value;

/// A type whose JSON form has a schema.
pub trait Schema {
    /// The schema, or a reference to it; types with a name are added to the definitions.
    fn schema(definitions: &mut Definitions) -> Value;
}

/// The whole schema of a document, with its title.
pub fn document<T: Schema>(title: &str) -> Value {
    let mut definitions = Definitions::default();
    let root = T::schema(&mut definitions);
    let name = root["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next());
    let root = name.and_then(|name| definitions.0.remove(name)).unwrap_or(root);
    let mut schema = Map::from_iter([
        (
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("title".to_owned(), json!(title)),
    ]);
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    if !definitions.0.is_empty() {
        schema.insert("$defs".to_owned(), json!(definitions.0));
    }
    Value::Object(schema)
}

/// Schemas of named types, by name.
#[derive(Debug, Default)]
pub struct Definitions(BTreeMap<String, Value>);

impl Definitions {
    /// A reference to a named type, which is made where it is not known yet.
    pub fn named(&mut self, name: &str, doc: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.0.contains_key(name) {
            let mut schema = make(self);
            describe(&mut schema, doc);
            self.0.insert(name.to_owned(), schema);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }
}

/// The fields of an object.
#[derive(Debug, Default)]
pub struct Object {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Object {
    /// Adds a field.
    #[must_use]
    pub fn field<T: Schema>(
        mut self,
        definitions: &mut Definitions,
        name: &str,
        doc: &str,
        optional: bool,
    ) -> Self {
        let mut schema = T::schema(definitions);
        describe(&mut schema, doc);
        self.properties.insert(name.to_owned(), schema);
        if !optional {
            self.required.push(name.to_owned());
        }
        self
    }

    /// The schema of the object.
    pub fn finish(self) -> Value {
        json!({"type": "object", "properties": self.properties, "required": self.required})
    }
}

/// The schema of one of some words, each with its meaning.
pub fn words(words: &[(&str, &str)]) -> Value {
    let word = |(word, doc): &(&str, &str)| {
        let mut word = json!({"const": word});
        describe(&mut word, doc);
        word
    };
    json!({"oneOf": words.iter().map(word).collect::<Vec<_>>()})
}

fn describe(schema: &mut Value, doc: &str) {
    if !doc.is_empty() {
        schema["description"] = json!(doc);
    }
}

/// Types whose schema does not depend on anything.
macro_rules! plain {
    ($($($ty:ty),+ => $schema:tt;)+) => {
        $($(impl Schema for $ty {
            fn schema(_: &mut Definitions) -> Value {
                json!($schema)
            }
        })+)+
    };
}

plain! {
    str, String, PathBuf => {"type": "string"};
    bool => {"type": "boolean"};
    u32, u64, usize => {"type": "integer", "minimum": 0};
    NaiveDate => {"type": "string", "format": "date"};
    DateTime<Utc> => {"type": "string", "format": "date-time"};
    NaiveDateTime => {"type": "string", "pattern": "^[0-9-]{10}T[0-9:.]{8,}$"};
    Value, toml::Value => {};
}

impl<T: Schema + ?Sized> Schema for &T {
    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema(definitions: &mut Definitions) -> Value {
        let mut schema = T::schema(definitions);
        match schema.get("type").cloned() {
            Some(ty) => schema["type"] = json!([ty, "null"]),
            None => schema = json!({"anyOf": [schema, {"type": "null"}]}),
        }
        schema
    }
}

impl<T: Schema> Schema for [T] {
    fn schema(definitions: &mut Definitions) -> Value {
        json!({"type": "array", "items": T::schema(definitions)})
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema(definitions: &mut Definitions) -> Value {
        <[T]>::schema(definitions)
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema(definitions: &mut Definitions) -> Value {
        json!({"type": "object", "additionalProperties": T::schema(definitions)})
    }
}

impl<A: Schema, B: Schema> Schema for (A, B) {
    fn schema(definitions: &mut Definitions) -> Value {
        let parts = [A::schema(definitions), B::schema(definitions)];
        json!({"type": "array", "prefixItems": parts, "minItems": 2, "maxItems": 2})
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    /// How warm it is.
    #[derive(Serialize, Schema)]
    #[serde(rename_all = "snake_case")]
    enum Warmth {
        /// Below 10 degrees.
        QuiteCold,
        Warm,
    }

    /// A day.
    #[derive(Serialize, Schema)]
    struct Day<'a> {
        /// Which one.
        date: NaiveDate,
        /// Words about it,
        /// on two lines.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<&'a str>,
        /// In the morning.
        #[serde(rename = "type")]
        warmth: Option<Warmth>,
    }

    #[test]
    fn a_schema_says_what_serde_does() {
        let day = Day {
            date: NaiveDate::default(),
            words: Vec::new(),
            warmth: Some(Warmth::QuiteCold),
        };
        assert_eq!(
            serde_json::to_value(&day).unwrap(),
            json!({"date": "1970-01-01", "type": "quite_cold"})
        );
        assert_eq!(serde_json::to_value(Warmth::Warm).unwrap(), "warm");
        assert_eq!(
            document::<Vec<Day<'_>>>("days"),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "days",
                "type": "array",
                "items": {"$ref": "#/$defs/Day"},
                "$defs": {
                    "Day": {
                        "description": "A day.",
                        "type": "object",
                        "required": ["date", "type"],
                        "properties": {
                            "date": {"type": "string", "format": "date", "description": "Which one."},
                            "words": {
                                "type": "array",
                                "items": {"type": "string"},
                                "description": "Words about it, on two lines."
                            },
                            "type": {
                                "anyOf": [{"$ref": "#/$defs/Warmth"}, {"type": "null"}],
                                "description": "In the morning."
                            },
                        },
                    },
                    "Warmth": {
                        "description": "How warm it is.",
                        "oneOf": [
                            {"const": "quite_cold", "description": "Below 10 degrees."},
                            {"const": "warm"}
                        ],
                    },
                },
            })
        );
        let alone = document::<Day<'_>>("day");
        assert_eq!(alone["description"], "A day.");
        assert_eq!(alone["$defs"].as_object().unwrap().len(), 1);
    }
}
