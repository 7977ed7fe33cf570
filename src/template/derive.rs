//! Secrets that are derived instead of stored: the same on every machine and every pass, unguessable without the master key.

use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// How long a master key must be, in characters. `openssl rand -hex 32` makes 64, which hold 256 bits.
pub const MASTER_KEY_MINIMUM: usize = 32;
/// The longest secret that is generated, in characters.
const LONGEST: usize = 1024;
/// Bytes drawn from the stream at a time.
const BLOCK: usize = 64;

/// The characters of a generated secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `A-Z`, `a-z`, `0-9`.
    Alphanumeric,
    /// `0-9`, `a-f`.
    Hex,
    /// `A-Z`, `a-z`, `0-9`, `-`, `_`.
    Base64Url,
    /// `a-z`, `0-9`.
    Lowercase,
}

impl Charset {
    const fn characters(self) -> &'static str {
        match self {
            Self::Alphanumeric => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            Self::Hex => "0123456789abcdef",
            Self::Base64Url => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
            Self::Lowercase => "abcdefghijklmnopqrstuvwxyz0123456789",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Alphanumeric => "alphanumeric",
            Self::Hex => "hex",
            Self::Base64Url => "base64url",
            Self::Lowercase => "lowercase",
        }
    }
}

/// Whose secret it is: every part changes the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretIdentity<'a> {
    /// The controller.
    pub owner: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The component.
    pub component: &'a str,
    /// The secret's name.
    pub name: &'a str,
    /// Raised to rotate the secret.
    pub generation: u64,
}

/// Why no secret can be derived.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GenerateError {
    /// The master key could be guessed.
    #[error(
        "the master key has {found} characters, at least {MASTER_KEY_MINIMUM} are needed; make one with `openssl rand -hex 32`"
    )]
    ShortMasterKey {
        /// How many characters it has.
        found: usize,
    },
    /// Nobody needs that.
    #[error("a generated secret has 1 to {LONGEST} characters, not {0}")]
    Length(usize),
}

/// Derives a secret of `length` characters.
///
/// HKDF-SHA256 (RFC 5869) turns the master key and the identity into a stream of bytes; a byte that would favour some characters is
/// skipped, so every character is equally likely.
pub fn generate(
    master_key: &SecretText,
    identity: &SecretIdentity<'_>,
    charset: Charset,
    length: usize,
) -> Result<SecretText, GenerateError> {
    let found = master_key.expose().chars().count();
    if found < MASTER_KEY_MINIMUM {
        return Err(GenerateError::ShortMasterKey { found });
    }
    if !(1..=LONGEST).contains(&length) {
        return Err(GenerateError::Length(length));
    }
    let characters = charset.characters().as_bytes();
    let count = characters.len();
    // The largest multiple of `count` that a byte can be below.
    let fair = 256_usize.saturating_sub(256_usize.checked_rem(count).unwrap_or(0));
    let hkdf = Hkdf::<Sha256>::new(None, master_key.expose().as_bytes());
    let info = info(identity, charset, length);
    let mut secret = Zeroizing::new(String::with_capacity(length));
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    let mut counter = 0_u32;
    while secret.len() < length {
        let expanded = hkdf.expand_multi_info(&[&info, &counter.to_be_bytes()], block.as_mut());
        debug_assert!(expanded.is_ok(), "64 bytes are within HKDF's limit");
        counter = counter.saturating_add(1);
        let usable = block.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        for byte in usable.take(length.saturating_sub(secret.len())) {
            let index = byte.checked_rem(count).unwrap_or(0);
            secret.extend(characters.get(index).map(|character| char::from(*character)));
        }
    }
    Ok(SecretText::new(secret.as_str()))
}

/// HKDF's context: every part with its length before it, so that no two identities read alike.
fn info(identity: &SecretIdentity<'_>, charset: Charset, length: usize) -> Vec<u8> {
    let mut info = b"hangar/v1/secret".to_vec();
    let parts = [
        identity.owner,
        identity.environment,
        identity.component,
        identity.name,
        &identity.generation.to_string(),
        charset.name(),
        &length.to_string(),
    ];
    for part in parts {
        info.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        info.extend(part.as_bytes());
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const IDENTITY: SecretIdentity<'_> = SecretIdentity {
        owner: "acme",
        environment: "staging",
        component: "server",
        name: "WORKER_SECRET",
        generation: 1,
    };

    fn make(identity: &SecretIdentity<'_>, charset: Charset, length: usize) -> String {
        generate(&KEY.into(), identity, charset, length).unwrap().expose().to_owned()
    }

    /// Computed apart from this code, with HMAC-SHA256 by hand after RFC 5869. These may never change: live secrets would rotate.
    #[test]
    fn the_derivation_is_fixed() {
        for (charset, length, expected) in [
            (Charset::Alphanumeric, 32, "EhdOwUdzRJaZd9el4sFHPOLxHBqyyk31"),
            (Charset::Hex, 64, "b97d2283a7b80dcf4b015a54b0d9818ca6c9967311fea1d89992c741796b5288"),
            (Charset::Base64Url, 43, "O_rh5fIaEvlVAKuPkpr7e0FbBvq4jVqBiUhVemzBWyz"),
            (
                Charset::Lowercase,
                100,
                "nbmlw8tx58pjs5sib15rvpi00ocu626o8eipowzb24b2x3hhlpr4nhzhk9echpewgtsae665yh4oiksgs2ferdsmettskmcy98ll",
            ),
        ] {
            assert_eq!(make(&IDENTITY, charset, length), expected);
        }
    }

    #[test]
    fn every_part_of_the_identity_changes_the_value() {
        let changed = [
            SecretIdentity { owner: "acm", ..IDENTITY },
            SecretIdentity { environment: "production", ..IDENTITY },
            SecretIdentity { component: "worker", ..IDENTITY },
            SecretIdentity { name: "OTHER", ..IDENTITY },
            SecretIdentity { generation: 2, ..IDENTITY },
            SecretIdentity { owner: "acmes", environment: "taging", ..IDENTITY },
        ];
        let mut values: Vec<String> = changed.iter().map(|each| make(each, Charset::Alphanumeric, 32)).collect();
        values.push(make(&IDENTITY, Charset::Alphanumeric, 32));
        values.sort();
        values.dedup();
        assert_eq!(values.len(), changed.len() + 1);
        let shorter = make(&IDENTITY, Charset::Alphanumeric, 16);
        assert!(!make(&IDENTITY, Charset::Alphanumeric, 32).starts_with(&shorter));
    }

    #[test]
    fn every_character_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for generation in 0..100 {
            for character in make(&SecretIdentity { generation, ..IDENTITY }, Charset::Lowercase, 1000).chars() {
                *counts.entry(character).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(counts.len(), 36);
        // 100 000 draws over 36 characters: 2778 each, with a standard deviation of 52. Without the skipping, the first four would be
        // drawn 8 times in 256 and the others 7 times: 3125 and 2734.
        assert!(counts.values().all(|count| (2778 - 260..=2778 + 260).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_short_master_key_and_silly_lengths_are_refused() {
        assert_eq!(
            generate(&"short".into(), &IDENTITY, Charset::Hex, 8).unwrap_err(),
            GenerateError::ShortMasterKey { found: 5 }
        );
        for length in [0, LONGEST + 1] {
            assert_eq!(
                generate(&KEY.into(), &IDENTITY, Charset::Hex, length).unwrap_err(),
                GenerateError::Length(length)
            );
        }
    }
}
