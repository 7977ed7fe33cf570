//! Keyed fingerprints of secret values: equal fingerprints mean equal values, and without the key nothing can be guessed.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::resource::{AppName, ObjectKey};
use crate::secret::SecretText;

/// Makes keyed fingerprints with a key derived from the master key.
#[derive(Clone)]
pub struct Fingerprinter {
    key: Zeroizing<[u8; 32]>,
}

impl Fingerprinter {
    /// Derives the fingerprint key from the master key.
    pub fn new(master_key: &SecretText) -> Self {
        let mut key = Zeroizing::new([0_u8; 32]);
        let expanded =
            Hkdf::<Sha256>::new(None, master_key.expose().as_bytes()).expand(b"hangar/v1/fingerprint", key.as_mut());
        debug_assert!(expanded.is_ok(), "32 bytes are within HKDF's limit");
        Self { key }
    }

    /// The fingerprint of `value` as the secret `name` of `app`: 16 hexadecimal characters. The same value under another name or
    /// in another app has another fingerprint.
    pub fn fingerprint(&self, app: &AppName, name: &str, value: &SecretText) -> String {
        self.of_parts(&[app.as_str(), name, value.expose()])
    }

    /// The fingerprint of `value` as the secret field `name` of an object at another provider.
    pub fn of_object(&self, key: &ObjectKey, name: &str, value: &SecretText) -> String {
        self.of_parts(&[&key.to_string(), name, value.expose()])
    }

    fn of_parts(&self, parts: &[&str]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_ref()) else {
            return String::new();
        };
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex::encode(mac.finalize().into_bytes().get(..8).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter([REDACTED])")
    }
}
