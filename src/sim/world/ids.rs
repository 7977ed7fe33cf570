//! Identifiers, all derived from the seed and a counter, so that a run repeats and a restored simulator goes on where it was.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ALPHANUMERIC: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Mints identifiers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ids {
    seed: u64,
    drawn: u64,
}

impl Ids {
    pub(crate) const fn from_seed(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// 32 bytes that look random.
    fn draw(&mut self) -> [u8; 32] {
        self.drawn = self.drawn.saturating_add(1);
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.drawn.to_be_bytes());
        hash.finalize().into()
    }

    /// `count` (at most 32) characters of `alphabet`.
    fn text(&mut self, count: usize, alphabet: &[u8]) -> String {
        let length = alphabet.len().max(1);
        self.draw()
            .iter()
            .take(count)
            .filter_map(|byte| alphabet.get(usize::from(*byte) % length))
            .map(|byte| char::from(*byte))
            .collect()
    }

    /// `count` (at most 32) lower-case hexadecimal characters.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        self.text(count, b"0123456789abcdef")
    }

    /// `count` (at most 32) lower-case letters and digits.
    pub(crate) fn alphanumeric(&mut self, count: usize) -> String {
        self.text(count, ALPHANUMERIC)
    }

    /// A number below 2^31.
    pub(crate) fn number(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.draw();
        u32::from_be_bytes([a & 0x7f, b, c, d])
    }

    /// A ULID of the moment `at`: 10 characters of time, 16 of randomness.
    pub(crate) fn ulid(&mut self, at: DateTime<Utc>) -> String {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        let time: String = (0..10_u32)
            .rev()
            .filter_map(|place| {
                let digit = (millis >> (place * 5)) & 31;
                usize::try_from(digit).ok().and_then(|digit| CROCKFORD.get(digit)).map(|byte| char::from(*byte))
            })
            .collect();
        time + &self.text(16, CROCKFORD)
    }

    /// A name such as `bold-river-4711`, for machines that were given none.
    pub(crate) fn machine_name(&mut self) -> String {
        const ADJECTIVES: [&str; 8] = ["bold", "calm", "dark", "green", "late", "misty", "quiet", "young"];
        const NOUNS: [&str; 8] = ["bird", "cloud", "field", "moon", "pond", "river", "snow", "tree"];
        let [first, second, high, low, ..] = self.draw();
        let pick = |words: &[&'static str; 8], byte: u8| words.get(usize::from(byte % 8)).copied().unwrap_or("plain");
        let number = u16::from_be_bytes([high, low]) % 10_000;
        format!("{}-{}-{number:04}", pick(&ADJECTIVES, first), pick(&NOUNS, second))
    }
}
