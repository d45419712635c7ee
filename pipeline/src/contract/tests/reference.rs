//! Whether docs/contracts.md lists what a contract can say.

use super::super::{LINEAGE, Personal, Pick, Unknown, Zone};
use super::*;
use crate::contract::read::draft::keys;

const REFERENCE: &str = include_str!("../../../../docs/contracts.md");

#[test]
fn every_key_word_lineage_field_and_code_is_in_the_reference() {
    fn words<T: Word>() -> impl Iterator<Item = &'static str> {
        T::WORDS.iter().map(|(word, _)| *word)
    }
    let named = keys().into_iter().chain(LINEAGE);
    let words = words::<Charset>()
        .chain(words::<Header>())
        .chain(words::<Unknown>())
        .chain(words::<Zone>())
        .chain(words::<Personal>())
        .chain(words::<Pick>())
        .chain(words::<Otherwise>());
    for name in named.chain(words) {
        let is_there = [format!("`{name}`"), format!("\"{name}\""), format!("`{name} ")]
            .iter()
            .any(|shown| REFERENCE.contains(shown));
        assert!(is_there, "{name}");
    }
    for code in Code::ALL {
        assert!(REFERENCE.contains(code.as_str()), "{code}");
    }
}
