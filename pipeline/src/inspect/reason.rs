//! Reasons of rejects without the values of single rows, so that equal troubles count together.

use std::sync::LazyLock;

use regex::Regex;

/// The reason with quoted values, days and places in the object replaced by `…`.
pub(super) fn general(reason: &str) -> String {
    static VALUES: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#""(?:[^"\\]|\\.)*"…?|\b\d{4}-\d{2}-\d{2}\b|\bbytes? \d+(?: to \d+)?\b"#).ok()
    });
    match &*VALUES {
        Some(values) => values.replace_all(reason, "…").into_owned(),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_and_what_is_wrong_with_them_stays() {
        for (reason, wanted) in [
            (
                r#"n: "1\" x" is not an int; m: "a"… is too long"#,
                "n: … is not an int; m: … is too long",
            ),
            (
                "has text after a closing quote: bytes 12 to 34",
                "has text after a closing quote: …",
            ),
            ("key column order_id is empty", "key column order_id is empty"),
            (
                "order_date 2026-01-01 is more than 35 days before the object's day 2026-03-01 (key_window)",
                "order_date … is more than 35 days before the object's day … (key_window)",
            ),
        ] {
            assert_eq!(general(reason), wanted);
        }
    }
}
