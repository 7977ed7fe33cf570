//! API tokens and the `Authorization` header made from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::secret::SecretText;

/// A provider's API token, with the name under which people know it.
#[derive(Debug, Clone)]
pub struct Token {
    label: String,
    value: SecretText,
    /// Whose password it is, where it is one.
    username: Option<String>,
}

/// Why a text cannot be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is nothing in it.
    #[error("the token in `{label}` is empty: set it to the text that the provider gave you")]
    Empty {
        /// Where the token was read from.
        label: String,
    },
    /// It cannot be put into a header.
    #[error(
        "the token in `{label}` has characters that no token has (a line break, or a letter outside ASCII): copy it again"
    )]
    Unsendable {
        /// Where the token was read from.
        label: String,
    },
}

impl Token {
    /// A token that was read from `label` (an environment variable or file name, used in messages and as the key of rate limits).
    /// White space around it is dropped.
    pub fn new(label: impl Into<String>, value: &str) -> Result<Self, TokenError> {
        let label = label.into();
        let value = value.trim();
        if value.is_empty() {
            return Err(TokenError::Empty { label });
        }
        if !value.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Err(TokenError::Unsendable { label });
        }
        Ok(Self { label, value: SecretText::new(value), username: None })
    }

    /// No token at all, for what everybody may ask; `label` is the key of rate limits.
    pub fn anonymous(label: impl Into<String>) -> Self {
        Self { label: label.into(), value: SecretText::default(), username: None }
    }

    /// A user's name and password, sent as RFC 7617 says. `label` names where the password was read from.
    pub fn basic(label: impl Into<String>, username: &str, password: &SecretText) -> Self {
        Self { label: label.into(), value: password.clone(), username: Some(username.to_owned()) }
    }

    /// The same token as the password of `username`.
    #[must_use]
    pub fn as_password_of(&self, username: &str) -> Self {
        let value = self.value.expose();
        Self::basic(&self.label, username, &SecretText::new(value.strip_prefix("FlyV1 ").unwrap_or(value)))
    }

    /// The name under which people know this token. Not secret.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Tells this token from another one without showing it: a hash.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.value.expose()))
    }

    /// The token itself.
    pub(super) const fn value(&self) -> &SecretText {
        &self.value
    }

    /// The value of the `Authorization` header, if one is to be sent.
    ///
    /// Most providers want `Bearer`. Fly's macaroons go as `FlyV1`, with only the macaroons of a bundle (its official client does
    /// the same); a text that already begins with `FlyV1 ` is sent as it is.
    pub(super) fn authorization(&self) -> Option<SecretText> {
        let value = self.value.expose();
        if let Some(username) = &self.username {
            return Some(SecretText::new(format!("Basic {}", STANDARD.encode(format!("{username}:{value}")))));
        }
        if value.is_empty() {
            return None;
        }
        if value.starts_with("FlyV1 ") || value.starts_with("Bearer ") {
            return Some(self.value.clone());
        }
        let macaroons: Vec<&str> = value.split(',').map(str::trim).filter(|part| is_macaroon(part)).collect();
        if macaroons.is_empty() {
            return Some(SecretText::new(format!("Bearer {value}")));
        }
        Some(SecretText::new(format!("FlyV1 {}", macaroons.join(","))))
    }
}

/// Fly's macaroons begin with `fm1r_`, `fm1a_` or `fm2_`.
fn is_macaroon(part: &str) -> bool {
    part.starts_with("fm1") || part.starts_with("fm2_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> String {
        Token::new("FLY_TOKEN", value).unwrap().authorization().unwrap().expose().to_owned()
    }

    #[test]
    fn the_header_has_the_form_that_the_token_asks_for() {
        assert_eq!(header("sim_abc"), "Bearer sim_abc");
        assert_eq!(header(" fo1_abc\n"), "Bearer fo1_abc");
        assert_eq!(header("fm2_abc"), "FlyV1 fm2_abc");
        assert_eq!(header("fm1r_a,fm1a_b"), "FlyV1 fm1r_a,fm1a_b");
        assert_eq!(header("fo1_user,fm2_abc"), "FlyV1 fm2_abc");
        assert_eq!(header("FlyV1 fm2_abc"), "FlyV1 fm2_abc");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_being_shown() {
        assert_eq!(Token::new("T", " \n").unwrap_err(), TokenError::Empty { label: "T".into() });
        let error = Token::new("T", "abc\ndef").unwrap_err();
        assert_eq!(error, TokenError::Unsendable { label: "T".into() });
        assert!(!error.to_string().contains("abc"));
    }

    #[test]
    fn a_name_with_a_password_is_sent_as_such_and_nothing_is_not_sent() {
        // RFC 7617, section 2.
        let basic = Token::basic("REGISTRY", "Aladdin", &SecretText::new("open sesame"));
        assert_eq!(basic.authorization().unwrap().expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(Token::anonymous("everybody").authorization().is_none());
    }

    #[test]
    fn debug_shows_the_label_and_never_the_value() {
        assert_eq!(
            format!("{:?}", Token::new("T", "abc").unwrap()),
            r#"Token { label: "T", value: [REDACTED], username: None }"#
        );
    }
}
