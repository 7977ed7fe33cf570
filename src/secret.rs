//! A text that must never be seen.
//!
//! Secret values, tokens and lease nonces live in [`SecretText`]: it cannot be printed, compared or serialised by accident, and
//! its memory is wiped when it is dropped. Whoever needs the characters says so with [`SecretText::expose`].

use std::fmt::{Debug, Display, Formatter};

use zeroize::Zeroizing;

/// What is shown in place of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// A text whose characters are never printed. Wiped from memory on drop.
#[derive(Clone, Default)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes `text` out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The characters themselves. Every caller is a place to look at when hunting a leak.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no character at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl Debug for SecretText {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Display for SecretText {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_a_character() {
        let secret = SecretText::new("hunter2-hunter2");
        assert_eq!(format!("{secret}|{secret:?}|{:?}", Some(&secret)), "[REDACTED]|[REDACTED]|Some([REDACTED])");
        assert_eq!(secret.expose(), "hunter2-hunter2");
    }
}
