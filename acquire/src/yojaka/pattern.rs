//! Patterns of EventBridge rules, as far as those for Smart Connect go: exact values, prefixes, fields in fields.

use serde_json::{Map, Value, json};

/// A pattern that events match or do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<(String, Wants)>);

/// What a field has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wants {
    /// One of these.
    AnyOf(Vec<Rule>),
    /// An object that matches this.
    Inside(Pattern),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Exactly(Value),
    Prefix(String),
}

/// Why something is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Wrong {
    place: String,
    why: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When it is none, or has an operator that is not known here.
    pub fn read(pattern: &Value) -> Result<Self, Wrong> {
        Self::inside(pattern, "pattern")
    }

    fn inside(pattern: &Value, place: &str) -> Result<Self, Wrong> {
        let wrong = |why: &str| Wrong {
            place: place.to_owned(),
            why: why.to_owned(),
        };
        let fields = pattern.as_object().ok_or_else(|| wrong("an object is wanted"))?;
        if fields.is_empty() {
            return Err(wrong(
                "an object without fields matches nothing that EventBridge takes",
            ));
        }
        let fields = fields.iter().map(|(name, wants)| {
            let place = format!("{place}.{name}");
            if name.starts_with('$') {
                return Err(Wrong {
                    why: "this operator is not known here; there are exact values and {\"prefix\": …}"
                        .to_owned(),
                    place,
                });
            }
            let wants = match wants {
                Value::Array(rules) => Wants::AnyOf(of_rules(rules, &place)?),
                inside => Wants::Inside(Self::inside(inside, &place)?),
            };
            Ok((name.clone(), wants))
        });
        Ok(Self(fields.collect::<Result<_, Wrong>>()?))
    }

    /// Whether an event matches: every field that the pattern names is there and is one of what it may be.
    pub fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|(name, wants)| match wants {
            Wants::Inside(pattern) => event.get(name).is_some_and(|inside| pattern.matches(inside)),
            Wants::AnyOf(rules) => event.get(name).is_some_and(|value| match value {
                // Of a list one that fits will do.
                Value::Array(values) => values
                    .iter()
                    .any(|value| rules.iter().any(|rule| rule.fits(value))),
                value => rules.iter().any(|rule| rule.fits(value)),
            }),
        })
    }
}

fn of_rules(rules: &[Value], place: &str) -> Result<Vec<Rule>, Wrong> {
    let wrong = |why: String| Wrong {
        place: place.to_owned(),
        why,
    };
    if rules.is_empty() {
        return Err(wrong("a list without values matches nothing".to_owned()));
    }
    let read = |rule: &Value| match rule {
        Value::Object(operator) => match operator.iter().next() {
            Some((name, Value::String(prefix))) if name == "prefix" && operator.len() == 1 => {
                Ok(Rule::Prefix(prefix.clone()))
            }
            _ => Err(wrong(format!(
                "{rule} is not known here; there are exact values and {{\"prefix\": \"…\"}}"
            ))),
        },
        Value::Array(_) => Err(wrong("a list in a list is no value".to_owned())),
        value => Ok(Rule::Exactly(value.clone())),
    };
    rules.iter().map(read).collect()
}

impl Rule {
    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == value,
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
        }
    }
}

