//! The words that stand for enum values in contracts.

use super::{Charset, Header, Otherwise, Personal, Pick, Unknown, Unreadable, Zone};

/// An enum whose values have a word each in contracts, fingerprints and pages.
pub trait Word: Copy + PartialEq + 'static {
    /// Every word with its value.
    const WORDS: &'static [(&'static str, Self)];

    /// The word of this value.
    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }

    /// The value of a word.
    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, value)| *value)
    }
}

impl Word for Header {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("present", Self::Present),
        ("absent", Self::Absent),
        ("detect", Self::Detect),
    ];
}

impl Word for Charset {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("utf-8", Self::Utf8),
        ("windows-1252", Self::Windows1252),
        ("shift_jis", Self::ShiftJis),
    ];
}

impl Word for Unknown {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("keep", Self::Keep),
        ("names", Self::Names),
        ("ignore", Self::Ignore),
        ("refuse", Self::Refuse),
    ];
}

impl Word for Zone {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("utc", Self::Utc),
        ("account", Self::Account),
        ("as_written", Self::AsWritten),
    ];
}

impl Word for Personal {
    const WORDS: &'static [(&'static str, Self)] = &[("drop", Self::Drop), ("hash", Self::Hash)];
}

impl Word for Pick {
    const WORDS: &'static [(&'static str, Self)] =
        &[("newest", Self::Newest), ("min", Self::Min), ("max", Self::Max)];
}

impl Word for Unreadable {
    const WORDS: &'static [(&'static str, Self)] = &[("reject", Self::Reject), ("null", Self::Null)];
}

impl Word for Otherwise {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("warn", Self::Warn),
        ("quarantine", Self::Quarantine),
        ("hold", Self::Hold),
    ];
}
