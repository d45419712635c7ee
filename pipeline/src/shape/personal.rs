//! Pseudonyms for personal values: a keyed hash, or nothing where no key is configured.

use arrow::array::{Array, StringArray};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

const BLOCK: usize = 64;

/// Makes pseudonyms with one key.
pub(crate) struct Pseudonyms {
    pads: Option<([u8; BLOCK], [u8; BLOCK])>,
    key_id: String,
}

impl Pseudonyms {
    /// With the configured key, if there is one.
    pub(crate) fn new(key: Option<&Secret>) -> Self {
        let Some(key) = key.map(Secret::expose) else {
            return Self {
                pads: None,
                key_id: "none".to_owned(),
            };
        };
        let mut block = [0; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(key.as_bytes()));
        } else {
            block[..key.len()].copy_from_slice(key.as_bytes());
        }
        let key_id = Sha256::digest([b"marketlake key id:", key.as_bytes()].concat());
        Self {
            pads: Some((block.map(|byte| byte ^ 0x36), block.map(|byte| byte ^ 0x5c))),
            key_id: hex(&key_id[..8]),
        }
    }

    /// Names the key without telling it: part of the rules of tables with hashed columns.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// HMAC-SHA-256 of each value in hexadecimal; null without a key.
    pub(crate) fn of(&self, values: &StringArray) -> StringArray {
        let Some(pads) = &self.pads else {
            return StringArray::new_null(values.len());
        };
        values
            .iter()
            .map(|value| value.map(|value| hmac(pads, value.as_bytes())))
            .collect()
    }
}

fn hmac((inner, outer): &([u8; BLOCK], [u8; BLOCK]), message: &[u8]) -> String {
    let inner = Sha256::new().chain_update(inner).chain_update(message).finalize();
    hex(&Sha256::new().chain_update(outer).chain_update(inner).finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_the_standard_hmac() {
        // Test case 2 of RFC 4231.
        let pseudonyms = Pseudonyms::new(Some(&Secret::from("Jefe")));
        let hashed = pseudonyms.of(&StringArray::from(vec![
            Some("what do ya want for nothing?"),
            None,
        ]));
        assert_eq!(
            hashed.value(0),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(hashed.is_null(1));
    }

    #[test]
    fn without_a_key_nothing_is_kept() {
        assert!(
            Pseudonyms::new(None)
                .of(&StringArray::from(vec!["4242"]))
                .is_null(0)
        );
    }
}
