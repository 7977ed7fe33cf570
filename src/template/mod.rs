//! Expressions in spec values, secret derivation and fingerprints.

mod fingerprint;

pub use fingerprint::Fingerprinter;
