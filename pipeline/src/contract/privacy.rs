//! What of the fields of a raw row may be written down.
//!
//! A personal name speaks of more than the field of that very name. It covers the field in other letters (`Buyer-Email`
//! for `buyer_email`), what is below it (`buyer.name` for `buyer`), and what it is below of, where that comes as a text
//! or an array (`contact` for `contact.mail`). A name that begins with `*.` covers what says its words at any depth.

use std::collections::{BTreeSet, HashSet};

use super::rules::sql::names;
use super::{Contract, Feed, Unknown};

/// What begins the name of a personal field that may stand anywhere.
pub const ANYWHERE: &str = "*.";

/// What of a field may be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Its name and its value.
    Value,
    /// That it is there: its name, with an empty text in the place of the value.
    Name,
    /// Nothing: the contract says that it is personal.
    Nothing,
}

/// The rule of one table about what may be written down of fields that no column takes: in `extra`, in a map of all
/// fields, in quarantine, in messages.
#[derive(Debug, Clone, Default)]
pub struct Privacy {
    personal: Vec<Name>,
    anywhere: Vec<Anywhere>,
    /// Fields that columns which are not personal take as they are: the contract says so of them in so many words.
    taken: BTreeSet<String>,
    /// Fields that the contract or a sibling names.
    known: HashSet<String>,
    harmless: Vec<Name>,
    /// Whether unknown fields are harmless as well.
    is_open: bool,
}

impl Contract {
    /// What of raw fields may be written down. Everything where no field is personal and `unknown` does not say otherwise.
    pub fn privacy(&self) -> Privacy {
        let Feed::Raw(raw) = &self.feed else {
            return Privacy {
                is_open: true,
                ..Privacy::default()
            };
        };
        let fields = self.personal_fields();
        let (anywhere, personal): (Vec<&String>, Vec<&String>) =
            fields.keys().partition(|field| field.starts_with(ANYWHERE));
        let made = self.sql.as_deref().map(names::fields).unwrap_or_default().made;
        let plain = self.columns.iter().filter(|column| column.personal.is_none());
        let taken = plain.flat_map(|column| column.from.iter().cloned());
        Privacy {
            is_open: match raw.unknown {
                _ if raw.harmless.iter().any(|field| field == "*") => true,
                Unknown::Keep => true,
                Unknown::Names => false,
                Unknown::Ignore | Unknown::Refuse => fields.is_empty(),
            },
            personal: personal.into_iter().map(|field| Name::of(field)).collect(),
            anywhere: anywhere.into_iter().map(|field| Anywhere::of(field)).collect(),
            taken: taken.filter(|field| !made.contains(field)).collect(),
            known: self
                .named_fields()
                .into_iter()
                .chain(raw.elsewhere.keys().cloned())
                .collect(),
            harmless: raw.harmless.iter().map(|field| Name::of(field)).collect(),
        }
    }
}

impl Privacy {
    /// What of a delivered field may be written down. What is personal stays so, whatever else is said of the field.
    pub fn shown(&self, field: &str) -> Shown {
        if self.is_personal(field) {
            Shown::Nothing
        } else if self.is_open || self.is_known(field) || self.is_harmless(field) {
            Shown::Value
        } else {
            Shown::Name
        }
    }

    /// Whether the contract says of a delivered field that it is, holds, or is within a personal one.
    pub fn is_personal(&self, field: &str) -> bool {
        let name = Name::of(field);
        let is_within = |personal: &Name| name.is_within(personal);
        let covers = |personal: &Name| {
            personal.is_within(&name) || (!self.taken.contains(field) && is_within(personal))
        };
        self.personal.iter().any(covers)
            || (!self.taken.contains(field) && self.anywhere.iter().any(|words| words.are_in(field)))
    }

    /// Whether the contract or a sibling names the field.
    pub fn is_known(&self, field: &str) -> bool {
        self.known.contains(field)
    }

    /// Names of personal fields that may stand anywhere.
    pub fn anywhere(&self) -> &[Anywhere] {
        &self.anywhere
    }

    /// Whether there is anything that must not be written down.
    pub fn has_secrets(&self) -> bool {
        !(self.is_open && self.personal.is_empty() && self.anywhere.is_empty())
    }

