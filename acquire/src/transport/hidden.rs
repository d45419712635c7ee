//! Texts that nobody is shown.

use std::sync::{PoisonError, RwLock};

/// What stands in the place of one.
const MASK: &str = "****";
/// Shorter ones would hide parts of ordinary words.
const SHORTEST: usize = 6;

/// Secrets that were used until now.
#[derive(Default)]
pub(crate) struct Hidden(RwLock<Vec<String>>);

impl Hidden {
    /// Hides a text from here on.
    pub(crate) fn keep(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if secret.len() >= SHORTEST && !known.iter().any(|text| text == secret) {
            known.push(secret.to_owned());
            // A longer one first, which a shorter one may be a part of.
            known.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
    }

    /// The text without secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}