/// The pattern of a rule for these events: of a stage, of an order source or of everything that Smart Connect sends, of these
/// types, of these sellers.
pub fn of_rule(account: &str, types: &[String], merchants: &[String]) -> Value {
    let mut pattern = Map::new();
    pattern.insert("account".to_owned(), json!([account]));
    let are_orders = !types.is_empty() && types.iter().all(|kind| kind.starts_with("Orders."));
    // The sources of returns and locations are not documented beyond how they begin.
    let source = match are_orders {
        true => json!(["com.amazon.yojaka.orders"]),
        false => json!([{ "prefix": "com.amazon.yojaka" }]),
    };
    if !types.is_empty() || !merchants.is_empty() {
        pattern.insert("source".to_owned(), source);
    }
    if !types.is_empty() {
        pattern.insert("detail-type".to_owned(), json!(types));
    }
    if !merchants.is_empty() {
        pattern.insert("detail".to_owned(), json!({ "merchantId": merchants }));
    }
    Value::Object(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCTION: &str = "096882763573";

    /// The seed's sample.
    fn event() -> Value {
        json!({
            "version": "0", "id": "ed4b8165-75ad-5c60-3e0f-0276f8b55dd3", "detail-type": "Orders.Created",
            "source": "com.amazon.yojaka.orders", "account": PRODUCTION, "time": "2020-04-12T11:31:15Z",
            "region": "eu-west-1", "resources": [],
            "detail": {
                "orderId": "99efdcc8-0451-4327-b9b4-6bf8b61653e7",
                "locationId": "ad5c9b46-5391-4e10-831f-f279b60d8095",
                "merchantId": "A15DHF3L2G99Q0",
            },
        })
    }

    fn with(field: &str, value: &str) -> Value {
        let mut event = event();
        match field.strip_prefix("detail.") {
            Some(field) => event["detail"][field] = value.into(),
            None => event[field] = value.into(),
        }
        event
    }

    /// The seed's four.
    fn patterns() -> [Value; 4] {
        [
            json!({"account": ["096882763573"]}),
            json!({"account": ["096882763573"], "source": ["com.amazon.yojaka.orders"], "detail-type": ["Orders.Created"]}),
            json!({"account": ["096882763573"], "source": [{"prefix": "com.amazon.yojaka"}], "detail": {"merchantId": ["A15DHF3L2G99Q0"]}}),
            json!({"account": ["096882763573"], "source": ["com.amazon.yojaka.orders"], "detail-type": ["Orders.Cancelled"],
                   "detail": {"merchantId": ["A15DHF3L2G99Q0"]}}),
        ]
    }

    #[test]
    fn the_seeds_patterns_match_what_they_should() {
        let mut without = event();
        without["detail"].as_object_mut().unwrap().remove("merchantId");
        for (event, wanted) in [
            (event(), [true, true, true, false]),
            (with("account", "227455371037"), [false; 4]),
            (
                with("source", "com.amazon.yojaka.returns"),
                [true, false, true, false],
            ),
            (with("source", "com.amazon.other"), [true, false, false, false]),
            (with("detail-type", "Orders.Cancelled"), [true, false, true, true]),
            (with("detail.merchantId", "A2"), [true, true, false, false]),
            (without, [true, true, false, false]),
            (json!({}), [false; 4]),
            (json!([]), [false; 4]),
        ] {
            let matched = patterns().map(|pattern| Pattern::read(&pattern).unwrap().matches(&event));
            assert_eq!(matched, wanted, "{event}");
        }
    }

    #[test]
    fn values_are_compared_as_what_they_are_and_of_lists_one_will_do() {
        let pattern = json!({ "detail": { "limit": [0, null, "0"], "tags": [{ "prefix": "b" }] } });
        let pattern = Pattern::read(&pattern).unwrap();
        for (limit, tags, wanted) in [
            (json!(0), json!(["a", "bc"]), true),
            (Value::Null, json!("b"), true),
            (json!("0"), json!(["b"]), true),
            (json!(1), json!(["b"]), false),
            (json!(0), json!([]), false),
            (json!(0), json!([7]), false),
        ] {
            let event = json!({ "detail": { "limit": limit, "tags": tags } });
            assert_eq!(pattern.matches(&event), wanted, "{event}");
        }
    }

    #[test]
    fn what_is_no_pattern_and_what_is_not_known_is_said_with_its_place() {
        for (pattern, says) in [
            (json!([]), "pattern: an object"),
            (json!({}), "without fields"),
            (json!({ "account": "096882763573" }), "pattern.account: an object"),
            (json!({ "account": [] }), "pattern.account: a list"),
            (
                json!({ "detail": { "x": [{ "suffix": "a" }] } }),
                "pattern.detail.x: {\"suffix\":\"a\"}",
            ),
            (
                json!({ "x": [{ "prefix": { "equals-ignore-case": "a" } }] }),
                "is not known",
            ),
            (json!({ "x": [{ "prefix": "a", "suffix": "b" }] }), "is not known"),
            (json!({ "$or": [{ "x": ["a"] }] }), "pattern.$or: this operator"),
            (json!({ "x": [["a"]] }), "a list in a list"),
        ] {
            let said = Pattern::read(&pattern).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn the_seeds_patterns_are_made() {
        let text = |text: &str| vec![text.to_owned()];
        let [all, created, seller, cancelled] = patterns();
        let seller_id = text("A15DHF3L2G99Q0");
        assert_eq!(of_rule(PRODUCTION, &[], &[]), all);
        assert_eq!(of_rule(PRODUCTION, &text("Orders.Created"), &[]), created);
        assert_eq!(of_rule(PRODUCTION, &[], &seller_id), seller);
        assert_eq!(
            of_rule(PRODUCTION, &text("Orders.Cancelled"), &seller_id),
            cancelled
        );
        let returns = of_rule(PRODUCTION, &text("Returns.Created"), &[]);
        assert_eq!(returns["source"], json!([{ "prefix": "com.amazon.yojaka" }]));
    }
}
