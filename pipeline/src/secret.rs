//! Values that nobody is shown.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown in the place of one.
const MASK: &str = "****";

/// A key or a password of the configuration. Whatever prints it, writes it down or fails over it shows `****`; only
/// [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who uses it and shows it to nobody.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde's own message would have the value in it.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("a secret is a text"))?;
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Settings {
        key: Option<Secret>,
    }

    #[test]
    fn nothing_shows_a_secret() {
        let settings: Settings = toml::from_str("key = \"pepper\"").unwrap();
        let key = settings.key.clone().unwrap();
        assert_eq!(key.expose(), "pepper");
        for shown in [
            format!("{settings:?} {settings:#?} {key} {key:?}"),
            toml::to_string(&settings).unwrap(),
            serde_json::to_string(&settings).unwrap(),
        ] {
            assert!(shown.contains(MASK) && !shown.contains("pepper"), "{shown}");
        }
    }

    #[test]
    fn an_error_over_a_secret_does_not_show_it() {
        for text in [
            "key = 4711",
            "key = [\"4711\"]",
            "key = { a = 4711 }",
            "key = 4711.5",
        ] {
            let error = toml::from_str::<Settings>(text).unwrap_err();
            assert!(!error.message().contains("4711"), "{}", error.message());
            assert!(
                error.message().contains("a secret is a text"),
                "{}",
                error.message()
            );
        }
    }
}