    /// A message about an object of which nobody knows what its texts are, such as one that cannot be read: what stands
    /// in quotes and is no name that the contract knows is masked.
    pub fn discreet(&self, message: &str) -> String {
        if !self.has_secrets() {
            return message.to_owned();
        }
        let mut discreet = String::with_capacity(message.len());
        let mut rest = message;
        while let Some((start, quote)) = opening(rest) {
            let (before, quoted) = rest.split_at(start + quote.len_utf8());
            let end = closing(quoted, quote);
            let (quoted, after) = quoted.split_at(end);
            discreet.push_str(before);
            if self.is_known(quoted) || quoted.chars().count() == 1 {
                discreet.push_str(quoted);
            } else {
                discreet.push_str(&mask(quoted));
            }
            let closed = after.chars().next().map_or(0, char::len_utf8);
            discreet.push_str(&after[..closed]);
            rest = &after[closed..];
        }
        discreet.push_str(rest);
        discreet
    }

    fn is_harmless(&self, field: &str) -> bool {
        let name = Name::of(field);
        self.harmless.iter().any(|harmless| name.is_within(harmless))
    }
}

/// Where a quotation begins, and its quote. An apostrophe within a word begins none.
fn opening(text: &str) -> Option<(usize, char)> {
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        if matches!(character, '"' | '`') || (character == '\'' && !before.is_alphanumeric()) {
            return Some((at, character));
        }
        before = character;
    }
    None
}

/// Where a quotation ends that began before the text.
fn closing(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Keeps the shape of a text: digits become 9, whatever else is no sign and no blank x.
pub(crate) fn mask(text: &str) -> String {
    let masked = |c: char| match c {
        c if c.is_numeric() => '9',
        c if c.is_ascii_punctuation() || c.is_whitespace() => c,
        _ => 'x',
    };
    text.chars().map(masked).collect()
}

/// A name of a field: the letters and digits of each of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(Vec<String>);

/// Whether one of these personal fields covers the field, so that nothing of it is kept unless a column takes it.
pub fn hides<'a>(mut personal: impl Iterator<Item = &'a String>, field: &str) -> bool {
    let name = Name::of(field);
    personal.any(|personal| match personal.starts_with(ANYWHERE) {
        true => Anywhere::of(personal).are_in(field),
        false => name.is_within(&Name::of(personal)),
    })
}

impl Name {
    fn of(field: &str) -> Self {
        Self(field.split('.').map(letters).collect())
    }

    /// Whether it is the name of the field or of one below it. Signs count as little as letter case, also those that stand
    /// between parts: `buyer.email` is `buyer_email`.
    fn is_within(&self, field: &Self) -> bool {
        let field = field.0.concat();
        let mut begin = String::new();
        self.0.iter().any(|part| {
            begin.push_str(part);
            begin == field
        })
    }
}

/// The letters and digits of a text, in lower case; of a text of nothing but signs the text.
pub(crate) fn letters(text: &str) -> String {
    let letters: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    if letters.is_empty() {
        text.to_owned()
    } else {
        letters
    }
}

/// A personal field that may stand anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anywhere {
    name: String,
    letters: String,
}

impl Anywhere {
    fn of(field: &str) -> Self {
        Self {
            name: field.to_owned(),
            letters: letters(field.trim_start_matches(ANYWHERE)),
        }
    }

    /// The name as contracts and SQL have it, such as `*.otp`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its letters, without what [`ANYWHERE`] says.
    pub(crate) fn letters(&self) -> &str {
        &self.letters
    }

    /// Whether its words are among those of a text: `*.one_time_pin` is in `detail.oneTimePin.value`, `*.otp` in
    /// `OTP_code` and in `returnotp`, and in `spotPrice` it is not.
    pub fn are_in(&self, text: &str) -> bool {
        let words = words(text);
        let is_wordy = |word: &String| word.starts_with(&self.letters) || word.ends_with(&self.letters);
        let begins = |start: usize| {
            let mut run = String::new();
            words[start..].iter().any(|word| {
                run.push_str(word);
                run == self.letters
            })
        };
        words.iter().any(is_wordy) || (0..words.len()).any(begins)
    }
}

