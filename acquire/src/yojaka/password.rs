//! One-time passwords: whoever knows one is handed over a return. None is written anywhere, only that there was one.

use serde_json::Value;

/// Names of fields that hold one, in small letters and without anything between words.
const NAMES: [&str; 6] = [
    "otp",
    "onetimepassword",
    "onetimepasscode",
    "onetimecode",
    "onetimepin",
    "passcode",
];
/// What stands in the place of one.
const DROPPED: &str = "dropped";
/// Texts of JSON in texts of JSON that are looked into.
const DEPTH: usize = 4;

/// Whether something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cleaned {
    /// One was replaced.
    Changed,
    /// There is none.
    Same,
}

/// Replaces one-time passwords, however deep they are, in texts of JSON, too. One that is null or empty is none.
pub(super) fn clean(value: &mut Value) -> Cleaned {
    match cleaned(value, DEPTH) {
        true => Cleaned::Changed,
        false => Cleaned::Same,
    }
}

fn cleaned(value: &mut Value, depth: usize) -> bool {
    match value {
        Value::Object(fields) => {
            let mut is_changed = false;
            for (name, value) in fields {
                let is_password = is_name(name) && !value.is_null() && *value != "";
                is_changed |= match is_password {
                    true => {
                        *value = DROPPED.into();
                        true
                    }
                    false => cleaned(value, depth),
                };
            }
            is_changed
        }
        // Every one, not the first one.
        Value::Array(values) => values
            .iter_mut()
            .fold(false, |is_changed, value| cleaned(value, depth) | is_changed),
        Value::String(text) if depth > 0 && text.trim_start().starts_with(['{', '[']) => {
            let Ok(mut inside) = serde_json::from_str::<Value>(text) else {
                return false;
            };
            let is_changed = cleaned(&mut inside, depth - 1);
            if is_changed {
                *text = inside.to_string();
            }
            is_changed
        }
        _ => false,
    }
}

fn is_name(name: &str) -> bool {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    let name: String = letters.flat_map(char::to_lowercase).collect();
    NAMES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_are_dropped_wherever_they_are_and_what_is_none_stays() {
        let inside = json!({ "otp": "4711" }).to_string();
        let mut event = json!({
            "id": "1",
            "detail": {
                "otp": "4711",
                "merchantId": "A1",
                "details": [{ "OneTimePassword": 4711 }, { "one_time_passcode": { "value": "4711" } }],
                "text": inside,
                "potpourri": "4712",
            },
        });
        assert_eq!(clean(&mut event), Cleaned::Changed);
        assert!(!event.to_string().contains("4711"), "{event}");
        assert_eq!(event["detail"]["otp"], "dropped");
        assert_eq!(event["detail"]["potpourri"], "4712");
        assert_eq!(event["detail"]["merchantId"], "A1");
        let left = event.clone();
        clean(&mut event);
        assert_eq!(event, left);
        for none in [
            json!({ "otp": null }),
            json!({ "otp": "" }),
            json!({ "detail": {} }),
            json!("otp"),
        ] {
            let mut value = none.clone();
            assert_eq!(clean(&mut value), Cleaned::Same);
            assert_eq!(value, none);
        }
    }
}
