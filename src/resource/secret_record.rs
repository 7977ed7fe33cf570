//! What a machine's metadata remembers of an app's secrets: enough to know whether they are right, never what they are.

use std::collections::BTreeMap;
use std::fmt;

/// One secret as it was last written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedSecret {
    /// Keyed fingerprint of the value that was written (16 hexadecimal characters).
    pub fingerprint: String,
    /// Short hash of the digest that Fly reported for it, so that a change made by someone else is noticed.
    pub digest: String,
}

/// The secrets that a machine has taken, by name: `NAME=fingerprint.digest,…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretRecord(pub BTreeMap<String, RecordedSecret>);

impl SecretRecord {
    /// Reads what [`fmt::Display`] wrote; what cannot be read is left out, and then counts as not written by us.
    pub fn parse(text: &str) -> Self {
        Self(
            text.split(',')
                .filter_map(|entry| {
                    let (name, rest) = entry.split_once('=')?;
                    let (fingerprint, digest) = rest.split_once('.')?;
                    Some((
                        name.to_owned(),
                        RecordedSecret { fingerprint: fingerprint.to_owned(), digest: digest.to_owned() },
                    ))
                })
                .collect(),
        )
    }
}

impl fmt::Display for SecretRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, secret)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={}.{}", secret.fingerprint, secret.digest)?;
        }
        Ok(())
    }
}

/// The short hash under which a digest that Fly reported is recorded.
pub fn short_digest(reported: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(reported.as_bytes()).get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_survives_a_round_trip() {
        let text = "A=00aa.11bb,B_C=22cc.33dd";
        assert_eq!(SecretRecord::parse(text).to_string(), text);
        assert_eq!(SecretRecord::parse("").0.len(), 0);
        assert_eq!(SecretRecord::parse("garbage,A=x,B=1.2").to_string(), "B=1.2");
    }
}
