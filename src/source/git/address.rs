//! The address of a repository, apart from the credentials in it.

use std::fmt::{Debug, Display, Formatter};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::secret::{REDACTED, SecretText};
use crate::source::SourceError;

/// Protocols that are known to be safe with an address from a file. `ext::` and its like run programs.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

/// Where a repository is. Shows no credentials.
#[derive(Clone)]
pub(super) struct Address {
    /// The address as git gets it, without credentials: arguments of a process can be seen by everybody on the machine.
    public: String,
    /// What goes into the `Authorization` header instead.
    authorization: Option<SecretText>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, SourceError> {
        let refused = |reason| Err(SourceError::Setting { field: "url", reason });
        if text.is_empty() {
            return refused("is empty");
        }
        if text.starts_with('-') {
            return refused("begins with `-`, which no address does");
        }
        if text.chars().any(char::is_control) {
            return refused("has a control character in it");
        }
        let head = text.split('/').next().unwrap_or(text);
        if head.contains("::") && !head.contains('[') {
            return refused("names a helper program; give an https, http, ssh, git or file address, or a local path");
        }
        if text.contains("://") {
            return Self::from_url(text);
        }
        if head.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
            return refused("has a password in an address without `https://`; use ssh keys, or an https address");
        }
        Ok(Self { public: text.to_owned(), authorization: None })
    }

    fn from_url(text: &str) -> Result<Self, SourceError> {
        let refused = |reason| Err(SourceError::Setting { field: "url", reason });
        let Ok(mut url) = Url::parse(text) else {
            return refused("is not an address; an example is https://github.com/acme/deploy.git");
        };
        if !SCHEMES.contains(&url.scheme()) {
            return refused("has an unknown protocol; use https, http, ssh, git or file");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refused(
                "has a `?` or `#`; give credentials as https://user:token@host/ or to git's credential helper",
            );
        }
        let has_user = !url.username().is_empty();
        if !matches!(url.scheme(), "https" | "http") {
            if url.password().is_some() {
                return refused("has a password, which works only for https; use ssh keys");
            }
            // As it was written: git and the URL standard disagree on details of file paths.
            return Ok(Self { public: text.to_owned(), authorization: None });
        }
        if !has_user && url.password().is_none() {
            return Ok(Self { public: text.to_owned(), authorization: None });
        }
        let user = decoded(url.username());
        let password = decoded(url.password().unwrap_or_default());
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return refused("has credentials where there cannot be any");
        }
        let basic = SecretText::new(STANDARD.encode([user.as_slice(), b":", password.as_slice()].concat()));
        let authorization = Some(SecretText::new(format!("Authorization: Basic {}", basic.expose())));
        Ok(Self { public: url.into(), authorization })
    }

    /// The address without credentials, for git's arguments.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// The setting that gives git the credentials for this address and no other.
    pub(super) fn credentials(&self) -> Option<(String, SecretText)> {
        let header = self.authorization.clone()?;
        Some((format!("http.{}.extraHeader", self.public), header))
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redact(&self.public))
    }
}

impl Debug for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({self})")
    }
}

/// The text without what stands between `://` and `@` in it. Settings such as `url.<base>.insteadOf` can bring credentials into the
/// messages of git that were never in ours.
pub(super) fn redact(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown.push_str("://");
        let end = piece.find(|c: char| c == '/' || c.is_whitespace() || "'\"`".contains(c)).unwrap_or(piece.len());
        match piece.split_at_checked(end) {
            Some((authority, rest)) => {
                match authority.rsplit_once('@') {
                    // A bare user name of ssh is no secret, and tells people which address is meant.
                    Some(("git", _)) | None => shown.push_str(authority),
                    Some((_, host)) => shown.extend([REDACTED, "@", host]),
                }
                shown.push_str(rest);
            }
            None => shown.push_str(REDACTED),
        }
    }
    shown
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let escaped = (byte == b'%').then(|| Some((hex_digit(ahead.next()?)?, hex_digit(ahead.next()?)?))).flatten();
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                bytes = ahead;
            }
            None => decoded.push(byte),
        }
    }
    decoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn credentials_go_into_a_header_and_out_of_sight() {
        let address = parsed("https://robot:s3cr%2Ft@git.example.com/acme/deploy.git");
        assert_eq!(address.public(), "https://git.example.com/acme/deploy.git");
        let (key, header) = address.credentials().unwrap();
        assert_eq!(key, "http.https://git.example.com/acme/deploy.git.extraHeader");
        assert_eq!(header.expose(), "Authorization: Basic cm9ib3Q6czNjci90");
        assert_eq!(
            format!("{address} {address:?}"),
            "https://git.example.com/acme/deploy.git Address(https://git.example.com/acme/deploy.git)"
        );
        assert_eq!(parsed("https://ghp_token@github.com/a/b").public(), "https://github.com/a/b");
    }

    #[test]
    fn addresses_without_credentials_stay_as_they_are() {
        for text in [
            "https://github.com/acme/deploy.git",
            "ssh://git@github.com/acme/deploy.git",
            "git@github.com:acme/deploy.git",
            "file:///srv/deploy.git",
            "/srv/deploy.git",
            "../deploy.git",
            "[::1]:deploy.git",
        ] {
            let address = parsed(text);
            assert_eq!((address.public(), address.to_string().as_str()), (text, text));
            assert!(address.credentials().is_none());
        }
    }

    #[test]
    fn what_git_could_take_for_an_option_or_a_program_is_refused_without_being_shown() {
        for text in [
            "",
            "--upload-pack=touch hunter2",
            "ext::sh -c hunter2",
            "ssh://git:hunter2@host/x",
            "robot:hunter2@host:x",
            "ftp://hunter2@host/x",
            "https://host/x?token=hunter2",
            "https://:bad:hunter2",
            "a\nhunter2",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(matches!(error, SourceError::Setting { field: "url", .. }), "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn messages_of_git_are_cleared_of_credentials() {
        let message = "fatal: unable to access 'https://u:hunter2@h/x/': a@b; see https://h/y and https://hunter2@h";
        assert_eq!(
            redact(message),
            "fatal: unable to access 'https://[REDACTED]@h/x/': a@b; see https://h/y and https://[REDACTED]@h"
        );
    }
}