/// The words of a name in lower case: they end where a sign stands and where a capital letter begins another one.
fn words(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut words = vec![String::new()];
    for (at, character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = at.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(at + 1);
        let begins = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        let counts = before.is_some_and(|before| before.is_numeric() != character.is_numeric());
        if begins || counts {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privacy(personal: &[&str], anywhere: &[&str], taken: &[&str]) -> Privacy {
        Privacy {
            personal: personal.iter().map(|name| Name::of(name)).collect(),
            anywhere: anywhere.iter().map(|name| Anywhere::of(name)).collect(),
            taken: taken.iter().map(|name| (*name).to_owned()).collect(),
            known: taken.iter().map(|name| (*name).to_owned()).collect(),
            harmless: vec![Name::of("limits")],
            is_open: false,
        }
    }

    #[test]
    fn a_name_covers_other_spellings_what_is_below_and_what_it_is_below_of() {
        let privacy = privacy(
            &["buyer", "contact.mail", "ship-city"],
            &[],
            &["buyer.country", "id"],
        );
        for field in [
            "buyer",
            "Buyer",
            "BUYER",
            "buyer.name",
            "Buyer.address.street",
            "contact.mail",
            "contact_mail",
            "contact.Mail.work",
            "contact",
            "CONTACT",
            "Ship City",
            "shipCity",
            "SHIP_CITY",
            "ship.city",
        ] {
            assert!(privacy.is_personal(field), "{field}");
        }
        for field in [
            "buyers",
            "buy",
            "contacts",
            "contact.phone",
            "ship",
            "city",
            "buyer.country",
            "id",
            "",
        ] {
            // `ship` is one part, and so is `ship-city`: none is below the other.
            assert!(!privacy.is_personal(field), "{field}");
        }
    }

    #[test]
    fn what_is_unknown_shows_its_name_and_what_is_known_or_harmless_its_value() {
        let privacy = privacy(&["buyer"], &[], &["id"]);
        let shown = ["id", "limits.loc-1", "Limits", "note", "buyer.id"].map(|field| privacy.shown(field));
        let wanted = [
            Shown::Value,
            Shown::Value,
            Shown::Value,
            Shown::Name,
            Shown::Nothing,
        ];
        assert_eq!(shown, wanted);
        let all = Privacy {
            is_open: true,
            ..privacy
        };
        assert_eq!(all.shown("note"), Shown::Value);
        assert_eq!(all.shown("buyer.id"), Shown::Nothing);
    }

    #[test]
    fn words_are_found_at_any_depth_and_in_any_spelling() {
        let privacy = privacy(&[], &["*.otp", "*.one_time_password"], &["detail.spotPrice"]);
        for field in [
            "otp",
            "detail.OTP",
            "detail.otp.value",
            "detail.metadata.otp",
            "otp_code",
            "otpCode",
            "OTPCode",
            "otpcode",
            "returnOtp",
            "return_otp_2",
            "otp2",
            "detail.oneTimePassword",
            "one-time-password",
            "onetimepassword",
            "OneTimePasswordValue",
        ] {
            assert!(privacy.is_personal(field), "{field}");
        }
        for field in [
            "spotPrice",
            "footprint",
            "options",
            "detail.time.password",
            "onetime",
            "detail",
        ] {
            assert!(!privacy.is_personal(field), "{field}");
        }
    }

    #[test]
    fn what_a_message_quotes_is_masked_unless_it_is_a_known_name() {
        let privacy = privacy(&["mail"], &[], &["id"]);
        for (message, discreet) in [
            (
                r#"has the field "id" twice, and "ann@x.de""#,
                r#"has the field "id" twice, and "xxx@x.xx""#,
            ),
            (
                r#"',' or '}' is missing at byte 37"#,
                r#"',' or '}' is missing at byte 37"#,
            ),
            (
                r#"the object's text is "a \"b\" c" here"#,
                r#"the object's text is "x \"x\" x" here"#,
            ),
            (
                "invalid type: string `Anna 12`, expected",
                "invalid type: string `xxxx 99`, expected",
            ),
            ("cannot cast 'Ann", "cannot cast 'xxx"),
        ] {
            assert_eq!(privacy.discreet(message), discreet);
        }
        assert_eq!(
            Privacy {
                is_open: true,
                ..Privacy::default()
            }
            .discreet("\"Ann\""),
            "\"Ann\""
        );
    }
}
