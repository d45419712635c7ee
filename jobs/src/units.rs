//! Sizes and times as people write them: `256MiB`, `30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// A number of bytes, written `4096`, `512KiB`, `256MiB` or `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A length of time, written `90s`, `5m`, `1h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
const WAITS: [(&str, u64); 4] = [("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, &SIZES)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size, such as 256MiB or 2GiB"))
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = scaled(text, &WAITS);
        seconds
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| format!("{text:?} is not a length of time, such as 30s, 5m, 1h or 7d"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = largest(self.0, &SIZES);
        write!(f, "{}{unit}", self.0 / scale)
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = largest(self.0.as_secs(), &WAITS);
        write!(f, "{}{unit}", self.0.as_secs() / scale)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text[digits.len()..].trim();
    let (_, scale) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    digits.trim().parse::<u64>().ok()?.checked_mul(*scale)
}

/// The largest unit of which `value` is a multiple; the last one where there is none.
fn largest<'a>(value: u64, units: &[(&'a str, u64)]) -> (&'a str, u64) {
    let fits = units
        .iter()
        .copied()
        .find(|(_, scale)| value != 0 && value.is_multiple_of(*scale));
    fits.unwrap_or(units[units.len() - 1])
}

/// Reads an option that is written as text or as an integer.
pub(crate) fn text_or_integer<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    struct Text<T>(std::marker::PhantomData<T>);

    impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number with a unit")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse().map(Some).map_err(E::custom)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
            self.visit_str(&number.to_string())
        }
    }

    deserializer.deserialize_any(Text(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_printed_as_they_are_read() {
        for text in ["0", "17", "3KiB", "256MiB", "2GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("64 mib".parse::<Size>().unwrap(), Size(64 << 20));
        for text in ["0s", "90s", "5m", "1h", "7d"] {
            assert_eq!(text.parse::<Wait>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_has_no_unit_of_its_kind_is_refused() {
        assert!("2 potatoes".parse::<Size>().unwrap_err().contains("256MiB"));
        assert!("MiB".parse::<Size>().is_err());
        assert!("99999999999GiB".parse::<Size>().is_err());
        assert!("30".parse::<Wait>().unwrap_err().contains("30s"));
    }
}
